"""Sends an email for each event in Roomle Mail's queue: once, and not if the event was withdrawn.

`send` is where your own mail system comes in. The rest keeps the rules of docs/consumer.md.
"""

import json
import logging
import os
import time
import uuid
from typing import Any

import boto3
from botocore.config import Config

# Seconds. Longer than the function's time-out, shorter than the queue's visibility time-out (180).
CLAIM_COUNTS_FOR = 120
REMEMBERED_FOR = 30 * 86_400
SENDABLE_FOR = 14 * 86_400

logger = logging.getLogger()
logger.setLevel(logging.INFO)
dynamodb = boto3.client("dynamodb")
# One call for each attempt: boto3 would send again after an answer that got lost.
ses = boto3.client(
    "sesv2", config=Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 1})
)


class StillClaimedError(Exception):
    """Another attempt is sending this event's email, or has just failed to."""


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Tell Lambda which messages stay in the queue (its page on ReportBatchItemFailures)."""
    stay = []
    for record in event["Records"]:
        try:
            consume(json.loads(record["body"]))
        except Exception as err:  # noqa: BLE001 (what fails in one message must not fail the others)
            # Only the class: an error's text may repeat the address.
            logger.error("message %s stays: %s", record["messageId"], type(err).__name__)  # noqa: TRY400
            stay.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": stay}


def consume(message: dict[str, Any]) -> None:
    """Send a message's email, unless nobody may; an exception leaves the message in the queue."""
    event_id, owner = message["id"], uuid.uuid4().hex
    if time.time() - message["received"] > SENDABLE_FOR:
        logger.warning("event %s is too old", event_id)
        return
    state = claim(event_id, owner)
    if state in ("sent", "withdrawn"):
        logger.info("event %s was %s before", event_id, state)
        return
    if state == "claimed":
        raise StillClaimedError
    try:
        send(message["event"], event_id)
    except Exception:
        # So that the next attempt need not wait until the claim lapses.
        change(event_id, owner, "SET #until = :value", {"N": "0"})
        raise
    logger.info("event %s is sent", event_id)
    try:
        change(event_id, owner, "SET #state = :value", {"S": "sent"})
    except Exception as err:  # noqa: BLE001 (the email is sent, so the message must not stay)
        logger.error("event %s: not remembered: %s", event_id, type(err).__name__)  # noqa: TRY400


def claim(event_id: str, owner: str) -> str | None:
    """Claim an event: None if it is ours now, else the state in which it is."""
    now = time.time()
    try:
        dynamodb.put_item(
            TableName=os.environ["TABLE_NAME"],
            Item={
                "key": {"S": f"event#{event_id}"},
                "owner": {"S": owner},
                "state": {"S": "claimed"},
                "until": {"N": str(now + CLAIM_COUNTS_FOR)},
                "expires": {"N": str(int(now + REMEMBERED_FOR))},
            },
            ConditionExpression="attribute_not_exists(#key)"
            " OR (#state = :claimed AND #until < :now)",
            ExpressionAttributeNames={"#key": "key", "#state": "state", "#until": "until"},
            ExpressionAttributeValues={":claimed": {"S": "claimed"}, ":now": {"N": str(now)}},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except dynamodb.exceptions.ConditionalCheckFailedException as err:
        found = err.response["Item"]
        # boto3 repeats a call whose answer got lost, and then finds its own item.
        return None if found["owner"]["S"] == owner else str(found["state"]["S"])
    return None


def change(event_id: str, owner: str, expression: str, value: dict[str, str]) -> None:
    """Change an event's item, unless another attempt has taken it over."""
    name = expression.split()[1]
    try:
        dynamodb.update_item(
            TableName=os.environ["TABLE_NAME"],
            Key={"key": {"S": f"event#{event_id}"}},
            UpdateExpression=expression,
            ConditionExpression="#owner = :owner",
            ExpressionAttributeNames={name: name.removeprefix("#"), "#owner": "owner"},
            ExpressionAttributeValues={":value": value, ":owner": {"S": owner}},
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        logger.warning("event %s was taken over", event_id)


def send(event: dict[str, Any], event_id: str) -> None:
    """Send the email, here by SES and in plain text. Replace this by your own mail system.

    Raise an exception if it was not sent. The tag joins SES's reports with the log of Roomle Mail.
    """
    data = event["data"]
    failed = data.get("success") is False
    link = data.get("resultUrl") or data.get("url")
    text = "It could not be prepared. Please try again." if failed else f"Here it is:\n{link}"
    ses.send_email(
        FromEmailAddress=os.environ["SENDER"],
        Destination={"ToAddresses": [data["email"]]},
        Content={"Simple": {"Subject": {"Data": "Your design"}, "Body": {"Text": {"Data": text}}}},
        ConfigurationSetName=os.environ["CONFIGURATION_SET"],
        EmailTags=[{"Name": "event", "Value": event_id}],
    )
