"""Rule files to rules and concepts, with every mistake in all of them at once."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from monitor import yamlfile
from monitor.errors import InputError, Problem
from monitor.rules.expression import terms_of
from monitor.rules.lexicon import Concept, Lexicon
from monitor.rules.schema import Rule, RuleFile, rule_of


@dataclass
class RuleSet:
    """Rules in the order of their files, and the lexicon with the concepts that the files add."""

    lexicon: Lexicon
    rules: list[Rule] = field(default_factory=list)
    concepts: dict[str, str] = field(default_factory=dict)  # the user's own, and where each is written


def load(paths: Iterable[Path], lexicon: Lexicon, receivers: Iterable[str] | None = None) -> RuleSet:
    """Read rule files and folders of them, in the order of their names; raises InputError with every problem.

    `receivers` are the names that rules may ask for; None where they are not known.
    """
    loading = _Loading()
    for path in paths:
        try:
            for file in files_of(path):
                loading.take(file, "concepts" in file.relative_to(path if path.is_dir() else path.parent).parts)
        except InputError as error:
            loading.problems += error.problems
    loading.problems += _repeated(loading.rules)
    if receivers is not None:
        loading.problems += _unknown_receivers(loading.rules, set(receivers))
    lexicon = loading.extend(lexicon)
    loading.problems += unknown_concepts(loading.rules, lexicon)
    if loading.problems:
        raise InputError(loading.problems)
    return RuleSet(lexicon, loading.rules, loading.places)


class _Loading:
    """What has been read so far, and what is wrong with it."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.concepts: list[Concept] = []
        self.places: dict[str, str] = {}
        self.problems: list[Problem] = []

    def take(self, file: Path, in_concepts: bool) -> None:
        """Read a file; one in a folder called `concepts` holds nothing else."""
        try:
            document = yamlfile.read(file)
            if in_concepts and "concepts" not in (document.value or {}):
                document.value = {"concepts": document.value}
                document.places = {("concepts", *path): place for path, place in document.places.items()}
            checked = yamlfile.validate(RuleFile, document)
        except InputError as error:
            self.problems += error.problems
            return
        for index, schema in enumerate(checked.rules):
            written = document.value["rules"][index]
            expression = written if isinstance(written, str) else written["match"]
            place = document.place(("rules", index))
            self.rules.append(rule_of(schema, place, expression if isinstance(expression, str) else ""))
        for name, concept in checked.concepts.items():
            place = document.place(("concepts", name))
            if name in self.places:
                self.problems.append(Problem(place, f'the concept "{name}" stands already at {self.places[name]}'))
            self.places[name] = place
            self.concepts.append(concept.model_copy(update={"name": name}))

    def extend(self, lexicon: Lexicon) -> Lexicon:
        """The lexicon with the concepts that were read; one that includes what it cannot is a problem."""
        usable = list(self.concepts)
        while usable:
            try:
                return lexicon.extended(usable)
            except LookupError as error:
                name, message = error.args
                self.problems.append(Problem(self.places.get(name, name), message))
                usable = [concept for concept in usable if concept.name != name]
        return lexicon


def files_of(path: Path) -> Sequence[Path]:
    """The rule files of a folder, or the one that is named; raises InputError where there are none."""
    if path.is_file():
        return [path]
    shown = os.path.relpath(path)
    if not path.is_dir():
        raise InputError([Problem(shown, "no such file or folder; `rules:` has to name where the rules are")])
    files = sorted(
        file
        for file in path.rglob("*")
        if file.suffix in (".yaml", ".yml") and file.is_file() and not _hidden(file.relative_to(path))
    )
    if not files:
        raise InputError([Problem(shown, "holds no rule file (*.yaml)")])
    return files


def _hidden(path: Path) -> bool:
    """Whether a file, or a folder around it, is nobody's to read: Kubernetes keeps a volume's files so, under links."""
    return any(part.startswith(".") for part in path.parts)


def _repeated(rules: Sequence[Rule]) -> list[Problem]:
    first: dict[str, Rule] = {}
    return [
        Problem(rule.place, f'the rule id "{rule.id}" stands already at {first[rule.id].place}')
        for rule in rules
        if first.setdefault(rule.id, rule) is not rule
    ]


def _unknown_receivers(rules: Sequence[Rule], known: set[str]) -> list[Problem]:
    return [
        Problem(rule.place, f'no receiver is called "{name}"{yamlfile.suggest(name, known)}')
        for rule in rules
        for name in rule.receivers
        if name not in known
    ]


def unknown_concepts(rules: Sequence[Rule], lexicon: Lexicon) -> list[Problem]:
    """Concepts that a rule insists on with @ and that are none."""
    return [
        Problem(rule.place, f'"{term.text}" is no concept{yamlfile.suggest(term.text, lexicon.all_names())}')
        for rule in rules
        for term in terms_of(rule.node)
        if term.concept and lexicon.find(term.text) is None
    ]
