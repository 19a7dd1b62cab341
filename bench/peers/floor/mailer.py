"""Written by hand for the queue: each message is claimed, sent and recorded as sent."""

import json
import time

import boto3
import job

ses = boto3.client("sesv2")
dynamodb = boto3.client("dynamodb")


def handler(event, _context):
    """Tell Lambda's poller which messages stay in the queue."""
    stay = []
    for record in event["Records"]:
        try:
            mail(json.loads(record["body"]))
        except Exception as error:  # noqa: BLE001
            print(error)  # noqa: T201
            stay.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": stay}


def mail(message):
    """Send one email, once."""
    key = {"S": f"event#{message['id']}"}
    dynamodb.put_item(
        TableName=job.TABLE,
        Item={"key": key, "expires": {"N": str(int(time.time()) + 30 * 86_400)}},
        ConditionExpression="attribute_not_exists(#key)",
        ExpressionAttributeNames={"#key": "key"},
    )
    details = message["event"]["data"]
    job.send(ses, details["email"], details["url"])
    job.remember(dynamodb, key)
