"""A receiver that has been failing: the others are told once, by one of all processes, and once when it is over."""

from datetime import timedelta
from pathlib import Path

import pytest
import redis

from monitor.alerts.retry import Streak
from monitor.config import Config, ReceiverConfig
from monitor.errors import PermanentError, StoreError
from monitor.selfwatch import SelfWatch, judge, told_to
from monitor.store.alerts import AlertStore
from monitor.store.redis import Store
from monitor.store.server import EmbeddedServer
from monitor.store.troubles import Trouble
from tests.daemon import configure, daemon, received
from tests.polling import NOW, Clock
from tests.polling import monitor as polling
from tests.routes import alert
from tests.site import Reply, Site, item, rss, wait_until

MINUTE = timedelta(minutes=1)
FAILED = Streak(3, "HTTP 503")


def well(minutes: float) -> Streak:
    return Streak(succeeded=NOW + minutes * MINUTE)


NEW, OLD, TOLD = Trouble(since=NOW), Trouble(since=NOW - 15 * MINUTE), Trouble(since=NOW - 60 * MINUTE, told=True)
VERDICTS = [
    ("never tried", Streak(), None, None),
    ("well", well(0), None, None),
    ("it begins", Streak(1, "x"), None, NEW),
    ("not for long", FAILED, Trouble(since=NOW - 14.9 * MINUTE), Trouble(since=NOW - 14.9 * MINUTE)),
    ("for long", FAILED, OLD, OLD.model_copy(update={"told": True})),
    ("two messages were refused in an hour", Streak(2, "x"), OLD, OLD),
    ("told once", FAILED, TOLD, TOLD),
    ("over", well(-1), TOLD, None),
    ("over before anybody was told", well(-1), OLD, None),
    ("it failed after another process had arrived", well(-70), TOLD, TOLD),
    ("a process that began a moment ago knows nothing", Streak(), TOLD, TOLD),
]


@pytest.mark.parametrize(("streak", "known", "expected"), [pytest.param(*row, id=name) for name, *row in VERDICTS])
def test_judge(streak: Streak, known: Trouble | None, expected: Trouble | None) -> None:
    assert judge(streak, known, NOW) == expected


def test_a_streak_is_of_failures_of_any_kind() -> None:
    streak = Streak().after(PermanentError("HTTP 404"), NOW).after(TimeoutError("slow"), NOW)
    assert streak == Streak(2, "slow", None)
    assert streak.after(None, NOW) == Streak(0, "", NOW)


@pytest.mark.parametrize(
    ("receivers", "route", "troubled", "told"),
    [
        ("desk mail hook", {}, "", "mail hook"),
        ("desk mail hook", {}, "mail", "hook"),
        ("desk mail hook", {"receiver": "mail"}, "", "mail"),
        ("desk mail hook", {"receiver": "desk"}, "", "mail hook"),
        ("desk mail hook", {"receiver": "desk"}, "mail", "hook"),
        ("desk mail", {}, "mail", "desk"),
        ("desk", {}, "", "desk"),
    ],
)
def test_who_is_told(receivers: str, route: dict[str, str], troubled: str, told: str) -> None:
    names = {name: ReceiverConfig(type="console") for name in receivers.split()}
    config = Config.model_validate({"receivers": names, "route": route})
    assert told_to(alert("1"), "desk", config, troubled.split()).receivers == tuple(told.split())


async def test_of_two_processes_one_tells_and_a_restart_changes_nothing(redis_url: str) -> None:
    names = {name: ReceiverConfig(type="console") for name in ("desk", "mail")}
    config, clock, streaks = Config(receivers=names), Clock(), {"desk": FAILED, "mail": Streak()}

    def watch(store: Store) -> SelfWatch:
        return SelfWatch(store, config, streaks=lambda: streaks, now=clock)

    async with polling(redis_url, "one") as one, polling(redis_url, "two") as two:
        first, second = watch(one.store), watch(two.store)
        for minutes in range(0, 60, 5):
            clock.time = NOW + minutes * MINUTE
            first = watch(one.store) if minutes % 10 else first  # started again
            await first.step()
            await second.step()
        said = [(each["title"], each["level"], each["receivers"]) for each in await one.alerts()]
        assert said == [("receiver desk has been failing for 15m: HTTP 503", "medium", ["mail"])]
        streaks["desk"] = Streak(succeeded=clock.time)
        for _ in range(3):
            await first.step()
            await second.step()
        said = [(each["title"], each["level"], each["rule"]) for each in await one.alerts()]
        assert said[1:] == [("receiver desk works again, after 55m", "info", "monitor-health")]


async def test_what_is_wrong_with_files_is_told_once_redis_answers(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server:
        url = server.url
    server.wait_until_stopped()
    stores = [Store(url, f"host.{number}.abc", timedelta(seconds=30)) for number in range(2)]
    watch, other = (SelfWatch(store, Config(), streaks=dict, now=Clock()) for store in stores)
    with pytest.raises(StoreError):
        await watch.files_read(["a.yaml:1:1: this", "a.yaml:2:1: that"])
    with EmbeddedServer(tmp_path):
        for each in (watch, other, watch):
            await each.step()
        await other.files_read([])
        await watch.step()
        said = [alert.title for alert in await AlertStore(stores[0]).latest(9)]
        for store in stores:
            await store.close()
    assert said == [
        "configuration: read again, all is well",
        "configuration: changed files are wrong, what was in effect goes on: a.yaml:1:1: this (and 1 more)",
    ]


@pytest.mark.slow
def test_daemons_tell_the_other_receiver_once(tmp_path: Path, site: Site, redis_url: str) -> None:
    """Two daemons share a receiver that has failed for a while when they start, and that comes back."""
    site.replies |= {"/down": Reply(status=503), "/hook": Reply()}
    site.replies["/feed"] = Reply(rss(*(item(str(number), f"Missile {number} of {number}") for number in range(8))))
    names = ("down", "hook")
    receivers = {name: {"type": "webhook", "url": f"{site.url}/{name}"} for name in names}
    file = configure(tmp_path, site, redis={"url": redis_url, "lease": "1s"}, receivers=receivers)

    def told() -> list[str]:
        return [each["title"] for each in received(site) if each["rule"] == "monitor-health"]

    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        # As if an earlier run had seen it fail a quarter of an hour ago.
        client.hset("{monitor}:troubles", "receiver:down", Trouble(since=NOW - timedelta(days=1)).model_dump_json())
        with daemon(file, log=tmp_path / "one"), daemon(file, log=tmp_path / "two"):
            wait_until(told, 40)
            site.replies["/down"] = Reply()
            wait_until(lambda: len(told()) == 2, 60)
            wait_until(lambda: not client.hgetall("{monitor}:troubles"))
    assert told()[0].startswith("receiver down has been failing for ")
    assert told()[0].endswith(": HTTP 503")
    assert told()[1].startswith("receiver down works again")
    assert len(told()) == 2
