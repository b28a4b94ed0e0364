"""From a term to what the automaton looks for, and the check of the place that it hits.

The automaton finds the beginning of a term's first word, the part that no inflection changes; the check then looks
at the one or few words that were hit. Terms in scripts without spaces need no check: wherever they stand, they count.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from monitor.matching import inflection
from monitor.matching.folding import Folded, fold, fold_terms, unspaced
from monitor.rules.lexicon import LANGUAGES

_WHOLE = frozenset({"ko", "he", "bn", "id", "ms", "ja", "th"})  # words change by what is attached to them only
# Languages that are told apart badly or written alike: a term of one counts in the texts of the others.
_FAMILIES = (("zh-Hans", "zh-Hant"), ("id", "ms"), ("sr", "hr", "bs"), ("nb", "da", "nn"))
_LONGEST_PREFIX = 3  # of attached conjunctions, prepositions and articles in Hebrew and Arabic
_MARK = re.compile("[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u1160-\u11ff\u3099\u309a\uff9e\uff9f]")
_KATAKANA = re.compile("[ァ-ヺー]")
LONGEST_WORD = 100  # letters: what is longer is no word, and would take long to look at
_SHORTEST_FOREIGN = 5  # letters of a name that counts in texts of another language
_SHORTEST_INFLECTED = 4  # letters: of shorter words the lexicon lists the forms, since too much else begins like them
_SHORTEST_TAIL = 5  # a compound's last part, in letters


# Languages that inflect at a word's end; in the others something may be attached to a short word as well.
_LISTED = frozenset(re.split(" ", "bg cs da de el en es fi fr hr hu it nb nl pl pt ro ru sk sr sv tr uk"))


def family(language: str) -> tuple[str, ...]:
    """The languages whose terms count in a text of this one, itself first."""
    for members in _FAMILIES:
        if language in members:
            return (language, *(member for member in members if member != language))
    return (language,)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text was hit: the folded text, the original, and its language."""

    folded: Folded
    original: str
    language: str | None

    def raw(self, start: int, end: int) -> str:
        """The original of folded[start:end]."""
        first, last = self.span(start, end)
        return self.original[first:last]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where folded[start:end] stands in the original, with the marks that belong to its last letter."""
        offsets, original = self.folded.offsets, self.original
        last = int(offsets[end - 1]) + 1
        while last < len(original) and original[last] > "\u02ff" and _MARK.match(original, last):
            last += 1
        return int(offsets[start]), last


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a term. `language` is the term's, None for the words of a rule, which take the text's."""

    text: str
    folded: str
    language: str | None
    open_left: bool = False
    open_right: bool = False
    exact: bool = False
    name: bool = False  # a country's: stems of names too often are stems of ordinary words
    start: str = field(init=False)  # what every word that is accepted begins with: the cheapest of checks

    def __post_init__(self) -> None:
        attaches = self.open_left or self.language in ("ar", "he", None) or self._compounds(self.language)
        whole = self.open_right or self.exact
        start = self.folded if whole else self.folded[:2]
        object.__setattr__(self, "start", "" if attaches and not self.exact else start)

    def accepts(self, place: Place, start: int, end: int, hit: int) -> bool:
        """Tell whether the word at folded[start:end], in which the automaton hit at `hit`, is a form of this one."""
        if end - start > LONGEST_WORD:
            return False
        token = place.folded.text[start:end]
        if self.open_right:
            return token.startswith(self.folded) or (self.open_left and self.folded in token)
        if token == self.folded:
            return not self.exact or place.raw(start, end) == self.text
        language = self.language or place.language
        if self.exact or language is None:
            return self.open_left and token.endswith(self.folded)
        return self._inflected(place, language, hit, start, end)

    def _inflected(self, place: Place, language: str, *places: int) -> bool:
        hit, start, end = places
        stemmed = not self.name
        wanted = inflection.term_keys(language, self.text.lower(), stemmed=stemmed)
        if not wanted.isdisjoint(inflection.keys(language, place.raw(start, end).lower(), stemmed=stemmed)):
            return True
        tail = hit > start and (self.open_left or self._compounds(language))
        return tail and not wanted.isdisjoint(inflection.keys(language, place.raw(hit, end).lower()))

    def _compounds(self, language: str | None) -> bool:
        return language in inflection.COMPOUNDING and len(self.folded) >= _SHORTEST_TAIL


@dataclass(frozen=True, slots=True)
class Pattern:
    """What the automaton looks for, and the words that have to stand there.

    The needle is the beginning of `words[head]`, the longest word, which is the rarest as a rule.
    """

    needle: str
    words: tuple[Word, ...] = field(default=())
    language: str | None = None
    head: int = 0
    anywhere: bool = False  # counts in texts of other languages too
    capital: bool = False  # has to begin with a capital letter
    katakana: bool = False  # has to be a whole run of katakana: マリ is Mali, マリア is not
    alone: bool = field(init=False)  # an admitted word is all that it takes

    def __post_init__(self) -> None:
        object.__setattr__(self, "alone", len(self.words) == 1 and not (self.capital or self.katakana))

    @property
    def certain(self) -> bool:
        """Whether a hit of the needle is all that it takes."""
        return not (self.words or self.capital or self.katakana)

    def admits(self, place: Place, token: tuple[int, int], hit: int) -> bool:
        """Tell whether the word that was hit can be the head; what it says depends on that word alone."""
        return not self.words or self.words[self.head].accepts(place, *token, hit)

    def complete(self, place: Place, start: int, end: int, token: tuple[int, int]) -> tuple[int, int] | None:
        """Given a hit at folded[start:end] in an admitted word, find where the whole term stands, if it does."""
        text = place.folded.text
        if self.capital and not place.raw(start + 1, start + 2).isupper():
            return None
        if self.katakana and (_KATAKANA.match(text, start - 1) or _KATAKANA.match(text, end)):
            return None
        if not self.words:
            return start + self.needle.startswith(" "), end - self.needle.endswith(" ")
        first, last = self._before(place, token[0]), self._after(place, token[1])
        return None if first is None or last is None else (first, last)

    def _before(self, place: Place, first: int) -> int | None:
        """Where the words before the head begin, if they stand there."""
        text = place.folded.text
        for word in reversed(self.words[: self.head]):
            left = text.rfind(" ", 0, max(first - 1, 0)) + 1
            if first < 2 or not text.startswith(word.start, left) or not word.accepts(place, left, first - 1, left):
                return None
            first = left
        return first

    def _after(self, place: Place, last: int) -> int | None:
        """Where the words after the head end, if they stand there."""
        text = place.folded.text
        for word in self.words[self.head + 1 :]:
            left, right = last + 1, text.find(" ", last + 1)
            if right < 0 or not text.startswith(word.start, left) or not word.accepts(place, left, right, left):
                return None
            last = right
        return last


def compile_terms(
    terms: Sequence[str], language: str | None, *, literal: bool = False, name: bool = False
) -> list[Pattern]:
    """Compile terms; `language` is their own, None for the words of a rule. One without letters has no pattern."""
    compiled: list[Pattern] = []
    for term, folded in zip(terms, fold_terms(terms), strict=True):
        if not folded:
            continue
        compiled += (_name if name else _term)(term.strip(), folded.split(), language, literal=literal)
    return compiled


def _term(term: str, words: list[str], language: str | None, *, literal: bool, name: bool = False) -> list[Pattern]:
    body = term
    exact = body.startswith("=")
    if any(unspaced(word[0]) for word in words):
        return [Pattern(_bounded(words), (), language)]
    if literal or exact:
        return [_exact(body.lstrip("="), words, language, case=exact)]
    if len(words) == 1 and len(words[0]) < _SHORTEST_INFLECTED and language in _LISTED and "*" not in body:
        return [_exact(body, words, language, case=False)]
    return [_inflected(body, words, language, name=name), *_hashtag(words, language)]


def _name(term: str, words: list[str], language: str | None, *, literal: bool) -> list[Pattern]:
    """A country's name, which counts in every text: in others than its own language only just as it is written.

    Inflected forms are for the lexicon to list; here only what a script attaches to a word is allowed. The names of
    the languages that have no lexicon stay among themselves: Sin is China in one of them.
    """
    if unspaced(words[0][0]):
        return [Pattern(_bounded(words), (), None, katakana=bool(_KATAKANA.match(words[0])))]
    found = []
    if language in LANGUAGES and len("".join(words)) >= _SHORTEST_FOREIGN:
        found.append(replace(_exact(term, words, language, case=True), anywhere=True))
    if term[0].lower() != term[0].upper() and len(words) == 1:
        return [*found, Pattern(_bounded(words), (), language, capital=True)]
    return [*found, *_term(term, words, language, literal=literal, name=True)]


def _bounded(words: list[str]) -> str:
    """The folded words, with a boundary wherever the script parts words by spaces."""
    left = "" if unspaced(words[0][0]) else " "
    right = "" if unspaced(words[-1][-1]) else " "
    return f"{left}{' '.join(words)}{right}"


def _exact(body: str, words: list[str], language: str | None, *, case: bool) -> Pattern:
    if not case:
        return Pattern(_bounded(words), (), language)
    raw = _raw_words(body, words)
    checks = tuple(Word(text, folded, language, exact=True) for text, folded in zip(raw, words, strict=True))
    head = _longest(words)
    return Pattern(f" {words[head]} ", checks, language, head)


def _inflected(body: str, words: list[str], language: str | None, *, name: bool = False) -> Pattern:
    raw = _raw_words(body, words)
    checks = []
    for index, (text, folded) in enumerate(zip(raw, words, strict=True)):
        opens_left = index == 0 and body.startswith("*")
        opens_right = index == len(words) - 1 and body.endswith("*")
        checks.append(Word(text, folded, language, opens_left, opens_right, name=name))
    head = 0 if body.startswith("*") else _longest(words)
    stem = words[head] if checks[head].open_right else words[head][: _stable(words[head], language)]
    return Pattern(f"{_left(checks[head], language)}{stem}", tuple(checks), language, head)


def _longest(words: list[str]) -> int:
    return max(range(len(words)), key=lambda index: len(words[index]))


def _left(word: Word, language: str | None) -> str:
    attaches = language in ("ar", "he") or language is None
    compounds = language in inflection.COMPOUNDING and len(word.folded) >= _SHORTEST_TAIL
    return "" if word.open_left or compounds or (attaches and _semitic(word.folded)) else " "


def _semitic(folded: str) -> bool:
    return "\u0590" <= folded[0] <= "\u06ff"


def _stable(word: str, language: str | None) -> int:
    """How many of a word's letters no inflection changes, so that the automaton can look for them."""
    if language in _WHOLE or len(word) <= 3:
        return len(word)
    # The lexicon lists the forms of short words; those of a rule's own words nobody has listed.
    return max(3, len(word) - 2) if language is None else max(min(len(word), 5), len(word) - 2)


def _hashtag(words: list[str], language: str | None) -> list[Pattern]:
    """#NorthKorea, for a phrase."""
    joined = "".join(words)
    return [Pattern(f" {joined} ", (), language)] if len(words) > 1 and len(joined) >= 8 else []


def _raw_words(body: str, words: list[str]) -> list[str]:
    """The words as they were written, for the stemmers, which want their accents, and for exact comparison."""
    raw = body.strip("*").split()
    if len(raw) == len(words):
        return raw
    place = Place(fold(body), body, None)
    found, end = [], 0
    for word in words:
        start = place.folded.text.index(word, end)
        end = start + len(word)
        found.append(place.raw(start, end))
    return found
