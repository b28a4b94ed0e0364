"""How a feed is polled: what of it alerts, when it is polled again, and how it is said to do."""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from monitor.alerts.retry import RetryPolicy
from monitor.config import Config, FeedConfig, PollConfig, ReceiverConfig
from monitor.delivery import Deliverer
from monitor.dispatch import Dispatcher
from monitor.errors import StoreError
from monitor.feeds.record import GAPS
from monitor.feeds.state import FeedState
from monitor.http import Http
from monitor.matching.matcher import Matcher
from monitor.models import Alert, Article, Match
from monitor.notifiers import notifier_class
from monitor.rules.lexicon import Lexicon
from monitor.store.feeds import FeedStore
from monitor.store.outbox import Outbox
from tests.daemon import received
from tests.polling import NO_PAUSES, NOW, RULES, Monitor, entry, every, monitor
from tests.site import Reply, Site, rss

DAY, HOUR, MINUTE, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
HTML = Reply(b"<html><body><p>Back soon. A missile.</p></body></html>", headers={"Content-Type": "text/html"})
LINK = "https://news.example/launch"


def feed_of(site: Site, every: timedelta | None = MINUTE) -> FeedConfig:
    return FeedConfig(url=f"{site.url}/feed", every=every, full_text="never")


def feed(*entries: str, **headers: str) -> Reply:
    return Reply(rss(*entries), headers=headers)


Step = tuple[timedelta, Reply, list[str]]  # after how long, what is answered, and what that raises
LAUNCH = feed(entry("1", "Missile launch"))
NOTHING: list[str] = []
STORIES: dict[str, list[Step]] = {
    "at first sight old entries are noted only": [
        (SECOND, feed(entry("1", "Old missile", age=3 * DAY), entry("2", "New missile", age=HOUR),
                      entry("3", "Undated missile")), ["missile: New missile", "missile: Undated missile"]),
        (MINUTE, feed(entry("2", "New missile", age=HOUR), entry("1", "Old missile", age=3 * DAY)), NOTHING),
    ],
    "what came out while the monitor was down alerts": [
        (SECOND, feed(entry("1", "Weather", age=HOUR)), NOTHING),
        (5 * DAY, feed(entry("3", "Missile of today", age=-5 * DAY), entry("2", "Missile of the first day", age=-HOUR),
                       entry("1", "Weather", age=HOUR)),
         ["missile: Missile of the first day", "missile: Missile of today"]),
    ],
    "what is republished raises nothing": [
        (SECOND, LAUNCH, ["missile: Missile launch"]),
        (MINUTE, feed(entry("2", "Weather")), NOTHING),
        (MINUTE, feed(entry("1", "Missile launch"), entry("2", "Weather")), NOTHING),
        (MINUTE, feed(entry("9", "Missile of last month", age=30 * DAY), entry("2", "Weather")), NOTHING),
    ],
    "an edited headline is matched again, and alerts for the rules that had not": [
        (SECOND, feed(entry("1", "Launch reported")), NOTHING),
        (MINUTE, feed(entry("1", "Missile launch reported")), ["missile: Missile launch reported"]),
        (MINUTE, feed(entry("1", "Missile launch, NATO says")), ["nato: Missile launch, NATO says"]),
        (MINUTE, feed(entry("1", "Missile launch, NATO repeats")), NOTHING),
    ],
    "an edited lead is matched again": [
        (SECOND, feed(entry("1", "Launch reported", text="More soon.")), NOTHING),
        (MINUTE, feed(entry("1", "Launch reported", text="It was a missile.")), ["missile: Launch reported"]),
    ],
    "another guid with the same link raises nothing": [
        (SECOND, feed(entry("1", "Missile launch", link=LINK)), ["missile: Missile launch"]),
        (MINUTE, feed(entry("2", "Missile launch", link=LINK)), NOTHING),
        (MINUTE, feed(entry("", "Missile launch", link=f"{LINK}/?utm_source=rss")), NOTHING),
    ],
    "a guid that all entries share hides none of them": [
        (SECOND, feed(entry("0", "Missile one"), entry("0", "Missile two")), ["missile: Missile one",
                                                                              "missile: Missile two"]),
        (MINUTE, feed(entry("0", "Missile three"), entry("0", "Missile one"), entry("0", "Missile two")),
         ["missile: Missile three"]),
    ],
    **{
        f"{name} in between changes nothing": [
            (SECOND, LAUNCH, ["missile: Missile launch"]),
            (MINUTE, reply, NOTHING),
            (HOUR, LAUNCH, NOTHING),
            (HOUR, feed(entry("2", "Second missile"), entry("1", "Missile launch")), ["missile: Second missile"]),
        ]
        for name, reply in {
            "a web page": HTML, "an empty feed": feed(), "an empty body": Reply(), "an error": Reply(b"no", 500),
            "half a feed": Reply(rss(entry("1", "Missile launch"))[:90]), "not found": Reply(HTML.body, 404),
        }.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
async def test_what_alerts(story: str, site: Site, redis_url: str) -> None:
    async with monitor(redis_url) as one:
        for after, reply, expected in STORIES[story]:
            site.replies["/feed"] = reply
            one.clock.time += after
            before = len(site.requests)
            await one.poller.poll(feed_of(site))
            assert len(site.requests) == before + 1, "it was due"
            assert await one.raised() == sorted(expected)


async def test_old_entries_are_said_to_be_noted(site: Site, redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    site.replies["/feed"] = feed(*every(DAY, 5))
    async with monitor(redis_url, settings=PollConfig(max_age=2 * DAY)) as one:
        await one.poll(feed_of(site))
    assert f"noted 2 old entries of feed={site.url}/feed without a look" in caplog.text


@pytest.mark.parametrize(("condition", "value"), [("ETag", '"1"'), ("Last-Modified", "Mon, 23 Nov 2026 10:00:00 GMT"),
                                                  ("X-Nothing", "equal body")])  # fmt: skip
async def test_what_has_not_changed_is_not_parsed(condition: str, value: str, site: Site, redis_url: str) -> None:
    asks = {"ETag": "if-none-match", "Last-Modified": "if-modified-since"}.get(condition)
    answer = feed(entry("1", "Missile"), **{condition: value})
    site.replies["/feed"] = lambda asked: Reply(status=304) if asks and asked.headers.get(asks) == value else answer
    async with monitor(redis_url) as one:
        for _ in range(4):
            await one.poll(feed_of(site))
        assert len(site.requests) == 4
        assert one.workers.asked == ["_parse"]
        answer = feed(entry("2", "Missile"), **{condition: "another"})
        value = "another"
        await one.poll(feed_of(site))
        assert one.workers.asked == ["_parse"] * 2, "a change is parsed"


@pytest.mark.parametrize(
    ("gap", "settings", "wait"),
    [
        (HOUR, PollConfig(), 929 * SECOND),  # 4 min * sqrt(60 / 4): see rhythm.py
        (4 * MINUTE, PollConfig(), 4 * MINUTE),
        (MINUTE, PollConfig(), 2 * MINUTE),
        (MINUTE, PollConfig(min=7 * MINUTE), 7 * MINUTE),
        (DAY, PollConfig(max=20 * MINUTE), 20 * MINUTE),
    ],
)
async def test_without_every_the_rhythm_decides(
    gap: timedelta, settings: PollConfig, wait: timedelta, site: Site, redis_url: str
) -> None:
    site.replies["/feed"] = feed(*every(gap, 12))
    async with monitor(redis_url, settings=settings) as one:
        due = await one.poll(feed_of(site, None))
    assert due
    assert abs(due - NOW - wait) < 2 * SECOND


@pytest.mark.parametrize("seconds", [1, 5, 86_400])
async def test_every_is_obeyed_as_it_is(seconds: int, site: Site, redis_url: str) -> None:
    site.replies["/feed"] = Reply(rss(*every(HOUR, 3)), headers={"Cache-Control": "max-age=7200"})
    async with monitor(redis_url) as one:
        for turn in range(1, 4):
            assert await one.poll(feed_of(site, seconds * SECOND)) == NOW + turn * seconds * SECOND
    assert len(site.requests) == 3


async def test_due_times_survive_a_restart(site: Site, redis_url: str) -> None:
    site.replies["/feed"] = feed(*every(HOUR, 12))
    slow = feed_of(site, None)
    async with monitor(redis_url) as one:
        due = await one.poll(slow)
        assert due
    async with monitor(redis_url, "two", clock=one.clock) as two:
        two.clock.time += MINUTE
        [(_, first)] = await two.poller.first_polls([slow])
        assert abs(first - due) <= SECOND
        assert abs((await two.poller.poll(slow) or NOW) - due) <= SECOND, "a poll before it is due is none"
        assert len(site.requests) == 1
        two.clock.time = due
        await two.poller.poll(slow)
    assert len(site.requests) == 2


async def test_a_shorter_every_counts_from_the_next_start_on(site: Site, redis_url: str) -> None:
    site.replies["/feed"] = LAUNCH
    async with monitor(redis_url) as one:
        await one.poll(feed_of(site, DAY))
        one.clock.time += MINUTE
        often = feed_of(site, 5 * SECOND)
        [(_, first)] = await one.poller.first_polls([often])
        assert first - one.clock.time <= 5 * SECOND
        one.clock.time = first
        assert await one.poller.poll(often) == first + 5 * SECOND
    assert len(site.requests) == 2


async def test_retry_after_is_waited_for_even_against_every(site: Site, redis_url: str) -> None:
    site.replies["/feed"] = Reply(status=503, headers={"Retry-After": "120"})
    async with monitor(redis_url) as one:
        often = feed_of(site, SECOND)
        assert await one.poll(often) == NOW + 120 * SECOND
        one.clock.time = NOW + 60 * SECOND
        assert await one.poller.poll(often) == NOW + 120 * SECOND
        assert len(site.requests) == 1
        site.replies["/feed"] = LAUNCH
        assert await one.poll(often) == NOW + 121 * SECOND
        assert await one.raised() == ["missile: Missile launch"]


async def test_gone_three_times_stops_a_feed_until_it_is_resumed(
    site: Site, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """For every process, also for one that had planned to poll it."""
    site.replies["/feed"] = Reply(status=410)
    async with monitor(redis_url) as one, monitor(redis_url, "two", clock=one.clock) as two:
        for _ in range(3):
            await one.poll(feed_of(site))
        assert await one.raised() == ["feed-health: 127.0.0.1: gone: HTTP 410 Gone 3 times; polled no more"]
        for other in (one, two):
            for _ in range(3):
                await other.poll(feed_of(site))
            assert await other.poller.poll_now(feed_of(site))
        assert len(site.requests) == 3
        [(_, first)] = await two.poller.first_polls([feed_of(site)])
        assert first == one.clock.time + MINUTE
        assert "is gone and polled no more; `monitor feeds resume` tries it again" in caplog.text
        site.replies["/feed"] = LAUNCH
        await one.feeds.resume(feed_of(site).url, FeedState().encode())
        await one.poll(feed_of(site))
        assert await one.raised() == ["missile: Missile launch"]


async def test_permanent_redirects_are_followed_and_remembered_after_three(site: Site, redis_url: str) -> None:
    site.replies |= {"/feed": Reply(status=301, headers={"Location": "/new"}), "/new": LAUNCH}
    async with monitor(redis_url) as one:
        await one.poll(feed_of(site))
        assert await one.raised() == ["missile: Missile launch"]
        for _ in range(4):
            await one.poll(feed_of(site))
    assert (len(site.asked("/feed")), len(site.asked("/new"))) == (3, 5)


class Tripping(Matcher):
    """Fails at an entry until it is mended."""

    broken = True

    def match(self, article: Article) -> list[Match]:
        if self.broken and "two" in article.title:
            raise RuntimeError("tripped")
        return super().match(article)


async def test_an_entry_that_fails_stops_no_other_and_is_tried_again(
    site: Site, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    titles = ("Missile one", "Missile two", "Missile three")
    site.replies["/feed"] = feed(*(entry(str(n), title) for n, title in enumerate(titles)), ETag='"1"')
    async with monitor(redis_url) as one:
        one.poller.pipeline.matcher = matcher = Tripping(RULES, Lexicon([]))
        await one.poll(feed_of(site))
        assert await one.raised() == ["missile: Missile one", "missile: Missile three"]
        await one.poll(feed_of(site))
        assert await one.raised() == []
        matcher.broken = False
        await one.poll(feed_of(site))
        assert await one.raised() == ["missile: Missile two"]
        await one.poll(feed_of(site))
        assert await one.raised() == []
    assert caplog.text.count(f"unexpected error at entry=1 of feed={site.url}/feed") == 2
    assert [asked.headers.get("if-none-match") for asked in site.requests] == [None, None, None, '"1"']


class Faulty(FeedStore):
    """Redis goes away at the n-th write: before it has it, or after, so that only the answer is lost."""

    fails_at, after, writes = 0, False, 0

    async def write(self, url: str, state: bytes, alerts: Sequence[Alert], **more: Any) -> int | None:
        self.writes += 1
        fails = self.writes == self.fails_at
        if fails and not self.after:
            raise StoreError("Redis: gone")
        raised = await super().write(url, state, alerts, **more)
        if fails:
            raise StoreError("Redis: gone")
        return raised


@pytest.mark.parametrize("fails_at", [1, 2, 3, 4])
@pytest.mark.parametrize("after", [False, True])
async def test_redis_going_away_in_mid_poll_loses_nothing(
    fails_at: int, after: bool, site: Site, redis_url: str
) -> None:
    """Three entries that are handled at once, each with a write of its own, and one more in the end."""
    site.replies["/feed"] = feed(*(entry(str(n), f"Missile {n}") for n in range(3)), ETag='"1"')
    async with monitor(redis_url, feed_store=Faulty) as one:
        assert isinstance(one.feeds, Faulty)
        one.feeds.fails_at, one.feeds.after = fails_at, after
        with pytest.raises(StoreError):
            await one.poll(feed_of(site))
        assert one.feeds.writes >= fails_at
        one.clock.time += 5 * SECOND
        await one.poll(feed_of(site))
        one.clock.time += MINUTE
        await one.poll(feed_of(site))
        assert await one.raised() == ["missile: Missile 0", "missile: Missile 1", "missile: Missile 2"]


async def test_a_paused_feed_is_polled_after_it_is_resumed(site: Site, redis_url: str) -> None:
    site.replies["/feed"] = LAUNCH
    async with monitor(redis_url) as one:
        await one.feeds.pause(feed_of(site).url)
        assert await one.poll(feed_of(site)) == NOW + MINUTE
        await one.poll(feed_of(site))
        assert site.requests == []
        await one.feeds.resume(feed_of(site).url, b"")
        await one.poll(feed_of(site))
        assert await one.raised() == ["missile: Missile launch"]


# Health.


async def deliver(one: Monitor, site: Site) -> list[str]:
    """Send what was raised to the site's /hook; returns the titles that it has taken, `feed-health` alone."""
    site.replies["/hook"] = Reply()
    async with Http(NO_PAUSES) as http:
        kind = notifier_class("webhook")
        hook = kind(kind.Options.model_validate({"url": f"{site.url}/hook"}), http)
        config = Config(receivers={"hook": ReceiverConfig(type="webhook")})
        await Dispatcher(one.store, config, one.clock).step(None)
        outbox = Outbox(one.store, "hook")
        await outbox.take_over()
        while await Deliverer("hook", outbox, hook, now=one.clock, policy=RetryPolicy()).step(None):
            pass
    return [alert["title"] for alert in received(site) if alert["rule"] == "feed-health"]


async def poll_until(one: Monitor, feed: FeedConfig, over: Callable[[], bool]) -> None:
    while not over():
        await one.poll(feed)


async def test_a_feed_that_fails_for_a_day_is_told_once_and_so_is_its_recovery(site: Site, redis_url: str) -> None:
    feed = feed_of(site, None)
    site.replies["/feed"] = LAUNCH
    async with monitor(redis_url) as one:
        await one.poll(feed)
        site.replies["/feed"] = Reply(status=500)
        while not (told := await deliver(one, site)):
            assert one.clock.time - NOW < 3 * DAY
            await one.poll(feed)
        failing = (await one.state(feed)).record
        assert failing.first_failure
        assert failing.last_attempt
        assert failing.last_attempt - failing.first_failure >= DAY
        assert failing.last_attempt - failing.first_failure < DAY + 12 * HOUR
        await poll_until(one, feed, lambda: one.clock.time > NOW + 5 * DAY)
        assert await deliver(one, site) == told
        assert "HTTP 500 Internal Server Error" in told[0]
        site.replies["/feed"] = LAUNCH
        await one.poll(feed)
        assert await deliver(one, site) == [*told, "127.0.0.1: answers again"]
        await one.poll(feed)
        assert len(await deliver(one, site)) == 2


async def test_a_feed_that_falls_silent_is_told_once_and_so_is_its_return(site: Site, redis_url: str) -> None:
    feed = feed_of(site, HOUR)
    entries = every(HOUR, 10)
    site.replies["/feed"] = Reply(rss(*entries))
    async with monitor(redis_url) as one:
        await poll_until(one, feed, lambda: one.clock.time > NOW + 2.9 * DAY)
        assert await deliver(one, site) == []
        await poll_until(one, feed, lambda: one.clock.time > NOW + 4 * DAY)
        [told] = await deliver(one, site)
        assert told == "127.0.0.1: nothing new for 3d; it used to publish every 60m"
        site.replies["/feed"] = Reply(rss(entry("new", "Weather"), *entries))
        await one.poll(feed)
        assert await deliver(one, site) == [told, "127.0.0.1: publishes again"]


async def test_pages_that_give_no_text_any_more_are_told_once_and_so_is_their_return(
    site: Site, redis_url: str
) -> None:
    feed = FeedConfig(url=f"{site.url}/feed", every=HOUR)
    text = b"<html><body><article><p>%s</p></article></body></html>" % (b"It rained all day in the north. " * 20)
    empty = b"<html><body><script>load()</script></body></html>"
    async with monitor(redis_url) as one:
        for turn, page in enumerate([text] * 3 + [empty] * 4 + [text] * 3):
            paths = [f"/page{turn}.{n}" for n in range(10)]
            site.replies |= dict.fromkeys(paths, Reply(page, headers={"Content-Type": "text/html"}))
            site.replies["/feed"] = Reply(rss(*(entry(path, f"Rain {path}", link=site.url + path) for path in paths)))
            await one.poll(feed)
            told = await deliver(one, site)
            assert bool(told) == (turn >= 6), turn
    assert told == [
        "127.0.0.1: its pages give no text any more: 6% of the latest entries did",
        "127.0.0.1: its pages give text again",
    ]


async def test_a_feed_takes_two_kilobytes_of_redis_however_long_it_runs(site: Site, redis_url: str) -> None:
    """Fifty entries, three of which are new at each poll, a long ETag; and a long reason at each tenth."""
    sizes = []
    async with monitor(redis_url) as one:
        feed = feed_of(site, None)
        for turn in range(100):
            entries = [
                entry(f"https://news.example/articles/{n}", f"Weather {n}", link=f"https://news.example/articles/{n}")
                for n in range(3 * turn + 50, 3 * turn, -1)
            ]
            etag = f'W/"{turn:064x}"'
            good = Reply(rss(*entries), headers={"ETag": etag, "Last-Modified": "Mon, 23 Nov 2026 10:00:00 GMT"})
            bad = Reply(HTML.body.replace(b"<p>", b"<link rel='alternate' type='application/rss+xml' href='/x'>" * 9))
            site.replies["/feed"] = bad if turn % 10 == 9 else good
            await one.poll(feed)
            [key] = await one.store.client.keys("*feed:*")
            sizes.append(await one.store.client.memory_usage(key, samples=0))
        state = await one.state(feed)
    assert len(state.record.gaps) == GAPS
    assert state.record.etag
    assert state.record.reason
    assert len(state.memory.full) == 50
    assert max(sizes) <= 2048, max(sizes)
