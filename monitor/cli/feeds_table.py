"""The table of `monitor feeds list`: a line for each feed, aligned in any script."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from monitor.alerts.render import printable
from monitor.feeds.health import Health, short
from monitor.feeds.record import Record

_HEADINGS = ("STATE", "LAST SUCCESS", "RHYTHM", "DELAY", "TEXT", "FEED", "REASON")
_WIDEST = 60  # columns; only the last one may be wider


@dataclass(frozen=True, slots=True)
class Row:
    """One feed as the table shows it; without a name, its URL."""

    name: str
    url: str
    record: Record
    health: Health


def table(rows: Sequence[Row], now: datetime) -> str:
    """The whole table, without a newline at its end; what feeds say of themselves cannot steer a terminal."""
    lines = [_HEADINGS, *(_cells(row, now) for row in rows)]
    widths = [min(max(map(width, column)), _WIDEST) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([*map(_padded, cells[:-1], widths[:-1]), cells[-1]]).rstrip()  # the last one ends where it ends
        for cells in lines
    )


def _cells(row: Row, now: datetime) -> tuple[str, ...]:
    record = row.record
    seen = f"{short(now - record.last_success)} ago" if record.last_success else "never"
    every = f"~ every {short(timedelta(minutes=median(record.gaps)))}" if record.gaps else "-"
    delay = short(record.delay) if record.delay is not None else "-"
    text = f"{record.text_share:.0%}" if record.texts else "-"
    name = printable(row.name or row.url)
    return (row.health.state, seen, every, delay, text, name, printable(row.health.reason))


def width(text: str) -> int:
    """The columns that a terminal gives a text: two for a wide character, none for one that joins another."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _padded(text: str, columns: int) -> str:
    """A text in just so many columns, cut where it is longer."""
    used = width(text)
    if used <= columns:
        return text + " " * (columns - used)
    kept, used = [], 1
    for character in text:
        used += _columns(character)
        if used > columns:
            break
        kept.append(character)
    return _padded("".join([*kept, "…"]), columns)
