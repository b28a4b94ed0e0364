"""The language of a text, by its script, by CLD2 and by telling words, with what feed and page declare as evidence."""

import re
import unicodedata
from collections.abc import Sequence

import pycld2

from monitor.articles.telling import apart
from monitor.rules.lexicon import LANGUAGES

_NAMES = {
    "iw": "he",
    "in": "id",
    "no": "nb",
    "nn": "nb",
    "zh": "zh-Hans",
    "jw": "jv",
    "fil": "tl",
    "sh": "sr",
    "mo": "ro",
}
_CHINESE = {"zh-cn": "zh-Hans", "zh-sg": "zh-Hans", "zh-tw": "zh-Hant", "zh-hk": "zh-Hant", "zh-mo": "zh-Hant"}
_ENOUGH = 3_000  # characters: more text changes no answer
_CODES = frozenset(code for _, code in pycld2.LANGUAGES)
_KNOWN = (_CODES | {"he", "id", "nb", "jv", "bs", "yue"}) - {"un", "xxx", "iw"}
_HEADLINE = 100  # characters; CLD2 takes shorter ones for a language of few readers now and then
_TELLING = 24  # characters, from which on an answer is worth something though CLD2 calls it unreliable
_UNCERTAIN = frozenset({"un", "xxx"})
_SCRIPTS = {
    name: re.compile(letters)
    for name, letters in {
        "ko": "[가-힣ㄱ-ㆎ]",
        "ja": "[ぁ-ヺ]",
        "zh": "[㐀-鿿]",
        "ar": "[ء-يٮ-ە]",
        "he": "[א-ת]",
        "el": "[Ͱ-Ͽἀ-῿]",
        "ka": "[ა-ჰ]",
        "th": "[ก-๎]",
        "ta": "[஀-௿]",
    }.items()
}
# Letters that only some of the languages in Arabic script have, those first that settle the most.
_ARABIC = (
    (("ur",), re.compile("[ٹڈڑےں]")),
    (("ps", "ckb", "ug", "sd"), re.compile("[ټډړښڼېۍڵڕۆێە]")),
    (("fa", "ur"), re.compile("[پچژگکی]")),
    (("ar", "fa", "ur"), re.compile("[ء-ي]")),
)


def normal(tag: str | None) -> str | None:
    """A declared language (`pt_BR`, `zh-TW`, `in`) as the tag that we use; None for none, or for no language at all."""
    parts = re.split("[-_]", (tag or "").strip())
    if not re.fullmatch("[A-Za-z]{2,3}", parts[0]):
        return None
    if parts[0].lower() == "zh":
        joined = "-".join(parts).lower()
        return "zh-Hant" if "hant" in joined else _CHINESE.get(joined, "zh-Hans")
    code = _NAMES.get(parts[0].lower(), parts[0].lower())
    return code if code in _KNOWN else None


def detect(text: str, *declared: str | None) -> str | None:
    """The BCP 47 tag of a text's language, or None where neither the text nor a declaration tells.

    `declared` is what entry, page and feed say, first those that know best. Where the text is clear it has the last
    word; a declaration decides between what its script and its words leave open.
    """
    sample = "".join(c for c in text[:_ENOUGH] if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs", "Cn"))
    said = tuple(dict.fromkeys(tag for tag in map(normal, declared) if tag))
    script = _by_script(sample, said)
    found, sure = _by_cld2(sample, None)
    if said and found != said[0]:
        hinted, hinted_sure = _by_cld2(sample, said[0])
        # English is also what publishing systems declare that nobody told; and short texts tell little.
        if not sure or len(sample) < _TELLING or (hinted == said[0] and said[0] != "en"):
            found, sure = hinted, hinted_sure
    if script and found not in script:
        found, sure = script[0], len(script) == 1
    if found not in LANGUAGES | {"bs"} and len(sample) < _HEADLINE:
        sure = False
    if found and sure:
        return apart(found, sample, said)
    likely = [tag for tag in said if not script or tag in script]
    return likely[0] if likely else script[0] if len(script) == 1 else None


def _by_cld2(sample: str, declared: str | None) -> tuple[str | None, bool]:
    """What CLD2 takes a text for, and whether that is worth something."""
    hint = {"zh-Hans": "zh", "nb": "no", "he": "iw"}.get(declared or "", declared)
    try:
        reliable, _, details = pycld2.detect(
            sample.encode(), isPlainText=True, hintLanguage=hint if hint in _CODES else None, bestEffort=True
        )
    except pycld2.error:
        return None, False
    _, code, percent, _ = details[0]
    if code in _UNCERTAIN:
        return None, False
    likely = percent > 80 and len(sample) >= _TELLING and not declared
    return normal(code), reliable or likely


def _by_script(sample: str, said: Sequence[str]) -> tuple[str, ...]:
    """The languages that the letters of a text leave open; none where they leave too many."""
    counted = {name: len(letters.findall(sample)) for name, letters in _SCRIPTS.items()}
    others = sum(map(str.isalpha, sample)) - sum(counted.values())
    name = max(counted, key=counted.__getitem__)
    if counted[name] + (counted["ja"] if name == "zh" else 0) <= others:
        return ()
    if name == "zh":
        return ("ja",) if counted["ja"] > counted["zh"] / 20 else _by_ideographs(sample, said)
    if name == "ar":
        return next((tags for tags, letters in _ARABIC if letters.search(sample)), ())
    return (name,)


def _by_ideographs(sample: str, said: Sequence[str]) -> tuple[str, ...]:
    """Simplified, traditional or Japanese, by the national standards that have its characters."""
    standards = [
        tuple(_has(standard, c) for standard in ("gb2312", "big5", "shift_jis")) for c in sample if c > "\u3400"
    ]
    mainland, taiwan = standards.count((True, False, False)), standards.count((False, True, False))
    mainland += standards.count((True, False, True))
    taiwan += standards.count((False, True, True))
    japan = standards.count((False, False, True))
    if japan > mainland + taiwan or ("ja" in said and all(has[2] for has in standards)):
        return ("ja",)
    return ("zh-Hans", "zh-Hant") if mainland == taiwan else ("zh-Hans",) if mainland > taiwan else ("zh-Hant",)


def _has(standard: str, character: str) -> bool:
    try:
        character.encode(standard)
    except UnicodeEncodeError:
        return False
    return True
