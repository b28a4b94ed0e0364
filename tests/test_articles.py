"""From pages to articles: what is extracted, what is refused, and where an article's text is from."""

import json
import random
import statistics
from datetime import UTC, datetime

import pytest
import trafilatura

from monitor.articles.extract import extract
from monitor.errors import UnreadableError
from monitor.matching.matcher import Matcher
from monitor.models import Access, Article, Entry, Page, Source
from monitor.reading import Reader
from monitor.rules.lexicon import shipped
from monitor.rules.schema import Rule, RuleSchema, rule_of
from monitor.workers import Workers
from tests.pages import FILLER, LANGUAGES, LAYOUTS, f1, html, news_page

LEXICON = shipped()


def rule(expression: str) -> Rule:
    return rule_of(RuleSchema.model_validate(expression), expression)


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


async def read(body: str | bytes | None, **entry: str) -> Article:
    """The article of an entry whose page is `body`, in a reader of one worker."""

    async def page_of(url: str, access: Access | None = None) -> Page | None:
        return None if body is None else Page(url, body.encode() if isinstance(body, str) else body)

    async with Workers(1) as workers:
        reader = Reader(page_of, workers)
        return await reader.article(Entry("1", "https://n.example/1", **entry), Source("s"))  # type: ignore[arg-type]


async def test_the_text_falls_back_to_the_feeds_and_says_so() -> None:
    article = html(f"<article><p>{FILLER * 4}</p></article>")
    assert (await read(article, summary="short")).text_from == "page"
    content = await read(article, content=f"<p>{FILLER * 9}</p>", summary="short")
    assert (content.text_from, content.page_text) == ("content", True)
    summary = await read(b"%PDF", summary="<b>short</b>")
    assert (summary.text_from, summary.text, summary.page_text) == ("summary", "short", False)
    nothing = await read(None)
    assert (nothing.text_from, nothing.text, nothing.page_text) == ("none", "", False)
