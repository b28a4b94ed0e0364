"""The pure stages between page and receiver: feeds, extraction, language, snippets, retries."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor.addresses import is_allowed
from monitor.alerts.build import alerts_for, snippet
from monitor.alerts.render import marked, printable
from monitor.alerts.retry import Bury, Retry, RetryPolicy, judge
from monitor.articles.extract import extract
from monitor.articles.html import plain_text
from monitor.articles.language import detect, normal
from monitor.articles.sentences import sentence_spans
from monitor.config import parse_duration
from monitor.errors import PermanentError, TemporaryError, UnreadableError
from monitor.feeds.parse import parse
from monitor.matching.matcher import Matcher
from monitor.models import Article, Evidence, Snippet, Source
from monitor.rules.lexicon import Lexicon
from monitor.rules.schema import RuleSchema, rule_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

RDF = b"""<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
xmlns="http://purl.org/rss/1.0/"><channel><title>R</title></channel>
<item rdf:about="http://e.example/1"><title>One</title><link>http://e.example/1</link></item></rdf:RDF>"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<rss version='2.0'><channel><item><guid>g</guid><title>A &amp;amp; B &lt;b&gt;c&lt;/b&gt;</title>"
         b"<link>/x</link></item></channel></rss>", [("g", "http://f.example/x", "A & B c")]),
        (b"<rss version='2.0'><channel><item><guid>http://e.example/p</guid><title>T</title></item></channel></rss>",
         [("http://e.example/p", "http://e.example/p", "T")]),
        (b"<rss version='2.0'><channel><item><title>No guid</title><link>http://e.example/y</link></item></channel></rss>",
         [("http://e.example/y", "http://e.example/y", "No guid")]),
        (b"<feed xmlns='http://www.w3.org/2005/Atom'><entry><id>tag:e,1</id><title type='html'>&lt;i&gt;T</title>"
         b"<link href='http://e.example/z'/></entry></feed>", [("tag:e,1", "http://e.example/z", "T")]),
        (RDF, [("http://e.example/1", "http://e.example/1", "One")]),
        (b"<rss version='2.0'><channel><item><title>Open</title>", [("", "", "Open")]),
        (b"<rss version='2.0'><channel></channel></rss>", []),
        (b'{"version": "https://jsonfeed.org/version/1.1", "items": [{"id": 5, "url": "u", "title": "J"}, 7]}',
         [("5", "http://f.example/u", "J")]),
        (b'{"version": "https://jsonfeed.org/version/1.1"}', []),
    ],
)  # fmt: skip
def test_feeds(body: bytes, expected: list[tuple[str, str, str]]) -> None:
    entries = parse(body, "http://f.example/feed").entries
    found = [
        (entry.key if guid else "", entry.url, entry.title)
        for entry, (guid, _, _) in zip(entries, expected, strict=True)
    ]
    assert found == expected


@pytest.mark.parametrize("body", [b"", b"<html><body>Login</body></html>", b"{", b'{"items": []}', b"\x00\xff\xfe"])
def test_what_is_no_feed_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        parse(body, "http://f.example/feed")


def test_times_become_utc() -> None:
    body = (
        b"<rss version='2.0'><channel><item><title>T</title><pubDate>Mon, 23 Nov 2026 14:00:00 +0200</pubDate></item>"
        b"<item><title>U</title><pubDate>Mon, 99 Foo 99999</pubDate></item></channel></rss>"
    )
    assert [entry.published for entry in parse(body, "").entries] == [NOW, None]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain < text", "plain < text"),
        ("<p>One</p><p>Two<br>three &amp; four</p>", "One\nTwo\nthree & four"),
        ("a <b>bold</b> word<script>x()</script>!", "a bold word!"),
        ("<ul><li>x<li>y</ul>tail", "x\ny\ntail"),
        ("<div>\n  spaced\n  out </div>", "spaced out"),
        ("&lt;b&gt;", "<b>"),
        ("<p>a\x00b</p>", "ab"),
        ("<!-- c -->text", "text"),
        ("", ""),
    ],
)
def test_plain_text(html: str, text: str) -> None:
    assert plain_text(html) == text


def test_extraction_takes_the_article_and_leaves_the_rest() -> None:
    page = (Path(__file__).parent.parent / "seeds/pages/de-ruestungsexport.html").read_bytes()
    article = extract(page, "https://z.example/1")
    assert article.title == "Bundesregierung stoppt Waffenlieferung an Golfstaat"
    assert article.text.startswith("Der Bundessicherheitsrat")
    assert "Kurzstreckenraketen" not in article.text
    assert article.language == "de"
    with pytest.raises(UnreadableError, match="holds no article text"):
        extract(b"<html><body></body></html>")


@pytest.mark.parametrize(
    ("text", "declared", "language"),
    [
        ("Korea Utara menolak pernyataan itu dan menyebutnya sebagai upaya memulai perang.", None, "id"),
        ("북한이 동해상으로 미사일을 발사했다고 합참이 밝혔다.", None, "ko"),
        ("朝鲜今天上午向东部海域发射了一枚弹道导弹，韩国军方称。", None, "zh-Hans"),
        ("北韓今天上午向東部海域發射了一枚彈道飛彈，南韓軍方稱。", None, "zh-Hant"),
        ("Regjeringen sier at sanksjonene mot Russland skal fortsette ut året.", None, "nb"),
        ("ממשלת ישראל הודיעה היום על הפסקת אש לאחר שבועות של לחימה.", None, "he"),
        ("Reuters", "de-DE", "de"),
        ("123 456 +++", None, None),
        ("", "in", "id"),
        ("\x00\ud800", None, None),
    ],
)
def test_language(text: str, declared: str | None, language: str | None) -> None:
    assert detect(text, declared) == language


def test_declared_languages() -> None:
    tags = {
        "pt_BR": "pt",
        "zh-TW": "zh-Hant",
        "zh": "zh-Hans",
        "zh-Hant-HK": "zh-Hant",
        "iw": "he",
        "no": "nb",
        "EN": "en",
        "": None,
        "x-klingon": None,
    }
    assert {tag: normal(tag) for tag in tags} == tags


def test_sentences() -> None:
    text = 'One. "Two?" He said 3.5 %.\nThree\n他说。「好！」他走了。 आज। कल। مرحبا؟ نعم'
    assert [text[start:end] for start, end in sentence_spans(text)] == [
        "One.", '"Two?"', "He said 3.5 %.", "Three", "他说。", "「好！」", "他走了。", "आज।", "कल।", "مرحبا؟", "نعم"
    ]  # fmt: skip


def evidence(concept: str, text: str, word: str, field: str = "body") -> Evidence:
    start = text.index(word)
    return Evidence.model_validate(
        {"concept": concept, "text": word, "field": field, "start": start, "end": start + len(word)}
    )


def test_the_snippet_is_the_sentence_with_most_concepts() -> None:
    text = "Alpha came. Beta and gamma met alpha. Beta left."
    found = [evidence("a", text, "Alpha"), evidence("b", text, "Beta"), evidence("c", text, "gamma")]
    article = Article(id="x", source=Source("s"), text=text, title="Alpha")
    assert marked(snippet(article, found)) == "[Beta] and [gamma] met alpha."
    assert marked(snippet(article, [evidence("a", "Alpha", "Alpha", "title")])) == "[Alpha]"


def test_a_long_sentence_is_cut_around_its_marks() -> None:
    text = "x " * 400 + "needle " + "y " * 400
    article = Article(id="x", source=Source("s"), text=text)
    shown = snippet(article, [evidence("n", text, "needle")])
    assert len(shown.text) < 340
    assert shown.text.startswith("… ")
    assert shown.text.endswith(" …")
    [(start, end)] = shown.marks
    assert shown.text[start:end] == "needle"


def test_an_alert_has_the_same_id_whenever_the_same_rule_meets_the_same_article() -> None:
    matcher = Matcher([rule_of(RuleSchema.model_validate('"needle"'), "here")], Lexicon([]))
    article = Article(id="x", source=Source("s"), text="A needle.")
    first, second = (alerts_for(matcher.match(article), article, matcher.by_id) for _ in range(2))
    assert first == second
    assert first[0].rule == '"needle"'
    assert first[0].title == "A needle."


def test_terminal_text_shows_its_controls() -> None:
    assert printable("a\x1bb\nc\u202ed\u3000e") == "a\\u001bb c\\u202ed e"
    assert marked(Snippet(text="a bc", marks=((2, 4),)), colour=True) == "a \x1b[1;33mbc\x1b[0m"


@pytest.mark.parametrize(
    ("error", "attempt", "least", "most"),
    [
        (TemporaryError("x"), 1, 4, 6),
        (TemporaryError("x"), 4, 32, 48),
        (TemporaryError("x"), 19, 5760, 8640),
        (TemporaryError("x", retry_after=timedelta(minutes=5)), 1, 300, 300),
        (OSError("x"), 1, 4, 6),
    ],
)
def test_a_failure_is_tried_again_later_and_later(error: Exception, attempt: int, least: int, most: int) -> None:
    verdict = judge(error, attempt, RetryPolicy(), NOW, chance=random.Random(1))
    assert isinstance(verdict, Retry)
    assert least <= (verdict.at - NOW).total_seconds() <= most


def test_a_refusal_or_the_last_failure_is_buried() -> None:
    chance = random.Random(1)
    assert judge(PermanentError("no"), 1, RetryPolicy(), NOW, chance=chance) == Bury("no")
    assert judge(TemporaryError("x"), 20, RetryPolicy(), NOW, chance=chance) == Bury("x (after 20 attempts)")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("2m", 120), ("1h30m", 5400), ("1d", 86400), ("500ms", 0.5), ("1.5h", 5400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "5 weeks", "-3s", "3s!"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


ADDRESSES = [
    ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("127.0.0.1", False), ("10.0.0.1", False),
    ("172.16.0.1", False), ("192.168.1.1", False), ("169.254.169.254", False), ("100.64.0.1", False),
    ("0.0.0.0", False), ("224.0.0.1", False), ("192.0.0.192", False), ("168.63.129.16", False),
    ("::1", False), ("::", False), ("fe80::1", False), ("fc00::1", False), ("fec0::1", False), ("ff02::1", False),
    ("::ffff:127.0.0.1", False), ("::ffff:93.184.216.34", True), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False),
    ("::127.0.0.1", False), ("2001:0:1::1", False), ("192.0.2.1", False), ("198.18.0.1", False),
    ("255.255.255.255", False),
]  # fmt: skip


@pytest.mark.parametrize(("address", "allowed"), ADDRESSES)
def test_addresses(address: str, allowed: bool) -> None:
    import ipaddress

    assert is_allowed(ipaddress.ip_address(address)) is allowed


def test_opened_networks() -> None:
    import ipaddress

    opened = [ipaddress.ip_network("10.0.0.0/8")]
    assert is_allowed(ipaddress.ip_address("10.1.2.3"), opened)
    assert is_allowed(ipaddress.ip_address("::ffff:10.1.2.3"), opened)
    assert not is_allowed(ipaddress.ip_address("192.168.0.1"), opened)
