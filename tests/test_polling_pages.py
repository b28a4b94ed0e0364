"""Which pages are extracted, as feeds are polled."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

from monitor.archive import Archive, days, read
from monitor.config import FeedConfig
from monitor.matching.matcher import Matcher
from monitor.rules.expression import parse
from monitor.rules.lexicon import Lexicon
from monitor.rules.schema import Rule
from tests.pages import FILLER, html
from tests.polling import entry, monitor
from tests.site import Reply, Site, rss

WORDS = ("missile", "harvest", "weather")
CAUTIOUS = Rule(id="cautious", title="", level="info", tags=(), node=parse('weather - "harvest"'))


def put(site: Site, number: int) -> FeedConfig:
    """A feed of one entry on each of WORDS, which only its page holds; the pages of another number are others."""
    entries = [entry(f"{word}-{number}", f"News {word[0]}", link=f"{site.url}/{word}-{number}") for word in WORDS]
    site.replies["/feed"] = Reply(rss(*entries))
    for word in WORDS:
        body = html(f"<article><p>{FILLER * 3}</p><p>A {word}.</p></article>")
        site.replies[f"/{word}-{number}"] = Reply(body.encode(), headers={"Content-Type": "text/html"})
    return FeedConfig(url=f"{site.url}/feed", every=timedelta(minutes=1))


async def test_only_what_a_rule_may_match_is_extracted(site: Site, redis_url: str) -> None:
    """By the rules of the moment; what is left alone is known to hold text all the same."""
    async with monitor(redis_url) as one:
        feed = put(site, 1)
        await one.poll(feed)
        asked = Counter(one.workers.asked)
        assert (asked["_words"], asked["_extract"]) == (3, 1)
        assert await one.raised() == ["missile: News m"]
        record = (await one.state(feed)).record
        assert (record.texts, record.text_share) == (3, 1.0)
        one.poller.pipeline.matcher = Matcher([CAUTIOUS], Lexicon([]))
        await one.poll(put(site, 2))
        assert Counter(one.workers.asked)["_extract"] == 2
        assert await one.raised() == ["cautious: News w"]


async def test_an_archive_has_whole_articles(site: Site, redis_url: str, tmp_path: Path) -> None:
    async with monitor(redis_url) as one:
        one.poller.archive = Archive(tmp_path, timedelta(days=90), 10**9)
        await one.poll(put(site, 1))
        one.poller.archive.flush()
    asked = Counter(one.workers.asked)
    assert (asked["_words"], asked["_extract"]) == (0, 3)
    texts = sorted(record.text for _, record in read([day.path for day in days(tmp_path)], []))
    assert [text.endswith(f"A {word}.") for text, word in zip(texts, sorted(WORDS), strict=True)] == [True] * 3
