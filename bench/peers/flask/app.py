"""Flask under apig-wsgi, written as in "Quickstart" and apig-wsgi's README."""

import json
from functools import cache

import boto3
import job
from apig_wsgi import make_lambda_handler
from flask import Flask, abort, request

app = Flask(__name__)
ses = boto3.client("sesv2")
dynamodb = boto3.client("dynamodb")
secretsmanager = boto3.client("secretsmanager")


@cache
def get_secrets():
    """Fetch the secrets, once."""
    answer = secretsmanager.get_secret_value(SecretId=job.SECRET_ID)
    return json.loads(answer["SecretString"])


@app.post("/webhook")
def webhook():
    """Answer one event."""
    try:
        token = job.verify(request.headers["token"], get_secrets())
    except job.Refused:
        abort(401)
    mine = job.claim(dynamodb, token, request.get_data())
    details = request.get_json()["data"]
    job.limit(dynamodb, mine, details["email"])
    job.send(ses, mine.event, details["email"], details["url"])
    job.remember(dynamodb, mine)
    return {"status": "sent"}


handler = make_lambda_handler(app)
