"""What a machine does to a daemon: nothing is corrupted, a line says what is wrong, and it recovers by itself."""

import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis

from tests.daemon import configure, daemon, monitor, received
from tests.site import Reply, Site, item, rss, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


class News:
    """A feed whose every story is one alert."""

    def __init__(self, site: Site) -> None:
        self._site, self._items = site, list[str]()
        site.replies["/hook"] = Reply()
        self.tell()

    def tell(self) -> str:
        """Publish a story; returns the title of its alert."""
        title = f"A missile over {chr(65 + len(self._items)) * 9}"
        self._items.insert(0, item(str(len(self._items)), title))
        # Without keep-alive each request takes a file descriptor.
        self._site.replies["/feed"] = Reply(rss(*self._items), headers={"Connection": "close"})
        return title

    def count(self, title: str) -> int:
        return sum(alert["title"] == title for alert in received(self._site))

    def arrives(self, title: str) -> float:
        """Wait until an alert has come, 30 seconds at most; returns how many it took."""
        began = time.monotonic()
        wait_until(lambda: self.count(title), 30)
        return time.monotonic() - began

    def all_once(self) -> bool:
        titles = [alert["title"] for alert in received(self._site)]
        return len(titles) == len(set(titles)) == len(self._items)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own; skips the test where that may not be made."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte free."""
    file = disk / "ballast"
    with file.open("wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(bytes(4096)):
            pass
    return file


def test_a_full_disk(tmp_path: Path, site: Site) -> None:
    """The embedded server's file is on it, the archive, and what the file receiver writes."""
    news, log = News(site), tmp_path / "log"
    with small_disk(tmp_path / "disk", "4m") as disk:
        receivers = {
            "hook": {"type": "webhook", "url": f"{site.url}/hook"},
            "file": {"type": "file", "path": str(disk / "alerts.ndjson")},
        }
        archive = {"dir": str(disk / "archive")}
        config = configure(tmp_path, site, state_dir=str(disk / "state"), receivers=receivers, archive=archive)
        with daemon(config, log=log) as process:
            wait_until(lambda: news.all_once())
            ballast = fill(disk)
            title = news.tell()
            wait_until(lambda: "nothing is lost, trying again" in log.read_text())
            assert process.poll() is None
            ballast.unlink()
            took = news.arrives(title)
            wait_until(lambda: (disk / "alerts.ndjson").read_text().count("\n") == 2, 30)
            process.terminate()
            assert process.wait(10) == 0
        wait_until(lambda: not (disk / "state/redis.sock").exists())
        listed = monitor("alerts", "list", "--config", config)
        assert title in listed.stdout, "the file of the server is whole"
        wait_until(lambda: not (disk / "state/redis.sock").exists())
    print(f"told {took:.1f} s after there was room again")
    assert news.all_once()
    assert "Traceback" not in log.read_text()


def test_a_disk_that_cannot_be_written(tmp_path: Path, site: Site) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        result = monitor("run", "--config", configure(tmp_path, site, state_dir=str(disk / "state")))
        assert result.returncode == 1
        assert result.stderr.splitlines()[-1] == f"monitor: state_dir {disk / 'state'}: Read-only file system"
        assert "Traceback" not in result.stderr


def test_no_file_descriptors(tmp_path: Path, site: Site, redis_url: str) -> None:
    news, log = News(site), tmp_path / "log"
    with daemon(configure(tmp_path, site, redis={"url": redis_url, "lease": "1s"}), log=log) as process:
        wait_until(lambda: news.all_once())
        before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, before[1]))
        title = news.tell()
        wait_until(lambda: "Too many open files" in log.read_text())
        with redis.Redis.from_url(redis_url) as client:
            client.client_kill_filter(_type="normal", skipme=True)
        wait_until(lambda: "nothing is lost, trying again" in log.read_text())
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
        took = news.arrives(title)
        process.terminate()
        assert process.wait(10) == 0
    print(f"told {took:.1f} s after there were file descriptors again")
    assert news.all_once()
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("hours", [1, -1])
def test_the_clock_is_set_by_an_hour(hours: int, tmp_path: Path, site: Site, redis_url: str) -> None:
    news, log, clock = News(site), tmp_path / "log", tmp_path / "clock"
    clock.write_text("0")
    config = configure(tmp_path, site, redis={"url": redis_url, "lease": "2s"})
    with daemon(config, log=log, command=[sys.executable, "-m", "tests.skewed", str(config), str(clock)]) as process:
        wait_until(lambda: news.all_once())
        clock.write_text(str(3600 * hours))
        took = news.arrives(news.tell())
        wait_until(lambda: "the clock was set by" in log.read_text())
        again = news.arrives(news.tell())
        process.terminate()
        assert process.wait(10) == 0
    print(f"told {took:.1f} s after the clock was set by an hour, the next after {again:.1f} s")
    assert news.all_once()
    assert "Traceback" not in log.read_text()
