"""The job of every peer as a plain script: the token, the calls to AWS, a fixed email.

No peer checks a link, chooses a brand or a language, keeps a deadline or writes a log line. Each
makes the calls to AWS that the receiver makes, with as much in them; MEMORY and LIMITS can leave
some out.
"""

import base64
import hashlib
import html
import os
import uuid
from datetime import UTC, datetime

from Crypto.Cipher import AES
from Crypto.Util.Padding import unpad

SECRET_ID, TABLE = os.environ["SECRET_ID"], os.environ["TABLE_NAME"]
CONFIGURATION_SET = os.environ["CONFIGURATION_SET"]
MAX_AGE = int(os.environ["TOKEN_MAX_AGE"])
MEMORY, LIMITS = os.environ["MEMORY"] == "true", os.environ["LIMITS"] == "true"

SENDER = "Example <hello@brand.example>"
# As long as the receiver's, since most of what a call costs depends on its length.
LAYOUT = '<table role="presentation" width="100%"><tr><td>&nbsp;</td></tr></table>\n' * 200
HTML = f"""<!doctype html><html><body>{LAYOUT}<h1>Your design is saved</h1>
<p><a href="{{link}}">Open your design</a></p></body></html>"""
TEXT = "Your design is saved: {link}"


class Refused(Exception):
    """The recipient must not get an email."""


def verify(header, secrets):
    """Return the ciphertext of a valid token."""
    try:
        data = base64.b64decode(header.removeprefix("01-"), validate=True)
    except ValueError:
        raise Refused from None
    for api_key, secret in secrets.items():
        try:
            text = unpad(AES.new(secret.encode(), AES.MODE_CBC, iv=bytes(16)).decrypt(data), 16)
            timestamp, _, key = text.decode().split(";")
            age = datetime.now(UTC) - datetime.fromisoformat(timestamp)
        except ValueError:
            continue
        if key == api_key and abs(age.total_seconds()) <= MAX_AGE:
            return data
    raise Refused


def claim(dynamodb, data, body):
    """Record a token; fails if it was seen before."""
    if not MEMORY:
        return None
    key = {"S": f"token#{hashlib.sha256(data[:32]).hexdigest()}"}
    dynamodb.put_item(
        TableName=TABLE,
        Item={
            "key": key,
            "body": {"B": hashlib.sha256(body).digest()},
            "expires": {"N": str(int(datetime.now(UTC).timestamp()) + 7 * 86_400)},
        },
        ConditionExpression="attribute_not_exists(#key)",
        ExpressionAttributeNames={"#key": "key"},
    )
    return key


def limit(dynamodb, recipient):
    """Count the email for the recipient and for the stack."""
    if not LIMITS:
        return
    hour = datetime.now(UTC).strftime("%Y%m%d%H")
    who = hashlib.sha256(recipient.lower().encode()).hexdigest()
    expires = {"N": str(int(datetime.now(UTC).timestamp()) + 7_200)}
    dynamodb.update_item(
        TableName=TABLE,
        Key={"key": {"S": f"limit#{who}#{hour}"}},
        UpdateExpression="ADD #places :mine SET #expires = :expires",
        ConditionExpression="attribute_not_exists(#places) OR size(#places) < :limit",
        ExpressionAttributeNames={"#places": "places", "#expires": "expires"},
        ExpressionAttributeValues={
            ":mine": {"SS": [uuid.uuid4().hex]},
            ":limit": {"N": "20"},
            ":expires": expires,
        },
    )
    dynamodb.update_item(
        TableName=TABLE,
        Key={"key": {"S": f"cap#{hour}"}},
        UpdateExpression="ADD #taken :one SET #expires = :expires",
        ConditionExpression="attribute_not_exists(#taken) OR #taken < :limit",
        ExpressionAttributeNames={"#taken": "taken", "#expires": "expires"},
        ExpressionAttributeValues={
            ":one": {"N": "1"},
            ":limit": {"N": "10000"},
            ":expires": expires,
        },
    )


def send(ses, recipient, link):
    """Send the email."""
    ses.send_email(
        FromEmailAddress=SENDER,
        Destination={"ToAddresses": [recipient]},
        Content={
            "Simple": {
                "Subject": {"Data": "Your design is saved"},
                "Body": {
                    "Html": {"Data": HTML.format(link=html.escape(link))},
                    "Text": {"Data": TEXT.format(link=link)},
                },
            }
        },
        ConfigurationSetName=CONFIGURATION_SET,
    )


def remember(dynamodb, key):
    """Record the answer."""
    if not MEMORY:
        return
    dynamodb.update_item(
        TableName=TABLE,
        Key={"key": key},
        UpdateExpression="SET #status = :status",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":status": {"N": "200"}},
    )
