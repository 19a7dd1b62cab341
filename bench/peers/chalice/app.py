"""Chalice, as on its pages "Quickstart" and "Views". It serves REST APIs (payload format 1.0)."""

import json
from functools import cache

import boto3
import job
from chalice import Chalice, UnauthorizedError

app = Chalice(app_name="webhook")
ses = boto3.client("sesv2")
dynamodb = boto3.client("dynamodb")
secretsmanager = boto3.client("secretsmanager")


@cache
def get_secrets():
    """Fetch the secrets, once."""
    answer = secretsmanager.get_secret_value(SecretId=job.SECRET_ID)
    return json.loads(answer["SecretString"])


@app.route("/webhook", methods=["POST"])
def webhook():
    """Answer one event."""
    request = app.current_request
    try:
        token = job.verify(request.headers["token"], get_secrets())
    except job.Refused:
        raise UnauthorizedError from None
    mine = job.claim(dynamodb, token, request.raw_body)
    details = request.json_body["data"]
    job.limit(dynamodb, mine, details["email"])
    job.send(ses, mine.event, details["email"], details["url"])
    job.remember(dynamodb, mine)
    return {"status": "sent"}
