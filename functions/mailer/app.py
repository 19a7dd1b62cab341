"""Queue in -> email out: what the receiver queued is sent once, tried again, or moved aside."""

from __future__ import annotations

import gc
import os
import time
from typing import TYPE_CHECKING, Any

from roomle_mail import events
from roomle_mail.clients import Clients
from roomle_mail.delivery import Queued, SesSender, send
from roomle_mail.emails import Catalog
from roomle_mail.once import Memory
from roomle_mail.queued import Message, Try
from roomle_mail.settings import Settings

if TYPE_CHECKING:
    from roomle_mail.queued import Result

settings = Settings.from_environment(os.environ)
clients = Clients()
catalog = Catalog.load()
sender = SesSender(clients.ses, settings.configuration_set)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer Lambda's poller with the messages that stay in the queue (ReportBatchItemFailures)."""
    failures = []
    for record in event["Records"]:
        message = Message.read(record)
        memory = Memory.open(clients.dynamodb, settings.table_name)
        if not Try(message, memory, settings, lambda: clients.sqs).make(deliver):
            failures.append({"itemIdentifier": message.id})
    return {"batchItemFailures": failures}
