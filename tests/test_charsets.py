"""The charset of a page: declared in its header or in its <meta>, wrongly, or nowhere."""

import pytest

from monitor.articles.charset import decode
from tests.pages import html, sentences

CHARSETS = [
    ("windows-1251", "ru"), ("koi8-r", "ru"), ("koi8-u", "uk"), ("iso-8859-5", "bg"), ("gb18030", "zh-Hans"),
    ("gb2312", "zh-Hans"), ("big5", "zh-Hant"), ("shift_jis", "ja"), ("euc-jp", "ja"), ("iso-2022-jp", "ja"),
    ("euc-kr", "ko"), ("iso-8859-9", "tr"), ("windows-1254", "tr"), ("windows-1256", "ar"), ("windows-1255", "he"),
    ("windows-1253", "el"), ("windows-1250", "pl"), ("windows-1252", "de"), ("tis-620", "th"), ("utf-16", "fa"),
    ("utf-8", "hi"),
]  # fmt: skip


def encoded(charset: str, language: str, head: str = "") -> tuple[str, bytes]:
    """An article's text as far as a charset can write it, and its page."""
    said = " ".join(sentences(language)[:8]).encode(charset, "ignore").decode(charset)
    return said, html(f"<article><p>{said}</p></article>", head).encode(charset)


@pytest.mark.parametrize(("charset", "language"), CHARSETS)
@pytest.mark.parametrize("declared", ["header", "meta", "http-equiv", "nowhere", "wrongly"])
def test_charsets(charset: str, language: str, declared: str) -> None:
    if charset in ("windows-1253", "windows-1250") and declared in ("nowhere", "wrongly"):
        pytest.skip("charset-normalizer takes it for a neighbour; only a declaration tells")
    head = {
        "meta": f'<meta charset="{charset}">',
        "http-equiv": f'<meta http-equiv="Content-Type" content="text/html; charset={charset}">',
    }.get(declared, "")
    header = {"header": f'text/html; charset="{charset}"', "wrongly": "text/html; charset=utf-8"}.get(declared, "")
    said, body = encoded(charset, language, head)
    assert said in decode(body, header or "text/html")


def test_what_a_charset_is_called() -> None:
    """Labels as browsers read them, and bytes that are cut in the middle of a letter."""
    assert decode("“ž”".encode("cp1252"), "text/html; charset=ISO-8859-1") == "“ž”"
    assert decode("漢字①髙".encode("cp932"), "text/html; charset=x-sjis") == "漢字①髙"
    assert decode("똠방각하".encode("cp949"), "text/html; charset=ks_c_5601-1987") == "똠방각하"
    assert decode("äöü".encode() + b"\xe2\x82", "text/html; charset=latin-1") == "äöü"
    assert decode("\ufeffä".encode(), "text/html; charset=latin-1") == "ä"
    assert decode(b"plain", "text/html; charset=rot13") == decode(b"plain", "text/html; charset=none") == "plain"
    assert decode("Größe".encode("cp1252"), "text/html; charset=base64")


@pytest.mark.parametrize("label", ["idna", "punycode", "unicode_escape", "raw-unicode-escape", "utf-7", "undefined"])
def test_what_only_python_calls_a_charset(label: str) -> None:
    page = '<meta charset="windows-1252"><p>Größe - “Maß” \\x41 +AGE- é' * 20
    assert decode(page.encode("cp1252"), f"text/html; charset={label}") == page
