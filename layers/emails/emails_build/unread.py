"""Files in templates/, texts/ and pictures/ that nothing reads because of their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emails_build.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# Endings, and those that were most likely meant to be one of them.
_TEMPLATES = {
    ".mjml": (".mjm", ".html", ".htm", ".xhtml", ".xml"),
    ".txt": (".text", ".md"),
}
_TEXTS = {".toml": (".tml", ".yaml", ".yml", ".json", ".ini", ".txt")}
# What every mail program shows, and fonts.
_PICTURES = {".png": (".svg", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".heic", ".psd", ".ai")}
_SHOWN = (".png", ".jpg", ".jpeg", ".gif", ".woff2", ".woff")
# Files that systems put into folders, and copies that editors make for a moment.
_OF_SYSTEMS = frozenset({"Thumbs.db", "desktop.ini"})


def problems(source: Path) -> Iterator[Problem]:
    """The files whose name no template, text, picture or font can have."""
    for file in _files(source / "templates"):
        if why := _misnamed(file, _TEMPLATES, "savedConfiguration.mjml"):
            yield Problem(file, 0, why)
    for file in _files(source / "texts"):
        why = _misnamed(file, _TEXTS, "de.toml")
        if not why and file.parent != source / "texts":
            why = f"isn't used: expected it in texts/ itself, as texts/{file.name}"
        if why:
            yield Problem(file, 0, why)
    for file in _files(source / "pictures"):
        # Links to pictures may be written in any case.
        if file.suffix.lower() not in _SHOWN:
            why = _misnamed(file, _PICTURES, "logo.png")
            yield Problem(file, 0, f"{why}, since mail programs show PNG, JPEG and GIF")


def _files(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        passing = file.name.startswith("#") or file.name.endswith(("~", "___"))
        if file.is_file() and not hidden and not passing and file.name not in _OF_SYSTEMS:
            yield file


def _misnamed(file: Path, endings: Mapping[str, tuple[str, ...]], example: str) -> str:
    """Why a file is not read, and the name that it needs; empty if its ending is right."""
    name, dot, rest = file.name.partition(".")
    first = f"{dot}{rest.partition('.')[0].lower()}"
    meant = next((each for each, alike in endings.items() if first in (each, *alike)), None)
    # Some systems hide a second ending: savedConfiguration.mjml.txt.
    if file.suffix in endings and ("." not in rest or meant is None):
        return ""
    expected = f"the name {name}{meant}" if meant else f"a name such as {example}"
    return f"isn't used: expected {expected}"
