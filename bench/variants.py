"""The measured variants: our functions as built, and the peers, each laid out as on Lambda."""

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from bench import wire
from bench.wire import Event
from roomle_mail_cli import sign
from tools import artefacts, fixtures
from tools.sam import ROOT

RESULTS = Path(__file__).with_name("results") / "results.json"
PLACE = ROOT / "build" / "bench"
PEERS = Path(__file__).with_name("peers")
WARM_UP = 20
# A process's cold start differs from the next by a tenth, which is all that a bound leaves.
TURNS_OF_TARGETS = 5
EVENTS = 64  # this many different events come, so that caching one doesn't help

MEMORY = Counter(PutItem=1, UpdateItem=1)
LIMITS = Counter(UpdateItem=2)
SEND = Counter(SendEmail=1)
SECRET = Counter(GetSecretValue=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One function: its code, how it starts, what it receives, and what it must call.

    `at_first` are the calls once per process, `each` those for every event. `floor` is the variant
    that it is compared with. A variant that is `slower` by this factor is measured with fewer
    events. `emails` is a folder with other emails than the layer's. `turns` is how many processes
    each round has of it.
    """

    name: str
    title: str
    task: Path
    layers: Path | None = None
    emails: Path | None = None
    handler: str = "app.handler"
    settings: Mapping[str, str] = field(default_factory=dict)
    events: Sequence[Any] = ()
    at_first: Counter[str] = field(default_factory=lambda: Counter(SECRET))
    each: Counter[str] = field(default_factory=lambda: SEND + MEMORY + LIMITS)
    floor: str = "floor"
    slower: int = 1
    turns: int = 1
    answer: int = 200

    @property
    def warm_up(self) -> int:
        """The number of events before warm ones are counted."""
        return max(WARM_UP // self.slower, 3)

    @property
    def folders(self) -> list[Path]:
        """The files that are uploaded."""
        return [self.task, *([self.layers] if self.layers else [])]

    @property
    def paths(self) -> list[Path]:
        """Where Python looks for packages, in addition to the function's folder."""
        return [each for each in (self.emails, self.layers) if each]

    def travelling(self) -> list[Event]:
        """The events as the Runtime API hands them over."""
        return [Event.of(event) for event in self.events]

    def environment(self, address: str) -> dict[str, str]:
        """The variables that Lambda and the template set."""
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_DEFAULT_REGION": fixtures.REGION,
            "AWS_ENDPOINT_URL": f"http://{address}",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/15/[$LATEST]0",
            "AWS_LAMBDA_RUNTIME_API": address,
            "AWS_REGION": fixtures.REGION,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_SESSION_TOKEN": "test",
            "HOME": str(PLACE / "home"),
            "LAMBDA_TASK_ROOT": str(self.task),
            "LANG": "en_US.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin/:/bin",
            "PYTHONPATH": ":".join(str(each / "python") for each in self.paths),
            "TZ": ":UTC",
            "_HANDLER": self.handler,
            **self.settings,
        }


def size(variant: Variant) -> tuple[int, int]:
    """The size of the upload in bytes, zipped as SAM does it and unzipped."""
    zipped = unzipped = 0
    for folder in variant.folders:
        archive = BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    file.write(path, path.relative_to(folder))
                    unzipped += path.stat().st_size
        zipped += len(archive.getvalue())
    return zipped, unzipped


# --- the events -----------------------------------------------------------------------------------


def posts(
    count: int = EVENTS, *, configurator: str = "myConfigurator", secret: str = wire.SECRET
) -> list[dict[str, Any]]:
    """Make events of different people as API Gateway passes them on, each with its own token."""
    now = datetime.now(UTC)
    return [
        sign.sign(
            fixtures.http_event(
                f"bench {number}",
                fixtures.Post(
                    code="sent",
                    body=fixtures.compact(
                        fixtures.payload(
                            email=f"jane.{number}@bench.example", configuratorId=configurator
                        )
                    ),
                ),
                now=now,
            ),
            now=now,
            api_key=wire.API_KEY,
            secret=secret,
        )
        for number in range(count)
    ]


def as_format_1(event: dict[str, Any]) -> dict[str, Any]:
    """Convert an event to the form of a REST API (payload format 1.0), for Chalice."""
    context = event["requestContext"]
    return {
        "version": "1.0",
        "resource": "/webhook",
        "path": "/webhook",
        "httpMethod": "POST",
        "headers": event["headers"],
        "multiValueHeaders": {name: [value] for name, value in event["headers"].items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {
            **{name: context[name] for name in ("accountId", "apiId", "requestId", "stage")},
            "httpMethod": "POST",
            "identity": {"sourceIp": "192.0.2.44"},
            "path": "/webhook",
            "protocol": "HTTP/1.1",
            "resourcePath": "/webhook",
        },
        "pathParameters": None,
        "stageVariables": None,
        "body": event["body"],
        "isBase64Encoded": False,
    }


def batches(count: int) -> list[dict[str, Any]]:
    """Make batches of different people's events as SQS hands them to the mailer."""
    return [
        fixtures.sqs_event(
            f"bench {batch}",
            fixtures.Batch(
                bodies=[
                    fixtures.message(
                        f"bench {batch} {place}",
                        fixtures.payload(email=f"jane.{batch}.{place}@bench.example"),
                    )
                    for place in range(count)
                ],
                subjects=[],
            ),
        )
        for batch in range(EVENTS)
    ]


# --- the layout -----------------------------------------------------------------------------------


def interpreter() -> Path:
    """Make an interpreter that has only AWS's runtime client, compiled."""
    folder = PLACE / "interpreter"
    wanted = json.dumps([sys.version, fixtures.digest((ROOT / "requirements/dev.txt").read_text())])
    if not _is_made(folder, wanted):
        artefacts.make_interpreter(folder)
        _compile(folder)
        _finish(folder, wanted)
    return folder / "bin" / "python"


def ours() -> dict[str, Path]:
    """Lay out the output of `make build`."""
    places = {name: PLACE / "ours" / name for name in ("opt", "ReceiverFunction", "MailerFunction")}
    shutil.rmtree(PLACE / "ours", ignore_errors=True)
    for layer in artefacts.layers():
        artefacts.copy(layer, places["opt"])
    for name in ("ReceiverFunction", "MailerFunction"):
        artefacts.copy(artefacts.task(name), places[name])
    return places


def peer(name: str, *, compiled: bool = True) -> Path:
    """Install a peer's packages next to its code, as `sam build` does."""
    source = PEERS / name
    # The naive one needs the same packages as the floor.
    requirements = PEERS / ("floor" if name == "naive" else name) / "requirements.txt"
    sources = [PEERS / "job.py", *sorted(source.glob("*.py")), requirements]
    folder = PLACE / (name if compiled else f"{name}-uncompiled")
    wanted = hashlib.sha256(b"".join(each.read_bytes() for each in sources)).hexdigest()
    if _is_made(folder, wanted):
        return folder
    packages = folder
    if name == "chalice":
        # `chalice package` uploads only these two files of itself.
        packages = PLACE / "chalice-all"
    _install(requirements, packages)
    if name == "chalice":
        _install(PEERS / "floor" / "requirements.txt", folder)
        (folder / "chalice").mkdir()
        for file in ("__init__.py", "app.py"):
            shutil.copy(packages / "chalice" / file, folder / "chalice")
        shutil.rmtree(packages)
    for each in sources[:-1]:
        shutil.copy(each, folder)
    if compiled:
        _compile(folder)
    _finish(folder, wanted)
    return folder


def _is_made(folder: Path, wanted: str) -> bool:
    stamp = folder.with_suffix(".stamp")
    if stamp.is_file() and stamp.read_text() == wanted:
        return True
    shutil.rmtree(folder, ignore_errors=True)
    return False


def _finish(folder: Path, wanted: str) -> None:
    folder.with_suffix(".stamp").write_text(wanted)


def _install(requirements: Path, folder: Path) -> None:
    uv = ROOT / ".tools" / "bin" / "uv"
    subprocess.run(
        [
            *(uv, "pip", "install", "--quiet", "--target", folder, "--python", sys.executable),
            *("--only-binary", ":all:", "--require-hashes", "--no-deps", "--link-mode", "copy"),
            *("--requirements", requirements),
        ],
        check=True,
    )


def _compile(folder: Path) -> None:
    """Compile as layers/build.mk does, so that the peers have the same advantage."""
    subprocess.run(
        [
            *(sys.executable, "-m", "compileall", "-q", "-f"),
            *("--invalidation-mode", "unchecked-hash", folder),
        ],
        check=True,
    )


# --- the list -------------------------------------------------------------------------------------


def functions() -> list[Variant]:
    """Everything that answers Roomle, in the order of the table."""
    places, requests = ours(), posts()
    settings = fixtures.environment()["ReceiverFunction"]
    del settings["AWS_ENDPOINT_URL"]
    # The values of template.yaml where the fixtures use others.
    settings |= {
        "LOCAL_STACK": "false",
        "EVENT_BUS": "",
        "MAX_EMAILS_PER_RECIPIENT_PER_HOUR": "20",
        "MAX_EMAILS_PER_HOUR": "10000",
        "TOKEN_MAX_AGE": "86400",
    }
    same = {**settings, "MEMORY": "true", "LIMITS": "true"}
    rest = [as_format_1(request) for request in requests]
    floor = peer("floor")
    return [
        Variant(
            name="receiver",
            title="**receiver**",
            task=places["ReceiverFunction"],
            layers=places["opt"],
            settings=settings,
            events=requests,
            turns=TURNS_OF_TARGETS,
        ),
        Variant(
            name="floor",
            title="floor: by hand, the same calls",
            task=floor,
            settings=same,
            events=requests,
            turns=TURNS_OF_TARGETS,
        ),
        Variant(
            name="receiver-unlimited",
            title="receiver, both limits off",
            task=places["ReceiverFunction"],
            layers=places["opt"],
            settings={
                **settings,
                "MAX_EMAILS_PER_RECIPIENT_PER_HOUR": "0",
                "MAX_EMAILS_PER_HOUR": "0",
            },
            events=requests,
            each=SEND + MEMORY,
            floor="floor-unlimited",
        ),
        Variant(
            name="floor-unlimited",
            title="floor with memory, without limits",
            task=floor,
            settings={**same, "LIMITS": "false"},
            events=requests,
            each=SEND + MEMORY,
            floor="floor-unlimited",
        ),
        Variant(
            name="floor-bare",
            title="floor without memory and limits",
            task=floor,
            settings={**same, "MEMORY": "false", "LIMITS": "false"},
            events=requests,
            each=Counter(SEND),
        ),
        Variant(
            name="floor-uncompiled",
            title="floor as `sam build` leaves it, without .pyc",
            task=peer("floor", compiled=False),
            # Lambda's file system is read-only, so nothing is written there either.
            settings={**same, "PYTHONDONTWRITEBYTECODE": "1"},
            events=requests,
            slower=10,
        ),
        Variant(
            name="fastapi",
            title="FastAPI + Mangum",
            task=peer("fastapi"),
            settings=same,
            events=requests,
        ),
        Variant(
            name="flask",
            title="Flask + apig-wsgi",
            task=peer("flask"),
            settings=same,
            events=requests,
        ),
        Variant(
            name="chalice",
            title="Chalice",
            task=peer("chalice"),
            handler="app.app",
            settings=same,
            events=rest,
        ),
        Variant(
            name="naive",
            title="naive: clients and secret for each request",
            task=peer("naive"),
            settings=same,
            events=requests,
            at_first=Counter(),
            each=SECRET + SEND + MEMORY + LIMITS,
            slower=20,
        ),
        *_mailers(places, settings, floor),
    ]


def _mailers(places: dict[str, Path], settings: dict[str, str], floor: Path) -> list[Variant]:
    environment = fixtures.environment()["MailerFunction"]
    mailing = settings | {
        "DEAD_LETTER_QUEUE_URL": environment["DEAD_LETTER_QUEUE_URL"],
        "POWERTOOLS_SERVICE_NAME": "mailer",
    }
    found = []
    for count in (1, 10):
        events = batches(count)
        each = Counter({call: times * count for call, times in (SEND + MEMORY).items()})
        found += [
            Variant(
                name=f"mailer-{count}",
                title=f"**mailer**, batches of {count}",
                task=places["MailerFunction"],
                layers=places["opt"],
                settings=mailing,
                events=events,
                at_first=Counter(),
                each=each,
                floor=f"floor-mailer-{count}",
                slower=count,
            ),
            Variant(
                name=f"floor-mailer-{count}",
                title=f"floor of the mailer, batches of {count}",
                task=floor,
                handler="mailer.handler",
                settings={**mailing, "MEMORY": "true", "LIMITS": "false"},
                events=events,
                at_first=Counter(),
                each=each,
                floor=f"floor-mailer-{count}",
                slower=count,
            ),
        ]
    return found
