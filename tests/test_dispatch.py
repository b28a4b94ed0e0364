"""Dispatch on a real Redis: what is held survives a restart, nothing goes twice, and what is not told has a reason."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from monitor.alerts.groups import after
from monitor.alerts.rehearse import rehearse
from monitor.alerts.routing import tree_of
from monitor.alerts.silences import Silence
from monitor.config import Config
from monitor.config.matchers import parse_matcher
from monitor.dispatch import Dispatcher
from monitor.models import Alert, Notification, When
from monitor.store.alerts import AlertStore
from monitor.store.feeds import FeedStore
from monitor.store.outbox import Delivery, outbox_key
from monitor.store.redis import Store
from monitor.store.routes import Ledger, waiting
from monitor.store.silences import SilenceStore
from tests.daemon import configure, monitor, received
from tests.routes import alert, config
from tests.site import Reply, Site, item, rss

FEED = "https://news.example/feed"
NIGHT = "{time_intervals: {night: {times: '22:00-07:00'}}, route: {receiver: a, mute_times: night}}"


@dataclass
class Clock:
    time: datetime = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def at(self, text: str) -> None:
        """Go to a day and time of November 2026: `24 07:00`."""
        self.time = datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=UTC)


@dataclass
class Office:
    """What dispatches, and who publishes; `restart` forgets all that is not in Redis."""

    store: Store
    clock: Clock = field(default_factory=Clock)
    config: Config = field(default_factory=lambda: config("{route: {receiver: a}}"))
    dispatcher: Dispatcher = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self, text: str = "") -> None:
        self.config = config(text) if text else self.config
        self.dispatcher = Dispatcher(self.store, self.config, self.clock)

    async def publish(self, *members: Alert) -> None:
        feeds = FeedStore(self.store)
        assert (await feeds.claim(FEED)).ours
        seen = {"first_seen": self.clock.time, "last_seen": self.clock.time}
        await feeds.write(FEED, b"", [member.model_copy(update=seen) for member in members], done=True)

    async def sent(self) -> list[str]:
        """What has come to the outboxes since this was last asked: `receiver kind alerts`."""
        while await self.dispatcher.step(None):
            pass
        found = []
        for name in ("a", "b", "c"):
            for identifier, fields in await self.store.client.xrange(outbox_key(name)):
                note = Delivery.model_validate_json(fields["delivery"]).notification
                found.append(f"{name} {note.kind} {_told(note)}")
                await self.store.client.xdel(outbox_key(name), identifier)
        return found

    async def reasons(self, alert_id: str) -> list[str]:
        return [entry.reason for entry in await Ledger(self.store).of(alert_id)]


def _told(note: Notification) -> str:
    return " ".join(f"{each.id}x{len(each.documents)}" for each in note.alerts) or note.text


def member(name: str, number: int = 1, **said: Any) -> Alert:
    document = f"{name}.{number}"
    return alert(name).model_copy(update={"document": document, "documents": (document,)} | said)


@pytest.fixture
async def office(redis_url: str) -> AsyncIterator[Office]:
    store = Store(redis_url, "one", timedelta(minutes=1))
    await store.sign_of_life()
    made = Office(store)
    await made.dispatcher.alerts.take_over()
    yield made
    await store.close()


async def test_a_new_alert_goes_at_once_and_its_updates_are_gathered(office: Office) -> None:
    await office.publish(member("x"))
    assert await office.sent() == ["a alert xx1"]
    await office.publish(member("x", 2), member("x", 3))
    assert await office.sent() == []
    assert await office.reasons("x") == ["grouped"]
    office.clock.time += timedelta(minutes=10)
    assert await office.sent() == ["a update xx3"]
    office.clock.time += timedelta(days=1)
    assert await office.sent() == [], "nothing repeats"


async def test_what_a_quiet_night_holds_is_sent_in_the_morning_whatever_restarts_between(office: Office) -> None:
    office.restart(NIGHT)
    office.clock.at("23 23:00")
    await office.publish(member("x"), member("y"))
    assert await office.sent() == []
    held = await waiting(office.store, office.dispatcher._tree, office.clock.time)
    assert {(one.id, hold.reason, f"{hold.until:%d %H:%M}") for one, _, hold in held} == {
        ("x", "muted", "24 07:00"), ("y", "muted", "24 07:00"),
    }  # fmt: skip
    office.clock.at("24 06:59")
    office.restart()
    assert await office.sent() == []
    office.clock.at("24 07:00")
    office.restart()
    assert await office.sent() == ["a alert xx1", "a alert yx1"]
    office.restart()
    assert await office.sent() == []
    assert await office.reasons("x") == ["muted"]


async def test_what_waits_at_a_route_that_is_no_more_is_sent(office: Office) -> None:
    office.restart(NIGHT)
    office.clock.at("23 23:00")
    await office.publish(member("x"), member("z", receivers=("c",)))
    assert await office.sent() == []
    office.restart("{time_intervals: {night: {times: '22:00-07:00'}}, route: {receiver: b, mute_times: night}}")
    assert await office.sent() == ["a alert xx1"]
    office.clock.at("24 07:00")
    assert await office.sent() == ["c alert zx1"], "what a rule itself names is no route of the tree"


async def test_of_several_that_dispatch_at_once_each_alert_goes_once(office: Office, redis_url: str) -> None:
    office.restart("{route: {receiver: a, group_by: [], group_wait: 1s}}")
    others = [Store(redis_url, name, timedelta(minutes=1)) for name in ("two", "three")]
    for store in others:
        await store.sign_of_life()
    crew = [office.dispatcher, *(Dispatcher(store, office.config, office.clock) for store in others)]
    names = [f"n{number}" for number in range(200)]

    async def work(dispatcher: Dispatcher) -> None:
        while await dispatcher.step(None):
            pass

    for start in range(0, 200, 40):
        await office.publish(*map(member, names[start : start + 40]))
        await asyncio.gather(*map(work, crew))
    office.clock.time += timedelta(seconds=2)
    await asyncio.gather(*map(work, crew))
    told = " ".join(await office.sent()).split()
    assert sorted(word.removesuffix("x1") for word in told if word.startswith("n")) == sorted(names)
    for store in others:
        await store.close()


async def test_silences_and_inhibition_leave_a_reason(office: Office) -> None:
    office.restart("{route: {receiver: a}, inhibit_rules: [{source_matchers: level=high, target_matchers: level=low}]}")
    now = office.clock.time
    quiet = Silence(
        id="s1", matchers=(parse_matcher("tag=markets"),), starts=now, ends=now + timedelta(hours=1), comment="holiday"
    )
    await SilenceStore(office.store).put(quiet, now)
    await office.publish(
        member("m", tags=("markets",)), member("h", level="high", story="s"), member("l", level="low", story="s"),
        member("other", level="low", story="t"),
    )  # fmt: skip
    assert await office.sent() == ["a alert hx1", "a alert otherx1"]
    assert await office.reasons("m") == ["silenced"]
    assert await office.reasons("l") == ["inhibited"]
    office.clock.time += timedelta(hours=1)
    await office.publish(member("m", 2, tags=("markets",)), member("l", 2, level="low", story="s"))
    assert await office.sent() == ["a alert mx2"]
    office.clock.time += timedelta(days=4)
    await office.publish(member("l", 3, level="low", story="s"))
    assert await office.sent() == ["a alert lx3"]


async def test_what_waits_for_corroboration_says_how_far_it_is(office: Office) -> None:
    when = When(sources=2, within=timedelta(hours=2))
    await office.publish(member("x", source="A", sources=("A",), when=when))
    assert await office.sent() == []
    [entry] = await Ledger(office.store).of("x")
    assert (entry.reason, entry.detail) == ("below threshold", "1 of 2 sources within 2 h")
    assert await AlertStore(office.store).get("x") is None
    await office.publish(member("x", 2, source="B", sources=("B",), when=when))
    assert await office.sent() == ["a alert xx2"]


async def test_an_alert_that_breaks_dispatch_stops_no_other(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def tripping(state: Any, arrived: Alert, *rest: Any) -> Any:
        if arrived.id == "bad":
            raise RuntimeError("tripped")
        return after(state, arrived, *rest)

    monkeypatch.setattr("monitor.alerts.plan.after", tripping)
    await office.publish(*(member(name) for name in ("x", "bad", "y")))
    assert await office.sent() == ["a alert xx1", "a alert yx1"]
    assert "the alert is passed over" in caplog.text
    await office.store.client.xadd(office.dispatcher.alerts.key, {"alert": "{}"})
    await office.publish(member("z"))
    assert await office.sent() == ["a alert zx1"]


def test_the_same_on_a_virtual_clock() -> None:
    settings = config(
        "{time_intervals: {night: {times: '22:00-07:00'}}, route: {receiver: a, mute_times: night, routes: "
        "[{matchers: level=critical, receiver: b, mute_times: []}]}, "
        "inhibit_rules: [{source_matchers: level=critical, target_matchers: level=low}]}"
    )
    times = [datetime(2026, 11, 23, hour, tzinfo=UTC) for hour in (12, 23)]
    seen: list[dict[str, Any]] = [{"first_seen": time, "last_seen": time, "story": "s"} for time in times]
    events = [
        (times[1], member("c", level="critical", **seen[1])),
        (times[0], member("x", **seen[0])),
        (times[1], alert("x", 3, **seen[1])),
        (times[1], member("l", level="low", **seen[1])),
    ]
    played = [f"{time:%d %H:%M} {note.receiver} {note.kind} {_told(note)}"
              for time, note in rehearse(events, tree_of(settings), settings.inhibit_rules)]  # fmt: skip
    assert played == ["23 12:00 a alert xx1", "23 23:00 b alert cx1", "24 07:00 a update xx3"]


async def test_whatever_one_source_tells_another_still_confirms_it(office: Office) -> None:
    """More than an alert keeps, again and again; what confirms it comes soon after the last of them alone."""
    when = When(sources=2, within=timedelta(hours=1))
    for batch in range(5):
        told = [member("x", 300 * batch + number, when=when, sources=("Antara",)) for number in range(300)]
        await office.publish(*told)
        assert await office.sent() == []
        assert await office.store.client.hlen("{monitor}:alert:x") <= 800
        office.clock.time += timedelta(minutes=50)
    await office.publish(member("x", 9_999, when=when, sources=("Yonhap",)))
    [sent] = await office.sent()
    assert sent.startswith("a alert xx")
    alert = await AlertStore(office.store).get("x")
    assert alert
    assert (alert.documents[0], alert.documents[-1], alert.sources) == ("x.0", "x.9999", ("Antara", "Yonhap"))
    await office.publish(*(member("x", 10_000 + number, when=when, sources=("Antara",)) for number in range(1_200)))
    await office.sent()
    assert await office.store.client.hlen("{monitor}:alert:x") == 1_000, "and it does not grow for ever"
    assert await AlertStore(office.store).get("x")


# As a user has it.


@pytest.mark.slow
def test_replay_shows_what_would_have_been_sent(tmp_path: Path) -> None:
    articles = [("2026-11-23T23:10:00Z", "A missile was fired"), ("2026-11-23T12:00:00Z", "A missile was tested")]
    lines = [json.dumps({"id": time, "text": f"{text} in {time}.", "published": time}) for time, text in articles]
    (tmp_path / "told.jsonl").write_text("\n".join(lines))
    (tmp_path / "rules.yaml").write_text("rules: [missile]")
    night = "time_intervals: {night: {times: '22:00-07:00'}}\nroute: {mute_times: night}\nrules: rules.yaml\n"
    (tmp_path / "monitor.yaml").write_text(night)
    command = ["replay", tmp_path / "told.jsonl", "--deliveries", "--config", tmp_path / "monitor.yaml"]
    said = monitor(*command)
    assert said.returncode == 0, said.stderr
    assert [line.split("  ")[:2] for line in said.stdout.splitlines()] == [
        ["2026-11-23 12:00:00", "console"], ["2026-11-24 07:00:00", "console"],
    ]  # fmt: skip
    messages = [json.loads(line) for line in monitor(*command, "--format", "ndjson").stdout.splitlines()]
    assert [(each["at"], each["kind"], len(each["alerts"])) for each in messages] == [
        ("2026-11-23T12:00:00+00:00", "alert", 1), ("2026-11-24T07:00:00+00:00", "alert", 1),
    ]  # fmt: skip


@pytest.mark.slow
def test_a_match_that_was_too_old_is_in_the_ledger(tmp_path: Path, site: Site) -> None:
    old = format_datetime(datetime.now(UTC) - timedelta(hours=5))
    entry = item("1", "A missile launch", "", f"{site.url}/launch")
    entry = entry.replace("</item>", f"<pubDate>{old}</pubDate></item>")
    site.replies |= {"/feed": Reply(rss(entry)), "/hook": Reply()}
    setup = configure(tmp_path, site, feeds=[{"url": f"{site.url}/feed", "full_text": "never"}])
    (tmp_path / "rules.yaml").write_text("rules: [{id: missile, match: missile, scope: {max_age: 2h}}]")
    assert monitor("run", "--once", "--config", setup).returncode == 0
    assert received(site) == []
    said = monitor("why-not", f"{site.url}/launch", "--config", setup).stdout
    assert "missile: too old  for its rule's max_age, 2h" in said.splitlines()[-1]


@pytest.mark.slow
def test_silence_and_why_not_by_command(tmp_path: Path, site: Site) -> None:
    entries = [
        item("1", "Missile launch", "", f"{site.url}/launch"),
        item("2", "A NATO summit", "", f"{site.url}/nato"),
    ]
    page = b"<html lang=en><body><article><p>The mayor opened a new bridge over the river today.</p></article></body>"
    site.replies |= {
        "/feed": Reply(rss(*entries)),
        "/hook": Reply(),
        "/bridge": Reply(page),
        "/robots.txt": Reply(b"", 404),
    }
    setup = configure(tmp_path, site, feeds=[{"url": f"{site.url}/feed", "full_text": "never"}])

    def said(*arguments: object, status: int = 0) -> str:
        result = monitor(*arguments, "--config", setup)
        assert result.returncode == status, result.stderr
        assert "Traceback" not in result.stderr
        return result.stdout + result.stderr

    number = said("silence", "add", "rule=nato", "--for", "8h", "--comment", "summit week", "--author", "desk").split()[
        0
    ]
    assert "rule=nato  desk  summit week" in said("silence", "list")
    said("run", "--once")
    assert [each["rule"] for each in received(site)] == ["missile"]
    preview = said("silence", "preview", "rule=missile")
    assert "would have hidden 1 of the 2 alerts of 7 days" in preview
    assert "issile] launch" in preview

    lines = said("why-not", f"{site.url}/nato").splitlines()
    assert lines[0] == "seen         in 127.0.0.1"
    assert lines[-1].startswith("first stop   delivery: silenced")
    assert f"by silence {number} until" in "\n".join(lines)
    assert said("why-not", f"{site.url}/launch").splitlines()[-1] == "first stop   nowhere: it arrived, or would"
    bridge = said("why-not", f"{site.url}/bridge")
    assert "first stop   seen: in none of the 1 feeds, as far as they remember" in bridge
    assert "rule         missile: lacks missile" in bridge
    assert "fetched      HTTP 200" in bridge
    assert "first stop   rules: none of the 2 raises an alert" in said("why-not", "The mayor opened a bridge")
    assert "route        missile: hook by route: at once" in said("why-not", "The army fired a missile")
    alert_id = json.loads(said("alerts", "list", "--rule", "missile", "--format", "ndjson"))["id"]
    assert "hook: sent " in said("why-not", alert_id)
    assert "no alert of the last 30 days" in said("why-not", "0" * 24, status=2)

    assert said("silence", "expire", number) == f"{number} has ended\n"
    assert "no silences" in said("silence", "list")
    assert "ended" in said("silence", "list", "--all")
    assert "no such silence" in said("silence", "expire", number, status=2)
    assert 'did you mean "rule"' in said("silence", "add", "rul=x", "--for", "1h", status=2)
    assert "is no duration" in said("silence", "add", "rule=x", "--for", "soon", status=2)
    assert "out of the calendar" in said("silence", "add", "rule=x", "--for", "9999999d", status=2)
    assert "no alerts wait" in said("alerts", "list", "--waiting")
