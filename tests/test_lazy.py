"""Extraction only where it pays: the alerts are the same as when every page is extracted."""

import asyncio
import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor import fixtures
from monitor.alerts.build import alerts_for
from monitor.articles.extract import words
from monitor.feeds.parse import parse as parse_feed
from monitor.matching.matcher import Matcher
from monitor.models import Access, Alert, Article, Entry, Extract, Page, Source
from monitor.reading import Reader
from monitor.rules.expression import And, AtLeast, In, Near, Node, Not, Or, Regex, Term, parse
from monitor.rules.lexicon import shipped
from monitor.rules.load import load
from monitor.rules.schema import Rule, RuleSchema, rule_of
from monitor.workers import Workers
from tests.conftest import REPOSITORY
from tests.pages import FILLER, LANGUAGES, html, news_page, news_pages

LEXICON = shipped()  # one for all: what is compiled of its concepts stays with it
SHIPPED = load([REPOSITORY / "rules"], LEXICON, {}).rules


def rule(expression: str, name: str = "") -> Rule:
    return rule_of(RuleSchema.model_validate(expression), name or expression)


@dataclass
class Ways:
    """Both ways from an entry to its alerts: a reader that extracts every page, and a lazy one."""

    runner: asyncio.Runner
    workers: Workers
    pages: dict[str, Page] = field(default_factory=dict)
    spared: int = 0

    def same(self, matcher: Matcher, entry: Entry, body: str | bytes, source: Source = Source("s")) -> bool:  # noqa: B008 - it is frozen
        """Tell whether both ways come to the same alerts; `spared` counts the pages that were not extracted."""
        self.pages[entry.url] = Page(entry.url, body.encode() if isinstance(body, str) else body)
        first, second = (self.runner.run(self._article(matcher, entry, source, way)) for way in ("always", "lazy"))
        self.spared += first.text_from == "page" != second.text_from
        assert first.page_text == second.page_text
        return _alerts(matcher, first) == _alerts(matcher, second)

    async def _article(self, matcher: Matcher, entry: Entry, source: Source, way: str) -> Article:
        extract: Extract = "lazy" if way == "lazy" else "always"
        reader = Reader(self._page, self.workers, extract)
        return await reader.article(entry, source, could_match=matcher.could_match)

    async def _page(self, url: str, access: Access | None = None) -> Page:
        return self.pages[url]


def _alerts(matcher: Matcher, article: Article) -> list[Alert]:
    return alerts_for(matcher.match(article), article, matcher.by_id)


@pytest.fixture(scope="module")
def ways() -> Iterator[Ways]:
    with asyncio.Runner() as runner:
        workers = Workers(1)
        yield Ways(runner, workers)
        runner.run(workers.__aexit__())


def test_a_lazy_reader_leaves_pages_that_no_rule_can_match(ways: Ways) -> None:
    body = html(f"<article><p>{FILLER * 4}</p></article>", '<meta name="author" content="Jane Doe">')

    def read(expression: str, way: str, title: str = "") -> tuple[str, str, bool | None]:
        ways.pages["u"] = Page("u", body.encode())
        entry, matcher = Entry("1", "u", title=title, summary="short"), Matcher([rule(expression)], LEXICON)
        article = ways.runner.run(ways._article(matcher, entry, Source("s", language="de"), way))
        return article.text_from, article.text[:5], article.page_text

    assert read('"road" - "harbour"', "lazy") == ("page", "The c", True)
    assert read('"sea" - "harbour"', "lazy") == ("summary", "short", True)
    assert read('"sea" - "harbour"', "always") == ("page", "The c", True)
    assert read('"sea" - "harbour"', "lazy", title="At sea") == ("page", "The c", True)
    assert read('"short"', "lazy") == ("page", "The c", True)
    for known_from_the_page in ('"road" + lang:en', '"road" + author:Doe'):
        assert read(known_from_the_page, "lazy") == ("page", "The c", True)


@pytest.mark.slow
def test_nothing_is_lost_of_the_shipped_rules_and_every_concept(ways: Ways) -> None:
    """Over pages of all languages and layouts, with and without a title in the feed."""
    concepts = [name for name, concept in LEXICON.concepts.items() if concept.terms]
    chance = random.Random(5)
    chance.shuffle(concepts)
    singles = [rule(f"@{name}") for name in concepts]
    near = [rule(f"@{one} ~8 @{two}") for one, two in itertools.pairwise(concepts)]
    sets = [SHIPPED, near, *([one] for one in chance.sample(singles, 4))]
    matchers = [Matcher(rules, LEXICON) for rules in sets]
    short = [news_page(random.Random(n), language, "portal", length=1) for n, language in enumerate(LANGUAGES)]
    before = ways.spared
    for number, page in enumerate([*news_pages(11, 82), *short]):
        entry = Entry(page.url, page.url, title=page.title if number % 2 else "")
        for matcher in matchers:
            assert ways.same(matcher, entry, page.html), page.url
    assert ways.spared - before > 400  # it would be easy to lose nothing by always saying yes


def pages_of(fixture: fixtures.Fixture) -> Iterator[tuple[Entry, str | bytes]]:
    """The entries of a fixture with their pages: as it is, or made of its paragraphs, with other news beside them."""
    about = fixture.about
    beside = '<div><a href="/1">North Korea fires missile</a> an hour ago</div>'
    if fixture.feed is not None:
        for entry in parse_feed(fixture.feed, about.url).entries:
            yield (
                entry,
                html(f"<article><h1>{escape(entry.title)}</h1>{entry.content or entry.summary}</article>{beside}"),
            )
    elif fixture.html is not None:
        yield Entry(fixture.document, about.url or fixture.document, title=about.title), fixture.html
    else:
        told = "".join(f"<p>{escape(line)}</p>" for line in (fixture.text or "").split("\n"))
        entry = Entry(fixture.document, about.url or fixture.document, title=about.title)
        yield entry, html(f"<article>{told}</article>{beside}")


@pytest.mark.parametrize(
    "more", [[], ["DPRK + missile"], ["title: DPRK", "lead: missile - launch"], ["/[Mm]issiles?/"], ["lang:ko", "war"]]
)
def test_nothing_is_lost_of_the_seeds(ways: Ways, more: list[str]) -> None:
    both = [Matcher(rules, LEXICON) for rules in ([*SHIPPED, *map(rule, more)], [*map(rule, more)])]
    seen = 0
    for fixture in fixtures.read([REPOSITORY / "seeds"]):
        source = Source(fixture.about.feed or "s", fixture.about.feed_url, fixture.about.tags)
        for entry, body in pages_of(fixture):
            seen += 1
            assert all(ways.same(matcher, entry, body, source) for matcher in both), fixture.document
    assert seen > 20


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


def test_the_words_of_a_table_without_spaces_are_soon_enough() -> None:
    cells = "".join(f"<td>{number:x}</td>" for number in range(20_000))
    page = html(f"<article><table><tr>{cells}</tr></table></article>").encode()
    assert 200_000 < len(words(page, most=200_000)) < 400_000  # all of them are many millions


@pytest.mark.parametrize("marked_up", MARKED_UP)
def test_markup_within_words_and_phrases(ways: Ways, marked_up: str) -> None:
    source = html(f"<article><p>{FILLER * 3}</p>{marked_up}<p>{FILLER * 3}</p></article>")
    for expressions in (["DPRK"], ['"North Korea"'], ["/North.Korea/"]):
        matcher = Matcher(map(rule, expressions), LEXICON)
        for language in ("en", "ja", "ru", None):
            assert ways.same(matcher, Entry("1", "u", language=language), source)


EMBEDDED = [
    "North Korea fired",
    "&lt;p&gt;North &lt;b&gt;Korea&lt;/b&gt; fired",
    "Nor&amp;lt;b&amp;gt;th Korea",
    "North & Korea",
    "<p>North</p> <p>Korea</p>",
    "North\u00adern Korea",
    "\x00North\x01 Korea",
]


@pytest.mark.parametrize("embedded", EMBEDDED)
def test_text_that_only_json_has(ways: Ways, embedded: str) -> None:
    data = json.dumps({"@graph": [{"@type": "NewsArticle", "articleBody": f"{FILLER} {embedded} {FILLER}"}]})
    for text in ("", FILLER):
        source = html(f"<div>{text}</div>", f'<script type="application/ld+json">{data}</script>')
        for expression in ("DPRK", '"North Korea"', '"Korea"', '"council" + "North"'):
            assert ways.same(Matcher([rule(expression)], LEXICON), Entry("1", "u"), source)


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


@settings(max_examples=400, deadline=None, derandomize=True)
@given(marked_up(), expressions(), st.sampled_from(["en", "de", "ru", "ja", "ko", "fr", "sq", None]), st.booleans())
def test_nothing_is_lost_of_random_rules_over_random_markup(
    ways: Ways, source: str, node: Node, language: str | None, titled: bool
) -> None:
    matcher = Matcher([Rule(id="r", title="", level="info", tags=(), node=node)], LEXICON)
    entry = Entry("1", "u", title="Missile" if titled else "", language=language)
    assert ways.same(matcher, entry, source)
