"""What the service manager hears: a real unix datagram socket in its place."""

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitor import app, config, notifiers
from monitor.condition import Condition
from monitor.config import FeedConfig
from monitor.schedule import Schedule
from monitor.sdnotify import notify, ping, watchdog
from monitor.supervise import Troubles
from tests.daemon import configure
from tests.site import Reply, Site, item, rss, wait_until


class Manager:
    """Listens where NOTIFY_SOCKET says."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1) if address[0] == "@" else address)
        self.environ = {"NOTIFY_SOCKET": address}
        self.heard: list[str] = []

    def listen(self) -> list[str]:
        """Everything said so far, a line each."""
        with suppress(BlockingIOError):
            while True:
                self.heard += self.socket.recv(4096, socket.MSG_DONTWAIT).decode().splitlines()
        return self.heard

    def pings(self) -> int:
        return self.listen().count("WATCHDOG=1")


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@monitor-test-{os.getpid()}"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


def test_lines_reach_the_socket(address: str) -> None:
    manager = Manager(address)
    assert notify("READY=1", "STATUS=well", environ=manager.environ)
    assert manager.listen() == ["READY=1", "STATUS=well"]
    manager.socket.close()


def test_without_a_file_descriptor_nothing_is_said_and_nothing_breaks(manager: Manager) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        assert not notify("READY=1", environ=manager.environ)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert notify("READY=1", environ=manager.environ)


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nobody/listens"}])
def test_nothing_happens_where_nobody_listens(environ: dict[str, str]) -> None:
    assert not notify("READY=1", environ=environ)


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_interval_is_what_the_environment_says(environ: dict[str, str], seconds: int | None) -> None:
    assert watchdog(environ) == (seconds and timedelta(seconds=seconds))


async def until(condition: object) -> None:
    async with asyncio.timeout(20):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110 - a datagram raises no event here
            await asyncio.sleep(0.005)


@pytest.fixture
async def stuck(manager: Manager) -> AsyncIterator[list[str]]:
    """What the pinging task is told is stuck."""
    names: list[str] = []
    task = asyncio.create_task(ping(lambda: ", ".join(names), manager.environ | {"WATCHDOG_USEC": "40000"}))
    yield names
    task.cancel()


async def test_pings_come_only_while_nothing_is_stuck(
    manager: Manager, stuck: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    await until(lambda: manager.pings() >= 3)
    stuck.append("dispatch")
    await until(lambda: "dispatch: no progress" in caplog.text)
    before = manager.pings()
    await asyncio.sleep(0.1)
    assert manager.pings() == before
    assert caplog.text.count("no progress") == 1
    stuck.clear()
    await until(lambda: manager.pings() > before)


async def test_a_poll_that_does_not_begin_is_late() -> None:
    begun: list[str] = []

    async def poll(feed: FeedConfig) -> datetime:
        begun.append(feed.url)
        return datetime.now(UTC) + timedelta(hours=1)

    now = datetime.now(UTC)
    schedule = Schedule(poll, Troubles())
    schedule.start([(FeedConfig(url="https://example.org/feed"), now + timedelta(milliseconds=20))])
    assert schedule.late(now) < timedelta()
    assert schedule.late(now + timedelta(minutes=5)) > timedelta(minutes=4)
    await until(lambda: begun)
    assert schedule.late(now + timedelta(minutes=5)) < timedelta()
    await schedule.stop(1)


def test_the_daemon_says_when_it_is_ready_and_when_it_stops_and_its_pings_stop_with_it(
    tmp_path: Path, site: Site, manager: Manager
) -> None:
    site.replies |= {"/feed": Reply(rss(item("1", "A missile was fired"))), "/hook": Reply()}
    command = [sys.executable, "-m", "monitor", "run", "--config", str(configure(tmp_path, site))]
    environ = os.environ | manager.environ | {"WATCHDOG_USEC": "400000"}
    with subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: manager.pings() >= 3)
            assert manager.heard[:2] == ["READY=1", "STATUS=polling 1 feeds"]
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            before = manager.pings()
            time.sleep(0.5)  # longer than the interval: systemd would have killed it by now
            assert manager.pings() == before
            process.send_signal(signal.SIGCONT)
            wait_until(lambda: manager.pings() > before)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
            assert manager.listen()[-1] == "STOPPING=1"
        finally:
            process.kill()


async def test_a_delivery_that_hangs_stops_the_pings_and_its_end_brings_them_back(
    tmp_path: Path, site: Site, manager: Manager, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.environ["NOTIFY_SOCKET"])
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    # Longer than a step of a loop that waits for a message, which takes a second.
    monkeypatch.setattr("monitor.daemon._STUCK_AFTER", 2.0)
    answered = threading.Event()

    def wait() -> None:
        answered.wait(20)

    site.replies |= {
        "/feed": Reply(rss(item("1", "A missile was fired"))),
        "/hook": Reply(wait=wait),
    }
    loaded = config.load(configure(tmp_path, site), notifiers.options_of)
    stop = asyncio.Event()
    async with app.running(loaded, None, Condition(app.now)) as daemon:
        running = asyncio.create_task(daemon.run(stop))
        await until(lambda: manager.pings() and site.asked("/hook"))
        await until(lambda: "delivery to hook: no progress" in caplog.text)
        before = manager.pings()
        answered.set()
        await until(lambda: manager.pings() > before)
        stop.set()
        await running
