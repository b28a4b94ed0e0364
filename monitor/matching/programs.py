"""Compiled expressions: the evaluator that decides, measures distances, finds evidence, and explains itself.

A program is a tree over atoms, the numbered things that the scan finds. Each part keeps its node of the expression
as its `label`: the words for it are made only when somebody asks. `sight` is one article as the scan has seen it.
"""

import bisect
import itertools
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from monitor.articles.language import normal
from monitor.matching.folding import fold_term, unspaced
from monitor.matching.patterns import LONGEST_WORD
from monitor.models import EDGE, Article
from monitor.rules.expression import Node

Span = tuple[int, int]  # of the folded text
Found = tuple[int, Span]  # an atom and where it stands


class Sight(Protocol):
    """One article as the scan has seen it."""

    article: Article

    @property
    def text(self) -> str:
        """The folded text, of which spans are."""
        ...

    def has(self, atom: int) -> bool:
        """Tell whether an atom stands anywhere in the article."""
        ...

    def spans(self, atom: int) -> list[Span]:
        """Where an atom stands, in order."""
        ...

    def field_of(self, span: Span) -> str:
        """The field that a span begins in."""
        ...


@dataclass(frozen=True, slots=True)
class Atom:
    """A concept, a phrase or a regular expression."""

    number: int
    label: Node

    def holds(self, sight: Sight) -> bool:
        return sight.has(self.number)

    def found(self, sight: Sight) -> list[Found]:
        return [(self.number, span) for span in sight.spans(self.number)]

    def places(self, sight: Sight) -> list[Span]:
        return sight.spans(self.number)


@dataclass(frozen=True, slots=True)
class All:
    label: Node
    children: tuple["Program", ...]

    def holds(self, sight: Sight) -> bool:
        for child in self.children:  # noqa: SIM110 - a generator takes twice as long
            if not child.holds(sight):
                return False
        return True

    def found(self, sight: Sight) -> list[Found]:
        return [item for child in self.children for item in child.found(sight)]

    def places(self, sight: Sight) -> list[Span]:
        return []


@dataclass(frozen=True, slots=True)
class Some:
    """At least `count` of the children; an OR is the one with `count` 1."""

    label: Node
    count: int
    children: tuple["Program", ...]

    def holds(self, sight: Sight) -> bool:
        left = self.count
        for child in self.children:
            left -= child.holds(sight)
            if not left:
                return True
        return False

    def found(self, sight: Sight) -> list[Found]:
        return [item for child in self.children if child.holds(sight) for item in child.found(sight)]

    def places(self, sight: Sight) -> list[Span]:
        return sorted({span for child in self.children for span in child.places(sight)})


@dataclass(frozen=True, slots=True)
class No:
    label: Node
    child: "Program"

    @property
    def children(self) -> tuple["Program", ...]:
        return (self.child,)

    def holds(self, sight: Sight) -> bool:
        return not self.child.holds(sight)

    def found(self, sight: Sight) -> list[Found]:
        return []

    def places(self, sight: Sight) -> list[Span]:
        return []


@dataclass(frozen=True, slots=True)
class Scoped:
    """The child in one field or several: its atoms are seen only where they stand in them."""

    label: Node
    field: str
    child: "Program"

    @property
    def children(self) -> tuple["Program", ...]:
        return (self.child,)

    def holds(self, sight: Sight) -> bool:
        return self.child.holds(_Section(sight, self.field))

    def found(self, sight: Sight) -> list[Found]:
        return self.child.found(_Section(sight, self.field))

    def places(self, sight: Sight) -> list[Span]:
        return self.child.places(_Section(sight, self.field))


class _Section:
    """A sight of some fields only, parted by spaces."""

    def __init__(self, sight: Sight, field: str) -> None:
        self.article = sight.article
        self.text = sight.text
        self.field_of = sight.field_of
        self._sight = sight
        self._fields = field.split()

    def has(self, atom: int) -> bool:
        return bool(self.spans(atom))

    def spans(self, atom: int) -> list[Span]:
        return [span for span in self._sight.spans(atom) if self._sight.field_of(span) in self._fields]


@dataclass(frozen=True, slots=True)
class Close:
    """Two programs that stand both in the title or both in the text, with at most `distance` words between them."""

    label: Node
    left: "Program"
    right: "Program"
    distance: int
    ordered: bool

    @property
    def children(self) -> tuple["Program", ...]:
        return (self.left, self.right)

    def holds(self, sight: Sight) -> bool:
        return next(self._pairs(sight), None) is not None

    def places(self, sight: Sight) -> list[Span]:
        return sorted({(min(a[0], b[0]), max(a[1], b[1])) for a, b in self._pairs(sight)})

    def found(self, sight: Sight) -> list[Found]:
        sides = {span for pair in self._pairs(sight) for span in pair}
        items = self.left.found(sight) + self.right.found(sight)
        # What is nested in one of them, in an inner proximity, lies within a side without being one.
        nested = [] if isinstance(self.left, Atom | Some) and isinstance(self.right, Atom | Some) else sorted(sides)
        return [
            (atom, span)
            for atom, span in items
            if span in sides or any(a <= span[0] and span[1] <= b for a, b in nested)
        ]

    def _pairs(self, sight: Sight) -> Iterator[tuple[Span, Span]]:
        """Pairs that are close, looked for outwards from each left one, no further than the distance."""
        rights = self.right.places(sight)
        # Where a longer one further to the left may end nearer, the first that is too far off is not the last.
        nested = any(one[1] > other[1] for one, other in itertools.pairwise(rights))
        longest = max((end - start for start, end in rights), default=0)
        for left in self.left.places(sight):
            middle = bisect.bisect_left(rights, (left[0], 0))
            for right in rights[middle:]:
                if not self._near(sight.text, left[1], right[0]):
                    break
                yield left, right
            for right in () if self.ordered else reversed(rights[:middle]):
                if self._near(sight.text, right[1], left[0]):
                    yield left, right
                elif not nested or left[0] - right[0] - longest > self._reach:
                    break

    @property
    def _reach(self) -> int:
        """The letters that so many long words have."""
        return (self.distance + 1) * LONGEST_WORD

    def _near(self, text: str, end: int, start: int) -> bool:
        """Tell whether few enough words stand between; more letters than so many long words have need no counting."""
        if start - end > self._reach:
            return False
        gap = text[end:start]
        return EDGE not in gap and words_in(gap) <= self.distance


def words_in(gap: str) -> int:
    """How many words a piece of folded text holds; two letters make one in scripts without spaces."""
    return sum(math.ceil(len(word) / 2) if unspaced(word[0]) else 1 for word in gap.split())


@dataclass(frozen=True, slots=True)
class Known:
    """A test of what is known of the article besides its text; `*` in the value stands for anything."""

    label: Node
    key: str
    value: str

    def holds(self, sight: Sight) -> bool:
        return self.holds_of(sight.article)

    def holds_of(self, article: Article) -> bool:
        if self.key == "lang":
            return _same_language(self.value, article.language)
        fold = fold_term if self.key in ("author", "feed") else str.lower
        parts = [fold(part) for part in self.value.split("*")]
        anything = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
        whole = self.key == "tag" or len(parts) > 1
        values = map(fold, _known(article, self.key))
        return any((anything.fullmatch if whole else anything.search)(value) for value in values if value)

    def found(self, sight: Sight) -> list[Found]:
        return []

    def places(self, sight: Sight) -> list[Span]:
        return []


def _known(article: Article, key: str) -> tuple[str, ...]:
    source = article.source
    values = {"author": (article.author,), "url": (article.url,), "feed": (source.name, source.url), "tag": source.tags}
    return values[key]


def _same_language(wanted: str, language: str | None) -> bool:
    """`zh` stands for zh-Hans and zh-Hant."""
    tag = wanted.lower() if wanted.lower() == "zh" else (normal(wanted) or wanted).lower()
    return language is not None and (language.lower() + "-").startswith(tag + "-")


Program = Atom | All | Some | No | Scoped | Close | Known


Cost = Callable[[int], float]


def anchors(program: Program, cost: Cost) -> frozenset[int] | None:
    """Atoms of which at least one is found whenever the program is true, together as cheap as can be; None without any.

    `cost` says how often an atom is likely to be found.
    """

    def price(choice: frozenset[int] | None) -> float:
        return math.inf if choice is None else sum(map(cost, choice))

    match program:
        case Atom(number):
            return frozenset([number])
        case All(_, children):
            return min((anchors(child, cost) for child in children), key=price)
        case Close(_, left, right):
            return min((anchors(child, cost) for child in (left, right)), key=price)
        case Some(_, count, children):
            # Of k children of which n have to be true, one is among any k - n + 1.
            needed = sorted((anchors(child, cost) for child in children), key=price)[: len(children) - count + 1]
            return None if None in needed else frozenset().union(*(choice for choice in needed if choice))
        case Scoped(_, _, child):
            return anchors(child, cost)
        case _:
            return None


def required(program: Program) -> frozenset[int]:
    """Atoms each of which is found whenever the program is true."""
    match program:
        case Atom(number):
            return frozenset([number])
        case All(_, children):
            return frozenset().union(*map(required, children))
        case Scoped(_, _, child):
            return required(child)
        case Close(_, left, right):
            return required(left) | required(right)
        case _:
            return frozenset()


def atoms_of(program: Program) -> Iterator[int]:
    """The atoms of a program, each as often as it stands in it."""
    if isinstance(program, Atom):
        yield program.number
    for child in getattr(program, "children", ()):
        yield from atoms_of(child)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A program's verdict over an article, branch by branch; `found` are the words that decided it."""

    label: str
    holds: bool
    found: tuple[Found, ...]
    branches: tuple["Explanation", ...]


def explain(program: Program, sight: Sight) -> Explanation:
    """Say of every branch whether it holds, by the evaluator's own answers."""
    inner = _Section(sight, program.field) if isinstance(program, Scoped) else sight
    branches = tuple(explain(child, inner) for child in getattr(program, "children", ()))
    found = tuple(program.found(sight)) if isinstance(program, Atom | Close) else ()
    return Explanation(str(program.label), program.holds(sight), found, branches)
