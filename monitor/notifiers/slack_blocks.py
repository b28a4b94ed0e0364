"""Slack messages: pure functions from a notification to what Slack's API takes.

Slack has no way to quote a text in mrkdwn. What comes from feeds is therefore disarmed, character by character: what
Slack would read as a mention, a link, formatting, an emoji or a quotation is written so that it only looks the same.
"""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from monitor.alerts.render import concepts_line, heading, news_of, one_line, pieces, published_line, sources_line
from monitor.models import LEVELS, Alert, Level, Notification
from monitor.notifiers.templates import Render, Url

Block = dict[str, Any]

MAX_BLOCKS = 50
MAX_TEXT = 3_000  # characters of a text as Slack counts them: after escaping
MAX_BYTES = 10_000
_LONGEST_TITLE = 300
_LONGEST_SENTENCE = 1_500
_LONGEST_LINE = 400
_LONGEST_NOTICE = 1_000
_LONGEST_URL = 2_000
_COLOURS: dict[Level, str] = {
    "info": "#8a8d91",
    "low": "#2e7d32",
    "medium": "#c99700",
    "high": "#d84315",
    "critical": "#b00020",
}
_EMOJI: dict[Level, str] = {"info": "⚪", "low": "🟢", "medium": "🟡", "high": "🟠", "critical": "🔴"}
_GAP = "\u200b"  # of no width; a formatting mark counts as one only beside a gap, a space or punctuation
_DISARMED = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "*": "∗", "_": "ˍ", "~": "∼", "`": "ˋ"}  # looks alike, means nothing
)
_NOT_IN_A_URL = frozenset('|<> "`\\')
_EMOJI_NAME = re.compile(r":(?=[0-9]*[a-z_+'-][\w+'-]*:)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Forms:
    """The user's own forms of an alert's title and of what stands below it; None is ours."""

    title: Render | None = None
    body: Render | None = None


def message(notification: Notification, forms: Forms = Forms()) -> Block:
    """The message: a heading, then for each alert an attachment in its level's colour, as many as Slack takes."""
    top = _section(_heading(notification))
    shown: list[Block] = []
    for number, alert in enumerate(notification.alerts):
        alone = notification.model_copy(update={"alerts": (alert,)})
        rest = len(notification.alerts) - number - 1
        for share in (1,) if shown else (1, 2, 4, 8):  # the first has to stand there, if it were in short
            attachment = _attachment(alone, forms, share)
            if fits := _fits(_message(notification, top, [*shown, attachment], rest)):
                break
        if shown and not fits:
            return _message(notification, top, shown, rest + 1)
        shown.append(attachment)
    return _message(notification, top, shown, 0)


def disarmed(text: str, most: int = MAX_TEXT) -> str:
    """Text from a feed on one line, as Slack shows it and does not read it; `most` characters once escaped."""
    line = _EMOJI_NAME.sub(f":{_GAP}", one_line(text.replace(_GAP, "")))
    # At the beginning of a line > is a quotation, escaped or not.
    return _cut([_GAP * line.startswith(">"), *(character.translate(_DISARMED) for character in line)], most)


def value(text: str) -> str:
    """What a template puts out: text that is disarmed, or a URL that can stand in <URL|text>."""
    return (_target(text) or "") if isinstance(text, Url) else disarmed(text)


def link(text: str, url: str) -> str:
    """The text, linked where the URL is one that a browser may be sent to."""
    target = _target(url)
    return f"<{target}|{text}>" if target else text


def _target(url: str) -> str | None:
    """A URL as it may stand before a bar: what would end it, or cannot be seen, is encoded."""
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        return None
    kept = (c if c.isprintable() and c not in _NOT_IN_A_URL else quote(c, safe="") for c in url)
    target = "".join(kept).replace("&", "&amp;")
    return target if scheme in ("http", "https") and len(target.encode()) <= _LONGEST_URL else None


def _cut(escaped: list[str], most: int) -> str:
    """Escaped characters as one text, cut between two of them."""
    if sum(map(len, escaped)) <= most:
        return "".join(escaped)
    length, kept = 0, []
    for part in escaped:
        length += len(part)
        if length >= most:
            break
        kept.append(part)
    return "".join(kept) + "…"


def _cut_markup(text: str, most: int) -> str:
    """What a template made, cut before an escape or a link that would not be whole."""
    return text if len(text) <= most else re.sub(r"(&[a-z]*|<[^>]*)$", "", text[: most - 1]) + "…"


def _heading(notification: Notification) -> str:
    if not notification.alerts:
        return disarmed(notification.text, _LONGEST_NOTICE)
    level = max((alert.level for alert in notification.alerts), key=LEVELS.index)
    return f"{_EMOJI[level]} {disarmed(heading(notification), 200)}"


def _attachment(alone: Notification, forms: Forms, share: int) -> Block:
    """An alert: its title, linked, above the matched sentence; then what was found, by whom, and when.

    Its texts have a `share`-th of the room that they may have.
    """
    [alert] = news_of(alone)
    title = disarmed(forms.title(alone) if forms.title else alert.title, _LONGEST_TITLE // share) or "…"
    blocks = [_section(f"*{link(title, alert.url)}*")]
    if forms.body:
        blocks.append(_section(_cut_markup(forms.body(alone), MAX_TEXT // share)))
    else:
        blocks += [_section(_sentence(alert, _LONGEST_SENTENCE // share)), _context(alert, _LONGEST_LINE // share)]
    return {"color": _COLOURS[alert.level], "blocks": blocks}


def _sentence(alert: Alert, most: int) -> str:
    """The snippet with its words in bold, also where a script has no spaces between words."""
    shown, left = [], most
    for text, is_mark in pieces(alert.snippet):
        inner = disarmed(text, left)
        before, after = " " * text[:1].isspace(), " " * (text[-1:].isspace() and bool(inner))
        shown.append(f"{before}{_GAP}*{inner}*{_GAP}{after}" if is_mark and inner else f"{before}{inner}{after}")
        left -= len(inner)
        if left <= 0:
            break
    return "".join(shown)


def _context(alert: Alert, most: int) -> Block:
    lines = [concepts_line(alert), sources_line(alert), published_line(alert)]
    text = " · ".join(disarmed(line, most) for line in lines if line) or disarmed(alert.rule, most)
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}


def _section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text or "…", "verbatim": True}}


def _message(notification: Notification, top: Block, attachments: list[Block], unshown: int) -> Block:
    first = f": {disarmed(notification.alerts[0].title, 150)}" if notification.alerts else ""
    more = [_section(f"and {unshown} more: monitor alerts list")] if unshown else []
    return {
        "text": f"{top['text']['text']}{first}",  # what stands in a push message
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [top, *more],
        "attachments": attachments,
    }


def _fits(made: Block) -> bool:
    blocks = len(made["blocks"]) + sum(len(attachment["blocks"]) for attachment in made["attachments"])
    return blocks <= MAX_BLOCKS and len(encoded(made)) <= MAX_BYTES


def encoded(made: Block) -> bytes:
    return json.dumps(made, ensure_ascii=False).encode()
