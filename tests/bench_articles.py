"""Figures of reading articles, over generated pages with ground truth; each takes turns with its reference."""

import asyncio
import gc
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import trafilatura

from monitor.alerts.build import alerts_for
from monitor.articles.extract import extract
from monitor.matching.matcher import Matcher
from monitor.models import Access, Article, Entry, Page, Source
from monitor.reading import Reader
from monitor.rules.expression import parse
from monitor.rules.lexicon import shipped
from monitor.rules.schema import Rule
from monitor.workers import Workers
from tests.bench import report
from tests.pages import NewsPage, f1, news_pages
from tests.site import item, rss

PAGES = 164  # four of each language
ROUNDS = 5


def bare(body: bytes) -> str:
    """trafilatura alone, for what a reader has of it: the text without comments, and the metadata."""
    found = trafilatura.bare_extraction(body, fast=True, include_comments=False, with_metadata=True)
    return str(getattr(found, "text", "") or "")


def default(body: bytes) -> str:
    return trafilatura.extract(body) or ""


class Bench:
    """Pages, and readers that get them without a network."""

    def __init__(self) -> None:
        self.pages = list(news_pages(7, PAGES))
        self.bodies = {page.url: page.html.encode() for page in self.pages}
        items = [item(page.url, page.title, "", page.url) for page in self.pages]
        self.feeds = [rss(*items[at : at + 20]) for at in range(0, len(items), 20)]

    async def page(self, url: str, access: Access | None = None) -> Page:
        return Page(url, self.bodies[url])

    def alone(self, extract: Callable[[bytes], str]) -> float:
        return timed(lambda: [extract(body) for body in self.bodies.values()])

    async def extracted(self, workers: Workers) -> float:
        reader = Reader(self.page, workers)
        began = time.perf_counter()
        await asyncio.gather(*(reader.extract(body, url) for url, body in self.bodies.items()))
        return time.perf_counter() - began

    async def chain(self, workers: Workers, matcher: Matcher, *, lazy: bool) -> tuple[float, int]:
        """From feeds to alerts: the seconds, and how many articles raised any."""
        reader = Reader(self.page, workers, "lazy" if lazy else "always")
        began, matching = time.perf_counter(), 0
        for feed in self.feeds:
            document = await reader.feed(Page("", feed))
            for entry in document.entries:
                matching += await self._alerts(reader, matcher, entry)
        return time.perf_counter() - began, matching

    async def _alerts(self, reader: Reader, matcher: Matcher, entry: Entry) -> bool:
        article = await reader.article(entry, Source("s"), could_match=matcher.could_match)
        return bool(alerts_for(matcher.match(article), article, matcher.by_id))


def timed(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def one_in_ten(found: Sequence[NewsPage]) -> Matcher:
    """Rules of two concepts each, so many that about one in ten articles matches."""
    lexicon, chance = shipped(), random.Random(2)
    concepts = [name for name, concept in lexicon.concepts.items() if concept.terms]
    articles = [Article(page.url, Source("s"), page.text, page.title, language=page.language) for page in found]
    rules: list[Rule] = []
    while True:
        one, two = chance.sample(concepts, 2)
        more = [*rules, Rule(id=str(len(rules)), title="", level="info", tags=(), node=parse(f"@{one} + @{two}"))]
        matcher = Matcher(more, lexicon)
        matching = sum(bool(matcher.match(article)) for article in articles)
        if matching > len(articles) * 0.11:
            continue
        rules = more
        if matching >= len(articles) * 0.09:
            return matcher


async def ratio(ours: Callable[[], Awaitable[float]], reference: Callable[[], float]) -> tuple[float, float]:
    gc.collect()
    pairs = [(await ours(), reference()) for _ in range(ROUNDS)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(a / b for a, b in pairs)


async def bench_extraction(bench: Bench) -> None:
    async with Workers(1) as workers:
        await bench.extracted(workers)
        seconds, times = await ratio(partial(bench.extracted, workers), partial(bench.alone, default))
        report("extraction", seconds / PAGES * 1e3, "ms/page", "trafilatura.extract by default", times, "<= 0.7")
        ours = statistics.mean(f1(extract(page.html.encode(), page.url).text, page.text) for page in bench.pages)
        theirs = statistics.mean(f1(default(page.html.encode()), page.text) for page in bench.pages)
        report("F1 of extraction", ours, "F1", "trafilatura.extract by default", ours / theirs, ">= 1")
        async with Workers(2) as two:
            await bench.extracted(two)
            pairs = [(await bench.extracted(workers), await bench.extracted(two)) for _ in range(ROUNDS)]
    speed = PAGES / statistics.median(pair[1] for pair in pairs)
    report("two workers", speed, "pages/s", "one worker", statistics.median(a / b for a, b in pairs), ">= 1.7")


async def bench_chain(bench: Bench) -> None:
    matcher = one_in_ten(bench.pages)
    async with Workers(1) as workers:
        for lazy, target in ((False, "<= 1.15"), (True, "<= 0.35")):
            _, matching = await bench.chain(workers, matcher, lazy=lazy)

            async def chain(lazy: bool = lazy) -> float:
                return (await bench.chain(workers, matcher, lazy=lazy))[0]

            seconds, times = await ratio(chain, partial(bench.alone, bare))
            name = f"whole chain, {'lazy' if lazy else 'always'}, {matching / PAGES:.0%} of articles match"
            report(name, seconds / PAGES * 1e3, "ms/article", "bare extraction of text and metadata", times, target)


def main() -> None:
    bench = Bench()
    asyncio.run(bench_extraction(bench))
    asyncio.run(bench_chain(bench))


if __name__ == "__main__":
    main()
