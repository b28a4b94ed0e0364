"""kill -9 between any two steps, then a start: every alert reaches its receiver, each under one key."""

import random
import signal
from pathlib import Path

import pytest
import redis

from tests.crashing import run_once
from tests.daemon import configure, end_leases, received
from tests.site import Reply, Site, item, rss

pytestmark = pytest.mark.slow  # each starts processes of its own

ENTRIES = 3


def prepare(tmp_path: Path, site: Site, redis_url: str) -> Path:
    items = [item(str(number), f"Missile number {number}", "NATO reacts.") for number in range(ENTRIES)]
    site.replies |= {"/feed": Reply(rss(*items)), "/hook": Reply()}
    return configure(tmp_path, site, redis={"url": redis_url})


def assert_nothing_is_lost(config: Path, site: Site) -> None:
    status, _ = run_once(config)
    assert status == 0
    alerts = {(alert["rule"], alert["document"]) for alert in received(site)}
    assert alerts == {(rule, str(number)) for rule in ("missile", "nato") for number in range(ENTRIES)}
    keys = [request.headers["webhook-id"] for request in site.asked("/hook")]
    assert len(set(keys)) == 2 * ENTRIES
    assert len(keys) - len(set(keys)) <= 1, "no more than the one in flight may come twice"


def crash_at(steps: list[int], config: Path, site: Site, redis_url: str) -> None:
    reached = 0
    for step in steps:
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        site.requests.clear()
        reached += run_once(config, step)[0] == -signal.SIGKILL
        end_leases(redis_url)
        assert_nothing_is_lost(config, site)
    # How many steps there are varies a little with the signs of life that the machine's pace lets in between.
    assert reached >= 0.75 * len(steps)


def count_steps(config: Path) -> int:
    status, steps = run_once(config)
    assert status == 0
    return steps


def test_kill_at_a_few_steps(tmp_path: Path, site: Site, redis_url: str) -> None:
    config = prepare(tmp_path, site, redis_url)
    steps = count_steps(config)
    crash_at(random.Random(2).sample(range(1, steps * 6 // 10), 4), config, site, redis_url)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kill_at_many_steps(tmp_path: Path, site: Site, redis_url: str) -> None:
    config = prepare(tmp_path, site, redis_url)
    steps = count_steps(config)
    chosen = random.Random(7).sample(range(1, steps * 6 // 10), 30)
    crash_at(sorted(chosen), config, site, redis_url)
