"""The job of every peer as a plain script: the token, the calls to AWS, a fixed email.

No peer checks a link, chooses a brand or a language, keeps a deadline or writes a log line. Each
makes the calls to AWS that the receiver makes, with the same parameters, attributes and conditions,
since most of what a call costs depends on what is in it. MEMORY and LIMITS can leave some out.
"""

import base64
import hashlib
import html
import os
import time
import uuid
from datetime import UTC, datetime
from typing import NamedTuple

from Crypto.Cipher import AES
from Crypto.Util.Padding import unpad

SECRET_ID, TABLE = os.environ["SECRET_ID"], os.environ["TABLE_NAME"]
CONFIGURATION_SET = os.environ["CONFIGURATION_SET"]
MAX_AGE = int(os.environ["TOKEN_MAX_AGE"])
MEMORY, LIMITS = os.environ["MEMORY"] == "true", os.environ["LIMITS"] == "true"

SENDER = "Example <hello@brand.example>"
REPLY_TO = "service@brand.example"
# As long as the receiver's, and with as many characters that aren't ASCII.
LAYOUT = '<table role="presentation" width="100%"><tr><td>&nbsp;</td></tr></table>\n' * 205
NOTICE = "If that wasn’t you, just ignore it."
HTML = f"""<!doctype html><html><body>{LAYOUT}<h1>Your design is saved</h1>
<p><a href="{{link}}">Open your design</a></p><p>{NOTICE}</p></body></html>"""
TEXT = f"Your design is saved: {{link}}\n{'Someone entered your address.\n' * 17}{NOTICE}"
HEADERS = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "OOF, AutoReply"}


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


class Claim(NamedTuple):
    """The key of a token's record, its owner, and the id of the event."""

    key: str
    owner: str
    event: str


def claim(dynamodb, data, body):
    """Record a token; fails if it was seen before."""
    mine = Claim(
        key=f"token#{hashlib.sha256(data[:32]).hexdigest()}",
        owner=uuid.uuid4().hex,
        event=hashlib.sha256(data + body).hexdigest()[:32],
    )
    if not MEMORY:
        return mine
    now, digest = time.time(), hashlib.sha256(body).digest()
    dynamodb.put_item(
        TableName=TABLE,
        Item={
            "key": {"S": mine.key},
            "owner": {"S": mine.owner},
            "body": {"B": digest},
            "event": {"S": mine.event},
            "claimed": {"N": str(now)},
            "expires": {"N": str(int(now) + 7 * 86_400)},
        },
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
        ConditionExpression=(
            "attribute_not_exists(#key) OR #expires < :now"
            " OR (attribute_exists(#again) AND #body = :body)"
        ),
        ExpressionAttributeNames={
            "#key": "key",
            "#expires": "expires",
            "#again": "again",
            "#body": "body",
        },
        ExpressionAttributeValues={":now": {"N": str(now)}, ":body": {"B": digest}},
    )
    return mine


def limit(dynamodb, mine, recipient):
    """Count the email for the recipient and for the stack."""
    if not LIMITS:
        return
    now = int(time.time())
    hour, expires = now // 3_600, {"N": str(now + 7_200)}
    who = hashlib.sha256(recipient.lower().encode()).hexdigest()[:32]
    dynamodb.update_item(
        TableName=TABLE,
        Key={"key": {"S": f"limit#{who}#{hour}"}},
        UpdateExpression="ADD #places :mine SET #expires = :expires",
        ConditionExpression=(
            "attribute_not_exists(#places) OR size(#places) < :limit OR contains(#places, :owner)"
        ),
        ExpressionAttributeNames={"#places": "places", "#expires": "expires"},
        ExpressionAttributeValues={
            ":mine": {"SS": [mine.owner]},
            ":owner": {"S": mine.owner},
            ":limit": {"N": "20"},
            ":expires": expires,
        },
    )
    dynamodb.update_item(
        TableName=TABLE,
        Key={"key": {"S": f"cap#{int(mine.owner, 16) % 10}#{hour}"}},
        UpdateExpression="ADD #taken :one SET #expires = :expires",
        ConditionExpression="attribute_not_exists(#taken) OR #taken < :limit",
        ExpressionAttributeNames={"#taken": "taken", "#expires": "expires"},
        ExpressionAttributeValues={
            ":one": {"N": "1"},
            ":limit": {"N": "1000"},
            ":expires": expires,
        },
    )


def send(ses, event, recipient, link):
    """Send the email about an event."""
    tags = {"event": event, "template": "saved", "brand": "default", "language": "en"}
    headers = HEADERS | {"X-Entity-Ref-ID": event}
    ses.send_email(
        FromEmailAddress=SENDER,
        Destination={"ToAddresses": [recipient]},
        ReplyToAddresses=[REPLY_TO],
        Content={
            "Simple": {
                "Subject": {"Data": "Your design is saved", "Charset": "UTF-8"},
                "Body": {
                    "Html": {"Data": HTML.format(link=html.escape(link)), "Charset": "UTF-8"},
                    "Text": {"Data": TEXT.format(link=link), "Charset": "UTF-8"},
                },
                "Headers": [{"Name": name, "Value": value} for name, value in headers.items()],
            }
        },
        ConfigurationSetName=CONFIGURATION_SET,
        EmailTags=[{"Name": name, "Value": value} for name, value in tags.items()],
    )


def remember(dynamodb, mine):
    """Record the answer."""
    if not MEMORY:
        return
    dynamodb.update_item(
        TableName=TABLE,
        Key={"key": {"S": mine.key}},
        UpdateExpression="SET #status = :status, #code = :code",
        ConditionExpression="#owner = :owner",
        ExpressionAttributeNames={"#owner": "owner", "#status": "status", "#code": "code"},
        ExpressionAttributeValues={
            ":status": {"N": "200"},
            ":code": {"S": "sent"},
            ":owner": {"S": mine.owner},
        },
    )
