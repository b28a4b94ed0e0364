"""Alerts as people read them in a terminal, and as programs read them, a JSON object a line."""

import json
import unicodedata
from collections.abc import Mapping
from typing import Any

from monitor.models import Alert, Snippet

_COLOURS = {"info": "36", "low": "32", "medium": "33", "high": "31", "critical": "1;37;41"}


def as_text(alert: Alert, *, colour: bool = False) -> str:
    """Three or four lines: level and rule, title, source, and the matched sentence with its words marked."""
    level = _paint(alert.level.upper(), _COLOURS[alert.level], colour)
    rule = alert.rule if alert.rule_title in ("", alert.rule) else f"{alert.rule} ({alert.rule_title})"
    published = alert.published.strftime("%Y-%m-%d %H:%M UTC") if alert.published else ""
    origin = [printable(part) for part in (alert.source, alert.language, published, alert.url) if part]
    lines = [f"{level}  {printable(rule)}", f"  {_paint(printable(alert.title), '1', colour)}"]
    if origin:
        lines.append(f"  {_paint(' · '.join(origin), '2', colour)}")
    lines.append(f"  {marked(alert.snippet, colour=colour)}")
    return "\n".join(lines)


def marked(snippet: Snippet, *, colour: bool = False) -> str:
    """The snippet with its marks in [brackets], or in bold on a terminal."""
    pieces, position = [], 0
    for start, end in snippet.marks:
        word = printable(snippet.text[start:end])
        pieces += [printable(snippet.text[position:start]), _paint(word, "1;33", colour) if colour else f"[{word}]"]
        position = end
    return "".join([*pieces, printable(snippet.text[position:])])


def as_json(alert: Alert, extra: Mapping[str, Any] | None = None) -> str:
    """One JSON object on one line."""
    return json.dumps(alert.model_dump(mode="json") | dict(extra or {}), ensure_ascii=False)


def printable(text: str) -> str:
    """Text that cannot steer a terminal: control and direction characters become visible or a space."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\u200c" else " " if c in "\n\t\r" else _escape(c) for c in text)


def _escape(character: str) -> str:
    # A space of another width is no danger; what is left are controls, format and unassigned characters.
    return " " if unicodedata.category(character) == "Zs" else f"\\u{ord(character):04x}"


def _paint(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text
