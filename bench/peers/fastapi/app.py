"""FastAPI under Mangum, written as in their documentation.

FastAPI's tutorial: "Request Body" (models), "Header Parameters", "Dependencies", and `def` rather
than `async def` for a library that can't be awaited. Mangum's page: `lifespan="off"` without one.
"""

import json
from functools import cache
from typing import Annotated

import boto3
import job
from fastapi import Depends, FastAPI, Header, HTTPException
from mangum import Mangum
from pydantic import BaseModel

app = FastAPI()
ses = boto3.client("sesv2")
dynamodb = boto3.client("dynamodb")
secretsmanager = boto3.client("secretsmanager")


class Data(BaseModel):
    """An event's data."""

    success: bool | None = None
    email: str
    configurationId: str | None = None  # noqa: N815
    itemId: str | None = None  # noqa: N815
    configuratorId: str | None = None  # noqa: N815
    url: str
    resultUrl: str | None = None  # noqa: N815


class Event(BaseModel):
    """The body that Roomle posts."""

    event: str
    data: Data


class Answer(BaseModel):
    """The answer to Roomle."""

    status: str


@cache
def get_secrets():
    """Fetch the secrets, once."""
    answer = secretsmanager.get_secret_value(SecretId=job.SECRET_ID)
    return json.loads(answer["SecretString"])


def get_token(
    token: Annotated[str, Header()], secrets: Annotated[dict[str, str], Depends(get_secrets)]
) -> bytes:
    """Verify the token."""
    try:
        return job.verify(token, secrets)
    except job.Refused:
        raise HTTPException(status_code=401) from None


@app.post("/webhook")
def webhook(event: Event, token: Annotated[bytes, Depends(get_token)]) -> Answer:
    """Answer one event."""
    mine = job.claim(dynamodb, token, event.model_dump_json().encode())
    job.limit(dynamodb, mine, event.data.email)
    job.send(ses, mine.event, event.data.email, event.data.url)
    job.remember(dynamodb, mine)
    return Answer(status="sent")


handler = Mangum(app, lifespan="off")
