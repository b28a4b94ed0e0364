"""`monitor run`, from feeds on a web server to receivers, as a process."""

import json
import os
import re
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
import yaml

from tests.daemon import configure, daemon, monitor, received
from tests.site import Reply, Request, Site, item, rss, wait_until

PAGE = (
    b"<html><body><nav>Other news: NATO summit</nav><article><h1>Launch</h1>"
    b"<p>The army fired a missile into the sea on Monday morning, officials in the capital said.</p>"
    b"<p>It flew for about ten minutes. No damage was reported by ships in the area, they added.</p>"
    b"</article></body></html>"
)


def publish(site: Site, *items: str) -> None:
    site.replies["/feed"] = Reply(rss(*items), headers={"Content-Type": "application/rss+xml"})
    site.replies.setdefault("/hook", Reply())


def test_once_reads_the_page_and_tells_every_receiver(tmp_path: Path, site: Site) -> None:
    publish(site, item("1", "Launch reported", "Short text.", f"{site.url}/page"), item("2", "Weather", "Rain."))
    site.replies["/page"] = Reply(PAGE, headers={"Content-Type": "text/html"})
    receivers = {
        "hook": {"type": "webhook", "url": f"{site.url}/hook", "headers": {"X-Token": "t"}},
        "disk": {"type": "file", "path": "out/alerts.ndjson"},
        "screen": {"type": "console"},
    }
    config = configure(tmp_path, site, receivers=receivers)
    result = monitor("run", "--config", config, "--once")
    assert result.returncode == 0, result.stderr
    [alert] = received(site)
    assert alert["rule"] == "missile"
    assert alert["title"] == "Launch reported"
    assert alert["url"] == f"{site.url}/page"
    assert alert["snippet"]["text"].startswith("The army fired a missile into the sea")
    assert [item["text"] for item in alert["evidence"]] == ["missile"], "the page's navigation is not matched"
    [request] = site.asked("/hook")
    assert request.headers["webhook-id"].endswith(".hook")
    assert request.headers["x-token"] == "t"
    [line] = (tmp_path / "out/alerts.ndjson").read_text().splitlines()
    assert json.loads(line)["key"] == request.headers["webhook-id"].replace("hook", "disk")
    assert "The army fired a [missile] into the sea" in result.stdout


def test_a_second_round_tells_nothing_twice_and_asks_conditionally(tmp_path: Path, site: Site) -> None:
    body = rss(item("1", "A missile was fired"))

    def answer(request: Request) -> Reply:
        if request.headers.get("if-none-match") == '"v1"':
            return Reply(status=304)
        return Reply(body, headers={"ETag": '"v1"'})

    site.replies |= {"/feed": answer, "/hook": Reply()}
    config = configure(tmp_path, site)
    for _ in range(2):
        assert monitor("run", "--config", config, "--once").returncode == 0
    assert len(site.asked("/feed")) == 2
    assert site.asked("/feed")[1].headers["if-none-match"] == '"v1"'
    assert len(received(site)) == 1


def test_the_daemon_sees_new_entries_and_ends_in_order(tmp_path: Path, site: Site) -> None:
    publish(site, item("1", "First missile"))
    with daemon(configure(tmp_path, site), log=tmp_path / "log") as process:
        wait_until(lambda: len(received(site)) == 1)
        publish(site, item("2", "Second missile"), item("1", "First missile"))
        wait_until(lambda: len(received(site)) == 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    assert [alert["title"] for alert in received(site)] == ["First missile", "Second missile"]
    assert "Traceback" not in (tmp_path / "log").read_text()
    wait_until(lambda: not _server_runs(tmp_path / "state"))


def _server_runs(state: Path) -> bool:
    return (state / "redis.sock").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_within_ten_seconds_though_a_server_hangs(
    tmp_path: Path, site: Site, number: signal.Signals
) -> None:
    release = threading.Event()
    site.replies["/feed"] = Reply(wait=lambda: (release.wait(30), None)[1])
    with daemon(configure(tmp_path, site), log=tmp_path / "log") as process:
        wait_until(lambda: site.asked("/feed"))
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(timeout=15) == 0
        assert time.monotonic() - began < 10
    release.set()


def test_a_signal_in_a_single_round_still_delivers_what_was_found(tmp_path: Path, site: Site) -> None:
    publish(site, item("1", "A missile"))
    release = threading.Event()
    site.replies["/slow"] = Reply(wait=lambda: (release.wait(30), None)[1])
    feeds = [{"url": f"{site.url}/feed"}, {"url": f"{site.url}/slow"}]
    config = configure(tmp_path, site, feeds=feeds)
    command = [sys.executable, "-m", "monitor", "run", "--once", "--config", str(config)]
    with daemon(config, log=tmp_path / "log", command=command) as process:
        wait_until(lambda: site.asked("/slow") and "alerts=1" in (tmp_path / "log").read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 130
    release.set()
    assert [alert["title"] for alert in received(site)] == ["A missile"]


def test_a_feed_or_page_that_fails_is_said_once_and_the_others_go_on(tmp_path: Path, site: Site) -> None:
    publish(site, item("1", "A missile", "Text of the feed.", f"{site.url}/gone"))
    site.replies |= {"/broken": Reply(b"<html>login</html>"), "/error": Reply(status=500)}
    paths = ["feed", "broken", "error", "nothing"]
    feeds = [{"url": f"{site.url}/{path}", "every": "1s"} for path in paths]
    feeds.append({"url": "http://10.1.2.3/feed", "every": "1s"})
    with daemon(configure(tmp_path, site, feeds=feeds), log=tmp_path / "log"):
        wait_until(lambda: received(site))
        wait_until(lambda: len(site.asked("/error")) > 2)
    log = (tmp_path / "log").read_text()
    for line in (
        f"feed failed url={site.url}/broken reason='is a web page that links to no feed'",
        f"feed failed url={site.url}/error reason='HTTP 500 Internal Server Error'",
        f"feed failed url={site.url}/nothing reason='HTTP 404 Not Found'",
        "feed failed url=http://10.1.2.3/feed reason='10.1.2.3 is no public address; http.allow_private can open its",
        f"page failed url={site.url}/gone reason='HTTP 404 Not Found'; the feed's own text is used",
    ):
        assert log.count(line) == 1, line


@pytest.mark.slow
def test_a_receiver_that_fails_is_tried_again_and_delays_no_other(tmp_path: Path, site: Site) -> None:
    publish(site, item("1", "A missile"))
    answers = iter([Reply(status=503, headers={"Retry-After": "1"}), Reply(status=429), Reply()])
    site.replies["/flaky"] = lambda request: next(answers)
    receivers = {
        "flaky": {"type": "webhook", "url": f"{site.url}/flaky"},
        "hook": {"type": "webhook", "url": f"{site.url}/hook"},
    }
    with daemon(configure(tmp_path, site, receivers=receivers), log=tmp_path / "log"):
        wait_until(lambda: len(site.asked("/hook")) == 1)
        wait_until(lambda: len(site.asked("/flaky")) == 3, 40)
        keys = {request.headers["webhook-id"] for request in site.asked("/flaky")}
    assert len(keys) == 1, "each attempt bears the same key"
    assert len(site.asked("/hook")) == 1


def test_a_refused_delivery_is_given_up_and_said(tmp_path: Path, site: Site) -> None:
    publish(site, item("1", "A missile"))
    site.replies["/hook"] = Reply(status=400)
    result = monitor("run", "--config", configure(tmp_path, site), "--once")
    assert result.returncode == 0
    assert "delivery given up receiver=hook" in result.stderr
    assert "reason='HTTP 400'" in result.stderr


@pytest.mark.slow
def test_once_says_what_could_not_be_delivered_and_keeps_it(tmp_path: Path, site: Site) -> None:
    publish(site, item("1", "A missile"))
    site.replies["/hook"] = Reply(status=500)
    config = configure(tmp_path, site)
    result = monitor("run", "--config", config, "--once")
    assert result.returncode == 1
    assert "1 deliveries failed and are kept" in result.stderr
    site.replies["/hook"] = Reply()
    with daemon(config, log=tmp_path / "log"):
        wait_until(lambda: len(site.asked("/hook")) == 2)


def test_a_receiver_that_is_configured_no_longer_is_missed(tmp_path: Path, site: Site) -> None:
    publish(site, item("1", "A missile"))
    site.replies["/hook"] = Reply(status=500)
    monitor("run", "--config", configure(tmp_path, site), "--once")
    other = {"other": {"type": "webhook", "url": f"{site.url}/hook"}}
    result = monitor("run", "--config", configure(tmp_path, site, receivers=other), "--once")
    assert "1 deliveries wait for receiver=hook, which is configured no longer" in result.stderr


def test_redis_that_is_down_is_said_and_waited_for(tmp_path: Path, site: Site) -> None:
    publish(site, item("1", "A missile"))
    config = configure(tmp_path, site, redis={"url": "redis://127.0.0.1:1/0"})
    with daemon(config, log=tmp_path / "log") as process:
        wait_until(lambda: "Redis: " in (tmp_path / "log").read_text())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    log = (tmp_path / "log").read_text()
    assert log.count("nothing is lost, trying again") == 1
    assert "Traceback" not in log


def test_an_embedded_server_that_dies_is_started_again(tmp_path: Path, site: Site) -> None:
    publish(site, item("1", "First missile"))
    with daemon(configure(tmp_path, site), log=tmp_path / "log"):
        wait_until(lambda: len(received(site)) == 1)
        os.kill(_server_pid(tmp_path / "state"), signal.SIGKILL)
        publish(site, item("2", "Second missile"), item("1", "First missile"))
        # The first may come again, under its own key: the server died before it could note that it was sent.
        wait_until(lambda: {alert["title"] for alert in received(site)} == {"First missile", "Second missile"})
    log = (tmp_path / "log").read_text()
    assert log.count("nothing is lost, trying again") == 1
    assert "Traceback" not in log


def _server_pid(state: Path) -> int:
    conf = f"{state.resolve()}/redis.conf".encode()
    socket = f"{state.resolve()}/redis.sock".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if b"valkey-server" in command and (conf in command or socket in command) and b"-c\0" not in command:
            return int(process.name)
    raise AssertionError("no server runs")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("feeds: []", "feeds: none configured; add some, such as feeds: [https://example.org/feed.xml]"),
        ("feeds: [http://a.example/f]\nrules: nowhere", "nowhere: no such file or folder"),
        (
            "feeds: [http://a.example/f]\nrules: bad.yaml",
            "bad.yaml:1:9: an operator is missing before (; write + for and",
        ),
    ],
)
def test_bad_input_gets_its_line_and_nothing_starts(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "bad.yaml").write_text('rules: ["a (b)"]')
    (tmp_path / "monitor.yaml").write_text(f"{text}\nstate_dir: state\n")
    result = monitor("run", cwd=tmp_path)
    assert result.returncode == 2
    assert line in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "state").exists()


def test_the_demo_alerts_within_seconds_and_leaves_nothing(tmp_path: Path) -> None:
    from tests.conftest import REPOSITORY

    log = tmp_path / "log"
    expected = yaml.safe_load((REPOSITORY / "seeds/expect.yaml").read_text())
    alerts = sum(len(rules) for rules in expected.values())
    before = {path.name for path in Path(tempfile.gettempdir()).glob("monitor-demo-*")}
    with daemon(REPOSITORY / "deploy/demo.yaml", log=log) as process:
        # All of them, also those of fixtures that are feeds of long ago.
        wait_until(
            lambda: len(re.findall(r"^(?:INFO|LOW|MEDIUM|HIGH|CRITICAL)  ", log.read_text(), re.MULTILINE)) == alerts
        )
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    assert "Traceback" not in log.read_text()
    assert {path.name for path in Path(tempfile.gettempdir()).glob("monitor-demo-*")} <= before
