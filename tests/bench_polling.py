"""Figures of polling: what a poll costs among ten thousand feeds, and what a round over a thousand takes.

The feeds lie on a server in a process of its own: a document to whoever comes first, and 304 to whoever has its ETag.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from monitor.config import FeedConfig, PollConfig
from monitor.feeds.identity import Memory
from monitor.feeds.record import Record
from monitor.feeds.state import FeedState
from monitor.http import Http
from monitor.matching.concepts import Concepts
from monitor.matching.matcher import Matcher
from monitor.models import Entry
from monitor.pipeline import Pipeline
from monitor.polling import Poller
from monitor.reading import Reader
from monitor.rules.lexicon import Lexicon
from monitor.schedule import Schedule
from monitor.store.feeds import FeedStore
from monitor.store.redis import Store
from monitor.store.server import EmbeddedServer
from monitor.store.stories import StoryStore
from monitor.stories.join import WINDOW
from monitor.supervise import Troubles
from monitor.workers import Workers
from tests.bench import report
from tests.bench_http import ETAG, HOSTS, SETTINGS, address, resolve, serving
from tests.polling import RULES

FEW, MANY = 100, 10_000
ROUNDS = 5
WARMED_UP_AFTER = 1.0  # seconds
ENTRIES, FRESH, SENTENCES = 30, 3, 5  # of a feed: those of them that are younger than max_age, and of each entry

Poll = Callable[[FeedConfig], Awaitable[object]]


def now() -> datetime:
    return datetime.now(UTC)


def document() -> bytes:
    """A feed whose entries link to no page; one of those that are fresh raises an alert."""
    text = "It rained all day in the north, and the ministry said that nothing else had happened there. " * SENTENCES
    items = []
    for number in range(ENTRIES):
        age = timedelta(hours=number) if number < FRESH else timedelta(days=3 + number)
        title = "The army fired a missile" if number == 1 else f"The weather of day {number}"
        items.append(
            f"<item><guid isPermaLink='false'>{number}</guid><title>{title}</title>"
            f"<pubDate>{format_datetime(now() - age)}</pubDate><description>{text}</description></item>"
        )
    return f"<rss version='2.0'><channel><title>T</title>{''.join(items)}</channel></rss>".encode()


class _Server(asyncio.Protocol):
    body = document()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        if b"\r\n\r\n" not in self._received:
            return
        head = f"ETag: {ETAG}\r\nConnection: close\r\n".encode()
        if b"if-none-match" in self._received.lower():
            self._transport.write(b"HTTP/1.1 304 Not Modified\r\n%s\r\n" % head)
        else:
            self._transport.write(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (head, len(self.body)))
            self._transport.write(self.body)
        self._transport.close()


async def cost_of_a_poll(poll: Poll, urls: list[str], *, rate: float, seconds: float) -> float:
    """Processor seconds a poll while feeds are polled one after the other, altogether `rate` times a second.

    They keep their distance from each other: such as came together would share what it costs to wake up.
    """
    every, polls = timedelta(seconds=len(urls) / rate), 0
    start = now() + timedelta(seconds=0.5 + len(urls) / 5_000)  # time to add the jobs
    due = {url: start + number * every / len(urls) for number, url in enumerate(urls)}

    async def poll_and_plan(feed: FeedConfig) -> datetime:
        nonlocal polls
        polls += 1
        await poll(feed)
        due[feed.url] += every
        return due[feed.url]

    schedule = Schedule(poll_and_plan, Troubles())
    schedule.start([(FeedConfig(url=url), first) for url, first in due.items()])
    await asyncio.sleep((start - now()).total_seconds() + WARMED_UP_AFTER)
    before, used = polls, time.process_time()
    await asyncio.sleep(seconds)
    used, counted = time.process_time() - used, polls - before
    await schedule.stop(5)
    assert counted > 0.5 * rate * seconds, f"it cannot keep pace: {counted} polls in {seconds} s"
    return used / counted


async def nothing(feed: FeedConfig) -> None:
    """A poll that costs nothing."""


async def compare(name: str, poll: Poll, urls: list[str], *, rate: float, seconds: float) -> None:
    costs = []
    for _ in range(ROUNDS):
        few, many = [await cost_of_a_poll(poll, urls[:n], rate=rate, seconds=seconds) for n in (FEW, MANY)]
        costs.append((many, many / few))
    used, ratio = (statistics.median(column) for column in zip(*costs, strict=True))
    report(f"processor time of a poll at {MANY} feeds, {name}", used * 1e6, "us", f"{FEW} feeds", ratio, "<= 1.2")


@asynccontextmanager
async def poller_of(state_dir: Path, urls: list[str]) -> AsyncIterator[Poller]:
    """A poller on a Redis of its own, which knows all these feeds and fifty entries of each."""
    async with AsyncExitStack() as stack:
        stack.callback(EmbeddedServer(state_dir).wait_until_stopped)  # nothing can be removed while it runs
        server = stack.enter_context(EmbeddedServer(state_dir))
        store = Store(server.url, "bench", timedelta(minutes=10))
        stack.push_async_callback(store.close)
        await store.sign_of_life()
        memory = Memory().with_document([Entry(f"{n}", title=f"Title {n}", guid=f"{n}") for n in range(50)])
        state = FeedState(Record(etag=ETAG, last_success=now()), memory).encode()
        feeds = FeedStore(store)
        for url in urls:
            await feeds.resume(url, state)
        http = await stack.enter_async_context(Http(SETTINGS, resolve))
        reader = Reader(http.page, await stack.enter_async_context(Workers()))
        lexicon = Lexicon([])
        pipeline = Pipeline(Matcher(RULES, lexicon), Concepts(lexicon), StoryStore(store), WINDOW)
        yield Poller(http, reader, feeds, pipeline=pipeline, settings=PollConfig(), now=now)


async def bench_cost(port: int) -> None:
    """Of the schedule alone; and of whole polls, each with its claim and its state in Redis, of feeds unchanged."""
    urls = [f"http://h{number % HOSTS}.example:{port}/{number}" for number in range(MANY)]
    await compare("schedule alone", nothing, urls, rate=500, seconds=2)
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as folder:
        async with poller_of(Path(folder), urls) as poller:
            await compare("with claim, request and state", poller.poll_now, urls, rate=100, seconds=3)


def bench_round(port: int) -> None:
    """`monitor run --once` over a thousand feeds that it has never seen, one to a host; the references are targets."""
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as folder, ExitStack() as stack:
        stack.callback(EmbeddedServer(Path(folder)).wait_until_stopped)
        (Path(folder) / "rules.yaml").write_text("rules: [missile]")
        alerts = Path(folder) / "alerts.ndjson"
        settings = {
            "state_dir": folder,
            "rules": ["rules.yaml"],
            "feeds": [f"http://{address(number)}:{port}/feed" for number in range(HOSTS)],
            "receivers": {"disk": {"type": "file", "path": str(alerts)}},
            "http": {"allow_private": ["127.0.0.0/8"]},
        }
        config = Path(folder) / "monitor.yaml"
        config.write_text(json.dumps(settings))
        began, most = time.monotonic(), 0.0
        command = [sys.executable, "-m", "monitor", "run", "--once", "--config", str(config)]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(command, stderr=log)
        while process.poll() is None:
            most = max(most, memory_of(process.pid))
            time.sleep(0.1)
        took = time.monotonic() - began
        assert process.returncode == 0
        assert len(alerts.read_text().splitlines()) == 1, "they all tell one story, and it is told once"
    report("a round over 1000 new feeds", took, "s", "60 s", took / 60, "<= 1")
    report("a round over 1000 new feeds, memory with workers and Redis", most, "MB", "400 MB", most / 400, "<= 1")


def memory_of(pid: int) -> float:
    """Megabytes that a process and all that it has started use; what several of them share is counted once."""
    total = 0.0
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1000
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            total += sum(map(memory_of, map(int, children.read_text().split())))
    except (OSError, StopIteration):
        pass  # it has ended meanwhile
    return total


def main() -> None:
    with serving(_Server) as port:
        asyncio.run(bench_cost(port))
        bench_round(port)


if __name__ == "__main__":
    main()
