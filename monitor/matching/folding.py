"""Folding: one form for every way to write the same word, with the way back to the original text.

Case, width, accents, ligatures, Arabic and Hebrew letter variants and digits are folded; soft hyphens, zero-width
characters, tatweel and vowel points vanish; everything that is no letter, mark or digit becomes one space, and so does
the seam of two scripts (NATOが, UN의). What tells words apart in their script stays: Indic and Thai vowel signs, kana
voicing, Hangul syllables.

A text is folded by one gather through a table of code points. Only where a character grows (ﬁ, ㎏) or composes
(conjoining jamo, separate voicing marks) is it rewritten character by character first.
"""

import functools
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SIZE = 0x32400  # past the last assigned letter: beyond it lie only private use, tags and variation selectors
_SPACE = 0x20
FIELD_BREAK = " \x01 "  # between title and text, and between terms: a control character, which no phrase crosses
_GROWS = -1  # in the table: becomes several characters
_JOINS = -2  # may compose with the character before it
_FIRST_SEAMED = 0x0E00  # Thai: no script before it writes words without spaces between them

# Letters that Unicode does not decompose, but that readers and keyboards exchange.
_ALIKE = str.maketrans(
    "ıøłđðħŧӏё" + "ىیےېۍئ" + "کڪ" + "هەہۂۀةھۃ" + "أإآٱ" + "ؤ" + "ךםןףץ" + "ς",
    "iolddhtіе" + "يييييي" + "كك" + "هههههههه" + "اااا" + "و" + "כמנפצ" + "σ",
)  # fmt: skip
_EXPANSIONS = {"ß": "ss", "æ": "ae", "œ": "oe", "þ": "th"}

# Scripts that do not part words by spaces: Thai, Lao, Burmese, Khmer, kana, Han.
_UNSPACED_RANGES = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x19E0, 0x19FF),
    (0x3005, 0x3007),
    (0x3040, 0x30FF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xAA60, 0xAA7F),
    (0xF900, 0xFAFF),
    (0x20000, _SIZE - 1),
)

# Letters of their own in Cyrillic, not accented ones: война, war, is not воина, a warrior's.
_LETTERS = frozenset("йїў")
_WHOLE = frozenset("ำຳ")  # vowels that Unicode takes apart, and no writer does

# Marks that are spelling, not sound: they tell words apart and stay. All other non-spacing marks go.
_MARKS_DROPPED = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    "\u093c\u09bc\u0a3c\u0abc\u0b3c\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]"
)
# What the table cannot do alone: pieces that compose with the character before them.
_COMPOSES = "\u0306\u0308\u1100-\u11ff\u3099\u309a\uff9e\uff9f"
# A leading jamo begins a syllable; so many marks on one letter are no writing.
_CLUSTER = re.compile(
    f"[\u1100-\u115f][\u1160-\u11ff]*|.[{_COMPOSES.replace(chr(0x1100), chr(0x1160))}]{{0,30}}", re.DOTALL
)
_PIECE = re.compile(f"[{_COMPOSES}]")
_KANA_VOICED = re.compile("[ぁ-ヿ]")


class Folded:
    """A folded text: `offsets[i]` is where `text[i]` stood in the original, worked out when first asked for."""

    __slots__ = ("_offsets", "_steps", "text")

    def __init__(self, text: str, steps: tuple[NDArray[Any], ...]) -> None:
        self.text = text
        self._steps = steps
        self._offsets: NDArray[np.intp] | None = None

    @property
    def offsets(self) -> NDArray[np.intp]:
        if self._offsets is None:
            offsets = np.arange(len(self._steps[0])) if self._steps[0].dtype == bool else self._steps[0]
            for step in self._steps:
                if step.dtype == bool:
                    offsets = offsets[step]
                elif step is not self._steps[0]:
                    offsets = offsets.take(step)
            self._offsets = np.maximum(offsets - 1, 0)  # for the space that was put before the text
        return self._offsets


def fold_character(character: str) -> str:
    """Fold one character: what replaces it, a space for a separator, nothing for what vanishes."""
    if character in _EXPANSIONS or character.lower() in _EXPANSIONS:
        return _EXPANSIONS[character.lower()]
    category = unicodedata.category(character)
    if category in ("Cn", "Co", "Cc") and character != FIELD_BREAK.strip():
        return " "
    if category in ("Cf", "Cs") or _MARKS_DROPPED.match(character) or character == "\u0640":
        return "" if category != "Cs" else " "
    if character in _WHOLE or character == FIELD_BREAK.strip():
        return character
    compatible = unicodedata.normalize("NFKC", character).casefold()
    if compatible not in _LETTERS and not _KANA_VOICED.search(compatible):
        compatible = _MARKS_DROPPED.sub("", unicodedata.normalize("NFD", compatible))
        compatible = unicodedata.normalize("NFC", compatible)  # Hangul comes back together
    folded = compatible.translate(_ALIKE)
    return "".join(_digit(c) if unicodedata.category(c)[0] in "LMN" else " " for c in folded)


def _digit(character: str) -> str:
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)


@functools.cache
def _table() -> NDArray[np.int32]:
    """The folded code point of each code point; 0 where it vanishes, _GROWS where it becomes several."""
    points = []
    for point in range(_SIZE):
        # Hangul syllables, Han and Tangut stay as they are: no need to ask 130,000 times.
        if 0xAC00 <= point <= 0xD7A3 or 0x3400 <= point <= 0x9FFF or 0x17000 <= point <= 0x18D00 or point >= 0x20000:
            points.append(point)
            continue
        folded = fold_character(chr(point))
        if _PIECE.match(chr(point)):
            points.append(_JOINS)
            continue
        points.append((ord(folded) if folded else 0) if len(folded) < 2 else _GROWS)
    # Beyond lie variation selectors and tags, which vanish: the last place stands for all of them.
    return np.array([*points, 0], dtype=np.int32)


def fold(text: str) -> Folded:
    """Fold a text; the result begins and ends with a space, and no two spaces stand side by side."""
    points = np.frombuffer(f" {text} ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    folded = _table().take(points, mode="clip")
    steps: list[NDArray[Any]] = []
    least = folded.min()
    if least < 0:
        folded, origin = _rewrite(f" {text} ", _table()) if least == _JOINS else _expand(folded, text)
        steps.append(origin)
        least = folded.min()
    if least == 0:
        steps.append(folded != 0)
        folded = folded[steps[-1]]
    if folded.max() >= _FIRST_SEAMED and len(seams := _seams(folded)):
        steps.append(np.insert(np.arange(len(folded)), seams, seams))
        folded = np.insert(folded, seams, _SPACE)
    space = folded == _SPACE
    keep = np.ones(len(folded), dtype=bool)
    np.logical_and(space[1:], space[:-1], out=keep[1:])
    np.logical_not(keep[1:], out=keep[1:])
    steps.append(keep)
    return Folded(str(folded[keep].data, "utf-32-le", "surrogatepass"), tuple(steps))


def _expand(folded: NDArray[np.int32], text: str) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Put several characters where the table says that one becomes them; and where each stood."""
    growing = np.flatnonzero(folded == _GROWS)
    expansions = [fold_character(text[place - 1]) or " " for place in growing]
    folded[growing] = [ord(expansion[0]) for expansion in expansions]
    rest = [ord(character) for expansion in expansions for character in expansion[1:]]
    after = np.repeat(growing + 1, [len(expansion) - 1 for expansion in expansions])
    return np.insert(folded, after, rest), np.insert(np.arange(len(folded)), after, after - 1)


def _seams(folded: NDArray[np.int32]) -> NDArray[np.intp]:
    """Where a script that parts words by spaces meets one that does not, or Hangul: there a space is due."""
    script = _scripts().take(folded, mode="clip")
    return np.flatnonzero((script[1:] != script[:-1]) & (script[1:] != 0) & (script[:-1] != 0)) + 1


@functools.cache
def _scripts() -> NDArray[np.int8]:
    """0 for a separator, 1 for a script with spaces between words, 2 for one without, 3 for Hangul."""
    scripts = np.ones(_SIZE, dtype=np.int8)
    scripts[[_SPACE, ord(FIELD_BREAK.strip())]] = 0
    for start, end in _UNSPACED_RANGES:
        scripts[start : end + 1] = 2
    scripts[0xAC00:0xD7A4] = scripts[0x1100:0x1200] = scripts[0x3130:0x3190] = 3
    return scripts


def _rewrite(text: str, table: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Fold character by character: the folded code points, and where each stood."""
    points: list[int] = []
    origin: list[int] = []
    for match in _CLUSTER.finditer(text):
        cluster = match[0]
        if len(cluster) > 1:
            cluster = unicodedata.normalize("NFKC", cluster)
        for character in cluster:
            value = int(table[min(ord(character), _SIZE)])
            folded = [value] if value >= 0 else [ord(c) for c in fold_character(character)] or [0]
            points += folded
            origin += [match.start()] * len(folded)
    return np.array(points, dtype=np.int32), np.array(origin, dtype=np.intp)


def fold_terms(terms: Sequence[str]) -> list[str]:
    """Fold terms of rules or of the lexicon, each to words parted by single spaces, in one go."""
    if not terms:
        return []
    mark = FIELD_BREAK.strip()
    joined = FIELD_BREAK.join(term.replace(mark, " ") for term in terms)
    return [term.strip() for term in fold(joined).text.split(mark)]


def fold_term(term: str) -> str:
    """Fold one term."""
    return fold(term).text.strip()


def unspaced(character: str) -> bool:
    """Tell whether a character belongs to a script that does not part words by spaces."""
    return bool(_scripts()[min(ord(character), _SIZE - 1)] == 2)
