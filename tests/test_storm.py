"""A storm of alerts, one that is poison, and a receiver that is down, on a virtual clock."""

import gc
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from monitor.alerts.retry import RetryPolicy
from monitor.config import Config
from monitor.delivery import Deliverer
from monitor.dispatch import Dispatcher
from monitor.errors import PermanentError, TemporaryError
from monitor.models import Notification
from monitor.notifiers.slack_blocks import Forms, encoded, message
from monitor.store.dead import DeadLetters
from monitor.store.feeds import FeedStore
from monitor.store.outbox import Outbox
from monitor.store.redis import Store
from tests.alerting import NOON, alert

FEED = "http://feed.example/"


@dataclass
class Clock:
    time: datetime = NOON

    def __call__(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class Desk:
    """A receiver that notes when it was sent what, and which articles; the former is what `forgets`."""

    clock: Clock
    pace: float = 0.0
    forgets: bool = False
    trouble: Callable[[Notification], Exception | None] = lambda _: None
    sent: list[tuple[datetime, Notification]] = field(default_factory=list)
    alerts: Counter[str] = field(default_factory=Counter)

    async def send(self, notification: Notification) -> str:
        if error := self.trouble(notification):
            raise error
        self.alerts.update(each.document for each in notification.alerts)
        if not self.forgets:
            self.sent.append((self.clock(), notification))
        return f"C {self.alerts.total()} {len(notification.alerts)}"


@dataclass
class House:
    """One process's dispatch and delivery to some desks, on a clock that the test moves."""

    clock: Clock
    feeds: FeedStore
    dispatcher: Dispatcher
    desks: dict[str, Desk]
    deliverers: dict[str, Deliverer]
    store: Store

    async def publish(self, numbers: range) -> None:
        for start in range(numbers.start, numbers.stop, 10):
            part = [alert(number) for number in range(start, min(start + 10, numbers.stop))]
            assert await self.feeds.write(FEED, b"state", part) == len(part)

    async def pass_on(self, *names: str) -> None:
        """Dispatch all there is, and let the desks of these names (all, where none is given) have it."""
        while await self.dispatcher.step(None):
            pass
        for name in names or self.desks:
            while await self.deliverers[name].step(None):
                pass


@asynccontextmanager
async def house(url: str, route: dict[str, Any], *desks: str) -> AsyncIterator[House]:
    clock, store = Clock(), Store(url, "one", timedelta(hours=1))
    await store.sign_of_life()
    receivers = {name: {"type": "console"} for name in desks}
    dispatcher = Dispatcher(store, Config.model_validate({"receivers": receivers, "route": route}), clock)
    feeds, made = FeedStore(store), {name: Desk(clock, 1.0 if name == "slack" else 0.0) for name in desks}
    outboxes = {name: Outbox(store, name) for name in desks}
    for stream in (dispatcher.alerts, *outboxes.values()):
        await stream.take_over()
    await feeds.claim(FEED)
    delivery = {
        name: Deliverer(name, outboxes[name], made[name], now=clock, policy=RetryPolicy(), sleep=clock.sleep)  # type: ignore[arg-type]
        for name in desks
    }
    try:
        yield House(clock, feeds, dispatcher, made, delivery, store)
    finally:
        await store.close()


def memory() -> float:
    """Megabytes of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


@pytest.mark.slow
async def test_5000_matches_in_a_minute_all_arrive_and_nothing_grows(redis_url: str) -> None:
    async with house(redis_url, {"receiver": "disk"}, "disk") as one:
        one.desks["disk"].forgets = True
        await one.publish(range(1_000))
        await one.pass_on()
        before, size = memory(), 0
        for start in range(1_000, 6_000, 100):
            one.clock.time += timedelta(seconds=1.2)
            await one.publish(range(start, start + 100))
            await one.pass_on()
            states = [await one.store.client.strlen(key) async for key in one.store.client.scan_iter("*:route:*")]
            size = max(size, *states)
        grown = memory() - before
        print(f"memory grew by {grown:.1f} MB, the route's state to {size} bytes")
        assert one.desks["disk"].alerts == Counter({str(number): 1 for number in range(6_000)})
        assert grown < 5, "megabytes; what was sent, 7 MB of it, is kept nowhere in the process"
        assert size < 2_000, "bytes; a route's state is as small as what waits there, however much was sent"


@pytest.mark.slow
@pytest.mark.parametrize("route", [{"receiver": "slack"}, {"receiver": "slack", "limit": "100/h"}], ids=str)
async def test_slack_gets_a_storm_at_its_own_pace(route: dict[str, Any], redis_url: str) -> None:
    async with house(redis_url, route, "slack") as one:
        for second in range(60):
            await one.publish(range(second * 83, second * 83 + 83))
            while await one.dispatcher.step(None):
                pass
            one.clock.time = max(one.clock.time, NOON + timedelta(seconds=second + 1))
        slack, alerts = one.desks["slack"], 60 * 83
        for _ in range(20):
            await one.pass_on()
            one.clock.time += timedelta(minutes=30)
        assert slack.alerts == Counter({str(number): 1 for number in range(alerts)})
        times = [time for time, _ in slack.sent]
        assert min(later - time for time, later in pairwise(times)) >= timedelta(seconds=1)
        for _, notification in slack.sent:
            assert len(encoded(message(notification, Forms()))) <= 10_000
        if "limit" in route:
            assert Counter(note.kind for _, note in slack.sent) == {"alert": 100, "notice": 1, "digest": 1}


async def test_one_poison_alert_in_a_thousand_stops_no_other(redis_url: str) -> None:
    def trouble(notification: Notification) -> Exception | None:
        return PermanentError("HTTP 400") if notification.alerts[0].document == "500" else None

    async with house(redis_url, {"receiver": "desk"}, "desk") as one:
        one.desks["desk"].trouble = trouble
        await one.publish(range(1_000))
        await one.pass_on()
        assert one.desks["desk"].alerts == Counter({str(number): 1 for number in range(1_000) if number != 500})
        [letter] = await DeadLetters(one.store).all()
        assert letter.delivery
        assert letter.delivery.notification.alerts[0].document == "500"


async def test_mail_does_not_notice_that_slack_is_down_for_ten_minutes(redis_url: str) -> None:
    route = {"receiver": ["slack", "mail"]}
    async with house(redis_url, route, "slack", "mail") as one:
        slack, mail = one.desks["slack"], one.desks["mail"]
        slack.trouble = lambda _: TemporaryError("HTTP 503")
        came = {}
        for second in range(600):
            if second % 10 == 0:
                await one.publish(range(second // 10, second // 10 + 1))
                came[str(second // 10)] = one.clock.time
            await one.pass_on()
            one.clock.time += timedelta(seconds=1)
        assert not slack.sent
        late = {note.alerts[0].document: time - came[note.alerts[0].document] for time, note in mail.sent}
        assert late == dict.fromkeys(map(str, range(60)), timedelta()), "each in the very second in which it came"
        slack.trouble = lambda _: None
        for _ in range(120):
            await one.pass_on()
            one.clock.time += timedelta(seconds=30)
        assert slack.alerts == mail.alerts == Counter({str(number): 1 for number in range(60)})
        assert not await DeadLetters(one.store).all()
