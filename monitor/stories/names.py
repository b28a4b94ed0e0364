"""Names of people and places as they sound, so that Сулавеси, スラウェシ and Sulawesi are one.

A name is written in Latin letters and reduced to its consonants, of which those that scripts and languages exchange
are one: k and g, r and l, p, b and f. What a name is, capital letters tell. Where a script has none, every word may be
one: such a text is searched for the names of the other.
"""

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from itertools import groupby

from anyascii import anyascii

from monitor.articles.sentences import sentence_spans

Span = tuple[int, int]
_READ = 1_500  # characters of a text in which names are looked for
_WORDS_KEPT = 20_000  # news repeats its names
_MOST = 150  # names kept of a text
_SHORTEST = 3  # consonants that tell a name
_SEARCHED = 4  # consonants, from which on a name may stand within a longer word
_WORD = re.compile(r"[゠-ヿ]{3,}|[㐀-鿿]+|[^\W\d_゠-ヿ㐀-鿿]+")
_SILENT = str.maketrans("", "", "'h")
_ALIKE = str.maketrans("cqgkbpflrdtzsjxvw", "kkkkppprrttssssvv", "aeiouy")
_HEADLINE_CASE = 0.6  # share of capital letters from which on they tell nothing
# Capital letters of the calendar, in the languages that write it so and do not write all nouns so.
_CALENDAR = frozenset(
    re.split(
        r"\s+",
        """monday tuesday wednesday thursday friday saturday sunday january february march april may june july august
        september october november december senin selasa rabu kamis jumat sabtu minggu januari februari maret mei juni
        juli agustus oktober desember isnin khamis jumaat ahad mac ogos disember pazartesi sali carsamba persembe cuma
        cumartesi pazar ocak subat mart nisan mayis haziran temmuz agustos eylul ekim kasim aralik""",
    )
)


def names_in(text: str, known: Collection[Span] = ()) -> frozenset[str]:
    """The names in a text's beginning, as they sound; words within `known` spans are none."""
    text = text[:_READ]
    begins = {start for start, _ in sentence_spans(text)}
    covered = {place for first, end in known for place in range(first, end)}
    found: dict[str, None] = {}
    for start, word in _candidates(text, begins):
        if start not in covered and (sound := _sound(word)):
            found[sound] = None
    return frozenset(list(found)[:_MOST])


def shared(names: Collection[str], others: Collection[str]) -> frozenset[str]:
    """Those of the names that are among the others too, or stand within one of them."""
    among = frozenset(others)
    within = f" {' '.join(among)} "
    return frozenset(name for name in names if name in among or (len(name) >= _SEARCHED and name in within))


def _candidates(text: str, begins: Collection[int]) -> Iterator[tuple[int, str]]:
    """The words that may be names, with their places: line by line, since headlines are written in their own way."""
    for line in re.finditer("[^\n]+", text):
        words = [(line.start() + match.start(), match[0]) for match in _WORD.finditer(line[0])]
        capital = [is_cased(word[0]) and word[0].isupper() for _, word in words]
        shouted = len(words) > 3 and sum(capital) > _HEADLINE_CASE * len(words)
        for (start, word), begins_large in zip(words, capital, strict=True):
            if not is_cased(word[0]) or (begins_large and not shouted and start not in begins):
                yield start, word


@lru_cache(maxsize=_WORDS_KEPT)
def is_cased(letter: str) -> bool:
    """Tell whether a letter has a capital form, or is one."""
    return letter.lower() != letter.upper()


@lru_cache(_WORDS_KEPT)
def _sound(word: str) -> str:
    """A word as it sounds, itself in Latin letters where it has few consonants; "" for what is no name."""
    plain = anyascii(word).lower()
    if plain in _CALENDAR or len(plain) < 2:
        return ""
    sound = _once(plain.translate(_SILENT).translate(_ALIKE))
    return sound if len(sound) >= _SHORTEST else _once(plain)


def _once(letters: str) -> str:
    """Letters without others, each only once where it is doubled."""
    return "".join(letter for letter, _ in groupby(letters) if letter.isalpha())
