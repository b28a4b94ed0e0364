"""Health, metrics and reload over HTTP, as a machine asks a running daemon for them."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import redis
import yaml
from prometheus_client.parser import text_string_to_metric_families

from monitor import config, notifiers
from monitor.condition import Condition
from monitor.errors import InputError
from monitor.metrics import render
from monitor.schedule import Schedule
from monitor.supervise import Troubles
from monitor.web import serving
from tests.conftest import REPOSITORY
from tests.daemon import configure, daemon, monitor, received
from tests.polling import NOW
from tests.site import Reply, Site, free_port, item, rss, wait_until
from tests.test_run import PAGE

Metrics = dict[str, float]


class Asked:
    """One daemon's web face."""

    def __init__(self, base: str, unix: str | None = None) -> None:
        self.client = httpx.Client(transport=httpx.HTTPTransport(uds=unix), base_url=base, trust_env=False, timeout=10)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def status(self, path: str) -> int:
        try:
            return self.get(path).status_code
        except httpx.TransportError:
            return 0

    def metrics(self) -> Metrics:
        """Each sample by its name with its labels as they are written, such as `monitor_polls_total{read}`."""
        found = {}
        for family in text_string_to_metric_families(self.get("/metrics").text):
            for sample in family.samples:
                labels = ",".join(sample.labels.values())
                found[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
        return found


@pytest.fixture
def asked() -> Iterator[Asked]:
    found = Asked(f"http://127.0.0.1:{free_port()}")
    yield found
    found.client.close()


def listen(asked: Asked) -> dict[str, str]:
    return {"listen": f"127.0.0.1:{asked.client.base_url.port}"}


def until(asked: Asked, true: Callable[[Metrics], bool]) -> Metrics:
    """The metrics, once something is true of them."""
    seen: Metrics = {}

    def comes() -> bool:
        seen.clear()
        seen.update(asked.metrics())
        return true(seen)

    wait_until(comes)
    return seen


def test_every_family_moves_when_it_should(tmp_path: Path, site: Site, asked: Asked) -> None:
    published = "<pubDate>Mon, 23 Nov 2026 12:00:00 GMT</pubDate></item>"
    entry = item("2", "Launch reported", "Short.", f"{site.url}/page").replace("</item>", published)
    site.replies |= {
        "/feed": Reply(rss(item("1", "Weather"))),
        "/page": Reply(PAGE, headers={"Content-Type": "text/html"}),
        "/hook": Reply(),
        "/down": Reply(status=503),
        "/gone": Reply(status=400),
    }
    names = ("hook", "down", "gone")
    file = configure(
        tmp_path,
        site,
        web=listen(asked),
        feeds=[{"url": f"{site.url}/{path}", "every": "1s"} for path in ("feed", "missing")],
        receivers={name: {"type": "webhook", "url": f"{site.url}/{name}"} for name in names},
        poll={"max_age": "3650d"},
    )
    with daemon(file, log=tmp_path / "log"):
        wait_until(lambda: asked.status("/-/ready") == 200)
        before = until(asked, lambda seen: seen["monitor_polls_total{read}"] == 1)
        assert before["monitor_deliveries_total{sent,hook}"] == 0
        old = rss(entry, item("3", "NATO meets", "Old.", f"{site.url}/nothing"), item("1", "Weather"))
        site.replies["/feed"] = Reply(old, headers={"ETag": '"1"'})
        after = until(
            asked,
            lambda seen: (
                seen["monitor_deliveries_total{sent,hook}"] == 2
                and seen["monitor_deliveries_total{dead,gone}"] == 2
                and seen["monitor_deliveries_total{retried,down}"] >= 2
                and seen["monitor_outbox_age_seconds{down}"] > 0
                # Redis is told of what became of a message, and asked for it, after that is counted.
                and seen["monitor_outbox_depth{hook}"] == 0
                and seen["monitor_outbox_depth{down}"] == 2
                and seen["monitor_dead_letters"] == 2
                and seen["monitor_feeds{failing}"] == 1
            ),
        )
        site.replies["/feed"] = Reply(status=304)
        until(asked, lambda seen: seen["monitor_polls_total{unchanged}"] > 0)
        answer = asked.get("/-/healthy")
    assert (answer.status_code, answer.text) == (200, "healthy\n")
    grown = {
        "monitor_polls_total{read}", "monitor_polls_total{failed}", "monitor_last_poll_timestamp_seconds",
        "monitor_publish_to_sight_seconds_count", "monitor_sight_to_alert_seconds_count",
        "monitor_extraction_seconds_count", "monitor_articles_total{page}", "monitor_articles_total{summary}",
        "monitor_page_fallbacks_total{fetch}", "monitor_match_seconds_count", "monitor_alerts_total",
        "monitor_dead_letters", "monitor_outbox_depth{down}", "monitor_outbox_age_seconds{down}",
    }  # fmt: skip
    assert {name for name in grown if after[name] <= before.get(name, 0)} == set()
    exact = {
        "monitor_rules_loaded": 2, "monitor_rules_broken": 0, "monitor_redis_up": 1, "monitor_processes": 1,
        "monitor_config_last_reload_successful": 1, "monitor_feeds{ok}": 1, "monitor_feeds{failing}": 1,
        "monitor_outbox_depth{hook}": 0, "monitor_outbox_depth{down}": 2, "monitor_dead_letters": 2,
        "monitor_page_fallbacks_total{fetch}": 1, "monitor_publish_to_sight_seconds_count": 1,
        "monitor_sight_to_alert_seconds_count": 2, "monitor_misfires_total": 0, "monitor_alerts_total": 2,
    }  # fmt: skip
    assert {name: after[name] for name in exact} == exact
    assert after["monitor_leases_held"] <= 2
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_what_is_suppressed_is_counted_by_its_reason(tmp_path: Path, site: Site, asked: Asked) -> None:
    site.replies |= {"/feed": Reply(rss(item("1", "A missile"))), "/hook": Reply()}
    held = {"receiver": "hook", "digest": {"schedule": "0 0 1 1 *", "timezone": "UTC"}}
    with daemon(configure(tmp_path, site, web=listen(asked), route=held), log=tmp_path / "log"):
        wait_until(lambda: asked.status("/metrics") == 200)
        until(asked, lambda seen: seen.get("monitor_suppressed_total{digest}") == 1)


def test_without_redis_it_says_so_within_two_seconds(tmp_path: Path, site: Site, asked: Asked) -> None:
    """Redis that was never there, one that is stopped (it does not answer at all), and one that goes on."""
    site.replies |= {"/feed": Reply(rss(item("1", "A missile"))), "/hook": Reply()}
    with daemon(configure(tmp_path, site, web=listen(asked), redis={"url": "redis://127.0.0.1:1"}), log=tmp_path / "l"):
        wait_until(lambda: asked.status("/-/healthy") == 200)
        assert asked.get("/-/ready").text == "it is starting: Redis has not answered yet\n"
        assert asked.metrics()["monitor_redis_up"] == 0
    with daemon(configure(tmp_path, site, web=listen(asked)), log=tmp_path / "log"):
        wait_until(lambda: received(site) and asked.status("/-/ready") == 200)
        with redis.Redis(unix_socket_path=str(tmp_path / "state/redis.sock")) as client:
            pid = int(client.info("server")["process_id"])
        os.kill(pid, signal.SIGSTOP)
        try:
            answer, found = asked.get("/-/ready"), asked.get("/metrics")
        finally:
            os.kill(pid, signal.SIGCONT)
        assert (answer.status_code, answer.text) == (503, "Redis: no answer within 1.5 s\n")
        assert max(answer.elapsed.total_seconds(), found.elapsed.total_seconds()) < 2
        assert "monitor_redis_up 0.0" in found.text
        assert "monitor_alerts_total 1.0" in found.text
        assert "monitor_outbox_depth{" not in found.text
        wait_until(lambda: asked.status("/-/ready") == 200)


def test_a_unix_socket_and_the_one_that_a_killed_process_left(tmp_path: Path, site: Site) -> None:
    path = tmp_path / "web.sock"
    asked = Asked("http://localhost", str(path))
    file = configure(tmp_path, site, web={"listen": f"unix:{path}"})
    with daemon(file, log=tmp_path / "log"):
        wait_until(path.exists)
    with daemon(file, log=tmp_path / "again") as process:
        wait_until(lambda: "listening at unix:" in (tmp_path / "again").read_text())
        wait_until(lambda: asked.status("/-/ready") == 200)
        assert asked.metrics()["monitor_redis_up"] == 1
        second = monitor("run", "--config", file)
        assert second.returncode == 2
        assert "another program listens there" in second.stderr
        process.terminate()
        assert process.wait(10) == 0
    assert not path.exists()
    asked.client.close()


def test_a_second_process_with_the_same_port_says_so(tmp_path: Path, site: Site, asked: Asked) -> None:
    file = configure(tmp_path, site, web=listen(asked))
    with daemon(file, log=tmp_path / "log"):
        wait_until(lambda: asked.status("/-/healthy") == 200)
        second = monitor("run", "--config", file)
        other = configure(tmp_path, site, web={"listen": f"127.0.0.1:{free_port()}"})
        with daemon(other, log=tmp_path / "other"):
            until(asked, lambda seen: seen.get("monitor_processes") == 2)
    assert second.returncode == 2
    place = f"web.listen: 127.0.0.1:{asked.client.base_url.port}"
    says = "another program listens there, perhaps a second monitor; each needs a place of its own"
    assert second.stderr == f"{place}: {says}\n"


REFUSED = [
    ("a name that was made to mean this address", {"Host": "evil.example:9469"}, 421),
    ("an address of the network", {"Host": "10.1.2.3"}, 421),
    ("nonsense", {"Host": "[::1"}, 421),
    ("a page of another site", {"Origin": "https://evil.example"}, 403),
    ("a page of another site, as new browsers say it", {"Sec-Fetch-Site": "cross-site"}, 403),
    ("a page in a sandbox", {"Origin": "null"}, 403),
    ("this machine", {"Host": "localhost:1"}, 200),
    ("this machine by IPv6", {"Host": "[::1]:9469"}, 200),
    ("a configured name", {"Host": "Monitor.example.org"}, 200),
    ("a program", {}, 200),
]


def test_who_may_ask_for_a_reload(tmp_path: Path, site: Site, asked: Asked) -> None:
    web = {**listen(asked), "hosts": ["monitor.example.org"]}
    with daemon(configure(tmp_path, site, web=web), log=tmp_path / "log"):
        wait_until(lambda: asked.status("/-/ready") == 200)
        for name, headers, status in REFUSED:
            assert asked.client.post("/-/reload", headers=headers).status_code == status, name
        assert asked.get("/metrics", Host="evil.example").status_code == 421
        assert asked.status("/-/reload") == 405
        assert asked.client.post("/-/healthy").status_code == 405
        assert asked.status("/nothing") == asked.status("/metrics/") == 404


@pytest.mark.parametrize(
    ("web", "message"),
    [
        ("{listen: 0.0.0.0:9469}", "can be reached from other machines"),
        ("{listen: '[::]:9469'}", "can be reached from other machines"),
        ("{listen: '9469'}", "is no place to listen"),
        ("{listen: 127.0.0.1:70000}", "is no place to listen"),
        ("{listen: example.org:80}", "is no place to listen"),
        ("{listen: 'unix:web.sock'}", "has to begin with /"),
        ("{listen: 0.0.0.0:9469, hosts: monitor.example.org}", ""),
        ("{listen: 'localhost:9469'}", ""),
        ("{listen: '[::1]:9469'}", ""),
        ("{listen: unix:/run/monitor/web.sock}", ""),
        ("{}", ""),
    ],
)
def test_where_it_may_listen(tmp_path: Path, web: str, message: str) -> None:
    file = tmp_path / "monitor.yaml"
    file.write_text(f"web: {web}\n")
    try:
        loaded, said = config.load(file, notifiers.options_of, {"HOME": "/nowhere"}), ""
    except InputError as error:
        loaded, said = None, str(error)
    assert message in said
    assert bool(said) == bool(message)
    assert message or (loaded and loaded.web)


def test_nothing_of_it_is_imported_where_it_is_not_configured() -> None:
    code = "import monitor.app, sys; print(sorted({'starlette', 'uvicorn'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_labels_are_bounded(tmp_path: Path, site: Site, asked: Asked) -> None:
    """A thousand feeds make no more series than one."""
    site.replies |= {f"/{number}": Reply(rss(item("1", "A missile"))) for number in range(100)}
    feeds = [{"url": f"{site.url}/{number}", "every": "1s"} for number in range(100)]
    with daemon(configure(tmp_path, site, web=listen(asked), feeds=feeds), log=tmp_path / "log"):
        wait_until(lambda: asked.status("/-/ready") == 200)
        found = until(asked, lambda seen: seen["monitor_polls_total{read}"] >= 100)
    assert len(found) < 250
    assert not [name for name in found if re.search(r"http|127\.0\.0\.1", name)]


def named(text: str) -> set[str]:
    """The metrics that a file names, as their families are called."""
    names = set(re.findall(r"\b(?:monitor|process)_[a-z_]+[a-z]\b(?!\.)", text))
    return {re.sub("_(bucket|sum|count)$", "", name) for name in names}


def test_alert_rules_and_the_dashboard_name_metrics_that_there_are(tmp_path: Path, site: Site, asked: Asked) -> None:
    """Also those that come of something: one match is suppressed meanwhile."""
    site.replies |= {"/feed": Reply(rss(item("1", "A missile")))}
    held = {"receiver": "hook", "digest": {"schedule": "0 0 1 1 *", "timezone": "UTC"}}
    with daemon(configure(tmp_path, site, web=listen(asked), route=held), log=tmp_path / "log"):
        wait_until(lambda: asked.status("/-/ready") == 200)
        found = until(asked, lambda seen: "monitor_suppressed_total{digest}" in seen)
    there = {re.sub(r"\{.*|_(bucket|sum|count)(?=\{|$).*", "", name) for name in found}
    rules = yaml.safe_load((REPOSITORY / "deploy/prometheus-rules.yaml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    dashboard = json.loads((REPOSITORY / "deploy/grafana.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    expressions = [rule["expr"] for rule in alerts] + queries
    assert set().union(*map(named, expressions)) - there == set()
    own = {name for name in there if name.startswith("monitor_")}
    unshown = {"monitor_build_info", "monitor_config_last_reload_success_timestamp_seconds"}
    assert own - set().union(*map(named, expressions)) <= unshown, "what is measured is shown, or warned of"
    assert len(alerts) >= 7
    assert len(dashboard["panels"]) >= 10
    assert all(rule["annotations"]["summary"] and rule["annotations"]["description"] for rule in alerts)


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
def test_prometheus_takes_the_alert_rules() -> None:
    rules = REPOSITORY / "deploy/prometheus-rules.yaml"
    result = subprocess.run(["promtool", "check", "rules", str(rules)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_reload_ends_with_what_it_met(tmp_path: Path, site: Site, asked: Asked) -> None:
    with daemon(configure(tmp_path, site, web=listen(asked)), log=tmp_path / "log"):
        wait_until(lambda: asked.status("/-/ready") == 200)
        rules = (tmp_path / "rules.yaml").read_text()
        for text, status, ok, count in [
            ("rules: [{id: a}]", 500, 0, 2),
            (rules, 200, 1, 2),
            ("rules: [{id: a, match: b}]", 200, 1, 1),
        ]:
            (tmp_path / "rules.yaml").write_text(text)
            answer = asked.client.post("/-/reload")
            assert answer.status_code == status, answer.text
            assert answer.text == "reloaded\n" if ok else "rules.yaml:1:" in answer.text
            ready = asked.get("/-/ready")
            assert (ready.status_code, "rules.yaml:1:" in ready.text) == (200, not ok)
            metrics = asked.metrics()
            assert metrics["monitor_config_last_reload_successful"] == ok
            assert metrics["monitor_rules_loaded"] == count


class Stuck(Condition):
    """A process whose dispatch stands still."""

    def stuck(self) -> str:
        return "dispatch"


async def test_what_is_stuck_is_said(asked: Asked) -> None:
    condition = Stuck(lambda: NOW)
    transport = httpx.AsyncHTTPTransport()
    async with (
        serving(config.WebConfig.model_validate(listen(asked)), condition),
        httpx.AsyncClient(transport=transport, base_url=asked.client.base_url, trust_env=False) as client,
    ):
        answer = await client.get("/-/healthy")
        assert (answer.status_code, answer.text) == (503, "no progress: dispatch\n")
        starting = await client.post("/-/reload")
        assert (starting.status_code, starting.text.splitlines()[0]) == (
            500,
            "it is starting, and reads everything anyway",
        )


async def test_a_poll_that_begins_late_is_a_misfire() -> None:
    polled: list[str] = []

    async def poll(feed: config.FeedConfig) -> datetime:
        polled.append(feed.url)
        return datetime.now(UTC) + timedelta(days=1)

    def misfires() -> float:
        found = re.search(rb"^monitor_misfires_total (.*)$", render(None, timedelta())[0], re.MULTILINE)
        assert found
        return float(found[1])

    schedule, before, now = Schedule(poll, Troubles()), misfires(), datetime.now(UTC)
    feeds = [config.FeedConfig(url=f"http://a.example/{name}") for name in ("late", "just")]
    schedule.start([(feeds[0], now - timedelta(minutes=1)), (feeds[1], now - timedelta(seconds=1))])
    while len(polled) < 2:  # noqa: ASYNC110 - APScheduler raises no event that a test could wait for
        await asyncio.sleep(0.01)
    await schedule.stop(1)
    assert misfires() - before == 1
