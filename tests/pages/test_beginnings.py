"""Starting the pages: the commands, the browser, the address."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools import browser, demo, pages
from tools.preview import __main__ as preview
from tools.sam import ROOT
from tools.simulator import page as simulator
from tools.stack import deployment, foreground, processes
from tools.stack.deployment import Stack
from tools.stack.emulator import HOST, free_port


def read(address: str) -> str:
    with urllib.request.urlopen(address, timeout=30) as response:
        text: str = response.read().decode()
        return text


def test_the_preview_prints_its_address_and_ends_on_a_signal() -> None:
    port = free_port()
    command = [sys.executable, "-m", "tools.preview", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        line = process.stdout.readline()
        assert f"http://{HOST}:{port}/" in line
        assert "Your Example Furniture design is saved" in read(f"http://{HOST}:{port}/")
        process.terminate()
        assert process.wait(timeout=20) == 0


def test_a_port_in_use_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with pages.served(pages.application("test", Path(__file__).parent), 0) as address:
        port = address.rstrip("/").rpartition(":")[2]
        assert preview.main(["--port", port]) == 1
    assert f"port {port} is taken" in capsys.readouterr().err


def test_pictures_of_broken_emails_are_refused_in_the_builds_words(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    brands = folder / "brands.toml"
    brands.write_text(brands.read_text("utf-8").replace("logo_width = 200", "logo_width = 9"))

    assert preview.main(["--source", str(folder), "--pictures", str(tmp_path / "out")]) == 1

    assert "brands.default.logo_width: expected a width" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_demo_serves_the_simulator_and_prints_its_address(
    deployed: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: list[str] = []

    @contextlib.contextmanager
    def running(_port: int, *, mailer: bool) -> Iterator[Stack]:
        assert mailer
        yield deployed

    def look(_stack: Stack) -> None:
        [line] = [line for line in capsys.readouterr().out.splitlines() if "simulator" in line]
        answers.append(read(line.rpartition(" ")[2]))

    monkeypatch.setattr(deployment, "running", running)
    monkeypatch.setattr(foreground, "stay_up", look)
    monkeypatch.setattr(processes, "interrupt_on_signals", lambda: None)
    monkeypatch.setattr(demo, "show", lambda _stack: 0)

    assert demo.main(["--description", str(ROOT / ".local" / "test-stack.json")]) == 0
    assert demo.main(["--once", "--description", str(ROOT / ".local" / "test-stack.json")]) == 0

    [answer] = answers
    assert "<h1>Play Roomle</h1>" in answer


@pytest.mark.parametrize("free", [True, False])
def test_the_page_is_at_the_port_after_the_stacks_unless_that_is_taken(
    deployed: Stack, monkeypatch: pytest.MonkeyPatch, free: bool
) -> None:
    monkeypatch.setattr(simulator, "taken", lambda _: not free)
    with simulator.beside(deployed) as address:
        assert (address == f"http://{HOST}:{deployed.emulator.port + 1}/") is free


def test_an_installed_browser_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any, **__: Any) -> None:
        pytest.fail("nothing should be installed")

    monkeypatch.setattr(browser, "installed", lambda: "/usr/bin/chromium")
    monkeypatch.setattr(subprocess, "run", run)

    browser.install()


@pytest.mark.parametrize(
    ("user", "package", "expected"),
    [
        (0, "chromium-headless-shell", [["apt-get", "update"], ["apt-get", "install"]]),
        (0, "chromium", [["apt-get", "update"], ["apt-get", "install"]] * 2),
        (1000, "", [[sys.executable, "-m", "playwright", "install", "chromium"]]),
    ],
)
def test_without_a_browser_debians_is_installed_or_playwrights_own(
    user: int, package: str, expected: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []
    there: list[str] = []

    def run(command: list[str], **_: Any) -> None:
        words = [word for word in command if word != "--quiet=2"]
        calls.append(words[: len(expected[len(calls)])])
        if package in words:
            there.append(f"/usr/bin/{package}")

    monkeypatch.setattr(browser, "installed", lambda: there[0] if there else None)
    monkeypatch.setattr(browser, "downloaded", lambda _: False)
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(subprocess, "run", run)

    browser.install()

    assert calls == expected
