"""Alerts and notifications as tests of receivers send them."""

from datetime import UTC, datetime
from typing import Any

from monitor.models import Alert, Evidence, Notification, Snippet

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TEXT = "북한이 동해상으로 탄도미사일을 발사했다고 합참이 밝혔다."
HOSTILE = [
    "<!channel> <!here> <!everyone> <!subteam^S1|x>",
    "<@U123> <@W1|root> <#C024BE7LR|general>",
    "<https://evil.example|your bank> https://evil.example <mailto:a@b.example|x>",
    "<\u200b!channel> \u200b<!channel\u200b> &lt;!channel&gt; &amp;lt;!here&amp;gt; ＜!channel＞",
    "*bold* _italic_ ~struck~ `code` ```block```",
    "\u200b*bold*\u200b \u2060*bold*\u2060 \ufeff_x_\ufeff",
    "> quoted\n>>> all of it\n• one\n1. two",
    ":skull: :+1: :flag-kp: :skin-tone-2:",
    "a\r\nBcc: victim@example.org\r\n\r\nbody\x0bx\x0cy\x1cz\x85w\u2028v\u2029u\x00t",
    "\u202eevil\u202c \u2066x\u2069 \u200fمرحبا",
    '<script>alert(1)</script><img src=x onerror=alert(1)>" onmouseover="x\' </style></title>',
    "{{ 7*7 }} {% for x in y %} ${7*7} <%= 7*7 %> {{ ''.__class__ }}",
    "|" * 10 + ">" * 10 + "&" * 10,
    "=?utf-8?q?=0D=0ABcc:_x@example.org?= .\r\n.\r\nMAIL FROM:<x>",
]


def an_alert(**changes: Any) -> Alert:
    start = TEXT.index("미사일")
    return Alert(
        id="a1",
        rule="korea",
        level="high",
        rule_title="Korean peninsula",
        document="d1",
        title="북한, 탄도미사일 발사",
        url="https://news.example/1?a=1&b=2",
        source="Yonhap",
        language="ko",
        published=NOON,
        snippet=Snippet(text=TEXT, marks=((start, start + 3),)),
        evidence=(Evidence(concept="missile", text="미사일", field="body", start=start, end=start + 3),),
        documents=("d1", "d2"),
        sources=("Yonhap", "Antara"),
        languages=("ko", "id"),
    ).model_copy(update=changes)


def a_notification(*alerts: Alert, **changes: Any) -> Notification:
    told = alerts or (() if changes.get("kind") == "notice" else (an_alert(),))
    return Notification(key="a1.desk", receiver="desk", alerts=told).model_copy(update=changes)


def hostile(text: str) -> Alert:
    """An alert all of whose words came from somebody who means no good."""
    return an_alert(
        title=text,
        source=text,
        sources=(text, f"{text}2"),
        url=f"https://evil.example/{text}",
        snippet=Snippet(text=text, marks=((1, min(6, len(text))),)),
        evidence=(Evidence(concept=text, text=text, field="body", start=0, end=1),),
    )
