"""Fixtures: articles and feeds as files, read for `replay`, for tests and for the demo.

.txt                     bare text, if need be with YAML front matter between two lines of ---
.html                    a page
.xml .rss .atom .json    a feed document
.jsonl                   an object a line, with `text` or `html`, and the keys of the front matter, and `id`
"""

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

from monitor import yamlfile
from monitor.errors import InputError, Problem

FEEDS = frozenset({".xml", ".rss", ".atom", ".json"})
KINDS = FEEDS | {".txt", ".html", ".htm", ".jsonl"}
_FENCE = "---"
_SURROGATES = re.compile("[\ud800-\udfff]")


class FrontMatter(BaseModel):
    """What a fixture may say of itself besides its text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    url: str = ""
    published: datetime | None = None
    language: str | None = None
    feed: str = ""

    @field_validator("published")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class _Line(FrontMatter):
    """A line of a .jsonl fixture; what other programs add to it is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str | int | None = None
    text: str | None = None
    html: str | None = None


@dataclass(frozen=True, slots=True)
class Fixture:
    """One document: `document` is its place (`folder/file.jsonl#7`); of `text`, `html` and `feed` one is set."""

    document: str
    about: FrontMatter
    text: str | None = None
    html: bytes | str | None = None
    feed: bytes | None = None
    path: str = ""  # where it was read


def read(paths: Iterable[Path]) -> list[Fixture]:
    """Read files and folders of fixtures, in the order of their places; raises InputError with every problem."""
    fixtures: list[Fixture] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            for file, document in _files(path):
                try:
                    fixtures += _read_file(file, document)
                except InputError as error:
                    problems += error.problems
        except InputError as error:
            problems += error.problems
    problems += _repeated(fixtures)
    if problems:
        raise InputError(problems)
    return fixtures


def _repeated(fixtures: Iterable[Fixture]) -> list[Problem]:
    first: dict[str, Fixture] = {}
    return [
        Problem(fixture.path, f'the document "{fixture.document}" stands already at {first[fixture.document].path}')
        for fixture in fixtures
        if first.setdefault(fixture.document, fixture) is not fixture
    ]


def _files(path: Path) -> list[tuple[Path, str]]:
    """The fixture files of a path, each with its place below it."""
    if path.is_file():
        if path.suffix.lower() not in KINDS:
            raise InputError([Problem(str(path), f"no kind of fixture; known: {' '.join(sorted(KINDS))}")])
        return [(path, path.name)]
    if not path.is_dir():
        raise InputError([Problem(str(path), "no such file or folder")])
    root = path.resolve()
    inside = (file for file in path.rglob("*") if file.suffix.lower() in KINDS and file.is_file())
    # A link out of the folder is no fixture of it.
    files = sorted((file.relative_to(path).as_posix(), file) for file in inside if file.resolve().is_relative_to(root))
    if not files:
        raise InputError([Problem(str(path), f"holds no fixture; known: {' '.join(sorted(KINDS))}")])
    return [(file, document) for document, file in files]


def _read_file(file: Path, document: str) -> Iterable[Fixture]:
    try:
        body = file.read_bytes()
    except OSError as error:
        raise InputError([Problem(str(file), f"cannot be read: {error.strerror}")]) from None
    kind = file.suffix.lower()
    if kind in FEEDS:
        return [Fixture(document, FrontMatter(), feed=body, path=str(file))]
    if kind in (".html", ".htm"):
        return [Fixture(document, FrontMatter(), html=body, path=str(file))]
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise InputError([Problem(f"{file}:{line}:1", f"not UTF-8: {error.reason}")]) from None
    return [_text_fixture(text, file, document)] if kind == ".txt" else _line_fixtures(text, file, document)


def _text_fixture(text: str, file: Path, document: str) -> Fixture:
    lines = text.splitlines(keepends=True)
    if not lines or lines[0].strip() != _FENCE:
        return Fixture(document, FrontMatter(), text=text, path=str(file))
    for number, line in enumerate(lines[1:], 1):
        if line.strip() == _FENCE:
            # An empty line in the place of the fence keeps the line numbers of the file.
            front = yamlfile.parse("\n" + "".join(lines[1:number]), os.path.relpath(file))
            about = yamlfile.validate(FrontMatter, front)
            return Fixture(document, about, text="".join(lines[number + 1 :]), path=str(file))
    raise InputError([Problem(f"{file}:1:1", "front matter that is never closed; end it with a line of ---")])


def _line_fixtures(text: str, file: Path, document: str) -> list[Fixture]:
    fixtures: list[Fixture] = []
    problems: list[Problem] = []
    # Not splitlines(): a JSON string may hold the other line separators of Unicode.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{os.path.relpath(file)}:{number}"
        try:
            fixtures.append(_line_fixture(line, place, f"{document}#", number))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return fixtures


def _line_fixture(line: str, place: str, prefix: str, number: int) -> Fixture:
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        column = getattr(error, "colno", 1)
        raise InputError([Problem(f"{place}:{column}", f"not JSON: {getattr(error, 'msg', error)}")]) from None
    if not isinstance(value, dict):
        raise InputError([Problem(f"{place}:1", 'an object such as {"text": "..."} was expected')])
    parsed = yamlfile.validate(_Line, yamlfile.Document(place), value)
    if (parsed.text is None) == (parsed.html is None):
        raise InputError([Problem(f"{place}:1", 'either "text" or "html" was expected')])
    identity = number if parsed.id is None else parsed.id
    text, html = (part if part is None else _SURROGATES.sub("\ufffd", part) for part in (parsed.text, parsed.html))
    return Fixture(f"{prefix}{identity}", parsed, text=text, html=html, path=place)
