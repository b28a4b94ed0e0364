"""Three processes share feeds and deliveries by Debian's own Redis, whatever becomes of one of them."""

import asyncio
import itertools
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from monitor.config import FeedConfig
from monitor.schedule import Schedule
from monitor.store.outbox import AlertStream, Outbox, outbox_key
from monitor.store.redis import ALERTS, ALIVE, Store
from monitor.store.server import EmbeddedServer
from monitor.supervise import Troubles
from tests.daemon import configure, daemon, received
from tests.mortal import SHEAF, live
from tests.site import Reply, Request, Site, item, rss, wait_until
from tests.test_deaths import stopped

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

FEEDS = 30
LEASE = 3  # seconds


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server of Debian's, or where there is none the embedded one."""
    with EmbeddedServer(tmp_path / "redis", shutil.which("redis-server")) as server:
        yield server.url


class Newsroom:
    """Feeds that each bring a story at every poll while `busy`, and a receiver that takes its time."""

    def __init__(self, site: Site) -> None:
        self.site, self.busy = site, True
        self.published: dict[str, list[str]] = {f"/feed{n}": [] for n in range(FEEDS)}
        self._lock, self._numbers = threading.Lock(), itertools.count()
        site.replies |= dict.fromkeys(self.published, self._feed)
        site.replies["/hook"] = Reply(wait=lambda: time.sleep(0.005))

    def _feed(self, request: Request) -> Reply:
        with self._lock:
            published = self.published[request.path]
            if self.busy:
                published.append(f"{request.path}.{next(self._numbers)}")
            entries = [item(guid, f"A missile, {guid.encode().hex()}", "") for guid in published[-40:]]
        return Reply(rss(*entries))

    def all(self) -> set[str]:
        return {guid for guids in self.published.values() for guid in guids}

    def told(self) -> Counter[str]:
        return Counter(document for alert in received(self.site) for document in alert["documents"])

    def goes_round(self) -> None:
        """Wait until every feed has been polled twice more."""
        seen = {path: len(guids) for path, guids in self.published.items()}
        wait_until(lambda: all(len(self.published[path]) > count + 1 for path, count in seen.items()), 30)

    def ends(self) -> Counter[str]:
        """Publish nothing more, and wait until all has been told; returns how often each was."""
        self.busy = False
        wait_until(lambda: set(self.told()) == self.all(), 30)
        return self.told()


def share(folder: Path, site: Site, url: str, **changes: Any) -> Path:
    settings: dict[str, Any] = {
        "feeds": [{"url": f"{site.url}/feed{n}", "every": "1s"} for n in range(FEEDS)],
        "redis": {"url": url, "lease": f"{LEASE}s"},
        "poll": {"max_age": "36500d"},
    }
    return configure(folder, site, **settings | changes)


def half(stack: ExitStack, config: Path, only: str) -> subprocess.Popen[bytes]:
    """Start a process that only polls or only delivers."""
    command = [sys.executable, "-m", "monitor", "run", "--config", str(config), "--only", only]
    return stack.enter_context(daemon(config, log=config.parent / only, command=command))


def start(stack: ExitStack, config: Path, count: int = 3) -> list[subprocess.Popen[bytes]]:
    return [stack.enter_context(daemon(config, log=config.parent / f"log{n}")) for n in range(count)]


def polling(log: Path) -> int:
    return log.read_text().count("polled feed=") if log.exists() else 0


def log(config: Path, number: int) -> str:
    return (config.parent / f"log{number}").read_text()


def test_one_is_killed(tmp_path: Path, site: Site, url: str) -> None:
    news, config = Newsroom(site), share(tmp_path, site, url)
    with ExitStack() as stack:
        processes = start(stack, config)
        wait_until(lambda: all(polling(tmp_path / f"log{n}") > 5 for n in range(3)))
        processes[0].kill()
        processes[0].wait()
        killed = time.monotonic()
        news.goes_round()
        resumed = time.monotonic() - killed
        told = news.ends()
        taken = time.monotonic() - killed
    repeats = sum(told.values()) - len(told)
    print(f"{len(told)} alerts, {repeats} twice; polled again after {resumed:.1f} s, told after {taken:.1f} s")
    assert resumed < 30
    assert repeats <= 2, "the one in flight, and the one before it that was being noted"


def test_one_is_stopped_and_resumed_after_its_lease(tmp_path: Path, site: Site, url: str) -> None:
    news, config = Newsroom(site), share(tmp_path, site, url)
    with ExitStack() as stack, redis.Redis.from_url(url) as client:
        processes = start(stack, config)
        wait_until(lambda: all(polling(tmp_path / f"log{n}") > 5 for n in range(3)))
        for process in processes[:2]:  # the second for good measure: its lease ends while the first goes on
            process.send_signal(signal.SIGSTOP)
            stopped = time.monotonic()
            wait_until(lambda: len(list(client.scan_iter(f"{ALIVE}*"))) == 2)
            news.goes_round()
            assert time.monotonic() - stopped < 30
            process.send_signal(signal.SIGCONT)
            wait_until(lambda: len(list(client.scan_iter(f"{ALIVE}*"))) == 3)
        told = news.ends()
    repeats = sum(told.values()) - len(told)
    print(f"{len(told)} alerts, {repeats} twice")
    assert repeats <= 2 * 2, "the message that each was sending, and the one before it"


def test_one_that_is_added_shares_the_polls(tmp_path: Path, site: Site, url: str) -> None:
    news, config = Newsroom(site), share(tmp_path, site, url)
    with ExitStack() as stack:
        start(stack, config, 1)
        wait_until(lambda: polling(tmp_path / "log0") > 2 * FEEDS)
        stack.enter_context(daemon(config, log=tmp_path / "log1"))
        began, asked = time.monotonic(), len(site.requests)
        wait_until(lambda: polling(tmp_path / "log1") > FEEDS, 30)
        taken = time.monotonic() - began
        rate = sum(request.path != "/hook" for request in site.requests[asked:]) / taken / FEEDS
        told = news.ends()
    print(f"30 polls by the new one after {taken:.1f} s; each feed polled {rate:.2f} times a second")
    assert rate < 1.3, "shared, not doubled"
    assert set(told.values()) == {1}


def test_one_has_a_wrong_clock(tmp_path: Path, site: Site, url: str) -> None:
    news, config = Newsroom(site), share(tmp_path, site, url)
    with ExitStack() as stack:
        start(stack, config, 1)
        for number, seconds in enumerate([60, -60], start=1):
            file = tmp_path / f"clock{number}"
            file.write_text(str(seconds))
            command = [sys.executable, "-m", "tests.skewed", str(config), str(file)]
            stack.enter_context(daemon(config, log=tmp_path / f"log{number}", command=command))
        wait_until(lambda: all(polling(tmp_path / f"log{n}") > 5 for n in range(3)), 30)
        began, asked = time.monotonic(), len(site.requests)
        seen = {path: len(guids) for path, guids in news.published.items()}
        wait_until(lambda: all(len(news.published[path]) >= seen[path] + 5 for path in seen), 30)
        rate = sum(r.path != "/hook" for r in site.requests[asked:]) / (time.monotonic() - began) / FEEDS
        told = news.ends()
    print(f"each feed polled {rate:.2f} times a second")
    assert 0.5 < rate < 1.3
    assert set(told.values()) == {1}
    assert "Traceback" not in "".join(log(config, number) for number in range(3))


async def test_a_feed_that_is_due_at_once_is_polled_at_once() -> None:
    """As one is of which another process says that it is due just now."""
    polls, enough = itertools.count(1), asyncio.Event()

    async def poll(feed: FeedConfig) -> datetime:
        if next(polls) == 20:
            enough.set()
        return datetime.now(UTC)

    schedule = Schedule(poll, Troubles())
    schedule.start([(FeedConfig(url="http://news.example/feed"), datetime.now(UTC))])
    async with asyncio.timeout(10):
        await enough.wait()
    await schedule.stop(1)


def test_one_polls_and_one_delivers(tmp_path: Path, site: Site, url: str) -> None:
    news, config = Newsroom(site), share(tmp_path, site, url)
    with ExitStack() as stack:
        polls = half(stack, config, "poll")
        wait_until(lambda: polling(tmp_path / "poll") > FEEDS)
        assert site.asked("/hook") == []
        delivers = half(stack, config, "deliver")
        assert set(news.ends().values()) == {1}
        polls.terminate()
        assert polls.wait(10) == 0
        asked = len(site.requests)
        with redis.Redis.from_url(url) as client:
            wait_until(lambda: len(list(client.scan_iter(f"{ALIVE}*"))) == 1)
            for _ in range(3):  # three turns of the one that is left
                client.delete(*client.scan_iter(f"{ALIVE}*"))
                wait_until(lambda: list(client.scan_iter(f"{ALIVE}*")))
        children = Path(f"/proc/{delivers.pid}/task/{delivers.pid}/children")
        assert len(site.requests) == asked, "it polls nothing"
        assert children.read_text().split() == [], "it has no workers"
        delivers.terminate()
        assert delivers.wait(10) == 0
    assert "running feeds=30 rules=2 receivers=\n" in (tmp_path / "poll").read_text()
    assert "running feeds=0 rules=2 receivers=hook\n" in (tmp_path / "deliver").read_text()


def test_names_of_consumers_do_not_pile_up(tmp_path: Path, site: Site, redis_url: str) -> None:
    """500 lives by half that are killed, half that are stopped, with ever another name."""
    site.replies["/hook"] = Reply()
    feeds = [{"url": f"http://sheaves.example/{number}"} for number in range(3)]
    config = configure(tmp_path, site, feeds=feeds, redis={"url": redis_url, "lease": "1s"})
    with redis.Redis.from_url(redis_url) as client:
        for number in range(500):
            asyncio.run(_short_life(redis_url, f"process {number}", signs_off=bool(number % 2)))
            client.delete(*client.scan_iter(f"{ALIVE}*"))
        for key, group in ((ALERTS, "dispatch"), (outbox_key("hook"), "deliver")):
            assert len(client.xinfo_consumers(key, group)) <= 5
    life = live(config, tmp_path / "log")
    wait_until(lambda: len({alert["document"] for alert in received(site)}) == 3 * SHEAF)
    stopped(life)
    with redis.Redis.from_url(redis_url) as client:
        for key, group in ((ALERTS, "dispatch"), (outbox_key("hook"), "deliver")):
            assert client.xinfo_consumers(key, group) == []


async def _short_life(url: str, name: str, *, signs_off: bool) -> None:
    store = Store(url, name, timedelta(seconds=1))
    await store.sign_of_life()
    for stream in (AlertStream(store), Outbox(store, "hook")):
        await stream.take_over()
        await stream.read(10)
        if signs_off:
            await stream.sign_off()
    await store.close()
