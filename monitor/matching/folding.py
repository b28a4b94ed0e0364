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

import numpy as np
from numpy.typing import NDArray

from monitor.models import EDGE, FIELD_BREAK

_SIZE = 0x32400  # past the last assigned letter: beyond it lie only private use, tags and variation selectors
_SPACE = 0x20
RUN = "\ue000"  # in `words_of`, for each letter of a run in a script without spaces: a private-use character
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
# What stands after a letter and belongs to it.
_MARK = re.compile("[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u1160-\u11ff\u3099\u309a\uff9e\uff9f]")
_KANA_VOICED = re.compile("[ぁ-ヿ]")


class Folded:
    """A folded text: `offsets[i]` is where `text[i]` stood in the original, worked out when first asked for."""

    __slots__ = ("_offsets", "_original", "text")

    def __init__(self, original: str) -> None:
        self._original = original
        self._offsets: NDArray[np.intp] | None = None
        self.text = str(_fold(original)[0].data, "utf-32-le", "surrogatepass")

    @property
    def offsets(self) -> NDArray[np.intp]:
        if self._offsets is None:
            places = _fold(self._original, with_places=True)[1]
            self._offsets = np.maximum(places - 1, 0)  # for the space that was put before the text
        return self._offsets


def fold_character(character: str) -> str:
    """Fold one character: what replaces it, a space for a separator, nothing for what vanishes."""
    if character in _EXPANSIONS or character.lower() in _EXPANSIONS:
        return _EXPANSIONS[character.lower()]
    category = unicodedata.category(character)
    if category in ("Cn", "Co", "Cc") and character != EDGE:
        return " "
    if category in ("Cf", "Cs") or _MARKS_DROPPED.match(character) or character == "\u0640":
        return "" if category != "Cs" else " "
    if character in _WHOLE or character == EDGE:
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


def words_of(text: str) -> str:
    """The words of a text as they are written, parted by spaces, one for each word of the folded text.

    What folding drops is left out. A run in a script without spaces is a word of as many RUN as it has letters.
    """
    points = np.frombuffer(f" {text} ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    written = _written().take(points, mode="clip")
    least = written.min()
    if least == _GROWS:
        return " ".join(_words_by_offsets(text))
    if least == 0:
        written = written[written != 0]
    if written.max() >= _FIRST_SEAMED and len(seams := _seams(written)):
        written = np.insert(written, seams, _SPACE)
    return str(written.data, "utf-32-le")


@functools.cache
def _written() -> NDArray[np.int32]:
    """Each code point that has a place in a word, a space or 0 for the others, _GROWS where a table cannot say."""
    folded = _table()
    written = np.where(folded > 0, np.arange(len(folded), dtype=np.int32), folded)
    written[folded == _SPACE] = _SPACE
    written[folded == _JOINS] = _GROWS
    for point in np.flatnonzero(folded == _GROWS):
        classes = {int(_scripts()[min(ord(letter), _SIZE - 1)]) for letter in fold_character(chr(point))}
        written[point] = point if classes == {1} else ord(RUN) if classes == {2} else _GROWS
    runs = (folded > 0) & (_scripts().take(folded, mode="clip") == 2)
    written[runs] = ord(RUN)
    return written


def _words_by_offsets(text: str) -> list[str]:
    """As `words_of`, for texts with letters that are written in several characters."""
    folded = fold(text)
    offsets, words, start = folded.offsets.tolist(), [], 1
    for word in folded.text.split():
        end = start + len(word)
        original = text[offsets[start] : span_end(text, offsets[end - 1] + 1)]
        # ½ becomes two words, which have one letter between them: each is what it was folded to.
        shared = offsets[end] == offsets[end - 1] or (start > 1 and offsets[start - 1] == offsets[start])
        words.append(RUN * len(word) if unspaced(word[0]) else word if shared else _kept(original) or word)
        start = end + 1
    return words


def _kept(original: str) -> str:
    """A word without the characters that folding drops."""
    composed = unicodedata.normalize("NFC", original)
    return "".join(letter for letter in composed if _table()[min(ord(letter), _SIZE)] != 0)


def span_end(original: str, end: int) -> int:
    """Where a span of an original ends with the marks that belong to its last letter."""
    while end < len(original) and original[end] > "\u02ff" and _MARK.match(original, end):
        end += 1
    return end


def fold(text: str) -> Folded:
    """Fold a text; the result begins and ends with a space, and no two spaces stand side by side."""
    return Folded(text)


_NO_PLACES = np.empty(0, dtype=np.intp)


def _fold(text: str, *, with_places: bool = False) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """The folded code points of a text between two spaces, and the place of each in it where asked for."""
    points = np.frombuffer(f" {text} ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    folded, places = _table().take(points, mode="clip"), _NO_PLACES
    least = folded.min()
    if least < 0:
        folded, places = _rewrite(f" {text} ", _table()) if least == _JOINS else _expand(folded, text)
        least = folded.min()
    elif with_places:
        places = np.arange(len(folded))
    if least == 0:
        kept = folded != 0
        folded, places = folded[kept], places[kept] if with_places else places
    if folded.max() >= _FIRST_SEAMED and len(seams := _seams(folded)):
        folded = np.insert(folded, seams, _SPACE)
        places = np.insert(places, seams, places[seams]) if with_places else places
    space = folded == _SPACE
    kept = ~space
    kept[1:] |= ~space[:-1]
    kept[0] = True
    return folded[kept], places[kept] if with_places else places


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
    scripts[[_SPACE, ord(EDGE)]] = 0
    for start, end in _UNSPACED_RANGES:
        scripts[start : end + 1] = 2
    scripts[ord(RUN)] = 2
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
    joined = FIELD_BREAK.join(term.replace(EDGE, " ") for term in terms)
    return [term.strip() for term in fold(joined).text.split(EDGE)]


def fold_term(term: str) -> str:
    """Fold one term."""
    return fold(term).text.strip()


class _Letters(dict[int, str]):
    """What each character of a word is folded to, for str.translate; worked out when first met."""

    def __missing__(self, point: int) -> str:
        letter = self[point] = fold_character(chr(point))
        return letter


_LETTERS_FOLDED = _Letters()


def fold_word(word: str) -> str:
    """Fold one word of a text: as `fold_term`, but quicker for so few letters."""
    return fold_term(word) if _PIECE.search(word) else word.translate(_LETTERS_FOLDED)


def unspaced(character: str) -> bool:
    """Tell whether a character belongs to a script that does not part words by spaces."""
    return bool(_scripts()[min(ord(character), _SIZE - 1)] == 2)
