"""What the API says of an id, where nothing is wrong. Pure."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote

from roomle_mail.emails import Design

type Kind = Literal["configuration", "component", "item", "plan", "picture", "item-picture"]

# Roomle's documented base ends in /v2, its web SDK's in /api/v2. Its uploads and its catalogue are
# on other hosts, but no path of theirs is also one of the API's.
_PATH = re.compile(
    r"(?:/api)?(?:/v2)?(?:/(?P<what>configurations|components|items|planSnapshots|plans))?"
    r"/(?P<id>[^/?#]+)(?P<rest>/[^?#]*)?"
)
_KINDS: dict[tuple[str, str], Kind] = {
    ("configurations", ""): "configuration",
    ("components", ""): "component",
    ("items", ""): "item",
    ("planSnapshots", ""): "plan",
    ("items", "/perspectiveImage"): "item-picture",
    ("configurations", "/perspectiveImage.png"): "picture",
    ("configurations", "/topImage.png"): "picture",
    ("plans", "/thumbnail.png"): "picture",
    ("plans", "/topImage.png"): "picture",
    ("", "/perspectiveImage.png"): "picture",
}
# The key that an answer's object stands under.
NAMES = {"configuration": "configuration", "component": "component", "item": "item"} | {
    "plan": "planSnapshot"
}
UPLOADS, CATALOG = "https://uploads.roomle.com", "https://catalog.roomle.com"
CREATED = "2026-01-07T09:28:13.723Z"
DEFAULT_LANGUAGE = "en"
# By the second part of an id; any other is a sofa.
LABELS = {
    "shelf": {
        "en": "Shelf",
        "de": "Regal",
        "fr": "Étagère",
        "it": "Scaffale",
        "es": "Estantería",
        "nl": "Kast",
    },
    "table": {
        "en": "Table",
        "de": "Tisch",
        "fr": "Table",
        "it": "Tavolo",
        "es": "Mesa",
        "nl": "Tafel",
    },
}
SOFA = {
    "en": "Corner sofa",
    "de": "Ecksofa",
    "fr": "Canapé d’angle",
    "it": "Divano angolare",
    "es": "Sofá esquinero",
    "nl": "Hoekbank",
}
# Width, depth and height in millimetres.
SIZES = {"shelf": (1200, 340.5, 2250), "table": (1800, 900, 740)}
SOFA_SIZE = (2480, 1650, 820.5)


@dataclass(frozen=True, slots=True)
class Call:
    """What a request asks for."""

    kind: Kind
    id: str

    @classmethod
    def of(cls, target: str) -> "Call | None":
        """Read a request's target; None if it is none of the API's paths."""
        found = _PATH.fullmatch(target.partition("?")[0])
        kind = found and _KINDS.get((found["what"] or "", found["rest"] or ""))
        return cls(kind, unquote(found["id"])) if found and kind else None

    @property
    def is_unknown(self) -> bool:
        """Whether there is nothing of this id: its last part has only zeros."""
        return re.fullmatch("0+", re.split("[:_]", self.id)[-1]) is not None

    @property
    def needs_credentials(self) -> bool:
        """Whether the four headers are needed: public shops fetch pictures without any."""
        return self.kind not in ("picture", "item-picture")


def catalog_of(content_id: str) -> str:
    """The catalogue that an id names: its first part."""
    return content_id.partition(":")[0]


def component_of(content_id: str) -> str:
    """The first two parts of a configuration's id."""
    return ":".join(content_id.split(":")[:2])


def label_of(content_id: str, language: str) -> tuple[str, str]:
    """The label in a language, `de-AT` as `de`, and the language that it really is in."""
    labels = LABELS.get(_product(content_id), SOFA)
    primary = language.replace("_", "-").partition("-")[0].casefold()
    chosen = primary if primary in labels else DEFAULT_LANGUAGE
    return labels[chosen], chosen


def picture_of(content_id: str, kind: Kind = "configuration") -> str:
    """Where Roomle keeps a picture."""
    if kind == "plan":
        return f"{UPLOADS}/plans/{content_id}/thumbnail.png"
    if kind == "item":
        return f"{CATALOG}/{content_id}/perspectiveImage.png"
    return f"{UPLOADS}/configurations/{content_id}/perspectiveImage.png"


def answer(call: Call, language: str) -> dict[str, Any]:
    """The object that the API answers a call with."""
    label, spoken = label_of(call.id, language)
    width, depth, height = SIZES.get(_product(call.id), SOFA_SIZE)
    size = {"width": width, "height": height, "depth": depth}
    owner: dict[str, Any] = {"id": call.id, "catalog": catalog_of(call.id)}
    if call.kind == "component":
        return {**owner, "label": label, "language": spoken}
    if call.kind == "item":
        named = {"label": label, "language": spoken}
        return {**owner, **named, **size, "perspectiveImage": picture_of(call.id, "item")}
    if call.kind == "plan":
        plan = picture_of(call.id, "plan")
        return {"id": call.id, "created": CREATED, "perspectiveImage": plan, "topImage": plan}
    parts = [{"articleNr": "312.532", "count": 4, "label": "", "price": 99.5, "retailerPrice": 0}]
    return {
        "id": call.id,
        "created": CREATED,
        "rootComponentId": component_of(call.id),
        "catalog": catalog_of(call.id),
        **size,
        "perspectiveImage": picture_of(call.id),
        # Roomle sends the parts as JSON in a text.
        "parts": json.dumps({"fullList": parts}),
    }


def design_of(content_id: str, language: str) -> Design:
    """What an email can show of an id, where nothing is wrong."""
    if content_id.startswith("ps_"):
        return Design(picture_of(content_id, "plan"))
    kind: Kind = "configuration" if content_id.count(":") > 1 else "item"
    width, depth, height = SIZES.get(_product(content_id), SOFA_SIZE)
    label, spoken = label_of(content_id, language)
    asked = language.replace("_", "-").partition("-")[0].casefold()
    name = label if spoken == asked else None
    return Design(picture_of(content_id, kind), name, width, depth, height)


def colour_of(content_id: str) -> tuple[int, int, int]:
    """The colour of a design's picture, so that two designs differ."""
    red, green, blue = hashlib.sha256(content_id.encode()).digest()[:3]
    return 60 + red // 2, 60 + green // 2, 60 + blue // 2


def _product(content_id: str) -> str:
    return content_id.split(":")[1] if ":" in content_id else ""
