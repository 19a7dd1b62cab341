"""Queue in -> email out: what the receiver queued is sent once, tried again, or moved aside."""

# ruff: noqa: E402 (the collector is switched off first)
from __future__ import annotations

import gc

# Loading makes much and drops little: looking for it took 3 % of a cold start.
gc.disable()

import os
from typing import Any

from roomle_mail.aws import Clients, differ_after_restore
from roomle_mail.delivery import SesSender
from roomle_mail.emails import Catalog
from roomle_mail.idempotency import IdempotencyStore
from roomle_mail.mailer import Mailing, Message, Queues
from roomle_mail.settings import Settings

settings = Settings.from_environment(os.environ)
clients = Clients()
differ_after_restore(os.environ)
catalog = Catalog.load()
sender = SesSender(clients.ses, settings.configuration_set)
queues = Queues(lambda: clients.sqs, settings.queue_url, settings.dead_letter_queue_url)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Tell Lambda's poller which messages stay in the queue (ReportBatchItemFailures)."""
    stay = []
    for message in (Message.read(record) for record in event["Records"]):
        # A store of its own for each: the same event may come twice in one batch.
        store = IdempotencyStore.open(clients.dynamodb, settings.table_name)
        if not Mailing(message, store, queues).settle(catalog, sender):
            stay.append(message)
    return {"batchItemFailures": [{"itemIdentifier": message.id} for message in stay]}


# What is loaded by now stays, so the collector need not look at it at every event.
gc.freeze()
gc.enable()
