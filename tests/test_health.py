"""How feeds are doing: every state and threshold, what is told once, and the table for people."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given

from monitor.cli.feeds_table import Row, table, width
from monitor.feeds.health import Change, Health, Trouble, changes, short, verdict
from monitor.feeds.record import Record
from tests.test_record import RECORDS, steady

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WELL = Record(
    last_success=NOW, newest=NOW - HOUR, gaps=(40,) * 16, delay=4 * MINUTE, text_share=0.92, texts=20, had_text=True
)


def failing(record: Record = WELL, polls: int = 41, hours: float = 26, **more: object) -> Record:
    return replace(
        record,
        failures=polls,
        first_failure=NOW - hours * HOUR,
        reason="HTTP 503 Service Unavailable",
        **more,  # type: ignore[arg-type]
    )


def silent(days: float, *gaps: int, **more: object) -> Record:
    return replace(WELL, newest=NOW - days * DAY, gaps=gaps, **more)  # type: ignore[arg-type]


def told(record: Record, *troubles: str) -> Record:
    return replace(record, told=frozenset(troubles))


def text(share: float, texts: int = 20, had: bool = True) -> Record:
    return replace(WELL, text_share=share, texts=texts, had_text=had)


LONG = "failing for 26h: HTTP 503 Service Unavailable (41 polls in a row)"
GONE = replace(failing(polls=3, hours=2), gone=3, reason="HTTP 410 Gone")

VERDICTS = [
    ("ok", WELL, "ok", "", ""),
    ("new", Record(), "new", "not polled yet", ""),
    # Failing at once, a trouble after a day and three polls.
    ("failed once", failing(polls=1, hours=0), "failing",
     "failing for 0s: HTTP 503 Service Unavailable (1 poll)", ""),
    ("failing from the first", failing(Record(), 2, 1), "failing",
     "failing for 60m: HTTP 503 Service Unavailable (2 polls in a row)", ""),
    ("failing for long", failing(), "failing", LONG, "failing"),
    ("just under a day", failing(hours=23.99), "failing", ..., ""),
    ("just a day", failing(hours=24), "failing", ..., "failing"),
    ("two polls in four days", failing(polls=2, hours=96), "failing", ..., ""),
    ("three polls in four days", failing(polls=3, hours=96), "failing", ..., "failing"),
    ("told of, it lasts", told(failing(polls=1, hours=1), "failing"), "failing", ..., "failing"),
    ("a streak without its start", replace(failing(), first_failure=None), "failing",
     "failing: HTTP 503 Service Unavailable (41 polls in a row)", ""),
    ("without a reason", replace(failing(), reason=""), "failing", "failing for 26h: no answer (41 polls in a row)",
     "failing"),
    # Gone.
    ("gone", GONE, "gone", "gone: HTTP 410 Gone 3 times; polled no more", "gone"),
    ("gone for days is no second trouble", replace(GONE, first_failure=NOW - 9 * DAY), "gone", ..., "gone"),
    ("gone twice", replace(GONE, gone=2), "failing", ..., ""),
    ("gone after it failed", told(replace(GONE, first_failure=NOW - 9 * DAY), "failing"), "gone", ..., "gone failing"),
    ("taken up again, still failing", told(failing(polls=1, hours=0), "gone"), "failing", ..., "gone"),
    # Silent: over ten times the median gap, twice the longest, and three days; eight publications known.
    ("silent", silent(5, *[40] * 16), "silent", "nothing new for 5d; it used to publish every 40m", "silent"),
    ("just three days", silent(3, *[40] * 16), "ok", "", ""),
    ("just over them", silent(3.001, *[40] * 16), "silent", ..., "silent"),
    ("seven known", silent(30, *[40] * 6), "ok", "", ""),
    ("eight known", silent(30, *[40] * 7), "silent", ..., "silent"),
    ("daily, ten days", silent(10, *[1440] * 16), "ok", "", ""),
    ("daily, over ten days", silent(10.001, *[1440] * 16), "silent", ..., "silent"),
    ("a weekly batch, two weeks", silent(14, *[2] * 8, 10080), "ok", "", ""),
    ("a weekly batch, over two weeks", silent(14.001, *[2] * 8, 10080), "silent", ..., "silent"),
    ("the monitor was off", silent(5, *[40] * 16, last_success=NOW - 4 * DAY), "ok", "", ""),
    ("nothing ever published", replace(WELL, newest=None), "ok", "", ""),
    # No text: was half, is under a tenth; over after three tenths.
    ("no text", text(0.04), "no-text", "its pages give no text any more: 4% of the latest entries did", "no-text"),
    ("just a tenth", text(0.1), "ok", "", ""),
    ("just under", text(0.099), "no-text", ..., "no-text"),
    ("never had any", text(0, had=False), "ok", "", ""),
    ("nineteen counted", text(0, texts=19), "ok", "", ""),
    ("told of, just under three tenths", told(text(0.299), "no-text"), "no-text", ..., "no-text"),
    ("told of, three tenths", told(text(0.3), "no-text"), "ok", "", ""),
    # Several at once.
    ("silent and without text", replace(silent(5, *[40] * 16), text_share=0.0), "no-text", ..., "no-text silent"),
    ("failing, it was silent when last seen", failing(silent(5, *[40] * 16)), "failing", LONG, "failing silent"),
    ("failing, silence since then is unknown", failing(silent(5, *[40] * 16, last_success=NOW - 3 * DAY)), "failing",
     LONG, "failing"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("record", "state", "reason", "troubles"), [pytest.param(*row, id=name) for name, *row in VERDICTS]
)
def test_verdict(record: Record, state: str, reason: str, troubles: str) -> None:
    health = verdict(record, NOW)
    assert (health.state, health.told) == (state, frozenset(troubles.split()))
    assert reason in (..., health.reason)


@pytest.mark.parametrize("record", [WELL, failing(), told(WELL, "silent"), told(failing(), "failing"), GONE])
def test_of_a_paused_feed_nothing_is_said_and_nothing_forgotten(record: Record) -> None:
    health = verdict(record, NOW, paused=True)
    assert (health.state, health.reason, health.told) == ("paused", "", record.told)
    assert changes(record.told, health) == ()


@steady
@given(RECORDS)
def test_every_record_has_a_verdict_of_one_line_and_is_told_of_once(record: Record) -> None:
    health = verdict(record, NOW)
    assert "\n" not in health.reason.replace(record.reason, "")
    assert (health.state in ("ok", "new")) == (not health.reason or health.state == "new")
    assert changes(health.told, health) == ()
    told_of = {change.trouble for change in changes(record.told, health)}
    assert told_of == health.told ^ record.told
    again = verdict(replace(record, told=health.told), NOW)
    assert changes(health.told, again) == (), "what was just told of is over at once, or tells of something else"


def test_a_trouble_is_told_of_once_and_so_is_its_end() -> None:
    """Forty days of a feed that is polled each six hours: it fails, falls silent, loses its text, and recovers."""
    record, said = replace(WELL, newest=NOW), []
    for poll in range(4 * 40):
        now = NOW + 6 * HOUR * poll
        day = poll / 4
        if 1 <= day < 4:
            record = record.after_failure(now, "HTTP 500")
        elif 10 <= day < 18 or 18.5 <= day < 19:
            record = record.after_success(now)
        else:
            record = record.after_success(now, [None]).after_texts(2 * (day < 20 or day >= 30), 2)
        health = verdict(record, now)
        said += [(day, change.trouble, change.ended) for change in changes(record.told, health)]
        record = Record.decode(replace(record, told=health.told).planned(now + 6 * HOUR, now).encode())
    assert said == [
        (2.0, "failing", False),
        (4.0, "failing", True),
        (13.0, "silent", False),
        (18.0, "silent", True),
        (23.0, "no-text", False),
        (30.25, "no-text", True),
    ]


@pytest.mark.parametrize(
    ("before", "record", "expected"),
    [
        ("", WELL, []),
        ("", failing(), [Change("failing", False, LONG)]),
        ("failing", failing(), []),
        ("failing", WELL, [Change("failing", True, "answers again")]),
        ("gone", WELL, [Change("gone", True, "answers again")]),
        ("silent", WELL, [Change("silent", True, "publishes again")]),
        ("no-text", WELL, [Change("no-text", True, "its pages give text again")]),
        ("silent no-text", failing(), [
            Change("failing", False, LONG), Change("no-text", True, "its pages give text again"),
            Change("silent", True, "publishes again")]),
        ("something of another version", WELL, []),
    ],
)  # fmt: skip
def test_changes(before: str, record: Record, expected: list[Change]) -> None:
    record = told(record, *before.split())
    found = changes(record.told, verdict(record, NOW))
    assert list(found) == expected


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (-SECOND, "0s"), (0 * SECOND, "0s"), (119 * SECOND, "119s"), (2 * MINUTE, "2m"), (119.9 * MINUTE, "119m"),
        (2 * HOUR, "2h"), (47.9 * HOUR, "47h"), (2 * DAY, "2d"), (400 * DAY, "400d"),
    ],
)  # fmt: skip
def test_short_spans(span: timedelta, text: str) -> None:
    assert short(span) == text


# The table for people.


def row(name: str, record: Record, *, url: str = "https://a.example/feed", paused: bool = False) -> Row:
    return Row(name, url, record, verdict(record, NOW, paused=paused))


def test_the_table() -> None:
    rows = [
        row("BBC World", replace(WELL, last_success=NOW - 3 * MINUTE)),
        row("조선중앙통신", failing(replace(WELL, last_success=NOW - 30 * HOUR))),
        row("", Record()),
        row("Zürich", replace(WELL, gaps=(1440, 1500, 1440)), paused=True),
    ]
    assert table(rows, NOW).split("\n") == [
        "STATE    LAST SUCCESS  RHYTHM       DELAY  TEXT  FEED                    REASON",
        "ok       3m ago        ~ every 40m  4m     92%   BBC World",
        f"failing  30h ago       ~ every 40m  4m     92%   조선중앙통신            {LONG}",
        "new      never         -            -      -     https://a.example/feed  not polled yet",
        "paused   0s ago        ~ every 24h  4m     92%   Zürich",
    ]


def test_a_table_of_no_feeds() -> None:
    assert table([], NOW) == "STATE  LAST SUCCESS  RHYTHM  DELAY  TEXT  FEED  REASON"


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("abc", 3), ("조선", 4), ("日本", 4), ("ｆ", 2), ("ﾊ", 1), ("Zu\u0308rich", 6), ("กำ", 2), ("ที่", 1),
        ("עִ", 1), ("a\u200cb", 2), ("🚀", 2), ("", 0),
    ],
)  # fmt: skip
def test_width(text: str, columns: int) -> None:
    assert width(text) == columns


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\x1b[31mred\nb", "a\\u001b[31mred b"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
        ("北" * 31, "北" * 29 + "… "),
        ("e" + "\u0301" * 500, "e" + "\u0301" * 500),
    ],
)
def test_names_keep_to_their_column(name: str, shown: str) -> None:
    lines = table([row(name, failing()), row("z" * 60, failing())], NOW).split("\n")
    assert f"  {shown}" in lines[1]
    assert width(lines[1]) == width(lines[2])
    assert width(lines[1].partition("failing for")[0]) == width(lines[0].partition("REASON")[0])


def test_a_reason_cannot_steer_the_terminal() -> None:
    shown = table([row("a", replace(failing(), reason="\x1b]0;owned\x07\r\nbad"))], NOW)
    assert "\x1b" not in shown
    assert shown.count("\n") == 1


def test_every_trouble_has_a_word_for_its_end() -> None:
    ended = changes(get_args(Trouble), Health("ok"))
    assert [change.trouble for change in ended] == list(get_args(Trouble))
    assert all(change.ended and change.text for change in ended)
