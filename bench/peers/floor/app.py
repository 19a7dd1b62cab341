"""Written by hand: the clients and the secret are cached, and nothing else is handled."""

import json

import boto3
import job

ses = boto3.client("sesv2")
dynamodb = boto3.client("dynamodb")
secretsmanager = boto3.client("secretsmanager")
secrets = None


def handler(event, _context):
    """Answer API Gateway's event (payload format 2.0)."""
    global secrets  # noqa: PLW0603
    if secrets is None:
        answer = secretsmanager.get_secret_value(SecretId=job.SECRET_ID)
        secrets = json.loads(answer["SecretString"])
    try:
        data = job.verify(event["headers"]["token"], secrets)
    except job.Refused:
        return {"statusCode": 401, "body": ""}
    mine = job.claim(dynamodb, data, event["body"].encode())
    details = json.loads(event["body"])["data"]
    job.limit(dynamodb, mine, details["email"])
    job.send(ses, mine.event, details["email"], details["url"])
    job.remember(dynamodb, mine)
    return {"statusCode": 200, "body": json.dumps({"status": "sent"})}
