"""However a command ends, it says so in a sentence and an exit code, never in a traceback."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shlex
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from roomle_mail_cli import app
from roomle_mail_cli.screen import Exit
from tests.command_line import CommandLine

LAUNCHER = str(Path(sys.executable).with_name("roomle-mail"))
SECRET = "sofa-and-chair-1"
KEY = "--secret-stdin --api-key k"
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "AWS_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
    # Nothing here may call AWS.
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_MAX_ATTEMPTS": "1",
    "SECRET": SECRET,
}
DRY = f"send savedConfiguration --to a@b.example {KEY} --webhook http://127.0.0.1:9 --dry-run"


def shell(line: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", line.replace("roomle-mail", LAUNCHER)],
        env=ENVIRONMENT | more, capture_output=True, text=True, check=False, errors="replace",
    )  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A command line, its exit code, and what it has to say."""

    line: str
    code: int
    says: str
    variables: tuple[tuple[str, str], ...] = ()


def case(line: str, code: int, says: str, **variables: str) -> Case:
    return Case(line, code, says, tuple(variables.items()))


# In this process: nothing here is about streams, or gets as far as a connection.
HERE = [
    # Options.
    case("sign --zone Europe/Vienna", 2, "not a zone of Java's X"),
    case("sign --zone +2500", 2, "not a zone of Java's X"),
    case("sign --zone ''", 2, "not a zone of Java's X"),
    case("sign --age nan", 2, "not a number of seconds"),
    case("sign --age 1e300", 2, "not a number of seconds"),
    case("logs --follow --for inf", 2, "not a number of seconds"),
    case("send x --to \udcff", 2, "is not text"),
    case("sendd", 2, "Did you mean"),
    case(f"{DRY} --field a", 2, "not NAME=JSON"),
    # What is wrong on the command line is said before AWS is asked.
    case("send", 2, "There is no event or no recipient"),
    case("send savedconfiguration --to a@b.example", 2, "Did you mean savedConfiguration?"),
    case("send savedConfiguration --to a@b.example --webhook 127.0.0.1:9", 2, "not an http(s) URL"),
    case("send --body /nowhere", 2, "can't be read"),
    case("send savedConfiguration --to a@b.example --field x", 2, "not NAME=JSON"),
    case("why refsed", 2, "Did you mean 'refused'?"),
    # Half of the credentials.
    case("sign", 3, "only one is set: the deployment's are used", ROOMLE_API_KEY="k"),
    case("sign", 3, "only one is set: the deployment's are used", ROOMLE_SECRET=SECRET),
    case(
        "doctor",
        3,
        "There are no valid credentials for AWS",
        AWS_ACCESS_KEY_ID="",
        AWS_SECRET_ACCESS_KEY="",
        HOME="/nowhere",
        AWS_CONFIG_FILE="/nowhere",
        AWS_SHARED_CREDENTIALS_FILE="/nowhere",
    ),
    case("doctor", 3, "There are no valid credentials for AWS", AWS_SECRET_ACCESS_KEY=""),
    # Addresses of services.
    *(
        case("doctor", 3, "is not a URL", AWS_ENDPOINT_URL=url)
        for url in ("localhost", "127.0.0.1:4566", "http://", "http://[::1", "http://a:99999")
    ),
    case("doctor", 3, "Invalid endpoint", AWS_ENDPOINT_URL="", AWS_ENDPOINT_URL_CLOUDFORMATION="x"),
    case("doctor", 3, "can't be reached", AWS_MAX_ATTEMPTS="many"),
    case("doctor --profile nobody", 3, "nobody"),
    case("doctor list.json", 3, "does not describe"),
    case(f"send --body /etc {KEY} --webhook http://127.0.0.1:9", 2, "can't be read"),
    *(
        case(f"send x.y --to a@b.example --webhook {url} {KEY}", 2, "not an http(s) URL")
        for url in ("nowhere", "ftp://a.example", "http://[::1")
    ),
]
# In a shell, which connects the streams.
IN_A_SHELL = [
    case("roomle-mail doctor", 3, "can't be reached", AWS_ENDPOINT_URL="https://127.0.0.1:9",
         AWS_CA_BUNDLE="/nowhere"),
    case(f"roomle-mail send x.y --to a@b.example --webhook 'http://a b/' {KEY} <<< $SECRET", 3,
         "can't be reached"),
    case("roomle-mail secret set k <&-", 2, "Standard input is closed"),
    case("roomle-mail secret set k < /dev/null", 2, "Nothing was read: the secret is empty"),
    case("roomle-mail secret set --replace <<< ' '", 2, "Nothing was read: the secret is empty"),
    case("roomle-mail verify - <&-", 2, "Standard input is closed"),
    case(f"roomle-mail sign {KEY} < <(printf '\\xff')", 2, "is not UTF-8"),
    case("roomle-mail --help >&-", 0, ""),
    case("roomle-mail --help 2>&-", 0, "Usage"),
    case("roomle-mail --help > /dev/full", 1, "can't be written"),
    case(f"roomle-mail {DRY} <<< $SECRET > /dev/full", 1, "can't be written"),
    case("roomle-mail send --help | head -c 9", 0, "Usage"),
    *(
        case(f"roomle-mail {DRY} --field city=Łódź {json} <<< $SECRET", 0, "u0141",
             PYTHONIOENCODING=encoding)
        for encoding, json in (("cp1252", ""), ("cp1252", "--json"))
    ),
]  # fmt: skip


def assert_ends(each: Case, code: int, said: str) -> None:
    assert code == each.code, said
    assert each.says in said
    for trace in ("Traceback", "Exception ignored", "unexpected error"):
        assert trace not in said
    assert SECRET not in said


@pytest.mark.parametrize("each", HERE, ids=ascii)
def test_a_wrong_command_line_ends_in_a_sentence(
    cli: CommandLine, each: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("list.json").write_text("[]")
    for name, value in (ENVIRONMENT | dict(each.variables)).items():
        monkeypatch.setenv(name, value)

    ended = cli(*shlex.split(each.line), stdin=SECRET)

    assert_ends(each, ended.code, ended.out + ended.err)


@pytest.mark.parametrize("each", IN_A_SHELL, ids=str)
def test_a_command_ends_in_a_sentence_whatever_its_streams_are(each: Case) -> None:
    ended = shell(each.line, **dict(each.variables))

    assert_ends(each, ended.returncode, ended.stdout + ended.stderr)


def test_json_stays_json_in_any_encoding() -> None:
    ended = shell(f"roomle-mail {DRY} --field city=Łódź --json <<< $SECRET",
                  PYTHONIOENCODING="ascii")  # fmt: skip
    assert_ends(case("", 0, "u0141"), ended.returncode, ended.stdout + ended.stderr)
    body = json.loads(json.loads(ended.stdout)["body"])
    assert body["data"]["city"] == "Łódź"


COMMANDS = [
    "doctor", "secret list", "dead-letters list", "logs", "send x.y --to a@b.example",
    "prove --yes",
]  # fmt: skip


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        yield server


@pytest.mark.parametrize(
    ("command", "connected"), [("doctor", False), *((each, True) for each in COMMANDS)]
)
def test_ctrl_c_ends_a_command_quietly_at_any_time(
    silent: socket.socket, command: str, *, connected: bool
) -> None:
    port = silent.getsockname()[1]
    running = subprocess.Popen(
        [LAUNCHER, *command.split()],
        env=ENVIRONMENT | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with silent.accept()[0] if connected else nullcontext():
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)

    assert "Traceback" not in err
    assert out == ""
    # A shell shows 130 for both: the process says it, or the signal ended it.
    assert running.returncode in (Exit.INTERRUPTED, -signal.SIGINT)


@pytest.mark.parametrize(("pressed", "code"), [("\x03", 130), ("n\n", 1), ("\x04", 1)])
def test_ctrl_c_at_a_question_is_not_a_no(pressed: str, code: int) -> None:
    script = (
        "from roomle_mail_cli import app, options; "
        "app.app.command('ask')(lambda: options.confirm('Really?', yes=False)); app.main()"
    )
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-c", script, "ask"], stdin=theirs, stdout=theirs, stderr=theirs,
        # The terminal has to be the process's own, for Ctrl-C to reach it.
        start_new_session=True, preexec_fn=partial(fcntl.ioctl, 0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while b"[y/N]" not in said:
        said += os.read(ours, 1000)
    for _ in range(60):
        os.write(ours, pressed.encode())
        # Python waits on if Ctrl-C comes in the instant before it reads, so press again.
        with suppress(subprocess.TimeoutExpired):
            running.wait(timeout=1)
            break
    assert running.returncode == code
    os.close(ours)
    assert b"Traceback" not in said


def test_an_unexpected_error_is_told_without_its_message(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(**_: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(app, "app", failing)
    told = cli("doctor")
    assert told.code == Exit.BROKEN
    assert "RuntimeError at test_endings.py" in told.err
    assert SECRET not in told.out + told.err
    monkeypatch.setenv("ROOMLE_MAIL_TRACEBACK", "1")
    with pytest.raises(RuntimeError):
        cli("doctor")


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)
