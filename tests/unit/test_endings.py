"""However a command ends, it says so in a sentence and an exit code, never in a traceback."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
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
DRY = (
    f"roomle-mail send savedConfiguration --to a@b.example {KEY} --webhook http://127.0.0.1:9 "
    "--dry-run"
)


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


CASES = [
    # Options.
    case("roomle-mail sign --zone Europe/Vienna", 2, "not a zone of Java's X"),
    case("roomle-mail sign --zone +2500", 2, "not a zone of Java's X"),
    case("roomle-mail sign --zone ''", 2, "not a zone of Java's X"),
    case("roomle-mail sign --age nan", 2, "not a number of seconds"),
    case("roomle-mail sign --age 1e300", 2, "not a number of seconds"),
    case("roomle-mail send x --to $'\\xff'", 2, "is not text"),
    case(f"{DRY} --field a --api-key k <<< $SECRET", 2, "not NAME=JSON"),
    case("roomle-mail sendd", 2, "Did you mean"),
    # Addresses of services.
    case("roomle-mail doctor", 3, "is not a URL", AWS_ENDPOINT_URL="localhost"),
    case("roomle-mail doctor", 3, "is not a URL", AWS_ENDPOINT_URL="127.0.0.1:4566"),
    case("roomle-mail doctor", 3, "is not a URL", AWS_ENDPOINT_URL="http://"),
    case("roomle-mail doctor", 3, "is not a URL", AWS_ENDPOINT_URL="http://[::1"),
    case("roomle-mail doctor", 3, "is not a URL", AWS_ENDPOINT_URL="http://a:99999"),
    case("roomle-mail doctor", 3, "Invalid endpoint", AWS_ENDPOINT_URL="",
         AWS_ENDPOINT_URL_CLOUDFORMATION="none"),
    case("roomle-mail doctor", 3, "can't be reached"),
    case("roomle-mail doctor", 3, "can't be reached", AWS_MAX_ATTEMPTS="many"),
    case("roomle-mail doctor", 3, "can't be reached", AWS_ENDPOINT_URL="https://127.0.0.1:9",
         AWS_CA_BUNDLE="/nowhere"),
    case("roomle-mail doctor --profile nobody", 3, "nobody"),
    case("roomle-mail doctor /etc", 3, "", AWS_ENDPOINT_URL=""),
    case("echo [] > list.json; roomle-mail doctor list.json", 3, "does not describe"),
    *(
        case(f"roomle-mail send x --to a@b.example --webhook {url} {KEY} <<< $SECRET", code, says)
        for url, code, says in (
            ("nowhere", 2, "not an http(s) URL"),
            ("ftp://a.example", 2, "not an http(s) URL"),
            ("http://[::1", 2, "not an http(s) URL"),
            ("'http://a b.example/'", 3, "can't be reached"),
            ("http://127.0.0.1:9", 3, "can't be reached"),
        )
    ),
    # Streams.
    case("roomle-mail secret set k <&-", 2, "Standard input is closed"),
    case(f"roomle-mail sign {KEY} <&-", 2, "Standard input is closed"),
    case("roomle-mail verify - <&-", 2, "Standard input is closed"),
    case(f"roomle-mail sign {KEY} < <(printf '\\xff')", 2, "is not UTF-8"),
    case("roomle-mail --help >&-", 0, ""),
    case("roomle-mail --help 2>&-", 0, "Usage"),
    case("roomle-mail --help > /dev/full", 1, "can't be written"),
    case(f"{DRY} <<< $SECRET > /dev/full", 1, "can't be written"),
    case("roomle-mail send --help | head -c 9", 0, "Usage"),
    # Encodings.
    *(
        case(f"{DRY} --field city=Łódź {json} <<< $SECRET", 0, "d", PYTHONIOENCODING=encoding)
        for encoding in ("cp1252", "ascii", "latin-1", "utf-8")
        for json in ("", "--json")
    ),
    case("roomle-mail doctor", 3, "", PYTHONIOENCODING="ascii", ROOMLE_MAIL_STACK="Łódź"),
]  # fmt: skip


@pytest.mark.parametrize("each", CASES, ids=lambda each: f"{each.line} {dict(each.variables)}")
def test_a_command_ends_in_a_sentence_and_an_exit_code(
    each: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = shell(each.line, **dict(each.variables))

    said = ended.stdout + ended.stderr
    assert ended.returncode == each.code, said
    assert each.says in said
    for trace in ("Traceback", "Exception ignored", "unexpected error"):
        assert trace not in said
    assert SECRET not in said


# A server that takes a connection, says so, and never answers.
SILENT = """
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
connections = []
while True:
    connections.append(server.accept())
    print("connected", flush=True)
"""
COMMANDS = [
    "doctor", "secret list", "dead-letters list", "logs", "send x --to a@b.example",
    "prove --yes",
]  # fmt: skip


@pytest.fixture(scope="module")
def silent() -> Iterator[subprocess.Popen[str]]:
    """The silent server; the first line it prints is its port."""
    command = [sys.executable, "-c", SILENT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        yield server
        server.kill()


@pytest.fixture(scope="module")
def port(silent: subprocess.Popen[str]) -> str:
    assert silent.stdout
    return silent.stdout.readline().strip()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("connected", [False, True], ids=["at once", "while AWS answers"])
def test_ctrl_c_ends_a_command_quietly_at_any_time(
    silent: subprocess.Popen[str], port: str, command: str, *, connected: bool
) -> None:
    running = subprocess.Popen(
        [LAUNCHER, *command.split()],
        env=ENVIRONMENT | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    if connected:
        assert silent.stdout
        assert silent.stdout.readline() == "connected\n"
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
    os.write(ours, pressed.encode())
    assert running.wait(timeout=60) == code
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
