"""The ACL in deploy/: the daemon and every command work with it, and it allows nothing that they do not use."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from monitor.store.server import server_binary
from tests.conftest import REPOSITORY
from tests.daemon import configure, daemon, monitor, received
from tests.site import Reply, Site, free_port, item, rss, wait_until
from tests.test_run import PAGE

ACL = REPOSITORY / "deploy/redis.acl"
BINARIES = [server_binary(), *filter(None, [shutil.which("redis-server")])]
DENIED = """
FLUSHALL; FLUSHDB; KEYS *; SCAN 0; CONFIG SET dir /tmp; CONFIG GET *; CONFIG REWRITE; SHUTDOWN NOSAVE; SAVE; BGSAVE
BGREWRITEAOF; ACL LIST; ACL SETUSER monitor +@all; MODULE LIST; MONITOR; REPLICAOF NO ONE; CLIENT LIST
CLIENT KILL TYPE normal; SCRIPT FLUSH; FUNCTION LIST; PUBLISH news 1; SWAPDB 0 1; MIGRATE 127.0.0.1 1 {monitor}:a 0 1
RENAME {monitor}:a {monitor}:b; RESTORE {monitor}:a 0 x; GET other; SET other 1; XADD other * a 1
EVAL return(redis.call('get','other')) 0; EVAL return(redis.call('flushall')) 0
"""


@contextmanager
def serving_redis(binary: str, folder: Path) -> Iterator[tuple[str, Any]]:
    """A server with the ACL; yields the URL that its user is to have, and an administrator's client."""
    port = free_port()
    users = folder / "users.acl"
    users.write_text(ACL.read_text().replace("PASSWORD", "word") + "user admin on nopass ~* &* +@all\n")
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly"]
    with subprocess.Popen([*command, "yes", "--aclfile", str(users)], stdout=subprocess.DEVNULL) as process:
        try:
            with redis.Redis(port=port, username="admin", password="any") as client:
                wait_until(lambda: process.poll() is not None or _answers(client))
                yield f"redis://monitor:word@127.0.0.1:{port}/0", client
        finally:
            process.terminate()


def _answers(client: Any) -> bool:
    with suppress(redis.ConnectionError):
        return bool(client.ping())
    return False


@pytest.fixture(params=BINARIES, ids=lambda binary: Path(binary).name)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Any]]:
    folder = tmp_path / "redis"
    folder.mkdir()
    with serving_redis(request.param, folder) as served:
        yield served


def allowed() -> set[str]:
    """The commands that the ACL names."""
    [rule] = [line for line in ACL.read_text().splitlines() if line.startswith("user monitor ")]
    assert "-@all" in rule.split()
    return {word[1:] for word in rule.split() if word.startswith("+")}


def in_use() -> set[str]:
    """What the store's scripts and its calls of the client ask of Redis."""
    files = [file for file in (REPOSITORY / "monitor/store").glob("*.py") if file.stem not in ("publishing", "server")]
    source = "".join(file.read_text() for file in files)
    called = set(re.findall(r"\b(?:_?client|binary)\.([a-z_]+)\(", source)) - {"aclose"}
    named = {"delete": "del", "xpending_range": "xpending"}
    subcommands = re.compile(r"^(xgroup|xinfo)_")
    calls = re.findall(r"redis\.call\('(\w+)'(?:, '(\w+)')?", source)
    in_scripts = {f"{name}|{word}" if name in ("XGROUP", "XINFO") else name for name, word in calls}
    return {name.lower() for name in in_scripts} | {subcommands.sub(r"\1|", named.get(name, name)) for name in called}


def test_it_allows_the_commands_in_use_and_no_others() -> None:
    assert allowed() == in_use()


def test_all_else_is_denied(server: tuple[str, Any]) -> None:
    url, _ = server
    with redis.Redis.from_url(url, driver_info=None) as client:
        for line in re.split(r"[;\n]", DENIED.strip()):
            # A script is told by an error of its own what was refused within it.
            with pytest.raises(redis.ResponseError, match=r"(?i)no permission|user executing the script can't"):
                client.execute_command(*line.split())
    with redis.Redis.from_url(url.replace("word", "guess")) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with redis.Redis.from_url(url.replace("monitor:word@", "")) as nobody, pytest.raises(redis.AuthenticationError):
        nobody.ping()


def commands(site: Site, file: Path) -> Iterator[str]:
    """Every command that asks Redis for something; those that name an alert, a letter or a silence name a real one."""
    yield from ("status", "doctor", "alerts list", "alerts list --waiting", "feeds list", "routes show", "run --once")
    alert = next(alert["id"] for alert in received(site) if alert["rule"] == "missile")
    yield from (
        f"alerts show {alert}",
        f"story show {alert}",
        f"capture {alert} --to {file.parent}/seeds",
        f"why-not {alert}",
        f"why-not {site.url}/calm",
    )
    yield from ("silence add rule=nato --for 1h --comment=c", "silence list", "silence preview rule=missile")
    yield f"silence expire {monitor('silence', 'list', '--config', file).stdout.split()[0]}"
    yield "dead list"
    letter = monitor("dead", "list", "--config", file).stdout.split()[0]
    yield from (f"dead show {letter}", f"dead retry {letter}", "dead drop --all")
    yield from (f"feeds {verb} {site.url}/{feed}" for verb, feed in (("pause", "feed"), ("resume", "feed")))
    yield f"feeds remove {site.url}/added"


def test_each_command_that_asks_redis_is_tried() -> None:
    asks = re.compile(r"app\.(ask|examine|run)\(|alert_of\(")
    modules = (REPOSITORY / "monitor/cli").glob("*.py")
    asking = {file.stem for file in modules if asks.search(file.read_text())} - {"options"}
    tried = {"capture", "status", "doctor", "alerts", "feeds", "run", "story", "whynot", "silence", "dead"}
    assert asking == tried, "`commands` is to try it as well"


@pytest.mark.slow
def test_the_daemon_and_every_command_work_as_its_user(server: tuple[str, Any], tmp_path: Path, site: Site) -> None:
    url, admin = server
    feed = rss(
        item("1", "A missile was fired", "", f"{site.url}/page"),
        item("2", "NATO meets"),
        item("3", "Rain", "Calm.", f"{site.url}/calm"),
    )
    site.replies |= {
        "/feed": Reply(feed),
        "/added": Reply(rss()),
        "/hook": Reply(),
        "/page": Reply(PAGE),
        "/refuses": Reply(status=400),
    }
    (tmp_path / "feeds.yaml").write_text(json.dumps([f"{site.url}/added"]))
    receivers = {name: {"type": "webhook", "url": f"{site.url}/{name}"} for name in ("hook", "refuses")}
    settings = {"url": url, "lease": "2s"}
    file = configure(tmp_path, site, redis=settings, receivers=receivers, state_dir=None)
    follow = [sys.executable, "-m", "monitor", "alerts", "tail", "--config", str(file)]
    with daemon(file, log=tmp_path / "tail", command=follow) as tail, daemon(file, log=tmp_path / "log") as running:
        wait_until(lambda: len(received(site)) > 1 or running.poll() is not None)
        assert running.poll() is None, (tmp_path / "log").read_text()
        for command in commands(site, file):
            result = monitor(*command.split(), "--config", file)
            assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
            assert "NOPERM" not in result.stdout + result.stderr
        running.send_signal(signal.SIGKILL)  # what it leaves behind is taken over
        running.wait()
        site.replies["/feed"] = Reply(rss(item("4", "A second missile")))
        with daemon(file, log=tmp_path / "log") as heir:
            wait_until(lambda: "A second missile" in str(received(site)))
            heir.terminate()
            assert heir.wait(20) == 0
        tail.send_signal(signal.SIGINT)
        assert tail.wait(20) == 0, (tmp_path / "tail").read_text()
    assert "NOPERM" not in (tmp_path / "log").read_text()
    assert [entry for entry in admin.acl_log() if entry["reason"] != "auth"] == []


def test_a_command_that_is_missing_from_it_is_said_with_its_name(tmp_path: Path, site: Site) -> None:
    """Whoever has an older copy of the ACL learns what to add."""
    with serving_redis(BINARIES[-1], tmp_path) as (url, admin):
        admin.execute_command("ACL", "SETUSER", "monitor", "-info")
        result = monitor("doctor", "--config", configure(tmp_path, site, redis={"url": url}))
    [line] = [line for line in result.stdout.splitlines() if "redis" in line]
    assert line.startswith("fail")
    assert "info" in line
    assert "deploy/redis.acl" in line
