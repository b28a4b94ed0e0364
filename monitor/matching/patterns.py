"""From a term to what the automaton looks for, and the check of the place that it hits.

The automaton finds the beginning of a term's first word, the part that no inflection changes; the check then looks
at the one or few words that were hit. Terms in scripts without spaces need no check: wherever they stand, they count.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from monitor.matching import inflection
from monitor.matching.folding import Folded, fold_terms, unspaced

_WHOLE = frozenset({"ko", "he", "bn", "id", "ms", "ja", "th"})  # words change by what is attached to them only
# Languages that are told apart badly or written alike: a term of one counts in the texts of the others.
_FAMILIES = (("zh-Hans", "zh-Hant"), ("id", "ms"), ("sr", "hr", "bs"), ("nb", "da", "nn"))
_LONGEST_PREFIX = 3  # of attached conjunctions, prepositions and articles in Hebrew and Arabic
_KATAKANA = re.compile("[ァ-ヺー]")
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
        offsets = self.folded.offsets
        return self.original[offsets[start] : offsets[end - 1] + 1]


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

    def accepts(self, place: Place, start: int, end: int, hit: int) -> bool:
        """Tell whether the word at folded[start:end], in which the automaton hit at `hit`, is a form of this one."""
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

    def _compounds(self, language: str) -> bool:
        return language in inflection.COMPOUNDING and len(self.folded) >= _SHORTEST_TAIL


@dataclass(frozen=True, slots=True)
class Pattern:
    """What the automaton looks for, and the words that have to stand there."""

    needle: str
    words: tuple[Word, ...] = field(default=())
    language: str | None = None
    anywhere: bool = False  # counts in texts of other languages too, if written with a capital
    katakana: bool = False  # has to be a whole run of katakana: マリ is Mali, マリア is not

    @property
    def certain(self) -> bool:
        """Whether a hit of the needle is all that it takes."""
        return not (self.words or self.anywhere or self.katakana)

    def find(self, place: Place, start: int, end: int) -> tuple[int, int] | None:
        """Check a hit of the needle at folded[start:end]; returns where the whole term stands, or None."""
        if self.anywhere and not place.raw(start + 1, start + 2).isupper():
            return None
        if self.katakana and (_KATAKANA.match(place.folded.text, start - 1) or _KATAKANA.match(place.folded.text, end)):
            return None
        if not self.words:
            return start + self.needle.startswith(" "), end - self.needle.endswith(" ")
        text = place.folded.text
        hit = start + (text[start] == " ")
        first = left = text.rfind(" ", 0, hit + 1) + 1
        for word in self.words:
            right = text.find(" ", left)
            if right < 0 or not word.accepts(place, left, right, hit if left == first else left):
                return None
            last, left = right, right + 1
        return first, last


def compile_terms(
    terms: Sequence[str], language: str | None, *, literal: bool = False, name: bool = False
) -> list[Pattern]:
    """Compile terms; `language` is their own, None for the words of a rule. Raises ValueError for an empty term."""
    compiled: list[Pattern] = []
    for term, folded in zip(terms, fold_terms(terms), strict=True):
        compiled += (_name if name else _term)(term.strip(), folded.split(), language, literal=literal)
    return compiled


def _term(term: str, words: list[str], language: str | None, *, literal: bool, name: bool = False) -> list[Pattern]:
    body = term
    exact = body.startswith("=")
    if not words:
        raise ValueError(f'"{term}" holds no letter or digit')
    if any(unspaced(word[0]) for word in words):
        return [Pattern(_bounded(words), (), language)]
    if literal or exact:
        return [_exact(body.lstrip("="), words, language, case=exact)]
    if len(words) == 1 and len(words[0]) < _SHORTEST_INFLECTED and language in _LISTED and "*" not in body:
        return [_exact(body, words, language, case=False)]
    return [_inflected(body, words, language, name=name), *_hashtag(words, language)]


def _name(term: str, words: list[str], language: str | None, *, literal: bool) -> list[Pattern]:
    """A country's name, which counts in every text, as it is and with a capital where its script has them.

    Inflected forms are for the lexicon to list; here only what a script attaches to a word is allowed.
    """
    if term[0].lower() != term[0].upper():
        capitalised = Pattern(_bounded(words), (), language, anywhere=True)
        in_own = _term(term, words, language, literal=literal, name=True) if len(words) > 1 else []
        return [capitalised, *in_own]
    if unspaced(words[0][0]):
        return [Pattern(_bounded(words), (), None, katakana=bool(_KATAKANA.match(words[0])))]
    return _term(term, words, language, literal=literal, name=True)


def _bounded(words: list[str]) -> str:
    """The folded words, with a boundary wherever the script parts words by spaces."""
    left = "" if unspaced(words[0][0]) else " "
    right = "" if unspaced(words[-1][-1]) else " "
    return f"{left}{' '.join(words)}{right}"


def _exact(body: str, words: list[str], language: str | None, *, case: bool) -> Pattern:
    if not case:
        return Pattern(_bounded(words), (), language)
    raw = _raw_words(body, words)
    return Pattern(
        _bounded(words), tuple(Word(r, f, language, exact=True) for r, f in zip(raw, words, strict=True)), language
    )


def _inflected(body: str, words: list[str], language: str | None, *, name: bool = False) -> Pattern:
    raw = _raw_words(body, words)
    checks = []
    for index, (text, folded) in enumerate(zip(raw, words, strict=True)):
        opens_left = index == 0 and body.startswith("*")
        opens_right = index == len(words) - 1 and body.endswith("*")
        checks.append(Word(text, folded, language, opens_left, opens_right, name=name))
    first = words[0]
    whole = checks[0].open_right or len(words) == 1 == len(first)
    needle = first if whole else first[: _stable(first, language)]
    return Pattern(f"{_left(checks[0], language)}{needle}", tuple(checks), language)


def _left(word: Word, language: str | None) -> str:
    attaches = language in ("ar", "he") or language is None
    compounds = language in inflection.COMPOUNDING and len(word.folded) >= _SHORTEST_TAIL
    return "" if word.open_left or compounds or (attaches and _semitic(word.folded)) else " "


def _semitic(folded: str) -> bool:
    return "\u0590" <= folded[0] <= "\u06ff"


def _stable(word: str, language: str | None) -> int:
    """How many of a word's letters no inflection changes, so that the automaton can look for them."""
    if language in _WHOLE or len(word) <= 5:
        return len(word)
    return max(5, len(word) - 2)


def _hashtag(words: list[str], language: str | None) -> list[Pattern]:
    """#NorthKorea, for a phrase."""
    joined = "".join(words)
    return [Pattern(f" {joined} ", (), language)] if len(words) > 1 and len(joined) >= 8 else []


def _raw_words(body: str, words: list[str]) -> list[str]:
    """The words as they were written, for the stemmers, which want their accents."""
    raw = body.strip("*").replace("-", " ").replace("'", " ").split()
    return raw if len(raw) == len(words) else words
