"""From a term to what is looked for in a text: words that stand side by side, or letters wherever they stand.

In scripts that part words by spaces a term is a `Phrase` of one word or several, each of which says which words of a
text are forms of it. In scripts without spaces a term is a `Substring`.
"""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from monitor.matching import inflection
from monitor.matching.folding import fold, fold_terms, unspaced, words_of
from monitor.rules.lexicon import LANGUAGES

_WHOLE = frozenset({"ko", "he", "bn", "id", "ms", "ja", "th"})  # words change by what is attached to them only
# Languages that are told apart badly or written alike: a term of one counts in the texts of the others.
_FAMILIES = (("zh-Hans", "zh-Hant"), ("id", "ms"), ("sr", "hr", "bs"), ("nb", "da", "nn"))
_KATAKANA = re.compile("[ァ-ヺー]")
LONGEST_WORD = 100  # letters: what is longer is no word, and would take long to look at
_SHORTEST_FOREIGN = 5  # letters of a name that counts in texts of another language
_SHORTEST_INFLECTED = 4  # letters: of shorter words the lexicon lists the forms, since too much else begins like them
_SHORTEST_TAIL = 5  # a compound's last part, in letters

# Languages that inflect at a word's end; in the others something may be attached to a short word as well.
_LISTED = frozenset(re.split(" ", "bg cs da de el en es fi fr hr hu it nb nl pl pt ro ru sk sr sv tr uk"))

Form = Literal["as folded", "as written", "capital", "inflected"]


def family(language: str) -> tuple[str, ...]:
    """The languages whose terms count in a text of this one, itself first."""
    for members in _FAMILIES:
        if language in members:
            return (language, *(member for member in members if member != language))
    return (language,)


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """One word of a term; `language` is the term's, None for the words of a rule, which take the text's.

    Made by `word`, which makes equal ones of a concept one: they are compared by identity, which is quick.
    """

    text: str
    folded: str
    language: str | None = None
    form: Form = "as folded"
    open_left: bool = False
    open_right: bool = False
    name: bool = False  # a country's: stems of names too often are stems of ordinary words

    @property
    def stem(self) -> str | None:
        """What the automaton looks for: the part that no inflection changes; None for a word that has one form."""
        if self.form != "inflected":
            return None
        known = self.folded if self.open_right else self.folded[: _stable(self.folded, self.language)]
        return known if self._begins_anywhere else f" {known}"

    @property
    def initial(self) -> str:
        """The letter that all its forms begin with; nothing where others may be attached to it."""
        attaches = self.form == "inflected" and (self.open_left or self.language in ("ar", "he", None))
        return "" if attaches else self.folded[0]

    def accepts(self, written: str, folded: str, language: str | None, *, compounds: bool = True) -> bool:
        """Tell whether a word of a text of this language is a form of this one, or a compound that ends in one."""
        if self.form != "inflected":
            return folded == self.folded and self._spelt(written)
        if folded == self.folded or len(folded) > LONGEST_WORD:
            return folded == self.folded
        if self.open_right:
            return folded.startswith(self.folded) or (self.open_left and self.folded in folded)
        language = self.language or language
        if language is None:
            return self.open_left and folded.endswith(self.folded)
        return self._is_inflected(written, language) or (compounds and self._ends(written, folded, language))

    def _spelt(self, written: str) -> bool:
        return {"as written": written == self.text, "capital": written[0].isupper()}.get(self.form, True)

    def _is_inflected(self, written: str, language: str) -> bool:
        wanted = inflection.term_keys(language, self.text.lower(), stemmed=not self.name)
        return not wanted.isdisjoint(inflection.keys(language, written.lower(), stemmed=not self.name))

    def _ends(self, written: str, folded: str, language: str) -> bool:
        """Tell whether a longer word ends in a form of this one."""
        if not (self.open_left or self._compounds):
            return False
        wanted = inflection.term_keys(language, self.text.lower(), stemmed=not self.name)
        stem = (self.stem or "").strip()
        tails = (_tail(written, folded, hit.start()) for hit in re.finditer(f"(?<=.)(?={re.escape(stem)})", folded))
        return any(not wanted.isdisjoint(inflection.keys(language, tail.lower())) for tail in tails)

    @property
    def _begins_anywhere(self) -> bool:
        attaches = self.language in ("ar", "he", None) and "\u0590" <= self.folded[0] <= "\u06ff"
        return self.open_left or self._compounds or attaches

    @property
    def _compounds(self) -> bool:
        return self.language in inflection.COMPOUNDING and len(self.folded) >= _SHORTEST_TAIL


word = functools.cache(Word)  # cleared by whoever has compiled what belongs together


def _stable(folded: str, language: str | None) -> int:
    """How many of a word's letters no inflection changes, so that the automaton can look for them."""
    if language in _WHOLE or len(folded) <= 3:
        return len(folded)
    # The lexicon lists the forms of short words; those of a rule's own words nobody has listed.
    return max(3, len(folded) - 2) if language is None else max(min(len(folded), 5), len(folded) - 2)


def _tail(written: str, folded: str, start: int) -> str:
    """The end of a word as it is written, from a letter of the folded word on."""
    if len(written) == len(folded):
        return written[start:]
    return written[int(fold(written).offsets[start + 1]) :]


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words side by side; it is looked for by its longest word, `words[head]`, which is the rarest as a rule."""

    words: tuple[Word, ...]
    language: str | None = None
    head: int = 0


@dataclass(frozen=True, slots=True)
class Substring:
    """Folded letters that count wherever they stand, or as a whole run of katakana: マリ is Mali, マリア is not."""

    text: str
    language: str | None = None
    katakana: bool = False

    def stands(self, text: str, start: int, end: int) -> bool:
        """Tell whether a hit of its letters at text[start:end] counts."""
        return not (self.katakana and (_KATAKANA.match(text, start - 1) or _KATAKANA.match(text, end)))


Pattern = Phrase | Substring


def counts_in(language: str | None) -> frozenset[str | None]:
    """The languages of the patterns that count in texts of one; of an unknown one, all that the lexicon has."""
    return frozenset((None, *(family(language) if language else LANGUAGES)))


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


def longest(words: Sequence[str]) -> int:
    """Which of a term's words is looked for first."""
    return max(range(len(words)), key=lambda index: len(words[index]))


def _term(term: str, words: list[str], language: str | None, *, literal: bool, name: bool = False) -> list[Pattern]:
    if any(unspaced(folded[0]) for folded in words):
        return [Substring(_bounded(words), language)]
    if term.startswith("="):
        return [_one_form(term.lstrip("="), words, language, "as written")]
    short = len(words) == 1 and len(words[0]) < _SHORTEST_INFLECTED and language in _LISTED and "*" not in term
    if literal or short:
        return [_one_form("", words, language, "as folded")]
    return [_inflected(term, words, language, name=name), *_hashtag(words, language)]


def _name(term: str, words: list[str], language: str | None, *, literal: bool) -> list[Pattern]:
    """A country's name, which counts in every text: in others than its own language only just as it is written.

    Inflected forms are for the lexicon to list; here only what a script attaches to a word is allowed. The names of
    the languages that have no lexicon stay among themselves: Sin is China in one of them.
    """
    if unspaced(words[0][0]):
        return [Substring(_bounded(words), None, katakana=bool(_KATAKANA.match(words[0])))]
    found: list[Pattern] = []
    if language in LANGUAGES and len("".join(words)) >= _SHORTEST_FOREIGN:
        found.append(_one_form(term, words, None, "as written"))
    if term[0].lower() != term[0].upper() and len(words) == 1:
        return [*found, _one_form(term, words, language, "capital")]
    return [*found, *_term(term, words, language, literal=literal, name=True)]


def _bounded(words: list[str]) -> str:
    """The folded words, with a boundary wherever the script parts words by spaces."""
    left = "" if unspaced(words[0][0]) else " "
    right = "" if unspaced(words[-1][-1]) else " "
    return f"{left}{' '.join(words)}{right}"


def _one_form(term: str, words: list[str], language: str | None, form: Form) -> Phrase:
    written = _written(term, words) if form == "as written" else words
    parts = (word(text, folded, None, form) for text, folded in zip(written, words, strict=True))
    return Phrase(tuple(parts), language, longest(words))


def _inflected(term: str, words: list[str], language: str | None, *, name: bool = False) -> Phrase:
    last = len(words) - 1
    parts = tuple(
        word(
            text,
            folded,
            language,
            "inflected",
            open_left=index == 0 and term.startswith("*"),
            open_right=index == last and term.endswith("*"),
            name=name,
        )
        for index, (text, folded) in enumerate(zip(_written(term.strip("*"), words), words, strict=True))
    )
    return Phrase(parts, language, 0 if term.startswith("*") else longest(words))


def _hashtag(words: list[str], language: str | None) -> list[Pattern]:
    """#NorthKorea, for a phrase."""
    joined = "".join(words)
    return [_one_form("", [joined], language, "as folded")] if len(words) > 1 and len(joined) >= 8 else []


def _written(term: str, words: list[str]) -> list[str]:
    """The words as they were written, for the stemmers, which want their accents, and for exact comparison."""
    parts = term.split()
    plain = len(parts) == len(words) and all(map(str.isalnum, parts))
    return parts if plain else words_of(term).split()
