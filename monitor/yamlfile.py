"""YAML as users write it: every mistake is reported, each with its line and column.

Scalars stay the text that was written, so that `no` is Norwegian and `1.10` keeps its zero; the schema
decides what is a number or a truth value. Duplicate keys, aliases, tags and excessive size or depth are refused.
"""

import difflib
import os
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
    name = os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError([Problem(f"{name}:1:1", f"larger than {MAX_BYTES // 1_000_000} MB; split it")])
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError([Problem(f"{name}:1:1", f"not UTF-8: {error.reason} at byte {error.start}")]) from None
    except OSError as error:
        raise InputError([Problem(name, f"cannot be read: {error.strerror}")]) from None
    return parse(text, name)


def parse(text: str, name: str) -> Document:
    """Parse YAML text; raises InputError. `name` is what problems call the file."""
    document = Document(name)
    try:
        root = _compose(text, name)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InputError([Problem(_place(name, mark), f"not YAML: {error.problem}")]) from None
    except yaml.YAMLError as error:
        raise InputError([Problem(f"{name}:1:1", f"not YAML: {str(error).splitlines()[0]}")]) from None
    if root is not None:
        document.value = _convert(root, (), document)
    if document.problems:
        raise InputError(document.problems)
    return document


def _place(name: str, mark: Any) -> str:
    return f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name


def _compose(text: str, name: str) -> yaml.Node | None:
    """Build the node tree, having refused first what could exhaust the composer, which recurses."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise InputError([Problem(_place(name, event.start_mark), "aliases (*name) are not allowed")])
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise InputError([Problem(_place(name, event.start_mark), f"nested over {MAX_DEPTH} deep")])
    return yaml.compose(text, Loader=yaml.CSafeLoader)


def _convert(node: yaml.Node, path: Path_, document: Document) -> Any:
    document.places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, yaml.MappingNode):
        return _convert_mapping(node, path, document)
    if isinstance(node, yaml.SequenceNode):
        return [_convert(child, (*path, index), document) for index, child in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode) and node.style is None and node.value in ("", "~", "null"):
        return None
    return node.value


def _convert_mapping(node: yaml.MappingNode, path: Path_, document: Document) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        mark = key_node.start_mark
        if not isinstance(key_node, yaml.ScalarNode):
            document.problems.append(Problem(_place(document.name, mark), "a key has to be plain text"))
        elif key_node.value in result:
            document.problems.append(Problem(_place(document.name, mark), f'key "{key_node.value}" is written twice'))
        else:
            # A key's own place serves its value as well: it is where a reader looks.
            document.places[(*path, key_node.value)] = (mark.line + 1, mark.column + 1)
            result[key_node.value] = _convert(value_node, (*path, key_node.value), document)
    return result


def validate(model: type[Model], document: Document, value: Any = ..., path: Path_ = ()) -> Model:
    """Check a document's value (or a part of it, at `path`) against a pydantic model; raises InputError with all."""
    checked = document.value if value is ... else value
    try:
        return model.model_validate({} if checked is None else checked)
    except ValidationError as error:
        raise InputError(problems_of(error, model, document, path)) from None


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


def _explain(location: Path_, item: Any) -> str:
    message = item["msg"].removeprefix("Value error, ")
    where = f"{location[-1]}: " if location and isinstance(location[-1], str) else ""
    if item["type"] == "value_error":
        return f"{where}{message}"
    got = item["input"]
    shown = f'"{got}"' if isinstance(got, str) else "nothing" if got is None else f"a {_kind(got)}"
    return f"{where}{message[:1].lower()}{message[1:].replace('Input should', '')}, not {shown}".replace("input ", "")


def _kind(value: Any) -> str:
    return "mapping" if isinstance(value, dict) else type(value).__name__


def suggest(word: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?` for the known word nearest to a mistyped one, or nothing."""
    folded = {candidate.casefold(): candidate for candidate in known}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f'; did you mean "{folded[near[0]]}"?' if near else ""


def _field_names(model: type[BaseModel], seen: frozenset[type] = frozenset()) -> Iterator[str]:
    """Every key that a model and the models inside it know."""
    for name, info in model.model_fields.items():
        yield info.alias or name
        for inner in _models_in(info.annotation):
            if inner not in seen:
                yield from _field_names(inner, seen | {model})


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)
