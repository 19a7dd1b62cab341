"""Queue in -> email out: wires the mailer to its environment."""

import gc

# While modules load, collecting garbage finds almost nothing and takes a twentieth of a cold start.
gc.disable()

import os
from typing import Any

from roomle_mail.aws import Clients, reseed_after_restore

# Before Powertools is imported, which would add to each call's User-Agent in 1 % of a warm event.
clients = Clients()

from roomle_mail.credentials import CredentialStore
from roomle_mail.delivery import SesSender
from roomle_mail.designs import Designs
from roomle_mail.emails import Catalog
from roomle_mail.mailer import Mailer, Queues, messages_of
from roomle_mail.settings import Settings
from roomle_mail.telemetry import logger

settings = Settings.from_environment(os.environ)
catalog = Catalog.load()
mailer = Mailer(
    settings=settings,
    catalog=catalog,
    dynamodb=clients.dynamodb,
    sender=SesSender(clients.ses, settings.configuration_set),
    queues=Queues(lambda: clients.sqs, settings.queue_url, settings.dead_letter_queue_url),
    designs=Designs.by(settings),
    # Made here, because no other thread may make a client.
    credentials=CredentialStore(
        clients.secrets,
        settings.secret_id,
        overlap=settings.secret_overlap,
        allow_published=settings.local_stack,
        warn=lambda problem: logger.error("the secret is unusable", problem=problem),
    ),
)
reseed_after_restore(os.environ)
# What is there now stays, so that no collection looks at it again.
gc.freeze()
gc.enable()


# False also overrides Powertools' environment variable that would log the whole event.
@logger.inject_lambda_context(clear_state=True, log_event=False)
def handler(event: object, _context: object) -> dict[str, Any]:
    """Tell Lambda which messages stay in the queue (its page on ReportBatchItemFailures)."""
    messages = messages_of(event, queue_url=settings.queue_url)
    if not messages:
        logger.info("ignored")
    stay = [message for message in messages if not mailer.process(message)]
    return {"batchItemFailures": [{"itemIdentifier": message.id} for message in stay]}
