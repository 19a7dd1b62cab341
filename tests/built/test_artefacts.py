"""The output of ``make build`` has exactly what the functions need, ready to run."""

import gzip
import importlib.util
import io
import json
import marshal
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3.session
import pytest

from roomle_mail_cli import sign
from tests.built.conftest import Lambda, Start
from tests.built.runtime_api import Function
from tools import artefacts, fixtures
from tools.sam import ROOT

FUNCTIONS = ["ReceiverFunction", "MailerFunction"]

# Each was measured to cost a cold start many milliseconds, and nothing here needs it. (Powertools
# itself loads its tracing, which stays cheap as long as nobody loads X-Ray's SDK.)
TOO_SLOW = {
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.utilities.idempotency",
    "aws_lambda_powertools.utilities.parameters",
    "aws_xray_sdk",
    "cffi",
    "email_validator",
    "jinja2",
    "mjml",
    "pydantic",
}
# One event of four needs it, so it is loaded then.
NOT_AT_START = {"segno"}


def pyc_of(source: Path) -> Path:
    return source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_can_be_imported_but_the_runtime_and_the_layers(
    function: str, aws_lambda: Lambda
) -> None:
    # WHEN the interpreter that runs the functions is asked what it has
    found = json.loads(
        aws_lambda.run(
            function,
            "import importlib.metadata as m, importlib.util as u, json, sys\n"
            "where = {n: (s := u.find_spec(n)) and s.origin for n in"
            " ('boto3', 'pydantic_core', 'roomle_mail', 'roomle_mail_emails', 'app',"
            " 'pytest', 'moto', 'mypy', 'tools', 'pip')}\n"
            "own = [p for p in sys.path if p.endswith('site-packages')]\n"
            "print(json.dumps([where, own, [d.name for d in m.distributions(path=own)]]))",
        )
    )
    where, own, distributions = found

    # THEN it is AWS's runtime client and its dependencies
    assert len(own) == 1
    assert own[0].startswith(str(aws_lambda.python.parent.parent))
    assert sorted(distributions) == sorted(artefacts.closure("awslambdaric"))
    # AND everything that the functions import comes from the layers
    opt = f"{aws_lambda.opt}/python/"
    for shipped in ("boto3", "pydantic_core", "roomle_mail", "roomle_mail_emails"):
        assert where.pop(shipped).startswith(opt)
    assert where.pop("app") == str(aws_lambda.tasks[function] / "app.py")
    # AND nothing of the development environment is there
    assert set(where.values()) == {None}, where


@pytest.mark.parametrize("function", FUNCTIONS)
def test_without_the_layers_a_function_does_not_start(
    function: str, start: Start, tmp_path: Path
) -> None:
    # A package that is missing from the layers would show in the same way.
    error = start(function, PYTHONPATH=str(tmp_path)).init_error()

    assert error["errorType"] == "Runtime.ImportModuleError"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_without_its_variables_a_function_does_not_start(function: str, start: Start) -> None:
    error = start(function, TABLE_NAME="").init_error()

    assert error["errorType"] == "SettingsInvalid"


def shipped(aws_lambda: Lambda) -> list[tuple[Path, str]]:
    """List every module, with the path under which Lambda mounts it."""
    mounts = [(aws_lambda.opt, "/opt")] + [
        (task, "/var/task") for task in aws_lambda.tasks.values()
    ]
    return [
        (source, f"{mount}/{source.relative_to(folder)}")
        for folder, mount in mounts
        for source in folder.rglob("*.py")
    ]


def test_every_module_is_compiled_for_a_file_system_that_is_read_only(aws_lambda: Lambda) -> None:
    sources = shipped(aws_lambda)

    assert {
        "/opt/python/boto3/__init__.py",
        "/opt/python/roomle_mail/idempotency.py",
        "/var/task/app.py",
    } <= {mounted for _, mounted in sources}
    for source, mounted in sources:
        data = pyc_of(source).read_bytes()
        assert data[:4] == importlib.util.MAGIC_NUMBER, source
        # PEP 552: the lowest bit means hash-based, the next one that the source is checked.
        assert struct.unpack("<I", data[4:8]) == (0b01,), source
        # Python would not notice if the byte code came from another source.
        assert data[8:16] == importlib.util.source_hash(source.read_bytes()), source
        assert marshal.loads(data[16:]).co_filename == mounted  # noqa: S302 - our own build


def test_the_build_is_that_of_the_sources(aws_lambda: Lambda) -> None:
    shared = ROOT / "layers" / "shared" / "python"
    for source in (shared / "roomle_mail").rglob("*.py"):
        built = aws_lambda.opt / "python" / source.relative_to(shared)
        assert built.read_bytes() == source.read_bytes(), f"{source.name} changed: make build"
    for function, folder in (("ReceiverFunction", "receiver"), ("MailerFunction", "mailer")):
        source = ROOT / "functions" / folder / "app.py"
        built = aws_lambda.tasks[function] / "app.py"
        assert built.read_bytes() == source.read_bytes(), f"{folder} changed: make build"


def another_person(name: str) -> dict[str, Any]:
    """Make a new event of another person: the stored ones are answered only once."""
    event = fixtures.fresh(
        name,
        now=datetime.now(UTC),
        api_key=sign.EXAMPLE_API_KEY,
        secret=sign.EXAMPLE_SECRET,
    )
    return event | {"body": event["body"].replace("@customer.", "@another-customer.")}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_cold_start_loads_nothing_slow(
    function: str, aws_lambda: Lambda, variables: Callable[[str], dict[str, str]]
) -> None:
    loaded = aws_lambda.run(
        function, "import app, sys; print(*sys.modules)", **variables(function)
    ).split()

    assert "roomle_mail.idempotency" in loaded
    assert not (TOO_SLOW | NOT_AT_START).intersection(loaded)


def test_an_event_loads_nothing_slow(
    aws_lambda: Lambda, variables: Callable[[str], dict[str, str]]
) -> None:
    event = another_person("receiver/share_configuration_ar")

    loaded = aws_lambda.run(
        "ReceiverFunction",
        "import app, json, sys, types; "
        "context = types.SimpleNamespace(function_name='receiver', memory_limit_in_mb=1024, "
        "invoked_function_arn='an-arn', aws_request_id='an-id'); "
        f"answer = app.handler(json.loads({json.dumps(event)!r}), context);"
        " print(answer['statusCode'], *sys.modules)",
        **variables("ReceiverFunction"),
    ).split()

    assert "200" in loaded
    assert "segno" in loaded
    assert not TOO_SLOW.intersection(loaded)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_there_is_one_session_for_all_clients(
    function: str, aws_lambda: Lambda, variables: Callable[[str], dict[str, str]]
) -> None:
    made = aws_lambda.run(
        function,
        "import boto3.session, botocore.session, json\n"
        "made = []\n"
        "def counting(kind):\n"
        "    before = kind.__init__\n"
        "    def init(self, *args, **named):\n"
        "        made.append(kind.__module__)\n"
        "        before(self, *args, **named)\n"
        "    kind.__init__ = init\n"
        "counting(boto3.session.Session)\n"
        "counting(botocore.session.Session)\n"
        "import app\n"
        "clients = app.clients\n"
        "clients.ses, clients.sqs, clients.dynamodb, clients.secrets\n"
        "print(json.dumps(made))",
        **variables(function),
    )

    assert sorted(json.loads(made)) == ["boto3.session", "botocore.session"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_library_adds_to_the_user_agent(
    function: str, aws_lambda: Lambda, variables: Callable[[str], dict[str, str]]
) -> None:
    sent = aws_lambda.run(
        function,
        "import app\n"
        "def show(request, **_):\n"
        "    print(request.headers['User-Agent'].decode())\n"
        "    raise SystemExit\n"
        "app.clients.dynamodb.meta.events.register('before-send', show)\n"
        "app.clients.dynamodb.get_item(TableName='a-table', Key={})",
        **variables(function),
    ).strip()

    assert re.fullmatch(r"roomle-mail Botocore/[\d.]+", sent), sent


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_snapshot_freezes_no_connection_secret_or_randomness(
    function: str, aws_lambda: Lambda, variables: Callable[[str], dict[str, str]]
) -> None:
    # GIVEN a function that is loaded for a snapshot, where nothing can be connected to
    found = json.loads(
        aws_lambda.run(
            function,
            "import json, random, socket\n"
            "connected = []\n"
            "socket.socket.connect = lambda self, address: connected.append(str(address))\n"
            "import app\n"
            "from awslambdaric import lambda_runtime_hooks_runner as hooks\n"
            # Only the receiver keeps a secret and a pepper.
            "receiver = getattr(app, 'receiver', None)\n"
            "kept = [receiver.credentials._fetched, receiver._pepper] if receiver else []\n"
            "random.seed(7)\n"
            "frozen, drawn = random.getstate(), []\n"
            # WHEN it is restored twice
            "for _ in range(2):\n"
            "    random.setstate(frozen)\n"
            "    hooks.run_after_restore()\n"
            "    drawn.append(random.random())\n"
            "print(json.dumps([connected, kept, drawn]))",
            **variables(function),
            AWS_LAMBDA_INITIALIZATION_TYPE="snap-start",
        )
    )
    connected, kept, drawn = found

    # THEN the two have nothing in common
    assert (connected, kept) == ([], [None] * 2 if function == "ReceiverFunction" else [])
    assert drawn[0] != drawn[1]


OPERATIONS = {
    "dynamodb": {"GetItem", "PutItem", "UpdateItem"},
    "events": {"PutEvents"},
    "secretsmanager": {"GetSecretValue"},
    "sesv2": {"SendEmail"},
    "sqs": {"ChangeMessageVisibility", "SendMessage"},
}


def test_botocore_holds_the_used_operations_of_the_used_services_only(aws_lambda: Lambda) -> None:
    data = aws_lambda.opt / "python" / "botocore" / "data"

    models = {
        path.parts[-3]: json.loads(gzip.decompress(path.read_bytes()))
        for path in data.glob("*/*/service-2.json.gz")
    }

    assert {path.name for path in data.iterdir() if path.is_dir()} == set(OPERATIONS)
    assert {name: set(model["operations"]) for name, model in models.items()} == OPERATIONS


# Run under both botocores: the layer's, and the complete one of the development environment.
ENDPOINTS = """
import json, sys
from boto3.session import Session
session, found = Session("test", "test"), {}
for service, region in json.loads(sys.argv[1]):
    found[f"{service} {region}"] = session.client(service, region_name=region).meta.endpoint_url
print(json.dumps(found))
"""


def test_each_service_has_the_same_endpoint_as_in_the_complete_botocore_in_every_region(
    aws_lambda: Lambda,
) -> None:
    # GIVEN the regions of all partitions: AWS's own, China, the government's, ...
    session = boto3.session.Session()
    wanted = [
        (service, region)
        for service in OPERATIONS
        for partition in session.get_available_partitions()
        for region in session.get_available_regions(service, partition)
    ]
    assert {"cn-north-1", "eu-central-1", "us-gov-west-1"} <= {region for _, region in wanted}

    # WHEN clients are made from the pruned botocore and from the complete one
    arguments = [json.dumps(wanted)]
    pruned = aws_lambda.run("ReceiverFunction", ENDPOINTS, *arguments)
    whole = subprocess.run(
        [sys.executable, "-c", ENDPOINTS, *arguments], capture_output=True, text=True, check=True
    ).stdout

    # THEN they use the same endpoints
    assert json.loads(pruned) == json.loads(whole)


def test_the_upload_stays_small() -> None:
    # Each processor's layer, zipped as `sam deploy` does. Lambda fetches it at a cold start.
    parts = {path.name: zipped(path) for path in artefacts.BUILD.iterdir() if path.is_dir()}
    dependencies = [parts.pop("DependenciesLayerArm64"), parts.pop("DependenciesLayerX86")]

    assert max(dependencies) + sum(parts.values()) < 7_000_000


def zipped(folder: Path) -> int:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in artefacts.files(folder):
            file.write(folder / path, path)
    return len(archive.getvalue())


def test_no_function_writes_next_to_its_code(
    aws_lambda: Lambda, receiver: Function, mailer: Function
) -> None:
    folders = (aws_lambda.opt, aws_lambda.home, *aws_lambda.tasks.values())
    before = [artefacts.files(each) for each in folders]

    assert receiver.invoke(another_person("receiver/share_configuration_ar"))["statusCode"] == 200
    mailer.invoke(fixtures.load("mailer/share_configuration_ar"))

    assert [artefacts.files(each) for each in folders] == before


# The ELF format's processor numbers.
PROCESSORS = {"DependenciesLayerArm64": 183, "DependenciesLayerX86": 62}


@pytest.mark.parametrize("layer", PROCESSORS)
def test_a_layer_holds_machine_code_for_its_processor_only(layer: str) -> None:
    libraries = list((artefacts.BUILD / layer).rglob("*.so"))

    assert libraries
    for library in libraries:
        head = library.read_bytes()[:20]
        assert head[:4] == b"\x7fELF"
        assert struct.unpack("<H", head[18:20]) == (PROCESSORS[layer],), library


def test_both_processors_get_the_same_modules() -> None:
    # Only one of the two layers can run here. AES instructions are in both.
    instructions = {"python/Crypto/Cipher/_raw_aes_armv8", "python/Crypto/Cipher/_raw_aesni"}
    arm64, x86 = (
        {
            str(path).partition(".cpython-")[0].partition(".abi3")[0]
            for path in artefacts.files(artefacts.BUILD / layer)
            if path.suffix in {".py", ".json", ".gz", ".so"}
        }
        for layer in PROCESSORS
    )

    assert arm64 ^ x86 == instructions
