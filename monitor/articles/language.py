"""The language of a text, by CLD2, with what feed and page declare as evidence."""

import re
import unicodedata

import pycld2

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
_TELLING = 24  # characters, from which on an answer is worth something though CLD2 calls it unreliable
_UNCERTAIN = frozenset({"un", "xxx"})


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


def detect(text: str, declared: str | None = None) -> str | None:
    """The BCP 47 tag of a text's language, or None where neither the text nor a declaration tells."""
    sample = "".join(c for c in text[:_ENOUGH] if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs", "Cn"))
    declared = normal(declared)
    hint = {"zh-Hans": "zh", "nb": "no", "he": "iw"}.get(declared or "", declared)
    try:
        reliable, _, details = pycld2.detect(
            sample.encode(), hintLanguage=hint if hint in _CODES else None, bestEffort=True
        )
    except pycld2.error:
        return declared
    code = details[0][1]
    if code in _UNCERTAIN or (not reliable and declared):
        return declared
    sure = reliable or (details[0][2] > 80 and len(sample) >= _TELLING)
    return normal(code) if sure else None
