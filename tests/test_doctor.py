"""`monitor doctor` and `monitor init`: against real servers, each trouble by itself."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from monitor import config, notifiers
from monitor.cli.init import first_files
from monitor.doctor import Finding, clock, files, persistence, policy, resolved, room, version
from monitor.rules.lexicon import shipped
from monitor.rules.load import load
from tests.daemon import configure, monitor
from tests.mailing import Sink, smtp_server
from tests.site import Reply, Request, Site, rss, speaking

SOUND = {"redis_version": "7.2.4", "maxmemory_policy": "noeviction", "aof_enabled": 1}


@pytest.mark.parametrize(
    ("finding", "verdict", "words"),
    [
        (version(SOUND), "ok", "Redis 7.2.4"),
        (version(SOUND | {"valkey_version": "9.1.0"}), "ok", "Valkey 9.1.0"),
        (version({"redis_version": "6.0.16"}), "fail", "install Redis 6.2"),
        (version({}), "fail", "install Redis 6.2"),
        (policy(SOUND), "ok", "noeviction"),
        (policy({"maxmemory_policy": "allkeys-lru"}), "fail", "deletes alerts; set it to noeviction"),
        (policy(SOUND | {"maxmemory": 100, "used_memory": 95}), "warn", "95% full; raise maxmemory"),
        (persistence(SOUND), "ok", "append-only"),
        (persistence({"aof_enabled": 0}), "warn", "set appendonly yes"),
        (persistence(SOUND | {"aof_last_write_status": "err"}), "fail", "aof_last_write_status is err"),
        (resolved(3, []), "ok", "3 hosts"),
        (resolved(5, ["a", "b", "c", "d"]), "warn", "4 of 5 hosts of feeds lead nowhere: a, b, c and 1 more"),
        (resolved(1, ["a (10.0.0.1 is not public)"]), "fail", "http.allow_private"),
        (clock([]), "warn", "run it again"),
        (clock([timedelta(seconds=-2)]), "ok", "2 s behind"),
        (clock([timedelta(seconds=30)]), "warn", "30 s ahead; let NTP set it"),
        (clock([timedelta(0), timedelta(hours=1), timedelta(hours=1)]), "fail", "3600 s ahead"),
        (files(1024, 10), "ok", "1024"),
        (files(1024, 5000), "warn", "ulimit -n 10256"),
        (files(100, 1), "fail", "100 at most"),
    ],
)
def test_verdicts(finding: Finding, verdict: str, words: str) -> None:
    assert finding.verdict == verdict
    assert words in str(finding)
    assert (finding.verdict == "ok") == (not finding.remedy), "what is not ok has a remedy"


def test_room_on_a_disk(tmp_path: Path) -> None:
    assert room("state_dir", tmp_path / "not/yet/made").verdict == "ok"
    (tmp_path / "file").write_text("")
    assert room("state_dir", tmp_path / "file/below").verdict == "fail"


def findings(file: Path, env: dict[str, str] | None = None) -> tuple[int, dict[str, str]]:
    """The exit status, and each finding's verdict and text by what it is about."""
    result = monitor("doctor", "--config", file, env=env)
    assert result.stderr == ""
    lines = [line.partition(": ") for line in result.stdout.splitlines()]
    found = {head.split(" ", 1)[1]: f"{head.split(' ', 1)[0]} {text}" for head, _, text in lines}
    assert len(found) == len(lines)
    return result.returncode, found


@pytest.fixture
def feed(site: Site) -> Site:
    site.replies["/feed"] = lambda _: Reply(rss())
    return site


def test_all_is_well(feed: Site, tmp_path: Path) -> None:
    def slack(request: Request) -> Reply:
        known = request.headers["authorization"] == "Bearer xoxb-1"
        return Reply(b'{"ok": true, "user": "watch", "team": "desk"}' if known else b'{"ok": false}')

    feed.replies["/api/auth.test"] = slack
    with smtp_server(sink := Sink()):
        receivers = {
            "mail": {"type": "email", "host": "127.0.0.1", "port": sink.port, "security": "none",
                     "from": "a@b.example", "to": "c@d.example"},
            "desk": {"type": "slack", "token": "xoxb-1", "channel": "C1", "api": f"{feed.url}/api"},
            "hook": {"type": "webhook", "url": f"{feed.url}/hook"},
            "screen": {"type": "console"},
        }  # fmt: skip
        status, found = findings(configure(tmp_path, feed, receivers=receivers))
    assert {text.split()[0] for text in found.values()} == {"ok"}, found
    assert status == 0
    assert list(found) == [
        "configuration", "rules", "redis version", "redis policy", "redis persistence", "redis state", "dns", "clock",
        "receiver mail", "receiver desk", "receiver hook", "receiver screen", "disk state_dir", "open files",
    ]  # fmt: skip
    assert found["receiver desk"] == "ok knows the bot watch of desk"
    assert sink.envelopes == []
    assert [request.path for request in feed.requests if request.method == "POST"] == ["/api/auth.test"]


def test_each_trouble_is_told_and_hides_no_other(feed: Site, tmp_path: Path) -> None:
    receivers = {
        "mail": {"type": "email", "host": "127.0.0.1", "port": 1, "security": "none",
                 "from": "a@b.example", "to": "c@d.example"},
        "desk": {"type": "slack", "token": "xoxb-sesame", "channel": "C1", "api": f"{feed.url}/nothing"},
    }  # fmt: skip
    file = configure(tmp_path, feed, receivers=receivers, redis={"url": "redis://127.0.0.1:1"}, rules=["gone.yaml"])
    status, found = findings(file)
    failed = [what for what, text in found.items() if text.startswith("fail")]
    assert status == 1
    assert failed == ["rules", "redis", "receiver mail", "receiver desk"]
    assert all(";" in found[what] for what in failed), "each with its remedy"
    assert "sesame" not in str(found)
    assert found["dns"].startswith("ok")


def test_a_clock_that_is_wrong(feed: Site, tmp_path: Path) -> None:
    with server_saying(formatdate(time.time() - 7200, usegmt=True)) as url:
        file = configure(tmp_path, feed, feeds=[url])
        _, found = findings(file)
    assert found["clock"].startswith("fail 720")
    assert "ahead; let NTP set it" in found["clock"]


@contextmanager
def server_saying(date: str) -> Iterator[str]:
    """A server that has its own idea of the time: the one of Python always sends the true one."""
    head = f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with speaking(lambda connection: connection.sendall(head.encode())) as url:
        yield url


def test_a_redis_that_may_lose_alerts(feed: Site, tmp_path: Path, redis_url: str) -> None:
    file = configure(tmp_path, feed, redis={"url": redis_url})
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("appendonly", "no")
        try:
            status, found = findings(file)
        finally:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("appendonly", "yes")
    assert status == 1
    assert found["redis policy"].startswith("fail maxmemory-policy is allkeys-lru")
    assert found["redis persistence"].startswith("warn no append-only file")


@pytest.mark.slow
def test_a_server_that_answers_nothing_holds_up_only_its_check(feed: Site, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        mute = f"redis://127.0.0.1:{deaf.getsockname()[1]}"
        began = time.monotonic()
        status, found = findings(configure(tmp_path, feed, redis={"url": mute}))
    assert (status, time.monotonic() - began < 25) == (1, True)
    assert {what for what, text in found.items() if text.startswith("fail")} == {"redis"}


def test_a_broken_configuration_is_a_finding(tmp_path: Path) -> None:
    file = tmp_path / "monitor.yaml"
    file.write_text("fedes: []\npoll: {min: soon}")
    result = monitor("doctor", "--config", file)
    assert result.returncode == 1
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == ["fail configuration"] * 2
    assert monitor("doctor", "--config", tmp_path / "none.yaml").returncode == 1


@pytest.mark.parametrize("locale", ["de_DE.UTF-8", "C.UTF-8", "ko_KR.UTF-8", ""])
def test_what_init_writes_passes(locale: str, feed: Site, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    env = {"LC_ALL": locale, "LANG": locale, "LC_MESSAGES": ""}
    made = monitor("init", folder, env=env)
    assert made.returncode == 0, made.stderr
    file = folder / "monitor.yaml"
    checked = monitor("rules", "check", "--strict", "--config", file)
    assert checked.returncode == 0, checked.stdout
    # The feeds that it names are on the internet, where tests do not go.
    own = {"MONITOR_FEEDS": f"['{feed.url}/feed']", "MONITOR_HTTP__ALLOW_PRIVATE": "[127.0.0.0/8]"}
    status, found = findings(file, own)
    assert {text.split()[0] for text in found.values()} == {"ok"}, found
    assert status == 0


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/mine.yaml").write_text("rules: [sanctions]")
    made = monitor("init", cwd=tmp_path)
    assert (made.returncode, made.stdout) == (0, "wrote monitor.yaml\n")
    assert "kept rules as it is" in made.stderr
    assert [file.name for file in (tmp_path / "rules").iterdir()] == ["mine.yaml"]
    (tmp_path / "monitor.yaml").write_text("mine")
    again = monitor("init", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (2, "monitor.yaml: is there already; nothing was written\n")
    assert (tmp_path / "monitor.yaml").read_text() == "mine"


def test_what_init_leaves_out_can_be_uncommented(tmp_path: Path) -> None:
    text = first_files({"LANG": "ko_KR.UTF-8"}, "Asia/Seoul")["monitor.yaml"]
    assert "bbci.co.uk/korean/" in text
    keys = ("redis:", "desk:", "mail:", "from:", "time_intervals:", "night:", "route:", "archive:", "- {", "receiver:")
    lines = []
    for line in text.splitlines():
        bare = line.replace("# ", "", 1)
        commented = line.lstrip().startswith("#") and bare.lstrip().startswith((*keys, "mute", "routes:"))
        lines.append(bare if commented else line)
    (tmp_path / "monitor.yaml").write_text("\n".join(lines))
    secrets = {"SLACK_TOKEN": "xoxb-1", "MAIL_PASSWORD": "x", "HOME": str(tmp_path)}
    loaded = config.load(tmp_path / "monitor.yaml", notifiers.options_of, secrets)
    assert loaded.archive
    assert loaded.redis.url
    assert {"terminal", "log", "desk", "mail"} == set(loaded.receivers)
    assert len(loaded.route.routes) == 2


@pytest.mark.slow
def test_the_first_rules_load_in_every_country(tmp_path: Path) -> None:
    codes = sorted({concept.territory for concept in shipped().concepts.values() if concept.territory})
    assert len(codes) >= 50
    texts: dict[str, Any] = {}
    for code in codes:
        rules = yaml.safe_load(first_files({"LANG": f"en_{code}.UTF-8"}, "UTC")["rules/first.yaml"])["rules"]
        [home] = [rule for rule in rules if rule["id"] == "home"]
        texts[code] = home | {"id": f"home-{code.lower()}"}
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"rules": list(texts.values())}))
    assert len(load([file], shipped()).rules) == len(codes)
