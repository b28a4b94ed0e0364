"""`make bench`, feeds: what turning bytes into entries costs beside feedparser as it is out of the box."""

import io
import random
from collections.abc import Callable, Sequence
from functools import partial

import feedparser

from monitor.errors import UnreadableError
from monitor.feeds.parse import parse
from tests.bench import median_ratio, report
from tests.mutations import usual_feed

URL = "https://p.example/feed"
SIZES = ((10, 40), (30, 200), (100, 600))  # entries, words of each
FORMATS = ("rss20", "rdf", "atom10")


def by_feedparser(bodies: Sequence[bytes]) -> Callable[[], object]:
    """feedparser with its own XML reader and its own options."""

    def run() -> None:
        ours = feedparser.api.PREFERRED_XML_PARSERS[:]
        feedparser.api.PREFERRED_XML_PARSERS.clear()
        for body in bodies:
            feedparser.parse(io.BytesIO(body))
        feedparser.api.PREFERRED_XML_PARSERS[:] = ours

    return run


def by_us(bodies: Sequence[bytes]) -> Callable[[], object]:
    def run() -> None:
        for body in bodies:
            parse(body, URL)

    return run


def bench_sizes() -> None:
    for entries, words in SIZES:
        chance = random.Random(entries)
        bodies = [usual_feed(form, entries, chance, words) for form in FORMATS for _ in range(2)]
        kilobytes = sum(map(len, bodies)) // len(bodies) // 1000
        ours, _, ratio = median_ratio([(by_us(bodies), by_feedparser(bodies))] * 5)
        name = f"feed bytes to entries, {entries} entries in {kilobytes} KB"
        report(name, ours / len(bodies) * 1e3, "ms/feed", "feedparser default", ratio, "<= 0.35")


def bench_unusual() -> None:
    """Feeds that are left to feedparser, here because of an xml:base."""
    chance = random.Random(1)
    bodies = [usual_feed("atom10", 30, chance, 200).replace(b"<entry>", b"<entry xml:base='/'>", 1) for _ in range(4)]
    ours, _, ratio = median_ratio([(by_us(bodies), by_feedparser(bodies))] * 5)
    name = "feed bytes to entries, feeds that need feedparser"
    report(name, ours / len(bodies) * 1e3, "ms/feed", "feedparser default", ratio, "<= 0.35")


def bench_not_fooled() -> None:
    """A tag of 50,000 attributes is refused where feedparser alone would work on it for half a minute."""
    tag = b"<item " + b" ".join(b"a%d='1'" % number for number in range(4_000)) + b"><a/>"
    body = b"<rss version='2.0'><channel><title>T</title>%s<svg/></item></channel></rss>" % tag
    ours, _, ratio = median_ratio([(partial(refused, body), by_feedparser([body]))] * 3)
    report("a tag of 4000 attributes", ours * 1e3, "ms", "feedparser default", ratio, "<= 0.35")


def refused(body: bytes) -> None:
    try:
        parse(body, URL)
    except UnreadableError:
        return
    raise AssertionError("it was parsed")


def main() -> None:
    bench_sizes()
    bench_unusual()
    bench_not_fooled()


if __name__ == "__main__":
    main()
