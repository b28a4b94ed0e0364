"""The matcher: all rules against one article, in one scan of its text.

Every term of every rule is in one automaton. What it hits gives the set of atoms (concepts, words) that
the article has; each rule stands under one atom without which it cannot be true, so that only rules with a
chance are looked at. The shape is that of Lucene's monitor: a presearcher, then the query itself.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import ahocorasick_rs

from monitor.matching.folding import FIELD_BREAK, Folded, fold
from monitor.matching.patterns import Pattern, Place, compile_terms, family
from monitor.models import Article, Evidence, Field, Match
from monitor.rules.expression import And, Node, Not, Term
from monitor.rules.lexicon import ANY, Concept, Lexicon
from monitor.rules.schema import Rule

_SHORTEST_TELLING = 40  # letters: what is shorter tells its language badly, so terms of every language count
_EVIDENCE_PER_CONCEPT = 20


@dataclass(slots=True)
class _Atom:
    """A concept or a phrase that rules ask for: its patterns, and those that take a hit back."""

    name: str
    patterns: list[Pattern] = field(default_factory=list)
    exceptions: list[Pattern] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Use:
    """A needle's meaning: the atom that it speaks for, or with `against` the one that it takes a hit from."""

    atom: int
    pattern: Pattern
    against: bool = False


class Matcher:
    """Immutable once made: a changed set of rules is a new matcher."""

    def __init__(self, rules: Iterable[Rule], lexicon: Lexicon) -> None:
        self.rules = tuple(rules)
        self.by_id = {rule.id: rule for rule in self.rules}
        self._lexicon = lexicon
        self._atoms: list[_Atom] = []
        self._numbers: dict[tuple[str, bool], int] = {}
        self._programs = [self._program(rule.node) for rule in self.rules]
        self._anchored = self._anchor()
        needles = self._needles()
        self._uses = list(needles.values())
        self._automaton = ahocorasick_rs.AhoCorasick(list(needles)) if needles else None
        self._views: dict[str | None, dict[int, tuple[_Use, ...]]] = defaultdict(dict)

    def match(self, article: Article) -> list[Match]:
        """Find the rules that an article satisfies, in the order of the rules, with the words that decided."""
        original = f"{article.title}{FIELD_BREAK}{article.text}"
        place = Place(fold(original), original, _telling_language(article))
        found = self._find(place)
        matches = []
        for number in sorted({rule for atom in found for rule in self._anchored.get(atom, ())}):
            if _holds(self._programs[number], found):
                evidence = self._evidence(self._programs[number], found, place.folded, article)
                matches.append(Match(self.rules[number].id, evidence))
        return matches

    def _find(self, place: Place) -> dict[int, list[tuple[int, int]]]:
        """Find where each atom stands, as (start, end) in the folded text, in order."""
        found: dict[int, set[tuple[int, int]]] = defaultdict(set)
        against: dict[int, set[tuple[int, int]]] = defaultdict(set)
        if self._automaton is None:
            return {}
        view = self._views[place.language]
        for needle, start, end in self._automaton.find_matches_as_indexes(place.folded.text, overlapping=True):
            uses = view.get(needle)
            if uses is None:
                uses = view[needle] = tuple(self._counting(needle, place.language))
            for use in uses:
                span = use.pattern.find(place, start, end)
                if span:
                    (against if use.against else found)[use.atom].add(span)
        kept = {atom: _outside(spans, against.get(atom, ())) for atom, spans in found.items()}
        return {atom: spans for atom, spans in kept.items() if spans}

    def _counting(self, needle: int, language: str | None) -> Iterator[_Use]:
        """The uses of a needle that count in texts of a language: its own terms, and those of any language."""
        languages = family(language) if language else ()
        for use in self._uses[needle]:
            pattern = use.pattern
            if pattern.language is None or not languages or pattern.language in languages or pattern.anywhere:
                yield use

    def _evidence(
        self, program: "_Program", found: dict[int, list[tuple[int, int]]], folded: Folded, article: Article
    ) -> tuple[Evidence, ...]:
        evidence = {
            _evidence_of(self._atoms[atom].name, span, folded, article)
            for atom in _positive(program)
            for span in found.get(atom, ())[:_EVIDENCE_PER_CONCEPT]
        }
        return tuple(sorted(evidence, key=lambda e: (e.field != "title", e.start, e.end, e.concept)))

    # Compiling.

    def _program(self, node: Node) -> "_Program":
        if isinstance(node, Term):
            return self._atom(node)
        if isinstance(node, Not):
            return _Operation("not", (self._program(node.child),))
        return _Operation("and" if isinstance(node, And) else "or", tuple(map(self._program, node.children)))

    def _atom(self, term: Term) -> int:
        concept = None if term.literal else self._lexicon.find(term.text)
        key = (concept.name, True) if concept else (str(term), False)
        if key not in self._numbers:
            self._numbers[key] = len(self._atoms)
            self._atoms.append(_concept_atom(concept) if concept else _term_atom(term))
        return self._numbers[key]

    def _needles(self) -> dict[str, list[_Use]]:
        needles: dict[str, list[_Use]] = defaultdict(list)
        for number, atom in enumerate(self._atoms):
            for pattern in atom.patterns:
                needles[pattern.needle].append(_Use(number, pattern))
            for pattern in atom.exceptions:
                needles[pattern.needle].append(_Use(number, pattern, against=True))
        return needles

    def _anchor(self) -> dict[int, list[int]]:
        """Put each rule under atoms of which one has to be found for it to be true: those with most letters."""
        anchored: dict[int, list[int]] = defaultdict(list)
        for number, program in enumerate(self._programs):
            for atom in _anchors(program) or ():
                anchored[atom].append(number)
        return anchored


@dataclass(frozen=True, slots=True)
class _Operation:
    operator: str
    children: tuple["_Program", ...]


_Program = int | _Operation


def _holds(program: _Program, found: dict[int, list[tuple[int, int]]]) -> bool:
    if isinstance(program, int):
        return program in found
    if program.operator == "not":
        return not _holds(program.children[0], found)
    return (all if program.operator == "and" else any)(_holds(child, found) for child in program.children)


def _positive(program: _Program) -> Iterator[int]:
    """The atoms that can make a program true, not those under a NOT."""
    if isinstance(program, int):
        yield program
    elif program.operator != "not":
        for child in program.children:
            yield from _positive(child)


def _anchors(program: _Program) -> frozenset[int] | None:
    """Atoms of which at least one is found whenever the program is true; None where there are no such."""
    if isinstance(program, int):
        return frozenset([program])
    if program.operator == "not":
        return None
    choices = [_anchors(child) for child in program.children]
    if program.operator == "and":
        return min((choice for choice in choices if choice is not None), key=len, default=None)
    return None if None in choices else frozenset().union(*(choice for choice in choices if choice))


def _concept_atom(concept: Concept) -> _Atom:
    atom = _Atom(concept.name)
    for target, groups in ((atom.patterns, concept.terms), (atom.exceptions, concept.exceptions)):
        for language, terms in groups.items():
            target += compile_terms(terms, None if language == ANY else language)
    for language, names in concept.names.items():
        atom.patterns += compile_terms(names, language, name=True)
    return atom


def _term_atom(term: Term) -> _Atom:
    return _Atom(term.text, compile_terms([term.text], None, literal=term.literal))


def _outside(
    spans: set[tuple[int, int]], exceptions: Sequence[tuple[int, int]] | set[tuple[int, int]]
) -> list[tuple[int, int]]:
    """The spans that lie within no exception, in order."""
    return sorted(
        (start, end) for start, end in spans if not any(left <= start and end <= right for left, right in exceptions)
    )


def _telling_language(article: Article) -> str | None:
    """The language whose terms count: None, for all of them, where the text is too short to be sure."""
    return article.language if len(article.title) + len(article.text) >= _SHORTEST_TELLING else None


def _evidence_of(concept: str, span: tuple[int, int], folded: Folded, article: Article) -> Evidence:
    start, end = int(folded.offsets[span[0]]), int(folded.offsets[span[1] - 1]) + 1
    skipped = len(article.title) + len(FIELD_BREAK)
    if start < skipped:
        return Evidence(concept=concept, text=article.title[start:end], field="title", start=start, end=end)
    start, end = start - skipped, end - skipped
    where: Field = "lead" if start < article.lead_end else "body"
    return Evidence(concept=concept, text=article.text[start:end], field=where, start=start, end=end)
