"""From pages to articles: extraction, metadata, charsets, languages, hostile pages, and only where it pays."""

import asyncio
import itertools
import json
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cache

import pytest
import trafilatura
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import fixtures
from monitor.alerts.build import alerts_for
from monitor.articles import page as pages
from monitor.articles.charset import decode
from monitor.articles.extract import extract
from monitor.articles.language import detect
from monitor.errors import UnreadableError, WorkerError
from monitor.matching.matcher import Matcher
from monitor.models import Access, Alert, Article, Entry, Page, Source
from monitor.reading import PAGE_DEADLINE, Reader, no_pages
from monitor.rules.expression import And, AtLeast, In, Near, Node, Not, Or, Regex, Term, parse
from monitor.rules.lexicon import LANGUAGES as LEXICON_LANGUAGES
from monitor.rules.lexicon import shipped
from monitor.rules.load import load
from monitor.rules.schema import Rule, RuleSchema, rule_of
from monitor.workers import Workers
from tests.conftest import REPOSITORY
from tests.pages import LANGUAGES, LAYOUTS, NewsPage, f1, news_page, news_pages, sentences

LEXICON = shipped()  # one for all: what is compiled of its concepts stays with it
FILLER = "The council met on Tuesday to talk about the new road, which is to be built before winter comes. "


def html(body: str, head: str = "") -> str:
    return f"<!DOCTYPE html><html><head>{head}</head><body>{body}</body></html>"


# Extraction.


@pytest.mark.parametrize("layout", LAYOUTS)
def test_extraction_is_no_worse_than_the_default(layout: str) -> None:
    """Against the ground truth of pages in all languages; nothing of what is beside the article comes along."""
    ours, default = [], []
    for number, language in enumerate(LANGUAGES):
        page = news_page(random.Random(number), language, layout)
        found = extract(page.html.encode(), page.url)
        ours.append(f1(found.text, page.text))
        default.append(f1(trafilatura.extract(page.html) or "", page.text))
        assert page.beside not in found.text
        assert (found.title, found.author, found.site) == (page.title, page.author, page.site)
        assert (found.published, found.url, found.image) == (page.published, page.url, page.image)
    assert statistics.mean(ours) >= statistics.mean(default)
    assert statistics.mean(ours) > 0.93


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_beside_a_short_article_stays_out(layout: str) -> None:
    for number, language in enumerate(LANGUAGES):
        page = news_page(random.Random(number), language, layout, length=1)
        assert page.beside not in extract(page.html, page.url).text


def test_related_stories_and_navigation_raise_no_alert() -> None:
    matcher = Matcher([rule("DPRK + missile")], LEXICON)
    related = '<ul class="links"><li><a href="/1">North Korea fires ballistic missile</a></li></ul>'
    told = f"<p>{FILLER * 4}</p>"
    for body in (
        f"<nav>{related}</nav><article>{told}</article>",
        f"<article>{told}</article><aside>{related}</aside>",
        f'<div class="story">{told}</div><div class="related">{related}</div>',
        f"<div>{related}</div><div>{told}</div>{related}",
        f"<article><p>{FILLER}</p></article>{related}",
    ):
        found = extract(html(body), "")
        assert "council" in found.text
        assert not matcher.match(Article("x", Source("s"), found.text, title=found.title, language="en")), body
    assert matcher.match(Article("x", Source("s"), "North Korea fires ballistic missile", language="en"))


LD = '<script type="application/ld+json">{}</script>'


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("<title>T</title>", {"title": "T"}),
        ('<title>T | Site</title><meta property="og:title" content="A &amp; B">', {"title": "A & B"}),
        (LD.format('{"@graph":[{"@type":"NewsArticle","headline":"H","author":"A. Author"}]}'),
         {"title": "H", "author": "A. Author"}),
        (LD.format('[{"@type":["Thing","ReportageNewsArticle"],"author":[{"name":"A"},{"name":"B"}]}]'),
         {"author": "A; B"}),
        (LD.format('{"@type":"WebSite","headline":"no article"}'), {"title": ""}),
        (LD.format("{broken"), {"title": ""}),
        (LD.format("[" * 3000 + "]" * 3000), {"title": ""}),
        (LD.format('{"@type":"NewsArticle","headline":7,"author":{"name":[1]},"image":[],"publisher":"P"}'),
         {"title": "", "author": "", "site": "P", "image": ""}),
        ('<meta name="author" content="https://x.example/me">', {"author": ""}),
        ('<meta name="author" content="Jane Doe">', {"author": "Jane Doe"}),
        ('<meta property="article:published_time" content="2026-11-20T10:00:00+02:00">',
         {"published": datetime(2026, 11, 20, 8, tzinfo=UTC)}),
        ('<meta name="date" content="2026-11-20">', {"published": datetime(2026, 11, 20, tzinfo=UTC)}),
        ('<meta name="date" content="yesterday">', {"published": None}),
        ('<meta name="date" content="0001-01-01T00:00:00+14:00">', {"published": None}),
        ('<link rel="canonical" href="/a?b=1">', {"url": "https://n.example/a?b=1"}),
        ('<link rel="canonical" href="javascript:x()"><meta property="og:url" content="https://c.example/z">',
         {"url": "https://c.example/z"}),
        ('<link rel="canonical" href="http://[bad">', {"url": ""}),
        ('<meta property="og:image" content="//i.example/p.jpg">', {"image": "https://i.example/p.jpg"}),
        (LD.format('{"@type":"Article","image":{"url":"/p.png"},"publisher":{"name":"Pub"}}'),
         {"image": "https://n.example/p.png", "site": "Pub"}),
        ('<meta property="og:locale" content="pt_BR">', {"language": "pt_BR"}),
    ],
)  # fmt: skip
def test_metadata(head: str, expected: dict[str, object]) -> None:
    found = extract(html(f"<article><p>{FILLER * 4}</p></article>", head), "https://n.example/x")
    assert {name: getattr(found, name) for name in expected} == expected


def test_text_that_only_json_has() -> None:
    body = "North Korea fired a missile.\n\nSeoul said so."
    data = LD.format(json.dumps({"@type": "NewsArticle", "articleBody": body}))
    assert extract(html('<div id="app"></div>', data)).text == "North Korea fired a missile.\nSeoul said so."
    assert "missile" not in extract(html(f"<article><p>{FILLER * 9}</p></article>", data)).text


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b"", "", "no HTML stands in it"),
        (b"%PDF-1.7 <p>", "", "no HTML stands in it"),
        (b'{"error": "no"}', "text/html", "no HTML stands in it"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "image/png", "is no page but image/png"),
        (b"<p>x</p>", "application/pdf", "is no page but application/pdf"),
        (b"<html><body></body></html>", "", "holds no article text"),
        (b"\x00\xff\xfe\x00", "", "no HTML stands in it"),
    ],
)
def test_what_is_no_article_is_refused(body: bytes, kind: str, message: str) -> None:
    with pytest.raises(UnreadableError, match=message):
        extract(body, "", kind)


# Charsets.

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


# Languages.


@pytest.mark.parametrize("language", sorted(LEXICON_LANGUAGES))
def test_the_language_of_headlines_and_articles(language: str) -> None:
    """An article tells its language, even where its publisher declares another; so do nearly all headlines."""
    known = sentences(language)
    assert detect("\n".join(known)) == language
    assert detect("\n".join(known), "en", "de") == language
    alone = [sentence for sentence in known if detect(sentence) == language]
    assert len(alone) >= len(known) * 0.85
    declared = [sentence for sentence in known if detect(sentence, language) == language]
    assert len(declared) >= len(known) * 0.95


@pytest.mark.parametrize(
    ("text", "declared", "language"),
    [
        ("Polisi mengatakan bahwa korban tewas karena banjir.", (), "id"),
        ("Polis berkata bahawa mangsa maut kerana banjir.", (), "ms"),
        ("Banjir besar", ("ms",), "ms"),
        ("Predsednik je posle sednice saopštio da je bezbednost ugrožena.", (), "sr"),
        ("Predsjednik je nakon sjednice priopćio da je sigurnost ugrožena tijekom tjedna.", (), "hr"),
        ("Predsjednik je nakon sjednice u Sarajevu saopćio da će Bosna i Hercegovina idućih sedmica.", (), "bs"),
        ("Председник је саопштио да је безбедност угрожена.", (), "sr"),
        ("这个国家的总统说，会议将在今天举行。", (), "zh-Hans"),
        ("這個國家的總統說，會議將在今天舉行。", (), "zh-Hant"),
        ("這個國家的總統說，會議將在今天舉行。", ("zh-CN",), "zh-Hant"),
        ("中文", ("zh-TW",), "zh-Hant"),
        ("米韓合同演習開始", ("ja",), "ja"),
        ("ミサイル発射", (), "ja"),
        ("رئيس الوزراء يعلن وقف إطلاق النار في غزة", (), "ar"),
        ("رئیس جمهور ایران گفت که مذاکرات ادامه می‌یابد", (), "fa"),
        ("وزیر اعظم نے کہا ہے کہ مذاکرات جاری رہیں گے", (), "ur"),
        ("حملہ", ("ur", "ar"), "ur"),
        ("Reuters", ("xx", None, "fr"), "fr"),
        ("", (), None),
        ("<p> & < > 12", (), None),
        ("북한", (), "ko"),
        ("Αθήνα", ("en",), "el"),
    ],
)
def test_languages_that_are_written_alike(text: str, declared: tuple[str | None, ...], language: str | None) -> None:
    assert detect(text, *declared) == language


# Where the text is from.


async def read(
    body: str | bytes | None, *, lazy: bool = False, matcher: Matcher | None = None, **entry: str
) -> Article:
    """The article of an entry whose page is `body`, in a reader of one worker."""

    async def page_of(url: str, access: Access | None = None) -> Page | None:
        return None if body is None else Page(url, body.encode() if isinstance(body, str) else body)

    async with Workers(1) as workers:
        reader = Reader(page_of, workers, "lazy" if lazy else "always")
        return await reader.article(
            Entry("1", "https://n.example/1", **entry),  # type: ignore[arg-type]
            Source("s"),
            could_match=matcher.could_match if matcher else None,
        )


async def test_the_text_falls_back_to_the_feeds_and_says_so() -> None:
    article = html(f"<article><p>{FILLER * 4}</p></article>")
    assert (await read(article, summary="short")).text_from == "page"
    content = await read(article, content=f"<p>{FILLER * 9}</p>", summary="short")
    assert (content.text_from, content.page_text) == ("content", True)
    summary = await read(b"%PDF", summary="<b>short</b>")
    assert (summary.text_from, summary.text, summary.page_text) == ("summary", "short", False)
    nothing = await read(None)
    assert (nothing.text_from, nothing.text, nothing.page_text) == ("none", "", False)


async def test_a_lazy_reader_leaves_pages_that_no_rule_can_match() -> None:
    article = html(f"<article><p>{FILLER * 4}</p></article>")
    road, sea = (Matcher([rule(f'"{word}" - "harbour"')], LEXICON) for word in ("road", "sea"))
    assert (await read(article, lazy=True, matcher=road, summary="short")).text_from == "page"
    left = await read(article, lazy=True, matcher=sea, summary="short")
    assert (left.text_from, left.text, left.page_text) == ("summary", "short", None)
    assert (await read(article, matcher=sea, summary="short")).text_from == "page"
    assert (await read(article, lazy=True, matcher=sea, title="At sea")).text_from == "page"


# Only where it pays: nothing is lost by it.


def rule(expression: str, name: str = "") -> Rule:
    return rule_of(RuleSchema.model_validate(expression), name or expression)


@cache
def read_pages() -> tuple[tuple[NewsPage, Article, str | None], ...]:
    """Pages with their articles, and with all their words."""
    read = []
    for page in (*news_pages(11, 82), *(news_page(random.Random(n), lang, "portal", length=1) for n, lang in CASES)):
        found = extract(page.html, page.url)
        article = Article(
            page.url,
            Source("s"),
            found.text,
            title=found.title,
            author=found.author,
            language=detect(f"{found.title}\n{found.text}", found.language),
        )
        read.append((page, article, pages.words(pages.parse(page.html))))
    return tuple(read)


CASES = tuple(enumerate(LANGUAGES))


def alerts(matcher: Matcher, article: Article) -> list[Alert]:
    return alerts_for(matcher.match(article), article, matcher.by_id)


def assert_nothing_is_lost(matcher: Matcher, article: Article, words: str | None) -> None:
    """Where there is an alert, it was held possible by what is known before extraction."""
    before = Article(article.id, article.source, words or "", url=article.url)
    if words is not None and not matcher.could_match(before):
        assert not alerts(matcher, article)


def test_nothing_is_lost_of_the_shipped_rules_and_every_concept() -> None:
    lexicon = LEXICON
    concepts = [name for name, concept in lexicon.concepts.items() if concept.terms]
    sets = [
        load([REPOSITORY / "rules"], lexicon, {}).rules,
        *([rule(f"@{name}")] for name in concepts),
        [rule(f"@{one} ~8 @{two}") for one, two in itertools.pairwise(concepts)],
    ]
    spared = 0
    for rules in sets:
        matcher = Matcher(rules, lexicon)
        for _, article, words in read_pages()[:: 1 if len(rules) > 1 else 9]:
            assert_nothing_is_lost(matcher, article, words)
            spared += words is not None and not matcher.could_match(Article("x", Source("s"), words))
    assert spared > 500  # it would be easy to lose nothing by always saying yes


@pytest.mark.parametrize("expressions", [["DPRK + missile"], ["title: DPRK", "lead: missile - launch"]])
async def test_nothing_is_lost_of_the_seeds(expressions: list[str]) -> None:
    rules = [*load([REPOSITORY / "rules"], LEXICON, {}).rules, *map(rule, expressions)]
    matcher = Matcher(rules, LEXICON)
    seeds = [seed for seed in fixtures.read([REPOSITORY / "seeds"]) if seed.feed is None]
    for seed in seeds:
        body = seed.html or html("".join(f"<p>{line}</p>" for line in (seed.text or "").split("\n")))
        texts = [await read(body, lazy=lazy, matcher=matcher, title=seed.about.title) for lazy in (False, True)]
        first, second = (alerts(matcher, article) for article in texts)
        assert first == second, seed.document


MARKED_UP = [
    "<p>North <b>Korea</b> fired</p>",
    "<p>Nor<b>th</b> Ko<i>re</i>a fired</p>",
    "<p>North <button>Share</button>Korea fired</p>",
    "<p>North<br>Korea fired</p>",
    "<p>North <a href='/x'>Korea</a></p>",
    "<p>North</p><aside>Read more</aside><p>Korea fired</p>",
    "<p>North <span class='related'>Advertisement</span> Korea</p>",
    "<p>North&nbsp;Korea</p>",
    "<p>No\u00adrth Ko<wbr>rea</p>",
    "<table><tr><td>North</td><td>Korea</td></tr></table>",
    "<ruby>North<rp>(</rp><rt>n</rt><rp>)</rp></ruby> Korea",
    "<p>北<b>朝</b>鮮がミサイルを発射</p>",
    "<p>Север<em>ная</em> Корея</p>",
]


@pytest.mark.parametrize("marked_up", MARKED_UP)
def test_markup_within_words_and_phrases(marked_up: str) -> None:
    matcher = Matcher([rule("DPRK"), rule('"North Korea"'), rule("/North.Korea/")], LEXICON)
    source = html(f"<article><p>{FILLER * 3}</p>{marked_up}<p>{FILLER * 3}</p></article>")
    words = pages.words(pages.parse(source))
    for language in ("en", "ja", "ru", None):
        article = Article("x", Source("s"), extract(source).text, language=language)
        assert_nothing_is_lost(matcher, article, words)
        only = Matcher([rule("DPRK"), rule('"North Korea"')], LEXICON)
        assert_nothing_is_lost(only, article, words)


WORDS = ("North", "Korea", "missile", "missiles", "rakete", "Raketen", "ракеты", "война", "北朝鮮", "ミサイル", "air")
MORE_WORDS = (
    "strike",
    "strikes",
    "Kim",
    "jong",
    "un",
    "war",
    "wars",
    "미사일을",
    "صواريخ",
    "coup",
    "de",
    "État",
    "d'état",
)
TERMS = ("DPRK", "missile", "@air strike", "coup", "war", '"North Korea"', "Kim Jong Un", "=Kim", "rak*", "strike")
TAGS = ("b", "i", "a href='/x'", "span", "button", "sup", "label", "aside", "div", "br", "p", "em", "h2", "font", "td")


@st.composite
def marked_up(draw: st.DrawFn) -> str:
    """Paragraphs of words, some of them within or cut by elements."""
    made = []
    for _ in range(draw(st.integers(1, 4))):
        text = ""
        for word in draw(st.lists(st.sampled_from(WORDS + MORE_WORDS), min_size=1, max_size=9)):
            kind, tag = draw(st.integers(0, 5)), draw(st.sampled_from(TAGS))
            name, cut = tag.split()[0], draw(st.integers(0, len(word)))
            within = {0: f"<{tag}>{word}</{name}>", 1: f"{word[:cut]}<{tag}>{word[cut:]}</{name}>"}.get(kind, word)
            text += within + draw(st.sampled_from((" ", " ", " ", "\n", "", "<br>")))
        made.append(f"<p>{text}</p>" if draw(st.booleans()) else f"<div>{text}</div>")
    filler = f"<p>{FILLER * 3}</p>" if draw(st.booleans()) else ""
    return html(f"<article>{filler}{''.join(made)}</article>")


@st.composite
def expressions(draw: st.DrawFn, depth: int = 2) -> Node:  # noqa: PLR0911 - one for each kind
    kind = draw(st.integers(0, 7)) if depth else 7
    inner = expressions(depth - 1) if depth else st.nothing()
    match kind:
        case 0:
            return And((draw(inner), draw(inner)))
        case 1:
            return Or((draw(inner), draw(inner)))
        case 2:
            return And((draw(inner), Not(draw(inner))))
        case 3:
            return AtLeast(2, (draw(inner), draw(inner), draw(inner)))
        case 4:
            return In(draw(st.sampled_from(("title", "lead", "body"))), draw(inner))
        case 5:
            terms = [parse(draw(st.sampled_from(TERMS))) for _ in range(2)]
            return Near(terms[0], terms[1], draw(st.integers(0, 9)), draw(st.booleans()))
        case 6:
            return Regex(draw(st.sampled_from(("missiles?", "North\\s+Korea", "(?i)war"))))
    term = parse(draw(st.sampled_from(TERMS)))
    assert isinstance(term, Term)
    return term


@settings(max_examples=300, deadline=None)
@given(marked_up(), expressions(), st.sampled_from(["en", "de", "ru", "ja", "ko", "fr", "sq", None]))
def test_nothing_is_lost_of_random_rules_over_random_markup(source: str, node: Node, language: str | None) -> None:
    matcher = Matcher([Rule(id="r", title="", level="info", tags=(), node=node)], LEXICON)
    try:
        found = extract(source)
    except UnreadableError:
        return
    article = Article("x", Source("s"), found.text, title=found.title, language=language)
    assert_nothing_is_lost(matcher, article, pages.words(pages.parse(source)))


# Hostile pages.


def attributes(count: int) -> str:
    return " ".join(f'a{number}="{number}"' for number in range(count))


ARTICLE = f"<article><p>{FILLER * 4}</p></article>"
HOSTILE: dict[str, Callable[[], bytes]] = {
    "100,000 attributes": lambda: html(f"<p {attributes(100_000)}>{FILLER}</p>").encode(),
    "2.4 MB of <br>": lambda: html("<br>" * 600_000 + ARTICLE).encode(),
    "10 MB of <p>": lambda: html("<p>x" * 2_500_000).encode(),
    "deep nesting": lambda: html("<div>" * 100_000 + ARTICLE).encode(),
    "deep lists": lambda: html("<ul><li>" * 5_000 + FILLER).encode(),
    "NUL bytes": lambda: html(ARTICLE).replace(" ", "\x00 ").encode(),
    "truncated": lambda: html(ARTICLE).encode()[:-40],
    "truncated tag": lambda: html(ARTICLE).encode() + b"<p class='",
    "wrong charset": lambda: html(ARTICLE + "ä" * 500, '<meta charset="shift_jis">').encode("cp1252"),
    "unknown charset": lambda: html(ARTICLE, '<meta charset="klingon">').encode(),
    "no HTML": lambda: random.Random(1).randbytes(200_000),
    "XML declaration": lambda: b'<?xml version="1.0" encoding="utf-16"?>' + html(ARTICLE).encode(),
    "1 MB of entities": lambda: html("<p>" + "&amp;&#x110000;&#0;" * 60_000 + ARTICLE).encode(),
    "open comment": lambda: html("<!--" + "-" * 500_000 + ARTICLE).encode(),
    "JSON of 1 MB": lambda: html(ARTICLE, LD.format("[" * 1_000_000)).encode(),
    "unclosed <": lambda: html("<" * 500_000 + ARTICLE).encode(),
    "script tags": lambda: html("<script>" * 100_000 + ARTICLE).encode(),
    "meta tags": lambda: html(ARTICLE, "<meta name=a content=b>" * 100_000).encode(),
    "charset in meta": lambda: b"<meta " * 200_000 + html(ARTICLE).encode(),
}
SLOW = {"100,000 attributes", "2.4 MB of <br>", "10 MB of <p>", "unclosed <", "script tags", "meta tags"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in HOSTILE])
async def test_a_hostile_page_ends_at_its_deadline_and_alone(name: str) -> None:
    body = HOSTILE[name]()
    async with Workers(2) as workers:
        reader = Reader(no_pages, workers)
        began = time.monotonic()
        slow = asyncio.ensure_future(outcome(reader.extract(body, "")))
        others = [await reader.extract(html(ARTICLE), "") for _ in range(3)]
        result = await slow
        assert time.monotonic() - began < PAGE_DEADLINE + 5
        assert all("council" in other.text for other in others)
        assert isinstance(result, UnreadableError | WorkerError) or "council" in str(result) or name == "10 MB of <p>"
        again = asyncio.ensure_future(outcome(reader._is_worth_it(bare(), Page("", body), lambda article: False)))
        assert await again in (True, False) or isinstance(await again, UnreadableError | WorkerError)


def bare() -> Article:
    return Article("x", Source("s"), "")


async def outcome(work: Awaitable[object]) -> object:
    try:
        result = await work
    except (UnreadableError, WorkerError) as error:
        return error
    return getattr(result, "text", result)
