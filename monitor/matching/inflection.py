"""Is this word of a text a form of that word of a rule? Asked only of the few words that the scan has hit.

Each language says by which keys a word may be known: the word itself, its stem (Snowball), and the word
without what its script attaches to it (particles, conjunctions, articles, clitics). A word of a text is a form of
a term where they share a key.
"""

import functools
import re
from collections.abc import Callable, Iterator

import Stemmer

from monitor.matching.folding import fold_word

# Josa and what may follow them; longest first does not matter, all cuts are tried.
_KOREAN = re.compile(
    "(은|는|이|가|을|를|의|에|에서|에게|에겐|에는|에도|에선|에서는|에서도|에서의|에게서|에대한|로|으로|로는|로도|로의|로서|로써|으로는|으로도|으로부터"
    "|으로서|으로써|으로의|로부터|로부터의|와|과|와의|과의|와는|과는|와도|과도|도|만|만이|만의|만은|까지|까지의|까지도|부터|부터의|마다|마저|조차|보다|처럼"
    "|같은|같이|이나|나|이라|라|이라고|라고|이라는|라는|이란|란|이며|며|이고|고|이자|자|인|일|이다|다|였다|이었다|이든|든|들|들이|들은|들을|들의|들에|들에게"
    "|들과|들도|측|측은|측이|측의|측에|측과|측을|발|산|제|식|형|급|용|등|등은|등이|등의|등을|등에|등과|밖에|뿐|뿐만|대로|님|께서|께|씨)"
)
_ARABIC_PREFIX = re.compile("(و|ف)?(ا?ل|ب|ك|ل|س)?(ال|ل)?")
_ARABIC_SUFFIX = re.compile("(ه|ها|هم|هن|هما|نا|ي|ك|كم|ات|اتها|اته|اتهم|ان|ين|ون|تها|ته|تهم|تين|تان|تنا|يه|يا|ا)")
_PERSIAN_SUFFIX = re.compile("(ها|هاي|هايي|هايش|هايشان|هاست|ي|اي|يي|ان|ات|اش|ش|شان|تر|ترين|را|ام|م|مان|ست|اند)")
_HEBREW_PREFIX = re.compile("(ו?(כש|מש|לכש|ש)?(ב|כ|ל|מ|ה|מה|בה|לה|של)?)")
_HEBREW_SUFFIX = re.compile("(ים|ות|י|יה|יו|יהם|ה|ו|ם|ית|יות|נו)")
_MALAY = re.compile("(nya|kan|lah|kah|pun|ku|mu)")
_SNOWBALL = {
    "ar": "arabic",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hi": "hindi",
    "hu": "hungarian",
    "it": "italian",
    "nb": "norwegian",
    "nl": "dutch",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}


def fold_pattern(pattern: str) -> str:
    """Fold the alternatives of a list of endings, as the words are that they are looked for in."""
    return "|".join(sorted(set(map(fold_word, re.sub("[()]", "", pattern).split("|")))))


COMPOUNDING = frozenset({"de", "nl", "sv", "da", "nb", "fi", "hu"})

# Case, number and gender endings of Slavic nouns and adjectives, as they are spelt after folding.
_CYRILLIC_ENDINGS = re.compile(
    "(а|у|е|и|о|я|ю|і|ь|ом|ем|ам|ям|ах|ях|ах|ов|ев|ів|ів|ий|ии|ыи|ои|еи|ою|ею|ами|ями|ові|еві|ию|ия|ие|ії|ію|ією|ієм|иі"
    "|ого|его|ому|ему|им|их|ым|ых|ими|ыми|ая|яя|ое|ее|ые|ие|ую|юю|аго|ія|іі|та|то|те|ът|ят|ия|ите|ата|ото|ета)"
)
_LATIN_ENDINGS = re.compile(
    "(a|u|e|i|o|y|om|em|am|im|og|eg|oj|ej|og|oga|omu|emu|ama|ima|ami|ech|ach|ich|ych|ove|ovi|ov|ev|ou|mi|ym|ymi|imi|ij"
    "|ia|ie|iu|ii|ija|ije|iji|iju|ijom|ijama|eho|ému|eho|ého|ím|ih|ih|ym|im|ami|ova|eva|ovima|evima|oma|ema|iou)"
)
_ENDINGS = {
    "bg": _CYRILLIC_ENDINGS,
    "uk": _CYRILLIC_ENDINGS,
    "sr": re.compile(f"{_CYRILLIC_ENDINGS.pattern}|{_LATIN_ENDINGS.pattern}"),
    "hr": _LATIN_ENDINGS,
    "sk": _LATIN_ENDINGS,
    "ka": re.compile(
        "(ი|მა|ს|ის|ით|ად|ო|ები|ებმა|ებს|ების|ებით|ებად|ისა|სა|ში|ზე|თან|იდან|ისთვის|ამდე|ებში|ებზე|ებთან|ებიდან|ებისთვის|ც|ა)"
    ),
    "bn": re.compile("(র|এর|ের|কে|তে|য়|য়ে|ে|গুলো|গুলি|গুলোর|গুলির|টি|টির|টা|রা|দের|দেরকে|ই|ও|সহ)"),
    "ko": _KOREAN,
    "ar": _ARABIC_SUFFIX,
    "fa": _PERSIAN_SUFFIX,
    "he": _HEBREW_SUFFIX,
    "id": _MALAY,
    "ms": _MALAY,
}
_ENDINGS = {language: re.compile(fold_pattern(pattern.pattern)) for language, pattern in _ENDINGS.items()}
_PREFIXES = {"ar": _ARABIC_PREFIX, "he": _HEBREW_PREFIX}
_SHORTEST_STEM = 2
# A word of any text is a form of another in one of these, or in none; "und" stands for all the others.
LANGUAGES_WITH_RULES = (*sorted({*_SNOWBALL, *_ENDINGS, *_PREFIXES, *COMPOUNDING}), "und", None)


@functools.lru_cache(maxsize=10_000)  # what a word means is remembered elsewhere, but many ask at once
def keys(language: str, word: str, *, stemmed: bool = True) -> frozenset[str]:
    """The keys by which a word of a text may be known. `word` is as the text has it, in lower case.

    Not `stemmed`, only what its script attaches to a word is taken off.
    """
    folded = fold_word(word)
    found = {folded}
    if stemmed and language in _SNOWBALL:
        found.add(_stem(language, word))
    for stripped in _without_prefix(language, folded):
        found.add(stripped)
        found.update(_without_ending(language, stripped))
    return frozenset(found)


@functools.lru_cache(maxsize=50_000)
def term_keys(language: str, word: str, *, stemmed: bool = True) -> frozenset[str]:
    """The keys of which a text's word has to share one to be a form of a term's word."""
    folded = fold_word(word)
    found = {folded}
    if stemmed and language in _SNOWBALL:
        found.add(_stem(language, word))
    if stemmed and language in _DECLINING:
        found.update(_without_ending(language, folded))
    return frozenset(found)


# Where the dictionary form has an ending of its own, which the other forms replace.
_DECLINING = frozenset({"bg", "uk", "sr", "hr", "sk", "ka"})


def _stem(language: str, word: str) -> str:
    return "~" + fold_word(_stemmer(language)(word))


@functools.cache
def _stemmer(language: str) -> Callable[[str], str]:
    stem: Callable[[str], str] = Stemmer.Stemmer(_SNOWBALL[language]).stemWord
    return stem


def _without_prefix(language: str, word: str) -> Iterator[str]:
    yield word
    pattern = _PREFIXES.get(language)
    for cut in range(1, len(word) - _SHORTEST_STEM + 1) if pattern else ():
        if pattern and pattern.fullmatch(word, 0, cut):
            yield word[cut:]


def _without_ending(language: str, word: str) -> Iterator[str]:
    pattern = _ENDINGS.get(language)
    for cut in range(max(_SHORTEST_STEM, len(word) - 6), len(word)) if pattern else ():
        if pattern and pattern.fullmatch(word, cut):
            yield word[:cut]
