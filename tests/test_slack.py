"""Slack: what is sent is as Slack takes it, nothing from a feed can speak to Slack, and each answer is understood."""

import json
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from pydantic import ValidationError

from monitor.config import HttpConfig
from monitor.errors import PermanentError, TemporaryError
from monitor.http import Http
from monitor.models import Evidence, Notification, Snippet
from monitor.notifiers.slack import Slack, SlackOptions
from monitor.notifiers.slack_blocks import MAX_BLOCKS, MAX_BYTES, MAX_TEXT, Forms, disarmed, encoded, message, value
from monitor.notifiers.templates import compiled
from tests.notices import HOSTILE, a_notification, an_alert, hostile
from tests.site import Reply, Request, Site, speaking

POST, UPDATE = "/api/chat.postMessage", "/api/chat.update"


def test_a_message_says_it_all() -> None:
    section = {"type": "section"}
    assert message(a_notification()) == {
        "text": "🟠 HIGH · korea (Korean peninsula): 북한, 탄도미사일 발사",
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [section | {"text": mrkdwn("🟠 HIGH · korea (Korean peninsula)")}],
        "attachments": [
            {
                "color": "#d84315",
                "blocks": [
                    section | {"text": mrkdwn("*<https://news.example/1?a=1&amp;b=2|북한, 탄도미사일 발사>*")},
                    section
                    | {"text": mrkdwn("북한이 동해상으로 탄도\u200b*미사일*\u200b을 발사했다고 합참이 밝혔다.")},
                    {
                        "type": "context",
                        "elements": [
                            mrkdwn("missile · 2 sources: Yonhap, Antara · ko, id · 2026-11-23 12:00 UTC"),
                        ],
                    },
                ],
            }
        ],
    }


def mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


@pytest.mark.parametrize(
    ("changes", "heading"),
    [
        ({"kind": "update"}, "🟠 Update · HIGH · korea (Korean peninsula) · 2 sources"),
        ({"kind": "digest"}, "🟠 Digest · HIGH · korea (Korean peninsula) · 2 sources"),
        ({"kind": "digest", "alerts": (an_alert(), an_alert(level="critical"))}, "🔴 Digest · 2 alerts"),
        ({"kind": "notice", "text": "5 wait <!here>"}, "5 wait &lt;!here&gt;"),
    ],
)
def test_a_heading_says_what_it_is(changes: dict[str, Any], heading: str) -> None:
    assert message(a_notification(**changes))["blocks"][0]["text"]["text"] == heading


def texts_in(made: Any) -> list[str]:
    if isinstance(made, dict):
        return [
            text
            for key, inner in made.items()
            for text in ([inner] if key == "text" and isinstance(inner, str) else texts_in(inner))
        ]
    return [text for inner in made for text in texts_in(inner)] if isinstance(made, list) else []


FORMS = Forms(
    compiled("{{ alert.title }}"), compiled("{{ alert.title }}\n{{ alert.snippet }} {{ alert.origin }}", value)
)


@pytest.mark.parametrize("forms", [Forms(), FORMS], ids=["ours", "templates"])
@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_from_a_feed_speaks_to_slack(text: str, forms: Forms) -> None:
    made = message(a_notification(hostile(text)), forms)
    for shown in texts_in(made):
        ours = re.sub(r"<https://evil\.example/[^<>|\s]*\|([^<>]*)>", r"\1", shown)
        ours = re.sub("\u200b\\*([^*]*)\\*\u200b", "\u200b\\1\u200b", ours)  # the matched word
        ours = re.sub(r"^\*(.*)\*$", r"\1", ours)  # the title
        assert not re.search(r"[<>*_~`]", ours), shown
        assert not re.search(r"&(?!amp;|lt;|gt;)", ours), shown
        assert not re.search(r"^&gt;", ours, re.MULTILINE), shown
        assert not re.search(r":[a-z0-9+-]*[a-z+][a-z0-9+-]*:", ours), shown
        assert not re.search("[\\x00-\\x09\\x0b-\\x1f\\x85\u2028\u2029\u200f\u202a-\u202e\u2066-\u2069]", shown), shown
    assert made["attachments"][0]["blocks"][0]["text"]["verbatim"] is True, (
        "else Slack makes links of what looks like one"
    )


def test_words_stay_as_they_are_where_they_mean_nothing_to_slack() -> None:
    assert disarmed("Fire & fury: 12:30 – «Ça ira», 50 % (a/b) [c] «d» 🙂 👩‍👩‍👧") == (
        "Fire &amp; fury: 12:30 – «Ça ira», 50 % (a/b) [c] «d» 🙂 👩‍👩‍👧"
    )


@pytest.mark.parametrize("url", ["javascript:alert(1)", "", "http://[", "https://a.example/" + "x" * 3000, "ftp://a"])
def test_a_title_is_linked_to_the_web_only(url: str) -> None:
    title = message(a_notification(an_alert(url=url)))["attachments"][0]["blocks"][0]["text"]["text"]
    assert title == "*북한, 탄도미사일 발사*"


@pytest.mark.parametrize("letter", ["a", "&", "語", "😀", '"'])
@pytest.mark.parametrize("forms", [Forms(), FORMS], ids=["ours", "templates"])
def test_a_message_keeps_within_slacks_limits(letter: str, forms: Forms) -> None:
    long = letter * 5_000
    alert = an_alert(
        title=long, rule_title=long, sources=(long,) * 20, url="https://a.example/" + "&" * 390,
        snippet=Snippet(text=long, marks=((10, 4_000),)),
        evidence=(Evidence(concept=long, text="x", field="body", start=0, end=1),),
    )  # fmt: skip
    for made in (message(a_notification(*[alert] * count), forms) for count in (1, 2, 60)):
        assert len(encoded(made)) <= MAX_BYTES
        assert max(map(len, texts_in(made))) <= MAX_TEXT


def test_what_has_no_room_is_counted() -> None:
    made = message(a_notification(*[an_alert(id=str(n), url="", snippet=Snippet(text="x")) for n in range(300)]))
    blocks = len(made["blocks"]) + sum(len(one["blocks"]) for one in made["attachments"])
    assert blocks <= MAX_BLOCKS
    assert len(encoded(made)) <= MAX_BYTES
    assert 10 <= len(made["attachments"]) < 300
    left = 300 - len(made["attachments"])
    assert made["blocks"][1]["text"]["text"] == f"and {left} more: monitor alerts list"


def test_a_template_may_link_by_itself() -> None:
    body = compiled("<{{ alert.url }}|{{ alert.title }}>", value)
    alert = an_alert(url="https://a.example/x_y?a=1&b=|>", title="a_b|<!here>")
    made = message(a_notification(alert), Forms(body=body))
    assert made["attachments"][0]["blocks"][1]["text"]["text"] == (
        "<https://a.example/x_y?a=1&amp;b=%7C%3E|aˍb|&lt;!here&gt;>"
    )


@asynccontextmanager
async def slack(site_url: str, patience: str = "5s", **options: Any) -> AsyncIterator[Slack]:
    http = HttpConfig.model_validate({"allow_private": ["127.0.0.0/8"], "timeout": patience})
    bot = {"token": "xoxb-secret", "channel": "C1", "api": f"{site_url}/api"}
    async with Http(http) as client:
        yield Slack(SlackOptions.model_validate(options or bot), client)


def answers(site: Site, path: str, *said: dict[str, Any] | Reply) -> None:
    left = list(said)

    def reply(request: Request) -> Reply:
        one = left.pop(0) if len(left) > 1 else left[0]
        return one if isinstance(one, Reply) else Reply(json.dumps(one).encode())

    site.replies[path] = reply


def sent(site: Site, path: str) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in site.asked(path)]


async def test_a_bot_answers_its_own_message_and_brings_it_up_to_date(site: Site) -> None:
    echo = {"message": {"blocks": [{"text": "x" * 5_000}]}}
    answers(site, POST, {"ok": True, "channel": "C1", "ts": "1.2"} | echo, {"ok": True, "ts": "1.3"})
    answers(site, UPDATE, {"ok": True})
    first = a_notification()
    async with slack(site.url) as bot:
        receipt = await bot.send(first)
        assert receipt == "C1 1.2 1"
        update = a_notification(an_alert(sources=("A", "B", "C")), kind="update", receipts={"a1": receipt})
        assert await bot.send(update) is None
    original, reply = sent(site, POST)
    assert original == {"channel": "C1"} | message(first)
    assert reply == {"channel": "C1", "thread_ts": "1.2"} | message(update)
    [edited] = sent(site, UPDATE)
    assert edited == {"channel": "C1", "ts": "1.2"} | message(update.model_copy(update={"kind": "alert"}))
    assert "3 sources" in json.dumps(edited)
    assert {request.headers["authorization"] for request in site.requests} == {"Bearer xoxb-secret"}


async def test_an_update_of_several_goes_to_each_thread_and_the_unknown_are_posted(site: Site) -> None:
    answers(site, POST, {"ok": True, "channel": "C1", "ts": "9.9"})
    answers(site, UPDATE, {"ok": True})
    alerts = [an_alert(id=name, title=name) for name in ("a", "b", "c", "d")]
    receipts = {"a": "C1 1.1 1", "b": "C1 2.2 5", "c": "C1 2.2 5"}
    async with slack(site.url) as bot:
        assert await bot.send(a_notification(*alerts, kind="update", receipts=receipts)) == "C1 9.9 1"
    told = [(one.get("thread_ts"), len(one["attachments"])) for one in sent(site, POST)]
    assert told == [("1.1", 1), ("2.2", 2), (None, 1)]
    assert [one["ts"] for one in sent(site, UPDATE)] == ["1.1"], "a message of several alerts is left as it is"


async def test_a_thread_that_has_gone_is_begun_anew(site: Site) -> None:
    gone = {"ok": False, "error": "thread_not_found"}
    answers(site, POST, gone, {"ok": True, "channel": "C1", "ts": "3.3"})
    answers(site, UPDATE, {"ok": False, "error": "message_not_found"})
    async with slack(site.url) as bot:
        await bot.send(a_notification(kind="update", receipts={"a1": "C1 1.2 1"}))
    assert [one.get("thread_ts") for one in sent(site, POST)] == ["1.2", None]


BUSY = Reply(b"", 429, {"Retry-After": "7"})
BLOCKED = Reply(json.dumps({"ok": False, "error": "ratelimited"}).encode(), 429, {"Retry-After": "3"})


def refusal(error: str) -> dict[str, Any]:
    return {"ok": False, "error": error}


@pytest.mark.parametrize(
    ("answer", "kind", "reason", "seconds"),
    [
        (BUSY, TemporaryError, "HTTP 429", 7),
        (BLOCKED, TemporaryError, "ratelimited", 3),
        (Reply(b"<html>oops", 500), TemporaryError, "HTTP 500", None),
        (Reply(b"<html>welcome", 200), TemporaryError, "this is no answer of Slack's API", None),
        (Reply(b"[]", 200), TemporaryError, "this is no answer of Slack's API", None),
        (Reply(b"\xff\xfe", 302, {"Location": "/"}), TemporaryError, "HTTP 302", None),
        (refusal("invalid_blocks"), PermanentError, "invalid_blocks", None),
        (refusal("msg_too_long"), PermanentError, "msg_too_long", None),
        (refusal("channel_not_found"), TemporaryError, "channel_not_found; name the channel by its id", None),
        (refusal("not_in_channel"), TemporaryError, "not_in_channel; invite the bot", None),
        (refusal("invalid_auth"), TemporaryError, "invalid_auth", None),
        (refusal("internal_error"), TemporaryError, "internal_error", None),
        (refusal("never heard of it <!here>"), TemporaryError, "HTTP 200", None),
    ],
)  # fmt: skip
async def test_what_the_api_answers(
    site: Site, answer: Reply | dict[str, Any], kind: type[Exception], reason: str, seconds: int | None
) -> None:
    answers(site, POST, answer)
    async with slack(site.url) as bot:
        with pytest.raises(kind) as caught:
            await bot.send(a_notification())
    assert str(caught.value).startswith(reason)
    assert "secret" not in str(caught.value)
    if isinstance(caught.value, TemporaryError):
        assert caught.value.retry_after == (timedelta(seconds=seconds) if seconds else None)


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (Reply(b"ok"), None, ""),
        (Reply(b"invalid_payload", 400), PermanentError, "HTTP 400: invalid_payload"),
        (Reply(b"no_text", 400), PermanentError, "HTTP 400: no_text"),
        (Reply(b"user_not_found", 400), TemporaryError, "HTTP 400: user_not_found"),
        (Reply(b"", 400), PermanentError, "HTTP 400"),
        (Reply(b"action_prohibited", 403), TemporaryError, "HTTP 403: action_prohibited"),
        (Reply(b"channel_not_found", 404), TemporaryError, "HTTP 404: channel_not_found"),
        (Reply(b"no_service", 404), TemporaryError, "HTTP 404: no_service"),
        (Reply(b"channel_is_archived", 410), TemporaryError, "HTTP 410: channel_is_archived"),
        (BUSY, TemporaryError, "HTTP 429"),
        (Reply(b"rollup_error", 500), TemporaryError, "HTTP 500: rollup_error"),
        (Reply(b"<html>Bad gateway", 502), TemporaryError, "HTTP 502"),
    ],
)
async def test_what_a_webhook_answers(site: Site, answer: Reply, kind: type[Exception] | None, reason: str) -> None:
    site.replies["/hook/SECRET"] = answer
    async with slack("", webhook=f"{site.url}/hook/SECRET") as hook:
        if kind is None:
            assert await hook.send(a_notification()) is None
        else:
            with pytest.raises(kind) as caught:
                await hook.send(a_notification())
            assert str(caught.value).startswith(reason)
            assert "SECRET" not in str(caught.value)
    assert sent(site, "/hook/SECRET") == [message(a_notification())]


def wait_for(event: Event) -> None:
    assert event.wait(30)


async def test_a_server_that_hangs_or_resets_is_asked_again_later(site: Site) -> None:
    over = Event()
    site.replies["/SECRET"] = Reply(b"ok", wait=lambda: wait_for(over))
    async with slack("", "300ms", webhook=f"{site.url}/SECRET") as hook:
        with pytest.raises(TemporaryError, match="no whole answer within") as caught:
            await hook.send(a_notification())
    over.set()
    assert "SECRET" not in str(caught.value)

    def reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with speaking(reset) as url:
        async with slack("", webhook=f"{url}SECRET") as hook:
            with pytest.raises(TemporaryError) as caught:
                await hook.send(a_notification())
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "either webhook, or token and channel"),
        ({"token": "SECRET"}, "either webhook, or token and channel"),
        ({"webhook": "https://h.example/SECRET", "token": "SECRET", "channel": "C1"}, "either webhook, or"),
        ({"webhook": "SECRET"}, "this is no URL"),
        ({"webhook": "ftp://h.example/SECRET"}, "this is no URL"),
        ({"token": "SECRET\n", "channel": "C1"}, "this is no token"),
        ({"webhook": "https://h.example", "title": "{{ alert.titel }}"}, "has no attribute 'titel'"),
    ],
)
def test_wrong_options_are_refused_without_showing_secrets(options: dict[str, str], reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SlackOptions.model_validate(options)
    messages = [error["msg"] for error in caught.value.errors()]
    assert any(reason in text for text in messages)
    assert not any("SECRET" in text for text in messages)


def test_secrets_are_not_shown() -> None:
    options = SlackOptions.model_validate({"webhook": "https://hooks.slack.com/services/SECRET"})
    assert "SECRET" not in repr(options)
    assert "SECRET" not in str(options)


def test_a_notification_without_alerts_is_a_message_too() -> None:
    notice = Notification(key="n", receiver="desk", alerts=(), kind="notice", text="")
    assert message(notice)["blocks"][0]["text"]["text"] == "…"
