"""Expected alerts: the file that `replay --expect` compares with, and the comparison.

Either YAML, a mapping from a document to the rules that it must raise (an empty list for a near miss), or what
`replay --format ndjson` printed. A document that is not mentioned must raise nothing. In YAML all the documents of an
alert count as raising it; a line of ndjson is the alert of its first document.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from monitor import yamlfile
from monitor.errors import InputError, Problem

Key = tuple[str, str]  # document, rule


def read(path: Path) -> dict[Key, Mapping[str, Any]]:
    """Read expected alerts by document and rule, each with the keys that it has to have; raises InputError."""
    if path.suffix in (".ndjson", ".jsonl"):
        return _read_lines(path)
    document = yamlfile.read(path)
    expected: dict[Key, Mapping[str, Any]] = {}
    if document.value is not None and not isinstance(document.value, dict):
        raise InputError([document.problem((), "a mapping from documents to lists of rules was expected")])
    for name, rules in (document.value or {}).items():
        if rules is not None and not isinstance(rules, list):
            raise InputError([document.problem((name,), "a list of rules was expected, [] for none")])
        expected |= {(name, str(rule)): {} for rule in rules or ()}
    return expected


def _read_lines(path: Path) -> dict[Key, Mapping[str, Any]]:
    expected = {}
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise InputError([Problem(str(path), f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise InputError([Problem(str(path), f"not UTF-8: {error.reason}")]) from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                alert = json.loads(line)
                expected[alert["document"], alert["rule"]] = alert
            except (ValueError, KeyError, TypeError):
                problem = Problem(f"{path}:{number}:1", 'an object with "document" and "rule" was expected')
                raise InputError([problem]) from None
    return expected


def add(path: Path, document: str, rules: Sequence[str]) -> None:
    """Add a document and the rules that it must raise to a YAML file, which is made if need be.

    Raises InputError where the document stands there already, or no line can be added to the file; then it stays as it
    is. Raises OSError where it cannot be written.
    """
    before = (yamlfile.read(path).value if path.exists() else None) or {}
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if isinstance(before, dict) and document in before:
        raise InputError([Problem(str(path), f'"{document}" stands there already')])
    line = f"{scalar(document)}: [{', '.join(map(scalar, rules))}]\n"
    line = line if text.endswith("\n") or not text else f"\n{line}"
    try:
        after = yamlfile.parse(text + line, str(path)).value
    except InputError:
        after = None
    if not isinstance(before, dict) or after != {**before, document: list(rules)}:
        raise InputError([Problem(str(path), f"nothing can be added at its end; it should hold such lines as {line}")])
    with path.open("a", encoding="utf-8") as file:
        file.write(line)


def scalar(text: str) -> str:
    """A text as YAML: as it is where that is plain, else in quotes."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_./-]*", text) and text != "null":
        return text
    quoted = (c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'"{"".join(quoted)}"'


def differences(expected: Mapping[Key, Mapping[str, Any]], found: Iterable[Mapping[str, Any]]) -> list[str]:
    """What differs, a line each: `- ` expected and not raised, `+ ` raised and not expected, `! ` raised otherwise."""
    raised = {(document, alert["rule"]): alert for alert in found for document in alert["documents"]}
    told = {(document, rule) for (_, rule), alert in expected.items() for document in alert.get("documents", ())}
    lines = [f"- {document}: {rule}" for document, rule in expected.keys() - raised.keys()]
    lines += [f"+ {document}: {rule}" for document, rule in raised.keys() - expected.keys() - told]
    for key in expected.keys() & raised.keys():
        for name, value in expected[key].items():
            if raised[key].get(name) != value:
                lines.append(f"! {key[0]}: {key[1]}: {name} is {raised[key].get(name)!r}, expected {value!r}")
    return sorted(lines, key=lambda line: line[2:])
