"""HTTP in -> HTTP out: wires the receiver to its environment.

An answer of 300 or more makes Roomle send its own email (Roomle's page "Webhook"). So a failure
before SES or SQS has custody of the email gives such an answer, and a later failure does not.
"""

import gc

# While modules load, collecting garbage finds almost nothing and takes a twentieth of a cold start.
gc.disable()

import os
import time
from typing import Any

from roomle_mail.aws import Clients, reseed_after_restore

# Before Powertools is imported, which would add to each call's User-Agent in 1 % of a warm event.
clients = Clients()

from roomle_mail.credentials import CredentialStore
from roomle_mail.delivery import SesSender, SqsQueue
from roomle_mail.designs import Designs
from roomle_mail.emails import Catalog
from roomle_mail.publishing import Publisher
from roomle_mail.receiver import Receiver, Request, to_http
from roomle_mail.settings import Settings
from roomle_mail.telemetry import logger

settings = Settings.from_environment(os.environ)
catalog = Catalog.load()
receiver = Receiver(
    settings=settings,
    catalog=catalog,
    credentials=CredentialStore(
        clients.secrets,
        settings.secret_id,
        overlap=settings.secret_overlap,
        allow_published=settings.local_stack,
        warn=lambda problem: logger.error("the secret is unusable", problem=problem),
    ),
    dynamodb=clients.dynamodb,
    sender=SesSender(clients.ses, settings.configuration_set),
    queue=SqsQueue(lambda: clients.sqs, settings.queue_url),
    publisher=Publisher(
        lambda: clients.eventbridge, settings.event_bus, addresses=settings.publish_addresses
    )
    if settings.event_bus
    else None,
    designs=Designs.by(settings),
)
reseed_after_restore(os.environ)
# What is there now stays, so that no collection looks at it again.
gc.freeze()
gc.enable()
for parameter in settings.warnings:
    logger.warning("this parameter weakens the protection", parameter=parameter)


# False also overrides Powertools' environment variable that would log the whole event.
@logger.inject_lambda_context(clear_state=True, log_event=False)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer API Gateway's event (payload format 2.0)."""
    return to_http(receiver.process(Request.from_http(event, now=time.time())))
