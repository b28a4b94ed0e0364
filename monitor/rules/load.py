"""Rule files to rules, with every mistake in all of them at once."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from monitor import yamlfile
from monitor.errors import InputError, Problem
from monitor.rules.schema import Rule, RuleFile, rule_of


def load(paths: Iterable[Path]) -> tuple[Rule, ...]:
    """Read rule files and folders of them, in the order of their names; raises InputError with every problem."""
    rules: list[Rule] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            files = _files(path)
        except InputError as error:
            problems += error.problems
            continue
        for file in files:
            try:
                rules += _load_file(file)
            except InputError as error:
                problems += error.problems
    problems += _repeated(rules)
    if problems:
        raise InputError(problems)
    return tuple(rules)


def _files(path: Path) -> Sequence[Path]:
    if path.is_file():
        return [path]
    shown = os.path.relpath(path)
    if not path.is_dir():
        raise InputError([Problem(shown, "no such file or folder; `rules:` has to name where the rules are")])
    files = sorted(file for file in path.rglob("*") if file.suffix in (".yaml", ".yml") and file.is_file())
    if not files:
        raise InputError([Problem(shown, "holds no rule file (*.yaml)")])
    return files


def _load_file(file: Path) -> list[Rule]:
    document = yamlfile.read(file)
    checked = yamlfile.validate(RuleFile, document)
    return [rule_of(schema, document.place(("rules", index))) for index, schema in enumerate(checked.rules)]


def _repeated(rules: Sequence[Rule]) -> list[Problem]:
    first: dict[str, Rule] = {}
    return [
        Problem(rule.place, f'the rule id "{rule.id}" stands already at {first[rule.id].place}')
        for rule in rules
        if first.setdefault(rule.id, rule) is not rule
    ]
