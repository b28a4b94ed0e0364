"""What users write is read again while the daemon runs: all of it takes effect, or nothing."""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from monitor.store.server import EmbeddedServer
from tests.daemon import configure, daemon, monitor, received
from tests.site import Reply, Request, Site, item, rss, wait_until
from tests.test_sdnotify import Manager


class Watch:
    """A daemon that runs, its files, and what it says."""

    def __init__(self, folder: Path, site: Site, process: Any) -> None:
        self.folder, self.site, self.process = folder, site, process

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def titles(self, path: str = "/hook") -> list[str]:
        asked = self.site.asked(path)
        return [f"{a['rule']}: {a['title']}" for request in asked for a in json.loads(request.body)["alerts"]]

    def rules(self, text: str) -> None:
        """Replace the rules by another file, as most editors do."""
        (self.folder / "rules.new").write_text(text)
        (self.folder / "rules.new").replace(self.folder / "rules.yaml")

    def change(self, **settings: Any) -> None:
        file = self.folder / "monitor.yaml"
        file.write_text(json.dumps(json.loads(file.read_text()) | settings))

    def publish(self, *items: str) -> None:
        self.site.replies["/feed"] = Reply(rss(*items))

    def reloaded(self, action: Callable[[], object], line: str = " reloaded feeds=") -> None:
        """Do something, and wait until one more reload has ended so."""
        before = self.log.count(line)
        action()
        wait_until(lambda: self.log.count(line) > before)


@pytest.fixture
def watch(tmp_path: Path, site: Site) -> Iterator[Watch]:
    site.replies |= {"/feed": Reply(rss()), "/hook": Reply(), "/other": Reply()}
    with daemon(configure(tmp_path, site), log=tmp_path / "log") as process:
        watch = Watch(tmp_path, site, process)
        wait_until(lambda: site.asked("/feed"))
        yield watch
        assert "Traceback" not in watch.log


def test_an_edited_rule_raises_the_next_alert_by_its_new_version(watch: Watch, site: Site) -> None:
    watch.publish(item("1", "A missile"))
    wait_until(lambda: watch.titles() == ["missile: A missile"])
    watch.reloaded(lambda: watch.rules("rules: [{id: missile, match: missile | flood}]"))
    watch.publish(item("1", "A missile"), item("2", "A flood"))
    wait_until(lambda: watch.titles() == ["missile: A missile", "missile: A flood"])
    first, second = received(site)
    assert first["rule_version"] != second["rule_version"]
    shown = monitor("alerts", "show", second["id"], "--config", watch.folder / "monitor.yaml")
    assert f"rule missile, version {second['rule_version']}" in shown.stdout


def test_a_broken_rule_changes_nothing_and_is_said_until_it_is_mended(watch: Watch) -> None:
    broken = "rules:\n  - {id: missile, match: missile, levle: high}\n"
    watch.reloaded(lambda: watch.rules(broken), "not reloaded; what was in effect goes on")
    assert "rules.yaml:2:35: " in watch.log
    assert 'did you mean "level"?' in watch.log
    watch.publish(item("1", "A missile"))
    wait_until(lambda: "missile: A missile" in watch.titles())
    watch.reloaded(lambda: watch.rules(broken + "\n"), "not reloaded; what was in effect goes on")
    watch.reloaded(lambda: watch.rules("rules: [{id: missile, match: missile}]"))
    wait_until(lambda: len(watch.titles()) == 3)
    began, ended = [title for title in watch.titles() if title.startswith("monitor-health")]
    assert began.startswith("monitor-health: configuration: changed files are wrong, what was in effect goes on: ")
    assert "rules.yaml:2:35: " in began
    assert ended == "monitor-health: configuration: read again, all is well"


def test_rules_that_are_broken_where_they_moved_to_are_mended_there(watch: Watch) -> None:
    moved = watch.folder / "moved"
    moved.mkdir()
    (moved / "rules.yaml").write_text("rules: [{id: missile, match: missile, levle: high}]")
    watch.reloaded(lambda: watch.change(rules=["moved"]), "not reloaded; what was in effect goes on")
    watch.reloaded(lambda: (moved / "rules.yaml").write_text("rules: [{id: moved, match: missile}]"))
    watch.publish(item("1", "A missile"))
    wait_until(lambda: "moved: A missile" in watch.titles())
    assert watch.log.count(" reloaded feeds=") == 1, "the files of another folder are no change of files"


def test_a_broken_receiver_or_feed_changes_nothing_either(watch: Watch) -> None:
    hook = {"type": "webhook", "url": f"{watch.site.url}/other", "secret": "short"}
    failed = "not reloaded; what was in effect goes on"
    watch.reloaded(lambda: watch.change(receivers={"hook": hook}, feeds=[f"{watch.site.url}/new"]), failed)
    watch.publish(item("1", "A missile"))
    wait_until(lambda: "missile: A missile" in watch.titles())
    assert not watch.site.asked("/new")


def test_feeds_come_and_go(watch: Watch, site: Site) -> None:
    site.replies["/second"] = Reply(rss(item("9", "NATO meets")))
    second = {"url": f"{site.url}/second", "every": "1s"}
    watch.reloaded(lambda: watch.change(feeds=[second]))
    wait_until(lambda: watch.titles() == ["nato: NATO meets"])
    polls = len(site.asked("/feed"))
    wait_until(lambda: len(site.asked("/second")) > 3)
    assert len(site.asked("/feed")) <= polls + 1, "one may have been under way"
    (watch.folder / "feeds.yaml").write_text(json.dumps([f"{site.url}/listed"]))
    wait_until(lambda: site.asked("/listed"))


def test_what_changes_of_a_feed_counts_from_its_next_poll(watch: Watch, site: Site) -> None:
    watch.reloaded(lambda: watch.change(feeds=[{"url": f"{site.url}/feed", "every": "1h"}]))
    changed = {"url": f"{site.url}/feed", "every": "1s", "headers": {"X-Desk": "7"}, "tags": ["asia"]}
    watch.reloaded(lambda: watch.change(feeds=[changed]))
    wait_until(lambda: site.asked("/feed")[-1].headers.get("x-desk") == "7")
    watch.publish(item("1", "A missile"))
    wait_until(lambda: received(site))
    assert received(site)[0]["tags"] == ["asia"]


def test_receivers_come_change_and_go(watch: Watch, site: Site) -> None:
    hook, other = ({"type": "webhook", "url": f"{site.url}/{name}"} for name in ("hook", "other"))
    watch.reloaded(lambda: watch.change(receivers={"hook": hook, "new": other}))
    watch.publish(item("1", "A missile"))
    wait_until(lambda: watch.titles() == watch.titles("/other") == ["missile: A missile"])
    watch.reloaded(lambda: watch.change(receivers={"hook": other | {"headers": {"X-Desk": "7"}}}))
    watch.publish(item("2", "NATO meets"))
    wait_until(lambda: watch.titles("/other")[1:] == ["nato: NATO meets"])
    assert site.asked("/other")[-1].headers["x-desk"] == "7"
    assert watch.titles() == ["missile: A missile"]


def test_what_cannot_change_is_named(watch: Watch) -> None:
    watch.reloaded(lambda: watch.change(redis={"lease": "2s"}, extract="always"))
    assert "redis: this setting has changed; it takes effect after a restart" in watch.log
    assert "extract: this setting has changed; it takes effect after a restart" in watch.log


def test_links_that_are_swapped_are_seen(watch: Watch, site: Site) -> None:
    """As Kubernetes does it: a link to a link, of which the inner one is replaced."""
    volume = watch.folder / "volume"
    for version, expression in (("..1", "missile"), ("..2", "flood")):
        (volume / version).mkdir(parents=True)
        (volume / version / "rules.yaml").write_text(f"rules: [{{id: linked, match: {expression}}}]")
    (volume / "..data").symlink_to("..1")
    (volume / "rules.yaml").symlink_to("..data/rules.yaml")
    watch.reloaded(lambda: watch.change(rules=["volume"]))

    def swap() -> None:
        (volume / "..new").symlink_to("..2")
        (volume / "..new").replace(volume / "..data")

    watch.reloaded(swap)
    watch.publish(item("1", "A flood"))
    wait_until(lambda: watch.titles() == ["linked: A flood"])


def test_a_signal_reads_all_again_and_the_service_manager_is_told(tmp_path: Path, site: Site) -> None:
    manager = Manager(str(tmp_path / "notify"))
    site.replies |= {"/feed": Reply(rss()), "/hook": Reply()}
    file, environ = configure(tmp_path, site), manager.environ
    command = ["/usr/bin/env", *(f"{name}={value}" for name, value in environ.items())]
    command += [sys.executable, "-m", "monitor", "run", "--config", str(file)]
    with daemon(file, log=tmp_path / "log", command=command) as process:
        wait_until(lambda: "READY=1" in manager.listen())
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: manager.listen().count("READY=1") == 2)
        assert process.poll() is None
    [reloading] = [number for number, line in enumerate(manager.heard) if line == "RELOADING=1"]
    assert manager.heard[reloading + 1].startswith("MONOTONIC_USEC=")
    assert "READY=1" in manager.heard[reloading:]
    manager.socket.close()


def test_an_article_ends_with_the_rules_that_it_began_with(watch: Watch, site: Site) -> None:
    release = threading.Event()
    page = b"<html><body><article><p>The army fired a missile into the sea.</p></article></body></html>"
    site.replies["/slow"] = Reply(page, wait=lambda: (release.wait(20), None)[1])
    watch.publish(item("1", "Launch reported", link=f"{site.url}/slow"))
    wait_until(lambda: site.asked("/slow"))
    watch.reloaded(lambda: watch.rules("rules: [{id: new, match: missile}]"))
    release.set()
    wait_until(lambda: watch.titles() == ["missile: Launch reported"])
    watch.publish(item("2", "Another missile"))
    wait_until(lambda: watch.titles()[1:] == ["new: Another missile"])


@pytest.mark.parametrize("gone", [False, True], ids=["changed", "gone and back"])
def test_what_was_sent_while_redis_is_down_is_not_sent_again_by_a_changed_receiver(
    gone: bool, tmp_path: Path, site: Site
) -> None:
    sending, server = threading.Event(), EmbeddedServer(tmp_path / "redis")
    site.replies |= {"/feed": Reply(rss()), "/hook": Reply(wait=lambda: (sending.wait(20), None)[1]), "/other": Reply()}
    hook, other = (
        {"type": "webhook", "url": f"{site.url}/{name}", "headers": {"X": "7"}} for name in ("hook", "other")
    )
    with server, redis.Redis.from_url(server.url) as client:
        file = configure(tmp_path, site, redis={"url": server.url, "lease": "30s"})
        pid = client.info("server")["process_id"]
        with daemon(file, log=tmp_path / "log") as process:
            watch = Watch(tmp_path, site, process)
            watch.publish(item("1", "A missile"))
            wait_until(lambda: site.asked("/hook"))
            os.kill(pid, signal.SIGKILL)
            sending.set()
            wait_until(lambda: "nothing is lost, trying again" in watch.log)
            if gone:
                watch.reloaded(lambda: watch.change(receivers={"other": other}))
            watch.reloaded(lambda: watch.change(receivers={"hook": hook}))
            server.ensure()
            watch.publish(item("2", "Another missile"))
            wait_until(lambda: "missile: Another missile" in watch.titles(), 20)
            assert watch.titles() == ["missile: A missile", "missile: Another missile"]


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_by_twenty_reloads_under_load(watch: Watch, site: Site) -> None:
    items = [item(str(number), f"Missile number {number}", "All react.") for number in range(500)]
    shown = 0

    def feed(request: Request) -> Reply:
        nonlocal shown
        shown = min(shown + 25, len(items))
        return Reply(rss(*items[:shown]))

    site.replies["/feed"] = feed
    for turn in range(20):
        target = {"type": "webhook", "url": f"{site.url}/hook", "headers": {"X-Turn": str(turn)}}
        rules = f"rules: [{{id: missile, match: missile, description: turn {turn}}}]"
        watch.rules(rules)
        watch.reloaded(lambda: watch.change(receivers={"hook": target}))  # noqa: B023 - called at once
    wait_until(lambda: shown == len(items))
    wait_until(lambda: len(received(site)) >= len(items), 40)
    assert {alert["document"] for alert in received(site)} == {str(number) for number in range(len(items))}
    keys = [request.headers["webhook-id"] for request in site.asked("/hook")]
    assert len(keys) == len(set(keys)), "no message came twice"
