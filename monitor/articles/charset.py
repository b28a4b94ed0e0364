"""From the bytes of a page to its text: by its byte order mark, its header, its <meta>, or else by what it looks like.

What is declared is believed only as far as the bytes allow it; and bytes that are UTF-8 are UTF-8, whatever is
declared, since texts in other charsets hardly ever are. The labels are those of the WHATWG's encoding standard, where
a charset stands for the larger one that browsers read in its place.
"""

import codecs
import re

import charset_normalizer

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LARGER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_jp": "euc_jis_2004",
    "euc_kr": "cp949",
}
# Python's own, which no page is written in: some cannot do without an error, or take long.
_NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "unicode-escape", "utf-7"})
_DECLARED = re.compile(rb"""<(?:meta|\?xml)\b[^>]{0,300}?(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.I)
_IN_HEADER = re.compile(r"""charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_HIDDEN = re.compile(rb"<(script|style)\b.*?</\1|<[^>]*>?|\s+", re.IGNORECASE | re.DOTALL)
_ESCAPES = re.compile(rb"\x1b[$(]")  # of ISO-2022-JP, whose bytes are all ASCII
_HEAD = 4_096  # bytes in which a page declares its charset
_LOOKED_AT = 100_000  # bytes of which a charset is guessed
_ENOUGH = 3_000  # bytes of text without markup, from which it is
_WRONG = 1 / 500  # of the letters: more that cannot be decoded, and the charset is another


def decode(body: bytes, content_type: str = "") -> str:
    """Decode a page; `content_type` is its header. What cannot be decoded becomes U+FFFD."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    escaped = _ESCAPES.search(body) is not None
    if not escaped and (text := _as_utf8(body)) is not None:
        return text
    found = [_IN_HEADER.search(content_type), _DECLARED.search(body[:_HEAD])]
    labels = [match[1] if isinstance(match[1], str) else match[1].decode("ascii") for match in found if match]
    for encoding in dict.fromkeys(filter(None, map(_encoding, ["iso2022_jp", *labels] if escaped else labels))):
        text = body.decode(encoding, "replace")
        if text.count("\ufffd") <= len(text) * _WRONG:
            return text
    return body.decode(_guess(body), "replace")


def _as_utf8(body: bytes) -> str | None:
    """The body as UTF-8, if it is that; one that is cut in the middle of a letter still is."""
    try:
        text, _ = codecs.utf_8_decode(body, "strict", False)
    except UnicodeDecodeError:
        return None
    # UTF-16 without its mark passes for ASCII with a NUL beside every letter.
    return None if text.count("\x00") > len(text) // 4 else text


def _encoding(label: str) -> str | None:
    """The encoding that browsers read where a page says `label`; None for one that does not exist."""
    try:
        name = codecs.lookup(label.strip().removeprefix("x-")).name
        "".encode(name)  # a few of Python's codecs are no text encodings
    except (LookupError, ValueError):
        return None
    return None if name in _NO_CHARSETS else _LARGER.get(name, name)


def _guess(body: bytes) -> str:
    """The likeliest encoding of a page that does not say it, by its text alone: markup is the same in most."""
    looked_at = body[:_LOOKED_AT]
    wide = looked_at.count(b"\x00") > len(looked_at) // 4
    sample = looked_at[:_ENOUGH] if wide else _HIDDEN.sub(b" ", looked_at)[:_ENOUGH]
    best = charset_normalizer.from_bytes(sample).best()
    return (_encoding(best.encoding) if best else None) or "cp1252"
