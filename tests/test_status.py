"""`monitor status`: of a daemon that ran, and of what is put into Redis by hand."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis

from monitor.alerts.groups import Hold
from monitor.cli.status import as_object, screen
from monitor.feeds.health import Health
from monitor.status import Post, Status
from tests.daemon import configure, daemon, monitor
from tests.routes import alert
from tests.site import Reply, Site, item, rss, wait_until

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CALM = Status(NOW, 0, [], 0, [], {}, [])
BUSY = Status(
    at=NOW,
    processes=2,
    feeds=[("BBC", Health("ok"))] * 90 + [(f"feed {n}", Health("failing", "HTTP 503")) for n in range(20)],
    backlog=7,
    held=[Hold("muted", NOW + timedelta(hours=2)), Hold("muted", None), Hold("digest", NOW + timedelta(hours=1))],
    receivers={f"r{n}": Post(n, 0) for n in range(9)} | {"old": Post(0, 50, known=False)},
    last=[alert(str(n), title="\x1b[31mred") for n in range(5)],
)


def test_it_is_one_screen() -> None:
    lines = list(screen(BUSY))
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 120
    assert lines[:3] == [
        "2026-11-23 12:00:00 UTC, 2 processes running",
        "feeds      110: 90 ok, 20 failing",
        "  failing   feed 0  HTTP 503",
    ]
    assert lines[6:10] == [
        "  and 16 more: monitor feeds list",
        "alerts     7 to be dispatched",
        "held       3: 2 muted, 1 digest; the next until 2026-11-23 13:00 UTC",
        "receivers",
    ]
    assert lines[10] == "      0 waiting     50 dead  old (not configured)"
    assert "\x1b" not in "\n".join(lines)


def test_nothing_at_all() -> None:
    assert list(screen(CALM))[:2] == ["2026-11-23 12:00:00 UTC, no process running", "feeds      none"]
    assert as_object(CALM) == {
        "at": "2026-11-23T12:00:00+00:00", "processes": 0, "feeds": {}, "troubled": {}, "backlog": 0, "held": {},
        "receivers": {}, "last": [],
    }  # fmt: skip


@pytest.fixture
def file(site: Site, tmp_path: Path, redis_url: str) -> Path:
    items = [item("1", "Missile test"), item("2", "NATO meets")]
    site.replies["/feed"] = Reply(rss(*items))
    site.replies["/hook"] = Reply(b"", 503)
    site.replies["/gone"] = Reply(b"", 400)
    hooks = {name: {"type": "webhook", "url": f"{site.url}/{name}"} for name in ("hook", "gone")}
    feeds = [f"{site.url}/feed", f"{site.url}/missing"]
    return configure(tmp_path, site, redis={"url": redis_url}, receivers=hooks, feeds=feeds)


def asked(file: Path) -> dict[str, object]:
    result = monitor("status", "--format", "ndjson", "--config", file)
    assert (result.returncode, result.stderr) == (0, "")
    [line] = result.stdout.splitlines()
    return dict(json.loads(line))


def test_what_a_run_left(file: Path, redis_url: str) -> None:
    assert asked(file)["feeds"] == {"new": 2}
    monitor("run", "--once", "--config", file)
    found = asked(file)
    assert found["feeds"] == {"ok": 1, "failing": 1}
    assert found["backlog"] == 0
    assert found["processes"] == 0
    assert found["receivers"] == {
        "hook": {"waiting": 2, "dead": 0, "configured": True},
        "gone": {"waiting": 0, "dead": 2, "configured": True},
    }
    last = found["last"]
    assert isinstance(last, list)
    assert {each["rule"] for each in last} == {"missile", "nato"}
    with redis.Redis.from_url(redis_url) as client:
        for number in range(1200):
            client.xadd("{monitor}:alerts", {"alert": alert(str(number)).model_dump_json(), "number": "1"})
    assert asked(file)["backlog"] == 1200


@pytest.mark.slow
def test_it_watches_a_daemon(file: Path) -> None:
    command = [sys.executable, "-m", "monitor", "status", "--watch", "--format", "ndjson", "--config", str(file)]
    out = file.parent / "status.ndjson"
    with out.open("wb") as opened:
        watch = subprocess.Popen(command, stdout=opened, env=os.environ | {"PYTHONUNBUFFERED": "1"})

    def seen() -> list[int]:
        return [json.loads(line)["processes"] for line in out.read_text().splitlines()]

    try:
        wait_until(lambda: 0 in seen())
        with daemon(file, log=file.parent / "log"):
            wait_until(lambda: 1 in seen())
    finally:
        watch.send_signal(signal.SIGINT)
    assert watch.wait(10) == 0
