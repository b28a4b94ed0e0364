"""One article as the matcher sees it: which atoms stand in it, and where."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from monitor.matching.folding import RUN, Folded, fold, span_end, words_of
from monitor.matching.patterns import Substring
from monitor.matching.programs import Found, Span
from monitor.matching.regexes import Regexes
from monitor.matching.vocabulary import Use, Vocabulary
from monitor.models import EDGE, FIELD_BREAK, Article, Evidence, Field

_SHORTEST_TELLING = 40  # letters: what is shorter tells its language badly, so terms of every language count
_EVIDENCE_PER_CONCEPT = 20


class Sight:
    """Offsets are those of the folded text, `text`, which is made when they are first asked for."""

    def __init__(self, article: Article, vocabulary: Vocabulary, regexes: Regexes, names: Sequence[str]) -> None:
        self.article = article
        title, text = (part.replace(EDGE, " ") for part in (article.title, article.text))
        self._original = f"{title}{FIELD_BREAK}{text}"
        self._vocabulary = vocabulary
        self._names = names
        self._language = _telling_language(article)
        self._view = vocabulary.view(self._language)
        written = words_of(self._original)
        self._unspaced = RUN in written
        self._words = written.split()
        self._telling = self._view.look_up(self._words)
        self._spans: dict[int, list[Span]] = {}
        self._folded: Folded | None = None
        self._bounds: list[int] = []  # where the spaces of the folded text are
        self._places: dict[int, list[tuple[Span, bool]]] | None = None  # by atom; with True what it is excepted from
        self._pieces: list[tuple[tuple[Use, ...], int, int]] | None = None
        self._break = -1
        self._said: dict[Found, Evidence] = {}
        self._regexes = regexes.find(self._original)
        self._exact: dict[Span, Span] = {}  # where the hits of regular expressions stand in the original
        self.atoms = self._find_atoms()

    @property
    def text(self) -> str:
        return self._fold().text

    def has(self, atom: int) -> bool:
        return atom in self.atoms

    def spans(self, atom: int) -> list[Span]:
        """Where an atom stands: in order, and outside of its exceptions."""
        if atom not in self._spans:
            self._spans[atom] = self._regex_spans(atom) if atom in self._regexes else self._term_spans(atom)
        return self._spans[atom]

    def field_of(self, span: Span) -> Field:
        """The field that a span begins in."""
        if self._break < 0:
            self._break = self.text.index(EDGE)
        if span[0] < self._break:
            return "title"
        return "lead" if self._in_original(span)[0] < self.article.lead_end else "body"

    def evidence(self, found: Iterable[Found]) -> tuple[Evidence, ...]:
        """Say in the order of the text what was found, of each atom the first places."""
        counted: Counter[int] = Counter()
        places: set[tuple[Span, str, int]] = set()
        for atom, span in dict.fromkeys(found):
            counted[atom] += 1
            if counted[atom] <= _EVIDENCE_PER_CONCEPT:
                places.add((span, self._names[atom], atom))
        return tuple(self.evidence_of(atom, span) for span, _, atom in sorted(places))

    def evidence_of(self, atom: int, span: Span) -> Evidence:
        known = self._said.get((atom, span))
        if known is None:
            start, end = self._in_original(span)
            where = self.field_of(span)
            text = (self.article.title if where == "title" else self.article.text)[start:end]
            sure = self._language is not None
            known = Evidence(concept=self._names[atom], text=text, field=where, start=start, end=end, sure=sure)
            self._said[atom, span] = known
        return known

    # Which atoms.

    def _find_atoms(self) -> set[int]:
        atoms = set(self._regexes)
        excepted: set[int] = set()
        for _, meaning in self._telling:
            atoms.update(meaning.atoms)
        for place, meaning in self._telling:
            if meaning.phrases:
                for use, _ in self._view.phrases(self._words, place, meaning):
                    (excepted if use.against else atoms).add(use.atom)
        for uses, start, end in self._substrings():
            for use in uses:
                known = excepted if use.against else atoms
                if use.atom not in known and _counts(use, self.text, start, end):
                    known.add(use.atom)
        return atoms - {atom for atom in excepted & atoms if not self.spans(atom)}

    def _substrings(self) -> list[tuple[tuple[Use, ...], int, int]]:
        """The substrings that stand in the text, with their places."""
        if self._pieces is None:
            self._pieces = self._view.substrings(self.text) if self._unspaced else []
        return self._pieces

    # Where they stand.

    def _term_spans(self, atom: int) -> list[Span]:
        if self._places is None:
            self._places = defaultdict(list)
            for placed, excepts, span in (*self._word_places(), *self._substring_places()):
                self._places[placed].append((span, excepts))
        against = [span for span, excepts in self._places[atom] if excepts]
        found = {span for span, excepts in self._places[atom] if not excepts}
        if not against:
            return sorted(found)
        return sorted((start, end) for start, end in found if not any(a <= start and end <= b for a, b in against))

    def _word_places(self) -> Iterator[tuple[int, bool, Span]]:
        for place, meaning in self._telling:
            for atom in meaning.atoms:
                yield atom, False, self._span(place, place)
            for use, phrase in self._view.phrases(self._words, place, meaning) if meaning.phrases else ():
                first = place - phrase.head
                yield use.atom, use.against, self._span(first, first + len(phrase.words) - 1)

    def _substring_places(self) -> Iterator[tuple[int, bool, Span]]:
        for uses, start, end in self._substrings():
            span = start + (self.text[start] == " "), end - (self.text[end - 1] == " ")
            for use in uses:
                if _counts(use, self.text, start, end):
                    yield use.atom, use.against, span

    def _span(self, first: int, last: int) -> Span:
        """Where words stand in the folded text."""
        if not self._bounds:
            points = np.frombuffer(self.text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
            self._bounds = np.flatnonzero(points == ord(" ")).tolist()
        return self._bounds[first] + 1, self._bounds[last + 1]

    def _regex_spans(self, atom: int) -> list[Span]:
        """Where a regular expression hits the folded text, as nearly as that has it."""
        offsets, found = self._fold().offsets, []
        for exact in self._regexes[atom]:
            start = min(int(offsets.searchsorted(exact[0])), len(offsets) - 1)
            span = start, max(int(offsets.searchsorted(exact[1])), start + 1)
            self._exact[span] = exact
            found.append(span)
        return found

    def _in_original(self, span: Span) -> Span:
        """Where a span of the folded text stands in the title, or else in the article's text."""
        start, end = self._exact.get(span) or self._unfolded(span)
        skipped = len(self.article.title) + len(FIELD_BREAK)
        return (start, end) if start < skipped else (start - skipped, end - skipped)

    def _unfolded(self, span: Span) -> Span:
        offsets = self._fold().offsets
        return int(offsets[span[0]]), span_end(self._original, int(offsets[span[1] - 1]) + 1)

    def _fold(self) -> Folded:
        if self._folded is None:
            self._folded = fold(self._original)
        return self._folded


def _counts(use: Use, text: str, start: int, end: int) -> bool:
    return isinstance(use.pattern, Substring) and use.pattern.stands(text, start, end)


def _telling_language(article: Article) -> str | None:
    """The language whose terms count: None, for all of them, where the text is too short to be sure."""
    return article.language if len(article.title) + len(article.text) >= _SHORTEST_TELLING else None
