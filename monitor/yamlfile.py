"""YAML as users write it: every mistake is reported, each with its line and column.

Scalars stay the text that was written, so that `no` is Norwegian and `1.10` keeps its zero; the schema
decides what is a number or a truth value. Duplicate keys, aliases, tags and excessive size or depth are refused.
"""

import difflib
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from monitor.errors import InputError, Problem

MAX_BYTES = 4_000_000
MAX_DEPTH = 40

Model = TypeVar("Model", bound=BaseModel)
Path_ = tuple[str | int, ...]


@dataclass
class Document:
    """A file's value, and where each part of it stands: `places` maps a path of keys and indexes to (line, column)."""

    name: str
    value: Any = None
    places: dict[Path_, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Path_) -> str:
        """Say where `path` is written, or else the nearest thing around it."""
        while path not in self.places and path:
            path = path[:-1]
        line, column = self.places.get(path, (1, 1))
        return f"{self.name}:{line}:{column}"

    def problem(self, path: Path_, message: str) -> Problem:
        return Problem(self.place(path), message)


def read(path: Path) -> Document:
    """Read a YAML file; raises InputError with every problem that keeps it from being read."""
    below = path.is_relative_to(Path.cwd()) and Path.cwd() != Path("/")  # where services run; nobody works there
    name = os.path.relpath(path) if below else str(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError([Problem(f"{name}:1:1", f"larger than {MAX_BYTES // 1_000_000} MB; split it")])
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError([Problem(f"{name}:1:1", f"not UTF-8: {error.reason} at byte {error.start}")]) from None
    except OSError as error:
        raise InputError([Problem(name, f"cannot be read: {error.strerror}")]) from None
    return parse(text, name)


def write(path: Path, value: Any, heading: str) -> None:
    """Write a YAML file in one step: whoever reads it sees all of the old one or of the new. Raises InputError."""
    body = dump(value)
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            file.write(f"# {heading}\n{body}")
        Path(file.name).chmod(0o644)
        Path(file.name).replace(path)
    except OSError as error:
        raise InputError([Problem(str(path), f"cannot be written: {error.strerror}")]) from None


def dump(value: Any) -> str:
    """Plain values as YAML, in their order."""
    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=120)


def parse(text: str, name: str) -> Document:
    """Parse YAML text; raises InputError. `name` is what problems call the file."""
    builder = _Builder(Document(name))
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InputError([Problem(_place(name, mark), f"not YAML: {error.problem}")]) from None
    except yaml.YAMLError as error:
        raise InputError([Problem(f"{name}:1:1", f"not YAML: {str(error).splitlines()[0]}")]) from None
    if builder.document.problems:
        raise InputError(builder.document.problems)
    return builder.document


def _place(name: str, mark: Any) -> str:
    return f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name


def _position(event: yaml.Event) -> tuple[int, int]:
    mark: Any = event.start_mark
    return mark.line + 1, mark.column + 1


class _Builder:
    """Builds a document from the parser's events, in one pass and without recursion.

    Each open collection stands on the stack with its path; of an open mapping `key` is what waits for its value.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.stack: list[tuple[Path_, dict[str, Any] | list[Any]]] = []
        self.key: list[str | None] = []

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            plain = not event.style and event.value in ("", "~", "null")
            self._add(event, None if plain else event.value)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
            self.stack.append((self._add(event, value), value))
            self.key.append(None)
            if len(self.stack) > MAX_DEPTH:
                raise InputError([self._problem(event, f"nested over {MAX_DEPTH} deep")])
        elif isinstance(event, yaml.CollectionEndEvent):
            self.stack.pop()
            self.key.pop()
        elif isinstance(event, yaml.AliasEvent):
            raise InputError([self._problem(event, "aliases (*name) are not allowed")])
        elif isinstance(event, yaml.DocumentStartEvent) and self.document.places:
            raise InputError([self._problem(event, "a second document (---); one file holds one")])

    def _add(self, event: yaml.Event, value: Any) -> Path_:
        """Put a value where it belongs, and note where it stands; returns its path."""
        if not self.stack:
            self.document.value = value
            path: Path_ = ()
        else:
            path, parent = self.stack[-1]
            if isinstance(parent, list):
                path = (*path, len(parent))
                parent.append(value)
            elif self.key[-1] is None:
                return self._open_key(event, value, path, parent)
            else:
                path = (*path, self.key[-1])
                parent[self.key[-1]] = value
                self.key[-1] = None
        # A mapping's value has its key's place: that is where a reader looks.
        self.document.places.setdefault(path, _position(event))
        return path

    def _open_key(self, event: yaml.Event, value: Any, path: Path_, parent: dict[str, Any]) -> Path_:
        if not isinstance(event, yaml.ScalarEvent):
            raise InputError([self._problem(event, "a key has to be plain text")])
        key = event.value
        if key in parent:
            self.document.problems.append(self._problem(event, f'key "{key}" is written twice'))
        self.key[-1] = key
        self.document.places[(*path, key)] = _position(event)
        return path

    def _problem(self, event: yaml.Event, message: str) -> Problem:
        return Problem(_place(self.document.name, event.start_mark), message)


def validate(model: type[Model], document: Document, value: Any = ..., path: Path_ = ()) -> Model:
    """Check a document's value (or a part of it, at `path`) against a pydantic model; raises InputError with all."""
    checked = _without_nothing(document.value if value is ... else value)
    try:
        return model.model_validate({} if checked is None else checked)
    except ValidationError as error:
        raise InputError(problems_of(error, model, document, path)) from None


def _without_nothing(value: Any) -> Any:
    """The value without the keys that were written and left empty: they are as good as not written."""
    if isinstance(value, dict):
        return {key: _without_nothing(inner) for key, inner in value.items() if inner is not None}
    return [_without_nothing(inner) for inner in value] if isinstance(value, list) else value


def problems_of(
    error: ValidationError, model: type[BaseModel], document: Document, path: Path_ = ()
) -> Iterator[Problem]:
    """Turn pydantic's errors into lines with a place, what was found, what was expected and a suggestion."""
    known = set(_field_names(model))
    for item in error.errors(include_url=False):
        # Pydantic adds the tags of unions to a location; what is no part of the document is dropped.
        location = path
        for part in item["loc"]:
            if (*location, part) in document.places:
                location = (*location, part)
        missing = f'"{item["loc"][-1]}" ' if item["type"] == "missing" else ""
        if item["type"] == "extra_forbidden":
            key = str(item["loc"][-1])
            yield document.problem(location, f'unknown key "{key}"{suggest(key, known)}')
        elif missing:
            yield document.problem(location, f"{missing}is missing")
        else:
            yield document.problem(location, _explain(location, item))


_IN_YAML = {
    **{"dict": "mapping", "dictionary": "mapping", "tuple": "list"},
    **{"int": "number", "float": "number", "bool": "yes or no"},
}


def _explain(location: Path_, item: Any) -> str:
    message = item["msg"].removeprefix("Value error, ")
    where = f"{location[-1]}: " if location and isinstance(location[-1], str) else ""
    if item["type"] == "value_error":
        return f"{where}{message}"
    got = item["input"]
    shown = f'"{got}"' if isinstance(got, str) else "nothing" if got is None else f"a {_kind(got)}"
    for word in ("dictionary", "tuple"):
        message = message.replace(word, _IN_YAML[word])
    return f"{where}{message[:1].lower()}{message[1:].replace('Input should', '')}, not {shown}".replace("input ", "")


def _kind(value: Any) -> str:
    return _IN_YAML.get(type(value).__name__, type(value).__name__)


def suggest(word: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?` for the known word nearest to a mistyped one, or nothing."""
    folded = {candidate.casefold(): candidate for candidate in known}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f'; did you mean "{folded[near[0]]}"?' if near else ""


def _field_names(model: type[BaseModel], seen: frozenset[type] = frozenset()) -> Iterator[str]:
    """Every key that a model and the models inside it know."""
    for name, info in model.model_fields.items():
        yield info.alias or name
        for inner in models_in(info.annotation):
            if inner not in seen:
                yield from _field_names(inner, seen | {model})


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that the type of a field names, however deep within it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from models_in(argument)
