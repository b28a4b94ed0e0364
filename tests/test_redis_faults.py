"""Whatever happens to Redis under load: said once, over within seconds of its end, and nothing is lost by it."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from monitor.store.server import EmbeddedServer
from tests.daemon import configure, received
from tests.mortal import SHEAF, Life, live
from tests.site import Reply, Site, wait_until
from tests.test_deaths import keys, stopped

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

SHEAVES = 60
BINARIES = [None, *(path for path in ["/usr/bin/redis-server"] if Path(path).exists())]  # None: the embedded one
TROUBLE = "nothing is lost, trying again"


class Redis:
    """A server that a test does harm to."""

    def __init__(self, folder: Path, binary: str | None) -> None:
        self.embedded = EmbeddedServer(folder, binary)
        self.embedded.__enter__()
        self.url = self.embedded.url
        self.client: Any = redis.Redis.from_url(self.url)
        self.pid = 0

    def signal(self, number: signal.Signals) -> None:
        self.pid = self.pid or self.client.info("server")["process_id"]
        os.kill(self.pid, number)

    def shut_down(self) -> None:
        with suppress(redis.ConnectionError):
            self.client.shutdown()

    def close(self) -> None:
        self.client.close()
        self.embedded.__exit__(None, None, None)
        self.embedded.wait_until_stopped()


@pytest.fixture(params=BINARIES, ids=lambda binary: "redis" if binary else "embedded")
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path / "redis", request.param)
    yield server
    server.close()


Act = Callable[[Redis], object]
FAULTS: dict[str, tuple[Act, Act]] = {  # how each begins and ends
    "restarted": (Redis.shut_down, lambda server: server.embedded.ensure()),
    "killed": (lambda server: server.signal(signal.SIGKILL), lambda server: server.embedded.ensure()),
    "paused": (lambda server: server.signal(signal.SIGSTOP), lambda server: server.signal(signal.SIGCONT)),
    "full": (
        lambda server: server.client.config_set("maxmemory", 1),
        lambda server: server.client.config_set("maxmemory", 0),
    ),
    "read-only": (
        lambda server: server.client.replicaof("127.0.0.1", 1),
        lambda server: server.client.replicaof("NO", "ONE"),
    ),
}


def prepare(folder: Path, site: Site, url: str) -> Path:
    site.replies["/hook"] = Reply()
    feeds = [{"url": f"http://sheaves.example/{number}", "every": "1s"} for number in range(SHEAVES)]
    return configure(folder, site, feeds=feeds, redis={"url": url, "lease": "4s"})


def suffer(
    fault: str, server: Redis, config: Path, site: Site, *, life: Life, lasting: Callable[[Path], object]
) -> float:
    """Begin a life, let it suffer as long as `lasting` takes, and let it deliver all.

    Returns the seconds from the fault's end until another alert came.
    """
    log, (begin, end) = config.parent / "log", FAULTS[fault]
    process = live(config, log, life)
    wait_until(lambda: len(keys(site)) > 100)
    begin(server)
    lasting(log)
    before = len(site.asked("/hook"))
    assert before < SHEAVES * SHEAF, "there is still something to be delivered"
    end(server)
    ended = time.monotonic()
    wait_until(lambda: len(site.asked("/hook")) > before)
    recovered = time.monotonic() - ended
    wait_until(lambda: len(keys(site)) == SHEAVES * SHEAF)
    stopped(process)
    return recovered


@pytest.mark.parametrize("fault", FAULTS)
def test_redis_comes_back_and_nothing_is_lost_or_repeated(
    fault: str, server: Redis, tmp_path: Path, site: Site
) -> None:
    config = prepare(tmp_path, site, server.url)
    life = Life(apart=0.05, patience=1.5)
    recovered = suffer(
        fault, server, config, site, life=life, lasting=lambda log: wait_until(lambda: TROUBLE in log.read_text())
    )
    print(f"{fault}: another alert {recovered:.2f} s after its end")
    assert recovered < 5
    assert len(received(site)) == SHEAVES * SHEAF, "none twice: what was sent is known, though it could not be noted"
    log = (tmp_path / "log").read_text()
    assert log.count(TROUBLE) == 1
    assert log.count("ERROR") == 1, log
    assert "Traceback" not in log


def test_what_is_flushed_comes_again_under_its_own_key(server: Redis, tmp_path: Path, site: Site) -> None:
    process = live(prepare(tmp_path, site, server.url), tmp_path / "log", Life(apart=0.05))
    wait_until(lambda: len(keys(site)) > 100)
    server.client.flushall()
    flushed = time.monotonic()
    again = len(site.asked("/hook"))
    wait_until(lambda: len(site.asked("/hook")) > again)
    assert time.monotonic() - flushed < 5
    wait_until(lambda: len(keys(site)) == SHEAVES * SHEAF)
    stopped(process)
    assert len({alert["document"] for alert in received(site)}) == SHEAVES * SHEAF, "the feeds held them all"
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_server_that_may_drop_alerts_is_refused(server: Redis, tmp_path: Path, site: Site) -> None:
    server.client.config_set("maxmemory-policy", "allkeys-lru")
    log = tmp_path / "log"
    process = live(prepare(tmp_path, site, server.url), log)
    said = "Redis: maxmemory-policy is allkeys-lru, which deletes alerts; set it to noeviction"
    wait_until(lambda: log.exists() and said in log.read_text())
    assert not server.client.keys("*"), "it has begun nothing"
    server.client.config_set("maxmemory-policy", "noeviction")
    wait_until(lambda: site.asked("/hook"))
    stopped(process)


@pytest.mark.timeout(240)
def test_redis_is_paused_for_a_minute(tmp_path: Path, site: Site) -> None:
    server = Redis(tmp_path / "redis", None)
    try:
        config, life = prepare(tmp_path, site, server.url), Life(apart=0.05)
        resumed = time.monotonic() + 60
        recovered = suffer(
            "paused", server, config, site, life=life,
            lasting=lambda _: wait_until(lambda: time.monotonic() > resumed, 70),
        )  # fmt: skip
    finally:
        server.close()
    print(f"another alert {recovered:.2f} s after a pause of a minute")
    assert recovered < 5
    assert len(received(site)) == SHEAVES * SHEAF
    assert 1 <= (tmp_path / "log").read_text().count(TROUBLE) <= 2, "a line a minute"


@pytest.mark.parametrize("late", [0.0, 3.0], ids=["at once", "after a while"])
def test_sigterm_while_redis_is_paused_ends_it_in_time(server: Redis, tmp_path: Path, site: Site, late: float) -> None:
    """With the daemon's own patience with Redis, which is longer than a stop may take."""
    config, log = prepare(tmp_path, site, server.url), tmp_path / "log"
    process = live(config, log, Life(apart=0.02))
    wait_until(lambda: len(keys(site)) > 100)
    server.signal(signal.SIGSTOP)
    resumed = time.monotonic() + late
    wait_until(lambda: time.monotonic() >= resumed)
    before = log.read_text()
    took = stopped(process)
    server.signal(signal.SIGCONT)
    print(f"ended {took:.2f} s after SIGTERM")
    assert took < 10
    said = [line for line in log.read_text().removeprefix(before).splitlines() if not line.startswith("INFO")]
    print(*said, sep="\n")
    assert len(said) == 1, said
    last = live(config, log)
    wait_until(lambda: len(keys(site)) == SHEAVES * SHEAF, 30)
    stopped(last)
    twice = len(received(site)) - SHEAVES * SHEAF
    assert twice <= 1, "at most what was in flight"
