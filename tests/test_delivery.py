"""From an outbox to its receiver, on a real Redis with a clock that the test moves: outages, poison, dead letters."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.alerts.build import trial
from monitor.alerts.retry import Circuit, RetryPolicy
from monitor.delivery import Deliverer
from monitor.errors import PermanentError, TemporaryError
from monitor.models import Notification
from monitor.store.dead import DeadLetters
from monitor.store.outbox import Delivery, Outbox, outbox_key
from monitor.store.redis import ALIVE, Store
from tests.daemon import configure, monitor, received
from tests.site import Reply, Site, item, rss

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@dataclass
class Clock:
    time: datetime = NOON

    def __call__(self) -> datetime:
        return self.time


@dataclass
class Desk:
    """A receiver: takes what it is sent, unless `trouble` says otherwise."""

    trouble: Callable[[Notification], Exception | None] = lambda _: None
    sent: list[Notification] = field(default_factory=list)
    tried: int = 0

    async def send(self, notification: Notification) -> str | None:
        self.tried += 1
        if error := self.trouble(notification):
            raise error
        self.sent.append(notification)
        return f"receipt {len(self.sent)}"


@dataclass
class Counter:
    """One receiver's outbox with a process that delivers it."""

    store: Store
    outbox: Outbox
    clock: Clock = field(default_factory=Clock)
    desk: Desk = field(default_factory=Desk)

    def deliverer(self) -> Deliverer:
        return Deliverer("desk", self.outbox, self.desk, now=self.clock, policy=RetryPolicy())  # type: ignore[arg-type]

    async def put(self, *notifications: Notification) -> None:
        for notification in notifications:
            body = Delivery(notification=notification).model_dump_json()
            await self.store.client.xadd(self.outbox.key, {"delivery": body})

    async def deliver(self, deliverer: Deliverer | None = None) -> None:
        deliverer = deliverer or self.deliverer()
        while await deliverer.step(None):
            pass


@pytest.fixture
async def counter(redis_url: str) -> AsyncIterator[Counter]:
    store = Store(redis_url, "one", timedelta(minutes=1))
    await store.sign_of_life()
    outbox = Outbox(store, "desk")
    await outbox.take_over()
    yield Counter(store, outbox)
    await store.close()


def told(number: int, **changes: Any) -> Notification:
    made = trial("desk", NOON + timedelta(seconds=number))
    return made.model_copy(update={"key": f"{number}.desk", **changes})


def down(_: Notification) -> Exception:
    return TemporaryError("HTTP 500")


async def test_an_outage_costs_few_attempts_and_nothing_is_lost(counter: Counter) -> None:
    await counter.put(*(told(number) for number in range(50)))
    deliverer, began = counter.deliverer(), counter.clock.time
    counter.desk.trouble = down
    while counter.clock.time < began + timedelta(minutes=10):
        await counter.deliver(deliverer)
        counter.clock.time += timedelta(seconds=1)
    assert 8 <= counter.desk.tried <= 12, "three, and then a probe now and then"
    counter.desk.trouble = lambda _: None
    while counter.clock.time < began + timedelta(minutes=30):
        await counter.deliver(deliverer)
        counter.clock.time += timedelta(seconds=5)
    assert sorted(int(one.key.split(".")[0]) for one in counter.desk.sent) == list(range(50))
    assert not await DeadLetters(counter.store).all()


async def test_a_clock_that_is_set_back_delays_no_further_attempt(counter: Counter) -> None:
    deliverer, counter.desk.trouble = counter.deliverer(), down
    await counter.deliver(deliverer)
    counter.clock.time -= timedelta(hours=1)
    await counter.put(told(1))
    await counter.deliver(deliverer)
    counter.desk.trouble = lambda _: None
    counter.clock.time += timedelta(seconds=10)
    await counter.deliver(deliverer)
    assert len(counter.desk.sent) == 1


async def test_a_receiver_that_says_when_is_left_alone_until_then(counter: Counter) -> None:
    await counter.put(told(1), told(2))
    deliverer = counter.deliverer()
    counter.desk.trouble = lambda _: TemporaryError("HTTP 429", retry_after=timedelta(seconds=30))
    await counter.deliver(deliverer)
    counter.desk.trouble = lambda _: None
    counter.clock.time += timedelta(seconds=29)
    await counter.deliver(deliverer)
    assert counter.desk.tried == 1
    counter.clock.time += timedelta(seconds=2)
    await counter.deliver(deliverer)
    assert [one.key for one in counter.desk.sent] == ["2.desk", "1.desk"]


@pytest.mark.parametrize("error", [TemporaryError("HTTP 500"), PermanentError("HTTP 400"), ValueError("a bug")])
async def test_one_poison_alert_stops_no_other(error: Exception, counter: Counter) -> None:
    await counter.put(*(told(number) for number in range(100)))
    counter.desk.trouble = lambda one: error if one.key == "40.desk" else None
    deliverer = counter.deliverer()
    await counter.deliver(deliverer)
    assert len(counter.desk.sent) == 99
    for _ in range(40):
        counter.clock.time += timedelta(hours=3)
        await counter.deliver(deliverer)
    [letter] = await DeadLetters(counter.store).all()
    assert letter.delivery
    assert (letter.receiver, letter.delivery.notification.key) == ("desk", "40.desk")
    assert str(error) in letter.reason
    assert ("after 20 attempts" in letter.reason) is not isinstance(error, PermanentError)


class Death(BaseException):
    """The end of a process."""


async def test_what_brings_its_process_down_is_given_up_and_what_was_read_with_it_is_sent(
    counter: Counter, redis_url: str
) -> None:
    await counter.put(*(told(number) for number in range(5)))

    def deadly(one: Notification) -> None:
        if one.key == "2.desk":
            raise Death

    counter.desk.trouble = deadly
    for number in range(6):
        store = Store(redis_url, f"mortal {number}", timedelta(minutes=1))
        await store.sign_of_life()
        mortal = Counter(store, Outbox(store, "desk"), desk=counter.desk)
        await mortal.outbox.take_over()
        with suppress(Death):
            await mortal.deliver()
        await store.client.delete(f"{ALIVE}{store.name}")
        await store.close()
    assert sorted(one.key for one in counter.desk.sent) == ["0.desk", "1.desk", "3.desk", "4.desk"]
    [letter] = await DeadLetters(counter.store).all()
    assert letter.reason == "3 processes died while they sent it"
    assert counter.desk.tried == 4 + 4, "once as any other, and three times as a suspect"


async def test_an_update_comes_with_the_receipt_of_what_it_updates(counter: Counter) -> None:
    first = told(1)
    await counter.put(first, first.model_copy(update={"key": "again", "kind": "update"}), told(2, kind="update"))
    await counter.deliver()
    alert = first.alerts[0].id
    assert [one.receipts for one in counter.desk.sent] == [{}, {alert: "receipt 1"}, {}]
    assert await counter.outbox.receipts([alert]) == {alert: "receipt 1"}, "the first one is the one to answer"


async def test_a_receiver_is_sent_no_more_than_its_pace_allows(counter: Counter) -> None:
    counter.desk.pace = 0.05  # type: ignore[attr-defined]
    counter.clock = RealClock()
    await counter.put(*(told(number) for number in range(6)))
    began = datetime.now(UTC)
    await counter.deliver()
    assert len(counter.desk.sent) == 6
    assert datetime.now(UTC) - began >= timedelta(seconds=0.25)


class RealClock(Clock):
    def __call__(self) -> datetime:
        return datetime.now(UTC)


async def test_what_cannot_be_read_is_a_dead_letter(counter: Counter) -> None:
    await counter.store.client.xadd(counter.outbox.key, {"delivery": "{}"})
    await counter.put(told(1))
    await counter.deliver()
    assert len(counter.desk.sent) == 1
    [letter] = await DeadLetters(counter.store).all()
    assert (letter.receiver, letter.body, letter.delivery) == ("desk", "{}", None)
    assert not await DeadLetters(counter.store).retry(letter)


async def test_a_dead_letter_is_sent_again_once_as_the_same_message(counter: Counter) -> None:
    counter.desk.trouble = lambda _: PermanentError("HTTP 400")
    await counter.put(told(1), told(2))
    await counter.deliver()
    letters, [first, second] = DeadLetters(counter.store), await DeadLetters(counter.store).all()
    assert await letters.drop(second)
    assert [await letters.retry(first) for _ in range(2)] == [True, False]
    counter.desk.trouble = lambda _: None
    await counter.deliver()
    assert [one.key for one in counter.desk.sent] == ["1.desk"]
    assert await letters.all() == []
    assert await counter.store.client.xlen(outbox_key("desk")) == 0


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([], 0),
        ([down, down], 0),
        ([down, down, down], 5),
        ([down] * 5, 20),
        ([down] * 20, 300),
        ([down, down, down, None], 0),
        ([down, down, PermanentError("HTTP 400"), down], 0),
        ([TemporaryError("HTTP 429", retry_after=timedelta(hours=1))], 3600),
    ],
)
def test_when_a_receiver_is_spared(errors: list[Any], expected: float) -> None:
    circuit = Circuit()
    for error in errors:
        circuit = circuit.after(error(told(0)) if callable(error) else error, NOON)
    assert circuit.wait(NOON).total_seconds() == expected
    assert circuit.wait(NOON + timedelta(hours=2)) == timedelta()


# As a user has it.


@pytest.mark.slow
def test_dead_letters_and_alerts_by_command(tmp_path: Path, site: Site) -> None:
    entries = rss(item("1", "Missile launch"), item("2", "A NATO summit"))
    site.replies |= {"/feed": Reply(entries), "/hook": Reply(b"no", 400)}
    config = configure(tmp_path, site, feeds=[{"url": f"{site.url}/feed", "full_text": "never"}])

    def said(*arguments: object, status: int = 0) -> str:
        result = monitor(*arguments, "--config", config)
        assert result.returncode == status, result.stderr
        assert "Traceback" not in result.stderr
        return result.stdout if status == 0 else result.stderr

    said("run", "--once")
    lines = said("dead", "list").splitlines()
    assert len(lines) == 2
    assert all("  hook  alert: " in line and line.endswith("HTTP 400") for line in lines)
    one = lines[0].split()[0]
    assert "HTTP 400" in said("dead", "show", one)
    assert json.loads(said("dead", "show", one, "--format", "ndjson"))["receivers"] == ["hook"]
    assert "no such dead letter" in said("dead", "drop", "1-1", status=2)
    assert "say --all" in said("dead", "retry", status=2)
    assert said("dead", "drop", one) == "dropped: 1 of 1\n"
    assert said("dead", "retry", "--all") == "put back: 1 of 1\n"
    site.replies["/hook"] = Reply()
    said("run", "--once")
    assert len(received(site)) == 3, "two that were refused, and one of them again"
    assert said("dead", "list") == ""

    listed = said("alerts", "list").splitlines()
    assert {line.split()[4] for line in listed} == {"missile", "nato"}
    assert len(said("alerts", "list", "--rule", "nato").splitlines()) == 1
    alert = json.loads(said("alerts", "list", "--rule", "nato", "--format", "ndjson"))
    shown = said("alerts", "show", alert["id"])
    assert "A [NATO] summit" in shown
    assert "title  NATO: NATO" in shown
    assert "monitor alerts list" in said("alerts", "show", "nonsense", status=2)
    assert '"soon" is no duration' in said("alerts", "list", "--since", "soon", status=2)
    assert '--since: "999999d" leads out of the calendar' in said("alerts", "list", "--since", "999999d", status=2)

    assert said("notify", "test", "hook") == "hook has taken it\n"
    assert received(site)[-1]["rule"] == "trial"
    assert 'did you mean "hook"' in said("notify", "test", "hok", status=2)
    site.replies["/hook"] = Reply(b"no", 500)
    assert "HTTP 500" in said("notify", "test", "hook", status=1)
