"""The log: one line an event, whatever stands in it; for people, for the journal and for programs."""

import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from monitor.logs import Formatter, about, shown
from monitor.secrecy import HIDDEN, hide
from tests.daemon import configure, daemon, monitor, received
from tests.site import Reply, Request, Site, item, rss, wait_until

HOSTILE = "one\n2026-01-01T00:00:00Z CRITICAL two\x1b[2J \u202egnp.exe \x9b31m\u2028three\r"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "


def record(message: str, *arguments: Any, error: BaseException | None = None) -> logging.LogRecord:
    failure = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("monitor.x", logging.WARNING, "x.py", 1, message, arguments, failure)


def raised(message: str) -> Exception:
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("탄도미사일 “発射”　می‌شود", "탄도미사일 “発射” می‌شود"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[2J\x00\x9b", "\\u001b[2J\\u0000\\u009b"),
        ("\u202etxt.exe\u2066", "\\u202etxt.exe\\u2066"),
        ("\u2028\u2029\x85\ud800", "\\u2028\\u2029\\u0085\\ud800"),
    ],
)
def test_what_could_end_a_line_or_steer_a_terminal_is_written_out(text: str, line: str) -> None:
    assert shown(text) == line


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("journal", [True, False])
def test_an_event_is_a_line(form: str, journal: bool) -> None:
    event = record("page failed url=%s reason=%r", HOSTILE, HOSTILE, error=raised(HOSTILE))
    with about(article=HOSTILE):
        text = Formatter(form, journal=journal).format(event)
    first, *further = text.splitlines()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert first.startswith("<4>") == journal
    if form == "text" and not journal:
        assert re.match(f"{TIME}WARNING page failed url=one", first)
        assert further
        assert {line[:4] for line in further} == {"    "}, "no line of the text begins a line"
    else:
        assert further == []


def test_programs_get_fields() -> None:
    event = record(
        "polled feed=%s alerts=%d in %.1f s 100%% key=%r", "https://a.example", 3, 0.5, "k", error=raised("x")
    )
    with about(feed="https://a.example"), about(article="a 1"):
        line = json.loads(Formatter("json", journal=False).format(event))
    assert line.pop("exception").endswith("ValueError: x")
    assert re.fullmatch(TIME.strip(), line.pop("ts"))
    assert line == {
        "level": "warning",
        "logger": "monitor.x",
        "msg": "polled feed=https://a.example alerts=3 in 0.5 s 100% key='k'",
        "feed": "https://a.example",
        "alerts": 3,
        "key": "k",
        "article": "a 1",
    }


def test_people_read_what_a_line_is_about_once() -> None:
    with about(feed="https://a.example/?a=b", article='a "1" level=high'):
        line = Formatter("text", journal=True).format(record("gone feed=%s", "https://a.example/?a=b"))
    assert line == '<4>WARNING gone feed=https://a.example/?a=b article="a \\"1\\" level=high"'
    assert Formatter("text", journal=True).format(record("gone")) == "<4>WARNING gone"


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_is_in_message_field_or_traceback(form: str) -> None:
    hide(["open sesame"])
    event = record("url=%s %s", "https://u:pw@h/?token=tok", "open sesame", error=raised("open sesame"))
    with about(feed="open sesame"):
        text = Formatter(form, journal=False).format(event)
    assert not re.search("sesame|pw@|=tok", text)
    assert HIDDEN in text


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_is_no_longer_than_the_journal_takes(form: str) -> None:
    event = record("body=%s", "\U000e0041" * 100_000, error=raised("\u202e" * 100_000))
    with about(article="\u202e" * 10_000, feed="\u202e" * 10_000):
        assert len(Formatter(form, journal=True).format(event).encode()) < 48 * 1024


@pytest.mark.parametrize("message", ["%d apples", "%s", "a=%s b=%s"])
def test_a_slip_of_a_library_costs_no_line(message: str) -> None:
    for form in ("text", "json"):
        assert "pears" in Formatter(form, journal=False).format(record(message, "pears"))


def hostile_site(site: Site) -> None:
    """A feed whose entry is named by a hostile guid, and whose page is not there."""
    guid = "guid-1 &#10;CRITICAL two"
    site.replies |= {
        "/feed": Reply(rss(item(guid, "A missile\x85CRITICAL three", "Text.", f"{site.url}/gone"))),
        "/hook": Reply(b"no\nCRITICAL four \x1b[2J", 400),
    }


def test_the_daemon_writes_json(tmp_path: Path, site: Site) -> None:
    hostile_site(site)
    with daemon(configure(tmp_path, site, log={"format": "json", "level": "debug"}), log=tmp_path / "log") as process:
        wait_until(lambda: "given up" in (tmp_path / "log").read_text())
        process.terminate()
        assert process.wait(20) == 0
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    [failed] = [line for line in lines if line["msg"].startswith("page failed")]
    assert failed["url"] == f"{site.url}/gone"
    assert failed["reason"] == "HTTP 404 Not Found"
    assert failed["feed"] == f"{site.url}/feed"
    read = [line["article"] for line in lines if line["msg"].startswith("read ")]
    assert read == [failed["article"]] == [received(site)[0]["document"]]
    assert {line["level"] for line in lines} <= {"debug", "info", "warning", "error"}


def test_the_journal_gets_priorities(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile_site(site)
    log = tmp_path / "log"
    log.touch()
    monkeypatch.setenv("JOURNAL_STREAM", f"{log.stat().st_dev}:{log.stat().st_ino}")
    with daemon(configure(tmp_path, site), log=log):
        wait_until(lambda: "given up" in log.read_text())
    lines = log.read_text().splitlines()
    assert [line for line in lines if not re.match(r"<[3-7]>(INFO|WARNING|ERROR) ", line)] == []
    [failed] = [line for line in lines if "page failed" in line]
    assert failed.startswith("<4>WARNING page failed")
    assert " article=" in failed


def test_what_stops_a_start_is_said_in_the_form_of_the_log(tmp_path: Path, site: Site) -> None:
    config = configure(tmp_path, site, rules=["none.yaml"], log={"format": "json"})
    done = monitor("run", "--config", config)
    assert done.returncode == 2
    assert "none.yaml" in json.loads(done.stderr)["msg"]


SECRETS = {
    "feed_password": "feed-pass-1x",
    "feed_query": "feed-query-2x",
    "feed_header": "feed-header-3x",
    "feed_cookie": "feed-cookie-4x",
    "auth": "auth-pass-5x",
    "proxy": "proxy-pass-6x",
    "hook_header": "hook-header-7x",
    "hook_query": "hook-query-8x",
    "signed": "whsec_" + "OXhTZWNyZXRz" * 3,
    "slack": "slackhook10x",
    "token": "xoxb-bot-11x",
    "mail": "mail-pass-12x",
    "redis": "redis-pass-13x",
    "apprise": "apprise-pass-14x",
    "filed": "filed-pass-15x",
    "variable": "variable-16x",
}


def secretive(folder: Path, site: Site) -> Path:
    """A configuration with a secret in every setting that may hold one; its site gives back what it was told."""

    def echo(request: Request) -> Reply:
        told = " ".join(f"{name}={value}" for name, value in request.headers.items())
        return Reply(f"{told} {request.path}".encode(), 400)

    def lead_astray(request: Request) -> Reply:
        told = request.headers.get("authorization", "") + request.headers.get("x-key", "")
        return Reply(status=302, headers={"location": f"ftp://astray.example/{told}{request.path}"})

    have, host = SECRETS, site.url.removeprefix("http://")
    (folder / "filed").write_text(have["filed"])
    (folder / "filed").chmod(0o644)
    site.replies |= {
        "/feed": Reply(rss(item("1", "A missile", "Text.", f"{site.url}/gone?token=theirs"))),
        f"/astray?key={have['feed_query']}": lead_astray,
        "/astray": lead_astray,
        f"/hook?token={have['hook_query']}": echo,
        f"/services/T1/B1/{have['slack']}": echo,
        "/chat.postMessage": echo,
        "/told": Reply(),
    }
    feeds = [
        {"url": f"{site.url}/feed", "every": "1s"},
        {"url": f"http://me:{have['feed_password']}@{host}/astray?key={have['feed_query']}", "every": "1s"},
        {"url": f"http://localhost:{site.port}/astray", "headers": {"X-Key": have["feed_header"]}, "every": "1s"},
        {
            "url": f"{site.url}/a",
            "cookies": {"id": have["feed_cookie"]},
            "auth": {"user": "u", "password": have["auth"]},
        },
        {"url": f"{site.url}/b", "proxy": f"http://u:{have['proxy']}@127.0.0.1:1", "every": "1s"},
        {"url": f"{site.url}/astray#1", "headers": {"X-Key": "${DESK_TOKEN}"}, "every": "1s"},
    ]
    mail = {"type": "email", "host": "127.0.0.1", "port": 1, "user": "u", "from": "a@b.example", "to": "c@d.example"}
    bearer = {"Authorization": f"Bearer {have['hook_header']}"}
    receivers: dict[str, Any] = {
        "told": {"type": "webhook", "url": f"{site.url}/told", "headers": bearer},
        "hook": {"type": "webhook", "url": f"{site.url}/hook?token={have['hook_query']}", "headers": bearer},
        "signed": {"type": "webhook", "url": f"{site.url}/none", "secret": have["signed"]},
        "slack": {"type": "slack", "webhook": f"{site.url}/services/T1/B1/{have['slack']}"},
        "bot": {"type": "slack", "token": have["token"], "channel": "C1", "api": site.url},
        "mail": mail | {"password": have["mail"]},
        "filed": mail | {"password_file": "filed"},
        "bus": {"type": "redis", "url": f"redis://:{have['redis']}@127.0.0.1:1/0", "stream": "s"},
        "any": {"type": "apprise", "url": f"json://u:{have['apprise']}@{host}/any"},
        "crash": {"type": "command", "command": [sys.executable, "-c", f"exit({have['mail']!r})"]},
    }
    return configure(folder, site, feeds=feeds, receivers=receivers)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secret_is_shown_anywhere(form: str, tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_TOKEN", SECRETS["variable"])
    monkeypatch.setenv("MONITOR_LOG__FORMAT", form)
    config, log = secretive(tmp_path, site), tmp_path / "log"
    command = [sys.executable, "-m", "monitor", "-v", "run", "--config", str(config)]
    with daemon(config, log=log, command=command):
        wait_until(lambda: len(re.findall(r"delivery (?:failed|given up) receiver=(?!told)", log.read_text())) >= 8)
        wait_until(lambda: log.read_text().count("feed failed") >= 5)
        outputs = {"log": log.read_text(), "alerts": "".join(request.body.decode() for request in site.asked("/told"))}
        outputs["argv"] = "".join(
            file.read_text() for file in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path) in file.read_text()
        )
        for asked in ("status", "config show", "doctor", "dead list", f"why-not {site.url}/gone", "feeds list"):
            done = monitor(*asked.split(), "--config", config)
            outputs[asked] = done.stdout + done.stderr
            assert outputs[asked], asked
    (broken := tmp_path / "broken.yaml").write_text(config.read_text().replace('"http://', '"htp://'))
    outputs["broken"] = monitor("run", "--config", broken).stderr
    assert "is no URL" in outputs["broken"]
    leaks = [(what, name) for what, text in outputs.items() for name, secret in SECRETS.items() if secret in text]
    assert leaks == []
    assert HIDDEN in outputs["log"]
    if form == "json":
        assert all(json.loads(line)["msg"] for line in outputs["log"].splitlines())
