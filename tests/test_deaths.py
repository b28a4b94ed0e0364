"""Two thousand alerts by way of many short lives: what kill -9 and SIGTERM leave behind is delivered by the next."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from tests.daemon import configure, end_leases, received
from tests.mortal import SHEAF, Life, live
from tests.site import Reply, Site, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ALERTS = 2_000
AHEAD = 2  # sendings that a kill may repeat: the one under way, and the one before it that was being noted


def prepare(folder: Path, site: Site, redis_url: str, alerts: int = ALERTS) -> Path:
    """A configuration whose every feed is a sheaf of alerts."""
    site.replies["/hook"] = Reply()
    feeds = [{"url": f"http://sheaves.example/{number}"} for number in range(alerts // SHEAF)]
    return configure(folder, site, feeds=feeds, redis={"url": redis_url, "lease": "2s"})


def documents(site: Site) -> Counter[str]:
    return Counter(alert["document"] for alert in received(site))


def keys(site: Site) -> set[str]:
    return {request.headers["webhook-id"] for request in site.asked("/hook")}


def ended(life: ForkServerProcess) -> int:
    life.join(20)
    assert life.exitcode is not None, "it neither dies nor ends"
    return life.exitcode


def stopped(life: ForkServerProcess) -> float:
    """Send SIGTERM; returns how many seconds the end takes."""
    began = time.monotonic()
    assert life.pid
    os.kill(life.pid, signal.SIGTERM)
    assert ended(life) == 0
    return time.monotonic() - began


def all_arrive(site: Site, life: Callable[[], ForkServerProcess]) -> None:
    last = life()
    wait_until(lambda: len(keys(site)) == ALERTS, 60)
    stopped(last)
    assert set(documents(site)) == {str(number) for number in range(ALERTS)}, "0 lost"
    assert len(keys(site)) == ALERTS, "each under one key, however often it was sent"


def test_200_kills_lose_nothing_and_repeat_only_what_was_in_flight(tmp_path: Path, site: Site, redis_url: str) -> None:
    config, chance = prepare(tmp_path, site, redis_url), random.Random(6)
    kills = 0
    for _ in range(200):
        kills += ended(live(config, tmp_path / "log", Life(chance.randint(1, 80)))) == -signal.SIGKILL
        end_leases(redis_url)
    assert kills == 200, "all of them before the work was done"
    before = len(keys(site))
    assert 1_000 < before < ALERTS, "they fell into the work"
    all_arrive(site, lambda: live(config, tmp_path / "log"))
    repeats = len(site.asked("/hook")) - ALERTS
    print(f"{repeats} of {ALERTS} repeated by {kills} kills, {before} delivered before the last")
    assert 0 < repeats <= AHEAD * kills
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_50_stops_lose_and_repeat_nothing(tmp_path: Path, site: Site, redis_url: str) -> None:
    config, chance = prepare(tmp_path, site, redis_url), random.Random(8)
    site.replies["/hook"] = lambda _: Reply(wait=lambda: time.sleep(chance.uniform(0, 0.06)))
    longest = 0.0
    for _ in range(50):
        before = len(site.asked("/hook"))
        life = live(config, tmp_path / "log")
        wait_until(lambda: len(site.asked("/hook")) >= min(before + chance.randint(1, 9), ALERTS))  # noqa: B023
        longest = max(longest, stopped(life))
    print(f"{len(keys(site))} delivered by 50 lives, the longest end took {longest:.1f} s")
    assert longest < 10
    site.replies["/hook"] = Reply()
    all_arrive(site, lambda: live(config, tmp_path / "log"))
    assert set(documents(site).values()) == {1}, "0 repeated"
    assert "Traceback" not in (tmp_path / "log").read_text()
