"""Figures of dispatch and delivery: from the write that publishes alerts to the notifier that is handed each of them.

The reference is the barest pipeline that redis-py allows: the very bytes that monitor puts into its two streams are
XADDed to one stream, read by a consumer group, XADDed to a second one and acknowledged in the first, read by another
group, and acknowledged and deleted there. Both have the same server (the embedded one, with its append-only file),
the same batches, one connection for each of the three parts, and run in one event loop; the reference's commands
go in pipelines without MULTI. It keeps no state, decides nothing, makes no model of the bytes, and may lose or repeat.

An alert is sent once its notification is in the notifier's hands, in the reference once its bytes have been read.
"""

import asyncio
import logging
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import redis.asyncio

from monitor.alerts.retry import RetryPolicy
from monitor.config import Config
from monitor.delivery import Deliverer
from monitor.dispatch import Dispatcher
from monitor.errors import TemporaryError
from monitor.models import Alert, Notification
from monitor.store.feeds import FeedStore
from monitor.store.outbox import Delivery, Outbox
from monitor.store.redis import Store
from monitor.store.server import EmbeddedServer
from tests.alerting import alert
from tests.bench import report

ALERTS, A_POLL = 3_000, 10  # alerts of a round, and how many of them one poll publishes
PACED, EVERY = 800, 0.004  # alerts of a round in which one comes at a time, and the seconds between them
AT_ONCE = 100  # messages that are read at once
ROUNDS = 5
FEED = "https://agency.example/feed"

Publish = Callable[[Sequence[Alert]], Awaitable[object]]


class Sent:
    """When each alert was published and when it was sent, in seconds, by its document."""

    def __init__(self, wanted: int) -> None:
        self.published: dict[str, float] = {}
        self.sent: dict[str, float] = {}
        self.all = asyncio.Event()
        self._wanted = wanted

    def take(self, document: str) -> None:
        self.sent.setdefault(document, time.perf_counter())
        if len(self.sent) == self._wanted:
            self.all.set()

    @property
    def latencies(self) -> list[float]:
        return [self.sent[document] - began for document, began in self.published.items()]


class Desk:
    """A notifier that does nothing but note what it was handed, and then fails over what is poison."""

    def __init__(self, sent: Sent, poison: Collection[str]) -> None:
        self._sent = sent
        self._poison = poison

    async def send(self, notification: Notification) -> None:
        for each in notification.alerts:
            self._sent.take(each.document)
            if each.document in self._poison:
                raise TemporaryError("the desk is on fire")


@asynccontextmanager
async def running(*steps: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Each of these again and again, beside the others, to the end of its last turn."""
    ended = asyncio.Event()

    async def again_and_again(step: Callable[[], Awaitable[object]]) -> None:
        while not ended.is_set():
            await step()

    async with asyncio.TaskGroup() as group:
        for step in steps:
            group.create_task(again_and_again(step))
        yield
        ended.set()


@asynccontextmanager
async def monitors(url: str, sent: Sent, poison: Collection[str] = ()) -> AsyncIterator[Publish]:
    """monitor's way: a poll's write, dispatch and delivery as the daemon runs them."""
    store = Store(url, "bench", timedelta(minutes=10))
    await store.sign_of_life()

    def now() -> datetime:
        return datetime.now(UTC)

    config = Config.model_validate({"receivers": {"desk": {"type": "console"}}, "route": {"receiver": "desk"}})
    feeds, dispatcher, outbox = FeedStore(store), Dispatcher(store, config, now), Outbox(store, "desk")
    deliverer = Deliverer("desk", outbox, Desk(sent, poison), now=now, policy=RetryPolicy())  # type: ignore[arg-type]
    await feeds.claim(FEED)
    for stream in (dispatcher.alerts, outbox):
        await stream.take_over()
    async with running(dispatcher.step, deliverer.step):
        yield lambda alerts: feeds.write(FEED, b"state of a feed" * 100, alerts)
    await store.close()


class Bare:
    """The reference: what goes through the streams was worked out before anything is timed."""

    def __init__(self, url: str, sent: Sent) -> None:
        self.client: Any = redis.asyncio.Redis.from_url(url)
        self._sent = sent

    async def begin(self) -> None:
        for stream in ("bare:alerts", "bare:outbox"):
            await self.client.xgroup_create(stream, "group", id="0", mkstream=True)

    async def publish(self, alerts: Sequence[Alert]) -> None:
        async with self.client.pipeline(transaction=False) as pipe:
            for each in alerts:
                pipe.xadd("bare:alerts", {"alert": BYTES[each.document][0], "document": each.document})
            await pipe.execute()

    async def relay(self) -> None:
        async with self.client.pipeline(transaction=False) as pipe:
            for identifier, fields in await self._read("bare:alerts"):
                document = fields[b"document"]
                pipe.xadd("bare:outbox", {"delivery": BYTES[document.decode()][1], "document": document})
                pipe.xack("bare:alerts", "group", identifier)
            await pipe.execute()

    async def deliver(self) -> None:
        async with self.client.pipeline(transaction=False) as pipe:
            for identifier, fields in await self._read("bare:outbox"):
                self._sent.take(fields[b"document"].decode())
                pipe.xack("bare:outbox", "group", identifier)
                pipe.xdel("bare:outbox", identifier)
            await pipe.execute()

    async def _read(self, stream: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        answer = await self.client.xreadgroup("group", "bench", {stream: ">"}, AT_ONCE, 1000)
        return answer[0][1] if answer else []


@asynccontextmanager
async def bares(url: str, sent: Sent) -> AsyncIterator[Publish]:
    bare = Bare(url, sent)
    await bare.begin()
    async with running(bare.relay, bare.deliver):
        yield bare.publish
    await bare.client.aclose()


Way = Callable[[str, Sent], Any]
POISON = {str(number) for number in range(500, ALERTS, 1000)}  # documents
MADE = [alert(number) for number in range(max(ALERTS, PACED))]
BYTES = {  # of an alert as it is published, and of its delivery
    each.document: (each.model_dump_json(), Delivery(notification=note).model_dump_json())
    for each in MADE
    for note in [Notification(key=f"{each.id}.desk", receiver="desk", alerts=(each,))]
}


async def empty(url: str) -> None:
    async with redis.asyncio.Redis.from_url(url) as client:
        await client.flushall()


async def throughput(way: Way, url: str) -> float:
    """Alerts a second from the first write to the last alert sent, while all three parts are busy."""
    sent = Sent(ALERTS)
    await empty(url)
    async with way(url, sent) as publish:
        began = time.perf_counter()
        for start in range(0, ALERTS, A_POLL):
            await publish(MADE[start : start + A_POLL])
        await sent.all.wait()
        return ALERTS / (time.perf_counter() - began)


async def latency(way: Way, url: str) -> float:
    """The 99th of 100 seconds from before its write until an alert is sent, where they come one at a time."""
    sent = Sent(PACED)
    await empty(url)
    async with way(url, sent) as publish:
        due = time.perf_counter()
        for each in MADE[:PACED]:
            due += EVERY
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            sent.published[each.document] = time.perf_counter()
            await publish([each])
        await sent.all.wait()
    return statistics.quantiles(sent.latencies, n=100)[98]


async def compared(
    figure: Callable[[Way, str], Awaitable[float]], url: str, ways: tuple[Way, Way] = (monitors, bares)
) -> tuple[float, float]:
    """The median of the first way's figure, and of its ratio to that of the second, measured beside it."""
    figures = []
    for _ in range(ROUNDS):
        ours, bare = [await figure(way, url) for way in ways]
        figures.append((ours, ours / bare))
    return statistics.median(ours for ours, _ in figures), statistics.median(ratio for _, ratio in figures)


async def bench(url: str) -> None:
    rate, ratio = await compared(throughput, url)
    report("alerts from publish to sent", rate, "per s", "bare redis-py pipelines", ratio, ">= 0.7")
    rate, ratio = await compared(throughput, url, (partial(monitors, poison=POISON), monitors))
    report("alerts, one in 1,000 of which always fails", rate, "per s", "none that fails", ratio, ">= 0.95")
    longest, ratio = await compared(latency, url)
    report("p99 from publish to sent", longest * 1e3, "ms", "bare redis-py pipelines", ratio, "<= 3")


def main() -> None:
    logging.disable(logging.WARNING)  # what is poison would be said among the figures
    with tempfile.TemporaryDirectory(prefix="monitor-bench-") as folder:
        server = EmbeddedServer(Path(folder))
        with server:
            asyncio.run(bench(server.url))
        server.wait_until_stopped()


if __name__ == "__main__":
    main()
