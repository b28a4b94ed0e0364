"""Fixtures: articles and feeds as files, read for `replay`, for tests and for the demo.

.txt                     bare text, if need be with YAML front matter between two lines of ---
.html                    a page; what front matter would say stands beside it, in a file `page.html.yaml`
.xml .rss .atom .json    a feed document
.jsonl                   an object a line, with `text` or `html`, and the keys of the front matter, and `id`
.jsonl.zst               the same, packed, as the archive is; a line is called by its number, for ids come again
"""

import json
import logging
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

from monitor import yamlfile
from monitor.archive.frames import lines as packed_lines
from monitor.errors import InputError, Problem
from monitor.models import TextFrom

log = logging.getLogger(__name__)

PACKED = ".jsonl.zst"
FEEDS = frozenset({".xml", ".rss", ".atom", ".json"})
KINDS = FEEDS | {".txt", ".html", ".htm", ".jsonl", PACKED}
_FENCE = "---"
_SURROGATES = re.compile("[\ud800-\udfff]")


class FrontMatter(BaseModel):
    """What a fixture may say of itself besides its text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = ""
    url: str = ""
    published: datetime | None = None
    seen: datetime | None = None  # when the daemon saw it; absent: when it was published
    language: str | None = None
    author: str = ""
    content_type: str = ""  # what a page's server called it, where that names a charset
    feed: str = ""
    feed_url: str = ""
    tags: tuple[str, ...] = ()  # of the feed
    text_from: TextFrom | None = None  # in the archive: where the daemon had the text from

    @field_validator("published", "seen")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        if value is None:
            return None
        try:
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        except OverflowError:
            raise ValueError("in UTC this is out of the calendar") from None


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
    return list(stream(paths))


def stream(paths: Iterable[Path]) -> Iterator[Fixture]:
    """Yield what `read` returns, a file at a time, and of an archive a piece; raises InputError at the end.

    What a crash left of an archive's last words is passed over with a warning.
    """
    problems: list[Problem] = []
    first: dict[str, str] = {}  # where each document was read
    for path in paths:
        try:
            files = _files(path)
        except InputError as error:
            problems += error.problems
            continue
        for file, document in files:
            try:
                yield from _read_new(file, document, first, problems)
            except InputError as error:
                problems += error.problems
    if problems:
        raise InputError(problems)


def _read_new(file: Path, document: str, first: dict[str, str], problems: list[Problem]) -> Iterator[Fixture]:
    """Read a file, and add to `problems` what was read before under the same name."""
    # The lines of a packed file differ in their numbers, and may be too many to be remembered.
    packed = _kind(file) == PACKED
    if packed:
        problems += _noted(document, str(file), first)
    for fixture in _read_file(file, document):
        if not packed:
            problems += _noted(fixture.document, fixture.path, first)
        yield fixture


def _noted(document: str, place: str, first: dict[str, str]) -> list[Problem]:
    if document in first:
        return [Problem(place, f'the document "{document}" stands already at {first[document]}')]
    first[document] = place
    return []


def _kind(file: Path) -> str:
    return PACKED if file.name.lower().endswith(PACKED) else file.suffix.lower()


def _files(path: Path) -> list[tuple[Path, str]]:
    """The fixture files of a path, each with its place below it."""
    if path.is_file():
        if _kind(path) not in KINDS:
            raise InputError([Problem(str(path), f"no kind of fixture; known: {' '.join(sorted(KINDS))}")])
        return [(path, path.name)]
    if not path.is_dir():
        raise InputError([Problem(str(path), "no such file or folder")])
    root = path.resolve()
    inside = (file for file in path.rglob("*") if _kind(file) in KINDS and file.is_file())
    # A link out of the folder is no fixture of it.
    files = sorted((file.relative_to(path).as_posix(), file) for file in inside if file.resolve().is_relative_to(root))
    if not files:
        raise InputError([Problem(str(path), f"holds no fixture; known: {' '.join(sorted(KINDS))}")])
    return [(file, document) for document, file in files]


def _read_file(file: Path, document: str) -> Iterable[Fixture]:
    kind = _kind(file)
    if kind == PACKED:
        return _packed_fixtures(file, document)
    try:
        body = file.read_bytes()
    except OSError as error:
        raise InputError([Problem(str(file), f"cannot be read: {error.strerror}")]) from None
    if kind in FEEDS:
        return [Fixture(document, FrontMatter(), feed=body, path=str(file))]
    if kind in (".html", ".htm"):
        return [Fixture(document, _beside(file), html=body, path=str(file))]
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise InputError([Problem(f"{file}:{line}:1", f"not UTF-8: {error.reason}")]) from None
    return [_text_fixture(text, file, document)] if kind == ".txt" else _line_fixtures(text, file, document)


def sidecar(file: Path) -> Path:
    """The file that holds the front matter of a page."""
    return file.with_name(f"{file.name}.yaml")


def _beside(file: Path) -> FrontMatter:
    beside = sidecar(file)
    return yamlfile.validate(FrontMatter, yamlfile.read(beside)) if beside.is_file() else FrontMatter()


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


def _packed_fixtures(file: Path, document: str) -> Iterator[Fixture]:
    damage: list[Problem] = []
    problems: list[Problem] = []
    for number, line in packed_lines(file, damage):
        try:
            fixture = _line_fixture(line, f"{os.path.relpath(file)}:{number}", f"{document}#", number)
            yield replace(fixture, document=f"{document}#{number}")
        except InputError as error:
            problems += error.problems
    for problem in damage:
        log.warning("%s", problem)
    if problems:
        raise InputError(problems)


def _line_fixture(line: str | bytes, place: str, prefix: str, number: int) -> Fixture:
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        column = getattr(error, "colno", 1)
        raise InputError([Problem(f"{place}:{column}", f"not JSON: {getattr(error, 'msg', error)}")]) from None
    if not isinstance(value, dict):
        raise InputError([Problem(f"{place}:1", 'an object such as {"text": "..."} was expected')])
    whole = {key: _SURROGATES.sub("\ufffd", part) if isinstance(part, str) else part for key, part in value.items()}
    places = dict.fromkeys([(), *((key,) for key in whole)], (number, 1))
    document = yamlfile.Document(place.rpartition(":")[0], places=places)
    parsed = yamlfile.validate(_Line, document, whole)
    if (parsed.text is None) == (parsed.html is None):
        raise InputError([Problem(f"{place}:1", 'either "text" or "html" was expected')])
    identity = number if parsed.id is None else parsed.id
    return Fixture(f"{prefix}{identity}", parsed, text=parsed.text, html=parsed.html, path=place)
