"""The version of what Redis keeps: written once, refused where it is newer, migrated by one process at a time."""

import subprocess
import sys
from pathlib import Path

import pytest
import redis

from monitor.store.version import MIGRATIONS, VERSION
from tests.daemon import configure, daemon, monitor, received
from tests.migrating import BEGUN, NEW, OLD
from tests.site import Reply, Site, item, rss, wait_until

LATEST = len(MIGRATIONS) + 1


def prepare(tmp_path: Path, site: Site, url: str) -> Path:
    site.replies |= {"/feed": Reply(rss(item("1", "A missile was fired"))), "/hook": Reply()}
    return configure(tmp_path, site, redis={"url": url, "lease": "1s"})


@pytest.mark.parametrize("words", ["run --once", "alerts list", "status"])
def test_a_newer_state_is_refused(words: str, tmp_path: Path, site: Site, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set(VERSION, LATEST + 1)
        result = monitor(*words.split(), "--config", prepare(tmp_path, site, redis_url))
        assert result.returncode == 2
        assert result.stderr.splitlines()[-1] == (
            f"redis: what it keeps is of version {LATEST + 1}, and this monitor knows versions up to {LATEST}; "
            "run the newer monitor again, or restore a backup from before the upgrade"
        )
        assert client.keys("*") == [VERSION.encode()], "nothing was touched"
    assert site.requests == []


def test_a_running_daemon_ends_where_a_newer_one_has_migrated(tmp_path: Path, site: Site, redis_url: str) -> None:
    log = tmp_path / "log"
    with daemon(prepare(tmp_path, site, redis_url), log=log) as process:
        wait_until(lambda: received(site))
        with redis.Redis.from_url(redis_url) as client:
            client.set(VERSION, LATEST + 1)
        assert process.wait(10) == 2
    assert f"redis: what it keeps is of version {LATEST + 1}, and" in log.read_text().splitlines()[-1]


def test_a_state_without_version_is_taken_as_it_is(tmp_path: Path, site: Site, redis_url: str) -> None:
    config = prepare(tmp_path, site, redis_url)
    with redis.Redis.from_url(redis_url) as client:
        for _ in range(2):
            assert monitor("run", "--config", config, "--once").returncode == 0
            assert client.get(VERSION) == b"1"
            client.delete(VERSION)
        listed = monitor("alerts", "list", "--config", config)
        assert client.get(VERSION) == b"1"
    assert "A missile was fired" in listed.stdout
    assert len(received(site)) == 1, "what was kept without a version is still known"


def migrate(url: str, name: str, last: int = 0) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tests.migrating", url, name, str(last)])


@pytest.mark.parametrize("version", [None, "1"])
def test_a_migration_that_is_killed_is_done_again(version: str | None, redis_url: str) -> None:
    values = {str(number): str(number) for number in range(9)}
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        client.hset(OLD, mapping=values)
        if version:
            client.set(VERSION, version)
        assert migrate(redis_url, "one", last=4).wait(20) == -9
        assert (client.get(VERSION), client.hlen(OLD), client.hlen(NEW)) == ("1", 5, 4)
        assert migrate(redis_url, "two").wait(20) == 0
        assert client.get(VERSION) == "3"
        assert client.hgetall(NEW) == {name: value * 2 for name, value in values.items()}
        assert client.lrange(BEGUN, 0, -1) == ["1", "1", "2"]
        assert migrate(redis_url, "three").wait(20) == 0
        assert client.llen(BEGUN) == 3, "once is enough"


def test_of_many_processes_one_migrates(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        client.hset(OLD, mapping={str(number): "x" for number in range(200)})
        processes = [migrate(redis_url, f"process {number}") for number in range(3)]
        assert [process.wait(30) for process in processes] == [0, 0, 0]
        assert client.lrange(BEGUN, 0, -1) == ["1", "2"]
        assert set(client.hvals(NEW)) == {"xx"}
        assert client.hlen(NEW) == 200
