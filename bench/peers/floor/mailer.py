"""Written by hand for the queue: each message is claimed, sent and recorded as sent."""

import json
import time
import uuid

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
    owner, now = {"S": uuid.uuid4().hex}, time.time()
    dynamodb.put_item(
        TableName=job.TABLE,
        Item={
            "key": key,
            "owner": owner,
            "state": {"S": "claimed"},
            "expires": {"N": str(int(now) + 30 * 86_400)},
            "until": {"N": str(now + 120)},
        },
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
        ConditionExpression="attribute_not_exists(#key) OR (#state = :claimed AND #until < :now)",
        ExpressionAttributeNames={"#key": "key", "#state": "state", "#until": "until"},
        ExpressionAttributeValues={":claimed": {"S": "claimed"}, ":now": {"N": str(now)}},
    )
    details = message["event"]["data"]
    job.send(ses, message["id"], details["email"], details["url"])
    dynamodb.update_item(
        TableName=job.TABLE,
        Key={"key": key},
        UpdateExpression="SET #state = :sent",
        ConditionExpression="#owner = :owner",
        ExpressionAttributeNames={"#owner": "owner", "#state": "state"},
        ExpressionAttributeValues={":sent": {"S": "sent"}, ":owner": owner},
    )
