"""What is deployed is known to the byte: which packages, and what a build makes of them."""

import http.server
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion

from tests import emails_package
from tools import artefacts, audit, sam, sbom
from tools.sam import ROOT

BILL = ROOT / "build" / "sbom.cdx.json"
LOCKED = re.compile(r"^([a-z0-9-]+)==(\S+)((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")

# --- the bill of materials ----------------------------------------------------------------------


def bill() -> dict[str, Any]:
    assert BILL.is_file(), "there is no bill of materials yet: make build"
    found: dict[str, Any] = json.loads(BILL.read_bytes())
    return found


def test_the_bill_names_every_locked_package_with_its_version_and_hashes() -> None:
    lock = sbom.LOCK.read_text()
    locked = {
        name: (version, set(HASH.findall(rest))) for name, version, rest in LOCKED.findall(lock)
    }

    named = {
        each["name"]: (
            each["version"],
            {
                digest["content"]
                for reference in each["externalReferences"]
                for digest in reference["hashes"]
            },
        )
        for each in bill()["components"]
    }

    assert {"boto3", "pycryptodome", "pydantic-core"} <= set(locked)
    assert all(hashes for _, hashes in locked.values())
    assert named == locked


def test_the_bill_names_exactly_what_is_deployed() -> None:
    # The development environment has the same packages as the layer, with their names.
    owners = importlib.metadata.packages_distributions()
    python = artefacts.BUILD / "DependenciesLayerX86" / "python"
    modules = {path.name.removesuffix(".py") for path in python.iterdir()} - {"__pycache__"}
    deployed = {(name, importlib.metadata.version(name)) for m in modules for name in owners[m]}

    named = {(each["name"], each["version"]) for each in bill()["components"]}

    assert {(name.replace("_", "-").lower(), version) for name, version in deployed} == named


def test_the_bill_names_this_project_and_its_version() -> None:
    project = bill()["metadata"]["component"]

    assert project["name"] == "roomle-mail"
    assert f'version = "{project["version"]}"' in sbom.PROJECT.read_text()


def test_the_bill_is_valid_cyclonedx() -> None:
    # It builds forty grammars when it is imported, which takes longer than all other imports.
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    validator = JsonStrictValidator(SchemaVersion.V1_6)
    spoilt = json.dumps(bill() | {"components": [{"name": "without a type"}]})

    assert validator.validate_str(BILL.read_text()) is None
    assert "'type' is a required property" in str(validator.validate_str(spoilt))


def test_the_bill_is_current_and_the_same_each_time(tmp_path: Path) -> None:
    sbom.write(tmp_path / "again.json")

    assert (tmp_path / "again.json").read_bytes() == BILL.read_bytes()


# --- the build ----------------------------------------------------------------------------------

# These are proofs, since another build takes ten seconds.
PARTS = ("functions", "layers", "requirements", "tools", "template.yaml", "samconfig.toml")
# Zips with the code of `sam deploy` and prints the content, and the checksum by which SAM decides
# whether anything changed.
ZIPPED = """
import json, sys, zipfile
from samcli.lib.package.utils import make_zip_with_lambda_permissions, zip_folder
found = []
for folder in sys.argv[1:]:
    with zip_folder(folder, make_zip_with_lambda_permissions) as (file, checksum):
        entries = [
            (e.filename, e.date_time, e.external_attr, e.create_system, e.CRC, e.compress_size)
            for e in zipfile.ZipFile(file).infolist()
        ]
    found.append([checksum, sorted(entries)])
print(json.dumps(found))
"""
# Zipping the layers of packages would take much longer, and they are not special.
SMALL = ("EmailsLayer", "MailerFunction", "ReceiverFunction", "SharedLayer")


@pytest.fixture(scope="module")
def another_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the same sources again: elsewhere, at another time, as another user."""
    clone = tmp_path_factory.mktemp("another place")
    with emails_package.guard.allowed():
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(
                    source,
                    clone / part,
                    ignore=shutil.ignore_patterns("__pycache__"),
                    copy_function=shutil.copyfile,
                )
            else:
                shutil.copyfile(source, clone / part)
    (clone / ".tools").symlink_to(ROOT / ".tools")
    subprocess.run(
        [sys.executable, "-m", "tools.sam", "build"],
        cwd=clone,
        env=os.environ | {"PYTHONHASHSEED": "7", "TZ": "Pacific/Auckland", "LANG": "C"},
        umask=0o027,
        check=True,
        capture_output=True,
    )
    return clone / ".aws-sam" / "build"


@pytest.mark.proof
def test_two_builds_are_the_same_byte_by_byte(another_build: Path) -> None:
    files = artefacts.files(artefacts.BUILD)

    assert len(files) > 500
    assert artefacts.files(another_build) == files
    different = [
        str(path)
        for path in files
        if (artefacts.BUILD / path).read_bytes() != (another_build / path).read_bytes()
    ]
    assert different == []


@pytest.mark.proof
def test_two_builds_have_the_same_permissions_and_times(another_build: Path) -> None:
    for path in artefacts.files(artefacts.BUILD) - {Path("template.yaml")}:
        one, other = ((build / path).stat() for build in (artefacts.BUILD, another_build))
        assert (one.st_mode, one.st_mtime) == (other.st_mode, other.st_mtime), path


@pytest.mark.proof
def test_sam_makes_the_same_archives_of_two_builds(another_build: Path) -> None:
    folders = [build / name for build in (artefacts.BUILD, another_build) for name in SMALL]
    finished = subprocess.run(
        [*sam.pinned("aws-sam-cli", "sam")[:-1], "python", "-c", ZIPPED, *map(str, folders)],
        env=sam.environment(),
        check=True,
        capture_output=True,
        text=True,
    )

    found = json.loads(finished.stdout)

    assert all(entries for _, entries in found)
    assert found[: len(SMALL)] == found[len(SMALL) :]


# --- known vulnerabilities ----------------------------------------------------------------------

KNOWN = {
    "id": "GHSA-0000-0000-0000",
    "summary": "made up",
    "affected": [
        {
            "package": {"name": "segno", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.6.7"}]}],
            "versions": ["1.6.6"],
        }
    ],
}


class Database(http.server.BaseHTTPRequestHandler):
    """Answers like OSV: the known vulnerabilities of a package's version."""

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["content-length"])))
        asked = (query["package"]["name"], query["version"])
        body = json.dumps({"vulns": [KNOWN] if asked == ("segno", "1.6.6") else []}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def database() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Database)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_audit_reports_what_is_known_about_any_version_in_any_lock(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    locks = [tmp_path / "one.txt", tmp_path / "other.txt"]
    locks[0].write_text(f"six==1.17.0 \\\n    --hash=sha256:{'0' * 64}\nsegno==1.6.7\n")
    locks[1].write_text("six==1.17.0\nsegno==1.6.6 ; sys_platform == 'elsewhere' \\\n")

    options = ("--vulnerability-service", "osv", "--osv-url", database)
    status = audit.main([str(lock) for lock in locks], *options)

    assert status == audit.VULNERABLE
    told = capsys.readouterr().out
    assert told == "known vulnerabilities:\n  segno 1.6.6: GHSA-0000-0000-0000, fixed in 1.6.7\n"

    assert audit.main([str(locks[0])], *options) == audit.CLEAN
    told = capsys.readouterr().out
    assert told == "audited: nothing is known against 2 packages of 1 locks\n"


def test_an_audit_that_reaches_no_database_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock, nowhere = tmp_path / "lock.txt", "http://127.0.0.1:9"
    lock.write_text("segno==1.6.6\n")

    status = audit.main([str(lock)], "--vulnerability-service", "osv", "--osv-url", nowhere)

    assert status == audit.NOT_AUDITED
    assert capsys.readouterr().out.startswith("could not audit: ")


SKIPPED = '{"dependencies": [{"name": "segno", "skip_reason": "not found"}], "fixes": []}'


@pytest.mark.parametrize("printed", ["", "no report", "{}", SKIPPED])
def test_what_was_not_looked_up_does_not_count_as_audited(printed: str) -> None:
    with pytest.raises(audit.NotAudited):
        audit.report(printed, "the reason\n")


@pytest.mark.parametrize("told", ["", "segno==1.6.6\n"])
def test_an_audit_with_an_incomplete_report_does_not_count(
    told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lock.txt").write_text(told)
    monkeypatch.setattr(audit, "audited", lambda *_: [])

    assert audit.main([str(tmp_path / "lock.txt")]) == audit.NOT_AUDITED


def locks() -> set[Path]:
    folders = (ROOT / folder for folder in ("requirements", "layers", "bench"))
    return {path.with_suffix(".txt") for folder in folders for path in folder.rglob("*.in")}


def test_every_lock_is_made_and_audited() -> None:
    told = subprocess.run(
        ["make", "--print-data-base", "--question", "help"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    ).stdout
    (named,) = re.findall(r"^LOCKS := (.*)$", told, re.MULTILINE)
    assert {ROOT / f"{name}.txt" for name in named.split()} == locks()


def test_every_package_of_every_lock_has_its_hashes() -> None:
    for lock in locks():
        pins = re.split(r"^(?=[a-zA-Z0-9])", lock.read_text(), flags=re.MULTILINE)[1:]
        assert pins
        for pin in pins:
            assert re.match(audit.PIN, pin), pin
            assert HASH.search(pin), f"{lock.name}: {pin}"
