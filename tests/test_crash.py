"""kill -9 between any two steps, then a start: every alert reaches its receiver, each under one key."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from tests.daemon import configure, monitor, received
from tests.site import Reply, Site, item, rss

pytestmark = pytest.mark.slow  # each starts processes of its own

ENTRIES = 3


def run_until(step: int, config: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.crashing", str(config), str(step)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def prepare(tmp_path: Path, site: Site, redis_url: str) -> Path:
    items = [item(str(number), f"Missile number {number}", "NATO reacts.") for number in range(ENTRIES)]
    site.replies |= {"/feed": Reply(rss(*items)), "/hook": Reply()}
    # A lease so short that the next start takes over at once; it only has to outlast the life-signs' pauses.
    return configure(tmp_path, site, redis={"url": redis_url, "lease": "1s"})


def assert_nothing_is_lost(config: Path, site: Site) -> None:
    result = monitor("run", "--config", config, "--once")
    assert result.returncode == 0, result.stderr
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
        reached += run_until(step, config).returncode == -9
        assert_nothing_is_lost(config, site)
    # How many steps there are varies a little with the signs of life that the machine's pace lets in between.
    assert reached >= 0.75 * len(steps)


def count_steps(config: Path) -> int:
    result = run_until(0, config)
    assert result.returncode == 0, result.stderr
    return int(result.stdout)


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
