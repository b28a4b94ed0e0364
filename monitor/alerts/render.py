"""Alerts as people read them in a terminal or a message, and as programs read them, as JSON."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.logs import visible
from monitor.models import Alert, Notification, Snippet

_COLOURS = {"info": "36", "low": "32", "medium": "33", "high": "31", "critical": "1;37;41"}
_SOURCES_NAMED = 8
_CONCEPTS_NAMED = 10
_BLANKS = str.maketrans("\n\t\r", "   ")
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def as_text(alert: Alert, *, colour: bool = False) -> str:
    """Three or four lines: level and rule, title, sources, and the matched sentence with its words marked."""
    level = _paint(alert.level.upper(), _COLOURS[alert.level], colour)
    origin = [printable(part) for part in (sources_line(alert), published_line(alert), alert.url) if part]
    lines = [f"{level}  {printable(rule_line(alert))}", f"  {_paint(printable(alert.title), '1', colour)}"]
    if origin:
        lines.append(f"  {_paint(' · '.join(origin), '2', colour)}")
    lines.append(f"  {marked(alert.snippet, colour=colour)}")
    return "\n".join(lines)


def heading(notification: Notification) -> str:
    """What a message is, in one line: `HIGH · korea`, `Update · HIGH · korea · 3 sources`, `Digest · 12 alerts`."""
    if notification.kind == "notice" or not notification.alerts:
        return one_line(notification.text)
    kind = {"update": "Update", "digest": "Digest"}.get(notification.kind, "")
    if len(notification.alerts) > 1:
        return " · ".join(filter(None, [kind, f"{len(notification.alerts)} alerts"]))
    [alert] = notification.alerts
    grown = f"{len(alert.sources)} sources" if kind and len(alert.sources) > 1 else ""
    return " · ".join(filter(None, [kind, alert.level.upper(), one_line(rule_line(alert)), grown]))


def news_of(notification: Notification) -> tuple[Alert, ...]:
    """The alerts as a message shows them: an update tells of the article by which each grew last."""
    if notification.kind != "update":
        return notification.alerts
    return tuple(
        alert.model_copy(update={name: value for name, value in alert.latest if name != "document"})
        if alert.latest
        else alert
        for alert in notification.alerts
    )


def rule_line(alert: Alert) -> str:
    """The rule's name, and its title where it has one of its own."""
    return alert.rule if alert.rule_title in ("", alert.rule) else f"{alert.rule} ({alert.rule_title})"


def sources_line(alert: Alert) -> str:
    """Who told the story, and in which languages: `3 sources: Antara, Yonhap, BBC · id, ko, en`."""
    sources = alert.sources or ((alert.source,) if alert.source else ())
    languages = alert.languages or ((alert.language,) if alert.language else ())
    named = _listed(sources, _SOURCES_NAMED)
    who = f"{len(sources)} sources: {named}" if len(sources) > 1 else named
    return " · ".join(one_line(part) for part in (who, ", ".join(languages)) if part)


def concepts_line(alert: Alert) -> str:
    """The concepts that were found, by their English names."""
    return one_line(_listed(list(dict.fromkeys(item.concept for item in alert.evidence)), _CONCEPTS_NAMED))


def published_line(alert: Alert) -> str:
    """When its first article was published."""
    return alert.published.strftime("%Y-%m-%d %H:%M UTC") if alert.published else ""


def _listed(names: Sequence[str], most: int) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def marked(snippet: Snippet, *, colour: bool = False) -> str:
    """The snippet with its marks in [brackets], or in bold on a terminal."""
    shown = [(printable(text), is_mark) for text, is_mark in pieces(snippet)]
    return "".join((_paint(text, "1;33", colour) if colour else f"[{text}]") if mark else text for text, mark in shown)


def pieces(snippet: Snippet) -> list[tuple[str, bool]]:
    """The snippet's text in pieces, each with whether it is a matched word; none is empty."""
    found, position = [], 0
    for start, end in snippet.marks:
        found += [(snippet.text[position:start], False), (snippet.text[start:end], True)]
        position = end
    return [(text, is_mark) for text, is_mark in [*found, (snippet.text[position:], False)] if text]


def as_json(alert: Alert, extra: Mapping[str, Any] | None = None) -> str:
    """One JSON object on one line."""
    return json.dumps(alert.model_dump(mode="json") | dict(extra or {}), ensure_ascii=False)


def as_message(notification: Notification) -> str:
    """What programs are sent: `{"version": 1, "key", "receiver", "kind", "text", "alerts"}`, one JSON object.

    The version changes when a field goes or means something else; that one is added is no change.
    """
    return json.dumps({"version": 1} | notification.model_dump(mode="json", exclude={"receipts"}), ensure_ascii=False)


def printable(text: str) -> str:
    """Text that cannot steer a terminal: control and direction characters become visible or a space."""
    return visible(text.translate(_BLANKS))


def one_line(text: str, most: int = 0) -> str:
    """Text for a header or a title: no control or direction characters, one space between words, `most` characters."""
    kept = (" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text if c not in _TURNING)
    line = " ".join("".join(kept).split())
    return line if not most or len(line) <= most else f"{line[: most - 1].rstrip()}…"


def _paint(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text
