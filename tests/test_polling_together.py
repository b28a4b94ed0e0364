"""Several processes that poll the same feeds, feeds that hang, and processes that stop or die in mid-poll."""

import asyncio
import logging
import signal
import statistics
import threading
import time
from collections import Counter
from contextlib import AsyncExitStack, ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import redis

from monitor.config import FeedConfig
from monitor.errors import StoreError
from monitor.schedule import Schedule
from monitor.store.redis import ALIVE
from monitor.store.server import EmbeddedServer
from monitor.supervise import Troubles
from tests.daemon import configure, daemon, received
from tests.polling import NOW, Clock, entry, monitor
from tests.site import Reply, Request, Site, rss, serving, wait_until

pytestmark = pytest.mark.slow  # each starts processes of its own

SECOND = timedelta(seconds=1)
LAUNCH = Reply(rss(entry("1", "Missile launch")))


@pytest.mark.parametrize("count", [2, 3])
async def test_each_poll_happens_once(count: int, site: Site, redis_url: str) -> None:
    """All of them come to every feed, at once or one after the other, in ten rounds."""
    feeds = [FeedConfig(url=f"{site.url}/feed{n}", every=timedelta(minutes=1)) for n in range(12)]
    clock = Clock()
    async with AsyncExitStack() as stack:
        monitors = [
            await stack.enter_async_context(monitor(redis_url, f"process {n}", clock=clock)) for n in range(count)
        ]
        for turn in range(10):
            published = Reply(rss(*(entry(f"{turn}.{n}", f"Missile {turn}.{n}") for n in range(3))))
            site.replies |= {f"/feed{n}": published for n in range(12)}
            await asyncio.gather(*(one.poller.poll(feed) for feed in feeds for one in monitors))
            for one in monitors:
                for feed in feeds:
                    due = await one.poller.poll(feed)
                    assert due == clock.time + timedelta(minutes=1), "whoever comes later learns when it is due"
            assert Counter(asked.path for asked in site.requests) == {f"/feed{n}": turn + 1 for n in range(12)}
            clock.time += timedelta(minutes=1)
        assert len(await monitors[0].alerts()) == 12 * 10 * 3


async def test_a_thousand_feeds_may_be_due_at_once(redis_url: str) -> None:
    async with monitor(redis_url) as one:
        claims = await asyncio.gather(*(one.feeds.claim(f"https://news.example/{n}") for n in range(1_000)))
    assert all(claim.ours for claim in claims)


async def test_the_second_process_waits_for_the_whole_second(site: Site, redis_url: str) -> None:
    """Where a feed is polled every second, a due time that loses its fraction would let each process poll it."""
    site.replies["/feed"] = LAUNCH
    feed = FeedConfig(url=f"{site.url}/feed", every=SECOND)
    clock = Clock()
    async with monitor(redis_url, "one", clock=clock) as one, monitor(redis_url, "two", clock=clock) as two:
        for tenth in range(40):
            clock.time = NOW + 0.7 * SECOND + tenth * SECOND / 10
            await (one if tenth % 2 else two).poller.poll(feed)
            assert len(site.requests) == tenth // 10 + 1


async def test_a_feed_of_a_process_that_shows_no_life_is_taken_over(
    site: Site, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The first stands still in mid-poll for longer than its lease; then it goes on, and has lost its claim."""
    caplog.set_level(logging.INFO)
    go_on = threading.Event()
    answers = iter([Reply(rss(entry("0", "Missile that is no more")), wait=lambda: (go_on.wait(30), None)[1]), LAUNCH])
    site.replies["/feed"] = lambda request: next(answers, LAUNCH)
    feed = FeedConfig(url=f"{site.url}/feed", every=timedelta(minutes=1))
    async with monitor(redis_url, "stopped", lease=2 * SECOND) as stopped, monitor(redis_url, "other") as other:
        poll = asyncio.create_task(stopped.poller.poll(feed))
        await asyncio.to_thread(wait_until, lambda: site.requests)
        assert await other.poller.poll(feed) == NOW + timedelta(seconds=1)
        assert len(site.requests) == 1, "as long as the first shows life, the feed is its own"
        with redis.Redis.from_url(redis_url) as client:
            await asyncio.to_thread(wait_until, lambda: not client.exists(f"{ALIVE}stopped"))
        assert await other.poller.poll(feed) == NOW + timedelta(minutes=1)
        state = await other.state(feed)
        go_on.set()
        assert await poll
        assert await other.state(feed) == state, "it has written nothing"
        assert await other.raised() == ["missile: Missile launch"]
        other.clock.time += timedelta(minutes=1)
        await other.poller.poll(feed)
        assert await other.raised() == []
    assert caplog.text.count("was taken over by another process while this one stood still") == 1


def times_of(site: Site, path: str) -> list[float]:
    """Let a path be answered with 304 from now on; returns the moments of its requests, as they come."""
    times: list[float] = []

    def answer(request: Request) -> Reply:
        times.append(time.monotonic())
        return Reply(status=304)

    site.replies[path] = answer
    return times


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_every_second_is_every_second(count: int, tmp_path: Path, site: Site, redis_url: str) -> None:
    """However many processes there are."""
    times = times_of(site, "/feed")
    config = configure(tmp_path, site, redis={"url": redis_url})
    with ExitStack() as stack:
        for number in range(count):
            stack.enter_context(daemon(config, log=tmp_path / f"log{number}"))
        wait_until(lambda: len(times) >= 7)
    assert min(gaps(times)) > 0.95
    assert statistics.median(gaps(times)) < 1.5


def test_the_feeds_of_a_process_that_is_killed_are_taken_over(tmp_path: Path, site: Site, redis_url: str) -> None:
    lease, hang = 2.0, threading.Event()
    site.replies |= {"/feed": Reply(wait=lambda: (hang.wait(60), None)[1]), "/hook": Reply()}
    config = configure(tmp_path, site, redis={"url": redis_url, "lease": f"{lease:.0f}s"})
    with daemon(config, log=tmp_path / "first") as first:
        wait_until(lambda: site.asked("/feed"))
        with daemon(config, log=tmp_path / "second"):
            wait_until(lambda: "running" in (tmp_path / "second").read_text())
            site.replies["/feed"] = LAUNCH
            first.kill()
            killed = time.monotonic()
            wait_until(lambda: len(site.asked("/feed")) > 1)
            assert time.monotonic() - killed < lease + 2
            wait_until(lambda: received(site))
    hang.set()
    assert [alert["title"] for alert in received(site)] == ["Missile launch"]


@pytest.mark.slow
def test_a_process_that_is_stopped_for_a_while_loses_and_doubles_nothing(
    tmp_path: Path, site: Site, redis_url: str
) -> None:
    published: list[str] = []
    site.replies |= {"/feed": lambda request: Reply(rss(*published)), "/hook": Reply()}
    config = configure(tmp_path, site, redis={"url": redis_url, "lease": "1s"})
    with daemon(config, log=tmp_path / "a") as a, daemon(config, log=tmp_path / "b") as b:
        for turn, process in enumerate([a, b, a, b]):
            process.send_signal(signal.SIGSTOP)
            published.insert(0, entry(str(turn), f"Missile {turn}"))
            wait_until(lambda: len({alert["title"] for alert in received(site)}) == len(published))
            process.send_signal(signal.SIGCONT)
        seen = len(site.asked("/feed"))
        wait_until(lambda: len(site.asked("/feed")) > seen + 3)
    assert len({request.headers["webhook-id"] for request in site.asked("/hook")}) == 4


@pytest.mark.parametrize("turns", range(6))
async def test_no_poll_begins_once_the_schedule_stops(turns: int) -> None:
    """APScheduler may have handed one to the event loop already, which has had so many turns since it fell due."""
    running: set[str] = set()
    ended, never = asyncio.Event(), asyncio.Event()

    async def poll(feed: FeedConfig) -> datetime:
        running.add(feed.url)
        try:
            await (ended if feed.url.endswith("first") else never).wait()
        finally:
            running.discard(feed.url)
        return now + timedelta(hours=1)

    schedule = Schedule(poll, Troubles())
    first, second = (FeedConfig(url=f"http://news.example/{name}") for name in ("first", "second"))
    now = datetime.now(UTC)
    schedule.start([(first, now), (second, now + 0.3 * SECOND)])
    while not running:  # noqa: ASYNC110 - the schedule sets no event
        await asyncio.sleep(0)
    time.sleep(0.4)  # noqa: ASYNC251 - the loop has to be late for the second
    for _ in range(turns):
        await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.1, ended.set)
    await schedule.stop(0.3)
    assert running == set()


async def test_polls_go_on_soon_after_the_store_was_in_trouble() -> None:
    """Sooner than five seconds after its end, with time to spare for the poll itself."""
    tries: list[datetime] = []
    polled = asyncio.Event()

    async def poll(feed: FeedConfig) -> datetime:
        tries.append(datetime.now(UTC))
        if len(tries) == 1:
            raise StoreError("Redis: gone")
        polled.set()
        return datetime.now(UTC) + timedelta(hours=1)

    schedule = Schedule(poll, Troubles())
    schedule.start([(FeedConfig(url="http://news.example/feed"), datetime.now(UTC))])
    await asyncio.wait_for(polled.wait(), 3.5)
    await schedule.stop(0.1)
    assert tries[1] - tries[0] > SECOND, "and not at once: it may be in trouble for hours"


def test_due_times_outlive_the_process(tmp_path: Path, site: Site) -> None:
    seldom, often = times_of(site, "/seldom"), times_of(site, "/often")
    feeds = [{"url": f"{site.url}/seldom", "every": "1h"}, {"url": f"{site.url}/often", "every": "1s"}]
    config = configure(tmp_path, site, feeds=feeds)
    for turn in (1, 2):
        with daemon(config, log=tmp_path / "log") as process:
            wait_until(lambda: seldom and len(often) >= 2 * turn - 1)  # noqa: B023 - called at once
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0
    assert len(seldom) == 1


async def test_redis_that_stops_while_a_feed_answers(tmp_path: Path, site: Site) -> None:
    with EmbeddedServer(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        site.replies["/feed"] = Reply(LAUNCH.body, wait=lambda: client.shutdown(nosave=True))
        feed = FeedConfig(url=f"{site.url}/feed", every=SECOND)
        async with monitor(server.url) as one:
            with pytest.raises(StoreError):
                await one.poll(feed)
            await asyncio.to_thread(server.ensure)
            site.replies["/feed"] = LAUNCH
            for turn in range(2):
                one.clock.time = NOW + turn * SECOND
                await one.poll(feed)
            assert await one.raised() == ["missile: Missile launch"]


def test_a_feed_that_hangs_delays_no_other(tmp_path: Path, site: Site) -> None:
    release = threading.Event()
    site.replies["/hang"] = Reply(wait=lambda: (release.wait(60), None)[1])
    good = times_of(site, "/good")
    feeds = [{"url": f"{site.url}/{path}", "every": "1s"} for path in ("hang", "good")]
    with daemon(configure(tmp_path, site, feeds=feeds), log=tmp_path / "log"):
        wait_until(lambda: site.asked("/hang"))
        seen = len(good)
        wait_until(lambda: len(good) >= seen + 3, 10)
        assert len(site.asked("/hang")) == 1
        release.set()


def p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


@pytest.mark.slow
def test_a_hundred_feeds_that_hang_delay_no_other(tmp_path: Path) -> None:
    """The waits between polls of twenty feeds, while a hundred others answer, and while all of these hang."""
    hanging, release = threading.Event(), threading.Event()
    stuck: list[str] = []

    def answer(request: Request) -> Reply:
        if not hanging.is_set():
            return Reply(status=304)
        stuck.append(request.path)
        return Reply(status=304, wait=lambda: (release.wait(60), None)[1])

    with serving("0.0.0.0") as site:
        hosts = [f"http://127.0.{1 + n // 100}.{1 + n % 100}:{site.port}" for n in range(120)]
        feeds = [{"url": f"{host}/hang{n}", "every": "4s"} for n, host in enumerate(hosts[:100])]
        feeds += [{"url": f"{host}/good{n}", "every": "1s"} for n, host in enumerate(hosts[100:])]
        site.replies |= {f"/hang{n}": answer for n in range(100)}
        good = [times_of(site, f"/good{n}") for n in range(20)]
        with daemon(configure(tmp_path, site, feeds=feeds), log=tmp_path / "log"):
            wait_until(lambda: all(len(times) >= 6 for times in good), 40)
            before = [gap for times in good for gap in gaps(times[1:])]
            hanging.set()
            wait_until(lambda: len(set(stuck)) == 100, 40)
            marks = [len(times) for times in good]
            wait_until(lambda: all(len(times) >= mark + 6 for times, mark in zip(good, marks, strict=True)), 40)
            release.set()
    during = [gap for times, mark in zip(good, marks, strict=True) for gap in gaps(times[mark:])]
    assert len(stuck) < 200, "they did hang"
    assert p95(during) < 2 * p95(before)
