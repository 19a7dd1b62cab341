"""The naive way: everything is created and fetched for each request."""

import json

import boto3
import job


def handler(event, _context):
    """Answer API Gateway's event (payload format 2.0)."""
    answer = boto3.client("secretsmanager").get_secret_value(SecretId=job.SECRET_ID)
    secrets = json.loads(answer["SecretString"])
    try:
        data = job.verify(event["headers"]["token"], secrets)
    except job.Refused:
        return {"statusCode": 401, "body": ""}
    mine = job.claim(boto3.client("dynamodb"), data, event["body"].encode())
    details = json.loads(event["body"])["data"]
    job.limit(boto3.client("dynamodb"), mine, details["email"])
    job.send(boto3.client("sesv2"), mine.event, details["email"], details["url"])
    job.remember(boto3.client("dynamodb"), mine)
    return {"statusCode": 200, "body": json.dumps({"status": "sent"})}
