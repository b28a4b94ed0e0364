"""The other receivers: webhook, file, command, redis, apprise, console, and one that is a plugin of somebody else's."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio
from pydantic import ValidationError

from monitor.alerts.render import as_message, as_text, heading, news_of, one_line, sources_line
from monitor.config import HttpConfig
from monitor.errors import MonitorError, PermanentError, TemporaryError
from monitor.http import Http
from monitor.models import Latest, Notification, Snippet
from monitor.notifiers import notifier_class
from monitor.notifiers.command import Command, CommandOptions, failure
from monitor.notifiers.file import File, FileOptions, lines
from monitor.notifiers.mail_message import Envelope, address_of, mail
from monitor.notifiers.redis import Redis, RedisOptions
from monitor.notifiers.slack_blocks import message as slack_message
from monitor.notifiers.webhook import Webhook, WebhookOptions, headers_for
from monitor.store.server import EmbeddedServer
from tests.conftest import REPOSITORY
from tests.daemon import configure
from tests.notices import HOSTILE, a_notification, an_alert, hostile
from tests.site import Reply, Site, item, rss, wait_until

HTTP = Http(HttpConfig.model_validate({"allow_private": ["127.0.0.0/8"]}))
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "2 sources: Yonhap, Antara · ko, id"),
        ({"sources": ("Yonhap",), "languages": ("ko",)}, "Yonhap · ko"),
        ({"sources": (), "languages": ()}, "Yonhap · ko"),
        ({"sources": (), "languages": (), "source": "", "language": None}, ""),
        ({"sources": tuple("ABCDEFGHIJK"), "languages": ()}, "11 sources: A, B, C, D, E, F, G, H and 3 more · ko"),
        ({"sources": ("a\nb\u202e", "c")}, "2 sources: a b, c · ko, id"),
    ],
)
def test_who_told_a_story_in_one_line(changes: dict[str, Any], line: str) -> None:
    assert sources_line(an_alert(**changes)) == line


def test_the_terminal_shows_all_sources() -> None:
    assert as_text(an_alert()).splitlines()[2] == (
        "  2 sources: Yonhap, Antara · ko, id · 2026-11-23 12:00 UTC · https://news.example/1?a=1&b=2"
    )


def test_an_update_shows_the_article_that_is_new() -> None:
    latest = Latest(
        document="2", title="Rudal kedua", url="https://antara.example/2", source="Antara", language="id",
        snippet=Snippet(text="Sebuah rudal jatuh.", marks=((7, 12),)),
    )  # fmt: skip
    update = a_notification(an_alert(latest=latest), kind="update")
    slack = json.dumps(slack_message(update), ensure_ascii=False)
    told = mail(
        update, Envelope(address_of("a@b.example"), (address_of("c@d.example"),)), datetime(2026, 11, 23, tzinfo=UTC)
    )
    parts: list[Any] = [part for part in told.walk() if not part.is_multipart()]
    for text in (slack, *(part.get_content() for part in parts)):
        assert "Rudal kedua" in text
        assert "https://antara.example/2" in text
        assert "2 sources" in text
    [again] = news_of(update)
    assert as_text(again).splitlines()[-1] == "  Sebuah [rudal] jatuh."
    assert news_of(update.model_copy(update={"kind": "alert"})) == update.alerts


def test_one_line_is_one_line_and_no_longer_than_it_may_be() -> None:
    assert [one_line(text, 10) for text in ("a\r\n b\u2028\x00c", "x" * 11, "👩‍👧 مرحبا")] == [
        "a b c", "xxxxxxxxx…", "👩‍👧 مرحبا"
    ]  # fmt: skip


def test_programs_are_sent_a_message_whose_version_says_what_is_in_it() -> None:
    message = json.loads(as_message(a_notification(receipts={"a1": "private"})))
    assert {key: message[key] for key in ("version", "key", "receiver", "kind", "text")} == {
        "version": 1, "key": "a1.desk", "receiver": "desk", "kind": "alert", "text": ""
    }  # fmt: skip
    assert sorted(message) == ["alerts", "key", "kind", "receiver", "text", "version"]
    fields = (
        "id rule level rule_title tags document title url source language published receivers snippet evidence story "
        "documents sources languages first_seen last_seen when text_from latest rule_version"
    )
    assert sorted(message["alerts"][0]) == sorted(fields.split()), (
        "whoever takes a field away, or gives it another meaning, makes the version 2"
    )


def test_a_signature_is_that_of_standard_webhooks() -> None:
    headers = headers_for("msg_1", 1_700_000_000, b'{"a":1}', SECRET)
    expected = hmac.new(b"k" * 32, b'msg_1.1700000000.{"a":1}', hashlib.sha256).digest()
    assert headers == {
        "content-type": "application/json",
        "webhook-id": "msg_1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": f"v1,{base64.b64encode(expected).decode()}",
    }
    # The example that the specification of Standard Webhooks gives.
    example = headers_for(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    )
    assert example["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_webhook_is_signed_as_it_is_sent(site: Site) -> None:
    site.replies["/hook"] = Reply()
    options = WebhookOptions.model_validate({"url": f"{site.url}/hook", "secret": SECRET, "headers": {"X-A": "b"}})
    notification = a_notification(key="a1.Büro")
    await Webhook(options, HTTP).send(notification)
    [request] = site.asked("/hook")
    assert request.body.decode() == as_message(notification)
    assert request.headers["webhook-id"] == "a1.B%C3%BCro", "a header holds ASCII only"
    sent = int(request.headers["webhook-timestamp"])
    assert abs(sent - time.time()) < 60
    assert (
        request.headers["webhook-signature"] == headers_for("a1.Büro", sent, request.body, SECRET)["webhook-signature"]
    )
    assert request.headers["x-a"] == "b"


@pytest.mark.parametrize("secret", ["SECRET", "whsec_", "whsec_SECRET!", "whsec_" + "QUJD" * 4, "whsec_" + "QUJD" * 30])
def test_a_wrong_secret_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ValidationError) as caught:
        WebhookOptions.model_validate({"url": "https://a.example", "secret": secret})
    [error] = caught.value.errors()
    assert error["msg"].startswith("Value error, this is no signing secret; make one with")
    assert SECRET not in repr(WebhookOptions.model_validate({"url": "https://a.example", "secret": SECRET}))


async def test_a_webhook_reaches_no_private_address() -> None:
    closed = Http(HttpConfig())
    with pytest.raises(TemporaryError, match="is no public address"):
        await Webhook(WebhookOptions.model_validate({"url": "http://127.0.0.1/"}), closed).send(a_notification())


def content(folder: Path) -> list[bytes]:
    return [one.read_bytes() for one in folder.iterdir()]


async def test_a_file_is_turned_over_when_it_is_full(tmp_path: Path) -> None:
    path = tmp_path / "out/alerts.ndjson"
    size = len(lines(a_notification(key="0"))[0].encode()) + 1
    file = File(FileOptions.model_validate({"path": path, "max_size": 2 * size, "keep": 2}), HTTP)
    for number in range(9):
        await file.send(a_notification(key=str(number)))
    kept = {
        one.name: [json.loads(line)["key"] for line in one.read_text().splitlines()] for one in path.parent.iterdir()
    }
    assert kept == {"alerts.ndjson": ["8"], "alerts.ndjson.1": ["6", "7"], "alerts.ndjson.2": ["4", "5"]}


async def test_a_file_may_keep_nothing_and_mends_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "alerts.ndjson"
    path.write_text('{"half')
    notice = a_notification(kind="notice", text="20 wait")
    await File(FileOptions(path=path), HTTP).send(notice)
    assert path.read_text() == f'{{"half\n{as_message(notice)}\n'
    await File(FileOptions(path=path, max_size=1, keep=0), HTTP).send(a_notification())
    assert path.read_text() == lines(a_notification())[0] + "\n"
    assert os.listdir(tmp_path) == ["alerts.ndjson"]


async def test_a_file_that_several_write_and_turn_over_loses_nothing(tmp_path: Path) -> None:
    options = FileOptions.model_validate({"path": tmp_path / "a", "max_size": 20_000, "keep": 1_000})
    files = [File(options, HTTP) for _ in range(4)]
    await asyncio.gather(*(files[n % 4].send(a_notification(key=str(n))) for n in range(200)))
    kept = [json.loads(line)["key"] for one in content(tmp_path) for line in one.splitlines()]
    assert sorted(map(int, kept)) == list(range(200))
    assert max(map(len, content(tmp_path))) <= 20_000


def command(*argv: str, timeout: str = "20s") -> Command:
    return Command(CommandOptions.model_validate({"command": argv, "timeout": timeout}), HTTP)


def script(program: str, **options: str) -> Command:
    return command(sys.executable, "-c", program, **options)


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_command_is_given_json_and_no_shell_reads_it(tmp_path: Path, text: str) -> None:
    program = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())"
    out = tmp_path / "$(touch x); `id` > y"[:20].replace("/", "")
    await command(sys.executable, "-c", program, str(out)).send(a_notification(hostile(text)))
    assert json.loads(out.read_bytes()) == json.loads(as_message(a_notification(hostile(text))))
    assert os.listdir(tmp_path) == [out.name]


@pytest.mark.parametrize(
    ("program", "kind", "reason"),
    [
        ("import sys; print('a\\nlast \\x1b[1mline', file=sys.stderr); sys.exit(3)", TemporaryError,
         "the command ended with status 3: last [1mline"),
        ("import sys; sys.exit(65)", PermanentError, "the command ended with status 65"),
        ("import os; os.kill(os.getpid(), 9)", TemporaryError, "the command was ended by SIGKILL"),
        ("import sys; sys.stderr.write('x' * 10_000_000 + '\\nend\\n'); sys.exit(1)", TemporaryError,
         "the command ended with status 1: end"),
    ],
)  # fmt: skip
async def test_a_command_that_fails_says_why(program: str, kind: type[Exception], reason: str) -> None:
    with pytest.raises(kind) as caught:
        await script(program).send(a_notification())
    assert type(caught.value) is kind
    assert str(caught.value) == reason


async def test_a_command_that_reads_nothing_may_succeed() -> None:
    await script("pass").send(a_notification(*[an_alert()] * 500))


async def test_a_command_that_hangs_is_killed_with_all_it_has_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    program = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "time.sleep(600)"
    )
    with pytest.raises(TemporaryError, match="did not end within 2 s and was killed"):
        await script(program, timeout="2s").send(a_notification())
    left = [int(pid) for pid in pids.read_text().split()]
    wait_until(lambda: all(map(_is_gone, left)))


@pytest.mark.skipif(not shutil.which("setsid"), reason="a program leaves its group with setsid")
async def test_a_command_may_leave_a_program_behind_that_holds_its_standard_error() -> None:
    began = time.monotonic()
    await command("sh", "-c", "setsid sleep 15 & exit 0").send(a_notification())
    with pytest.raises(TemporaryError, match="status 4: no"):
        await command("sh", "-c", "setsid sleep 15 & echo no >&2; exit 4").send(a_notification())
    assert time.monotonic() - began < 10


async def test_a_command_that_is_cut_short_leaves_nothing_behind(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    program = f"import os, time; open({str(pids)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    sending = asyncio.create_task(script(program).send(a_notification()))
    while not pids.exists() or not pids.read_text():  # noqa: ASYNC110 - a process raises no event
        await asyncio.sleep(0.01)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert _is_gone(int(pids.read_text()))


def _is_gone(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


async def test_a_command_that_is_not_there() -> None:
    with pytest.raises(TemporaryError, match="/nowhere cannot be run: No such file or directory"):
        await command("/nowhere").send(a_notification())
    assert str(failure(2, b"")) == "the command ended with status 2"


async def test_redis_gets_entries_of_a_stream_or_messages_of_a_channel(redis_url: str) -> None:
    notification = a_notification()
    client: Any
    async with redis.asyncio.Redis.from_url(redis_url, decode_responses=True) as client:
        options = RedisOptions.model_validate({"url": redis_url, "stream": "news", "max_length": 100})
        async with Redis(options, HTTP) as stream:
            for _ in range(1_000):
                await stream.send(notification)
        newest = await client.xrevrange("news", count=1)
        assert newest[0][1] == {"key": "a1.desk", "kind": "alert", "message": as_message(notification)}
        assert 100 <= await client.xlen("news") <= 300
        async with (
            client.pubsub() as listener,
            Redis(RedisOptions.model_validate({"url": redis_url, "channel": "news"}), HTTP) as channel,
        ):
            await listener.subscribe("news")
            await listener.get_message(timeout=5)
            await channel.send(notification)
            heard = await listener.get_message(ignore_subscribe_messages=True, timeout=5)
            assert heard is not None
            assert heard["data"] == as_message(notification)


async def test_another_redis_that_is_down_is_this_receivers_trouble_only(
    redis_url: str, server: EmbeddedServer
) -> None:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.set("taken", "by a string")
    for url, stream in (("redis://:SECRET@127.0.0.1:1/0", "x"), (redis_url, "taken")):
        async with Redis(RedisOptions.model_validate({"url": url, "stream": stream}), HTTP) as notifier:
            with pytest.raises(TemporaryError, match="Redis: ") as caught:
                await notifier.send(a_notification())
            assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"url": "http://:SECRET@a.example", "stream": "x"}, "this is no Redis address"),
        ({"url": "redis://:SECRET@a.example:port", "stream": "x"}, "this is no Redis address"),
        ({"url": "redis://:SECRET@a.example"}, "either stream or channel"),
        ({"url": "redis://:SECRET@a.example", "stream": "x", "channel": "y"}, "either stream or channel"),
    ],
)
def test_wrong_options_of_redis(options: dict[str, str], reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RedisOptions.model_validate(options)
    [error] = caught.value.errors()
    assert reason in error["msg"]
    assert "SECRET" not in error["msg"]


async def test_apprise_hands_it_to_a_service(site: Site) -> None:
    kind = notifier_class("apprise")
    site.replies |= {"/ok": Reply(), "/down": Reply(status=503)}
    options = kind.Options.model_validate({"url": f"json://127.0.0.1:{site.port}/ok"})
    await kind(options, HTTP).send(a_notification())
    [request] = site.asked("/ok")
    told = json.loads(request.body)
    assert told["title"] == heading(a_notification())
    assert told["message"] == as_text(an_alert())
    forms = {"title": "{{ alert.title }}", "body": "{{ alert.snippet }}"}
    own = kind(kind.Options.model_validate({"url": f"json://127.0.0.1:{site.port}/ok", **forms}), HTTP)
    await own.send(a_notification())
    await own.send(a_notification(kind="notice", text="20 wait"))
    assert [json.loads(request.body)["message"] for request in site.asked("/ok")[1:]] == [
        an_alert().snippet.text, "20 wait"
    ]  # fmt: skip
    down = kind(kind.Options.model_validate({"url": f"json://user:SECRET@127.0.0.1:{site.port}/down"}), HTTP)
    with pytest.raises(TemporaryError, match="did not take it") as caught:
        await down.send(a_notification())
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "SECRET", "nothing://SECRET", "json://a.example,json://SECRET"])
def test_apprise_takes_one_target_that_it_knows(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        notifier_class("apprise").Options.model_validate({"url": url})
    [error] = caught.value.errors()
    assert error["msg"].startswith("Value error, this is no target that Apprise knows, or more than one")


def test_apprise_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    monkeypatch.delitem(sys.modules, "monitor.notifiers.apprise", raising=False)
    with pytest.raises(MonitorError, match=r"install it with: pip install 'monitord\[apprise\]'"):
        notifier_class("apprise")


@pytest.mark.parametrize("colour", [False, True])
async def test_the_console_prints_notices_too(capsys: pytest.CaptureFixture[str], colour: bool) -> None:
    console = notifier_class("console")
    notifier = console(console.Options(), HTTP)
    await notifier.send(a_notification())
    await notifier.send(a_notification(kind="notice", text="20 wait\x1b[2J"))
    assert capsys.readouterr().out == f"{as_text(an_alert())}\n\n20 wait\\u001b[2J\n\n"


@pytest.mark.slow
def test_a_plugin_of_somebody_elses_is_installed_and_runs(tmp_path: Path, site: Site) -> None:
    source = shutil.copytree(REPOSITORY / "tests/plugin", tmp_path / "plugin")
    place = tmp_path / "site-packages"
    offline = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation"]
    install = [sys.executable, "-m", "pip", "install", *offline, "--target", str(place), str(source)]
    subprocess.run(install, check=True, timeout=60)
    site.replies |= {"/feed": Reply(rss(item("1", "A missile"))), "/lamp": Reply()}
    receivers = {"red": {"type": "lamp", "url": f"{site.url}/lamp", "blinks": 5}}
    config = configure(tmp_path, site, receivers=receivers)
    run = [sys.executable, "-m", "monitor", "run", "--config", str(config), "--once"]
    environment = os.environ | {"PYTHONPATH": str(place)}
    result = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    [request] = site.asked("/lamp")
    assert request.body == b"5 times for 1 alerts"
    assert request.headers["idempotency-key"].endswith(".red")
    # What it says of its options is said as of ours.
    wrong = configure(tmp_path, site, receivers={"red": receivers["red"] | {"blink": 5}})
    run[-2] = str(wrong)
    result = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert 'unknown key "blink"; did you mean "blinks"?' in result.stderr


def test_a_notification_of_nothing_has_a_heading() -> None:
    assert heading(Notification(key="k", receiver="r", alerts=(), kind="digest")) == ""
