"""When feeds are polled: tables, properties, and two weeks of feeds on a virtual clock."""

import random
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import mean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.feeds.record import Record
from monitor.feeds.rhythm import Hints, Limits, first_poll, fresh_for, next_poll, retry_after, rhythm, spread
from tests.test_record import RECORDS, steady

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
URL = "https://news.example/feed"


def feed(gap: float, silence: float | None = None, **more: object) -> Record:
    """A feed that publishes every `gap` minutes, polled a moment ago; last published `silence` minutes ago."""
    newest = NOW - MINUTE * (gap / 2 if silence is None else silence)
    return replace(Record(last_success=NOW, newest=newest, gaps=(round(gap),) * 16), **more)  # type: ignore[arg-type]


NONE, FREE = Hints(), Limits()


def wait(record: Record, hints: Hints = NONE, limits: Limits = FREE, url: str = URL) -> timedelta:
    """How long until the next poll."""
    due = next_poll(record, hints, limits, now=NOW, url=url)
    assert due is not None
    return due - NOW


def every(**span: float) -> Limits:
    return Limits(every=timedelta(**span))


def down(record: Record, failures: int) -> Record:
    return replace(record, failures=failures, first_failure=NOW - HOUR)


TABLE = [
    # The feed's own rhythm: the square root of four minutes times the gap.
    ("nothing is known", Record(), NONE, FREE, 15.5),
    ("every minute", feed(1), NONE, FREE, 2),
    ("every 4 minutes", feed(4), NONE, FREE, 4),
    ("every 10 minutes", feed(10), NONE, FREE, 6.3),
    ("every hour", feed(60), NONE, FREE, 15.5),
    ("every day", feed(1440), NONE, FREE, 75.9),
    ("every week", feed(10080), NONE, FREE, 200.8),
    ("a burst", replace(feed(60, 5), gaps=(60,) * 13 + (4, 70, 4)), NONE, FREE, 4),
    ("two in a burst do not yet make one", replace(feed(60), gaps=(60,) * 14 + (4, 60)), NONE, FREE, 15.5),
    ("a lull in a busy feed", replace(feed(4), gaps=(4,) * 13 + (60,) * 3), NONE, FREE, 4),
    ("hourly, in the night", feed(60, 180), NONE, FREE, 15.5),
    ("hourly, after a night", feed(60, 540), NONE, FREE, 26.8),
    ("hourly, silent for 90 days", feed(60, 90 * 1440), NONE, FREE, 415.7),
    ("dead for a year", feed(60, 365 * 1440), NONE, FREE, 720),
    ("the newest is in the future", feed(60, -60), NONE, FREE, 15.5),
    ("limits of the user's", feed(4), NONE, Limits(10 * MINUTE, HOUR), 10),
    ("limits of the user's, too", feed(10080), NONE, Limits(10 * MINUTE, HOUR), 60),
    ("twice the wait before at most", feed(10080, due=NOW, last_attempt=NOW - 10 * MINUTE), NONE, FREE, 20),
    ("unless that was none", feed(10080, due=NOW, last_attempt=NOW), NONE, FREE, 200.8),
    # What the publisher asks for.
    ("a day's ttl, every 10 minutes", feed(10, wish=DAY), NONE, FREE, 6.3),
    ("an hour's ttl, every 30 minutes", feed(30, wish=HOUR), NONE, FREE, 15),
    ("an hour's ttl, every hour", feed(60, wish=HOUR), NONE, FREE, 30),
    ("an hour's ttl, every 3 hours", feed(180, wish=HOUR), NONE, FREE, 60),
    ("a day's ttl, every 3 hours", feed(180, wish=DAY), NONE, FREE, 60),
    ("a day's ttl, every day", feed(1440, wish=DAY), NONE, FREE, 75.9),
    ("a ttl of 20 minutes, every hour", feed(60, wish=20 * MINUTE), NONE, FREE, 20),
    ("a ttl of 5 minutes, every hour", feed(60, wish=5 * MINUTE), NONE, FREE, 15.5),
    ("an hour's ttl, nothing is known", Record(wish=HOUR), NONE, FREE, 30),
    ("fresh for 20 minutes, every hour", feed(60), Hints(fresh_for=20 * MINUTE), FREE, 20),
    ("fresh for a year, every hour", feed(60), Hints(fresh_for=365 * DAY), FREE, 30),
    ("the longer of both", feed(60, wish=25 * MINUTE), Hints(fresh_for=20 * MINUTE), FREE, 25),
    ("limits before wishes", feed(180, wish=HOUR), NONE, Limits(MINUTE, 10 * MINUTE), 10),
    # The user's own interval.
    ("every 5 minutes", feed(1440, wish=DAY), Hints(fresh_for=DAY), every(minutes=5), 5),
    ("every second", feed(1440), NONE, every(seconds=1), 1 / 60),
    ("more often than a second", feed(1440), NONE, every(seconds=0.1), 1 / 60),
    ("every two days", feed(1), NONE, every(days=2), 2880),
    ("every million years", feed(1), NONE, every(days=365e6), 3650 * 1440),
    ("every 5 minutes, after an hour", feed(1, due=NOW, last_attempt=NOW - SECOND), NONE, every(minutes=5), 5),
    # Retry-After.
    ("asked for an hour", down(feed(4), 1), Hints(retry_after=HOUR), FREE, 60),
    ("asked for a minute", down(feed(1440), 1), Hints(retry_after=MINUTE), Limits(shortest=76 * MINUTE), (76, 114)),
    ("asked for ten years", down(feed(4), 1), Hints(retry_after=3650 * DAY), FREE, 1440),
    ("asked for a day, every minute", down(feed(4), 1), Hints(retry_after=DAY), every(minutes=1), 1440),
    # Failures: twice as long each time, and up to a half more.
    ("one failure", down(feed(4), 1), NONE, FREE, (4, 6)),
    ("two", down(feed(4), 2), NONE, FREE, (8, 12)),
    ("three", down(feed(4), 3), NONE, FREE, (16, 24)),
    ("eight", down(feed(4), 8), NONE, FREE, (512, 720)),
    ("nine", down(feed(4), 9), NONE, FREE, 720),
    ("a million", down(feed(4), 10**6), NONE, FREE, 720),
    ("one failure, every second", down(feed(4), 1), NONE, every(seconds=1), (1 / 60, 1.5 / 60)),
    ("eleven, every second", down(feed(4), 11), NONE, every(seconds=1), (1024 / 60, 1536 / 60)),
    ("a hundred, every second", down(feed(4), 100), NONE, every(seconds=1), 720),
    ("a hundred, every two days", down(feed(4), 100), NONE, every(days=2), 2880),
    ("gone twice", replace(down(feed(4), 2), gone=2), NONE, FREE, (8, 12)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("record", "hints", "limits", "minutes"), [pytest.param(*row, id=name) for name, *row in TABLE]
)
def test_next_poll(record: Record, hints: Hints, limits: Limits, minutes: float | tuple[float, float]) -> None:
    least, most = minutes if isinstance(minutes, tuple) else (minutes - 0.05, minutes + 0.05)
    assert least <= wait(record, hints, limits) / MINUTE <= most


def test_a_feed_that_is_gone_is_polled_no_more() -> None:
    gone = replace(feed(4), gone=3, failures=3)
    assert next_poll(gone, Hints(), every(minutes=1), now=NOW, url=URL) is None
    assert first_poll(replace(gone, due=NOW + HOUR), Limits(), now=NOW, url=URL, feeds=1) is None


def test_what_failed_together_does_not_come_back_together() -> None:
    waits = sorted(wait(down(feed(60), 3), url=f"{URL}/{number}") / MINUTE for number in range(1000))
    assert waits == sorted(wait(down(feed(60), 3), url=f"{URL}/{number}") / MINUTE for number in range(1000))
    for start in range(62, 92, 3):
        assert 60 <= sum(start <= minutes < start + 3 for minutes in waits) <= 140


SPANS = st.none() | st.integers(-1, 10**9).map(lambda seconds: timedelta(seconds=seconds))
HINTS = st.builds(Hints, SPANS, SPANS)
LIMITS = st.tuples(st.integers(1, 10**5), st.integers(0, 10**5)).map(
    lambda pair: Limits(pair[0] * SECOND, (pair[0] + pair[1]) * SECOND)
)
EVERY = st.integers(1, 10**6).map(lambda seconds: Limits(every=timedelta(seconds=seconds)))


@steady
@given(RECORDS, HINTS, LIMITS | EVERY)
def test_the_next_poll_is_neither_at_once_nor_never(record: Record, hints: Hints, limits: Limits) -> None:
    record = replace(record, gone=0)
    bound = max(limits.longest, limits.every or SECOND, DAY)
    assert SECOND <= wait(record, hints, limits) <= bound
    assert wait(record, hints, limits) == wait(record, hints, limits)


@steady
@given(RECORDS, HINTS, LIMITS)
def test_the_rhythm_stays_within_the_limits(record: Record, hints: Hints, limits: Limits) -> None:
    calm = replace(record, gone=0, failures=0)
    assert limits.shortest <= wait(calm, replace(hints, retry_after=None), limits) <= limits.longest


@steady
@given(RECORDS, HINTS, EVERY)
def test_every_is_obeyed_as_it_is(record: Record, hints: Hints, limits: Limits) -> None:
    calm = replace(record, gone=0, failures=0)
    assert wait(calm, replace(hints, retry_after=None), limits) == limits.every


@steady
@given(RECORDS, HINTS, LIMITS | EVERY, st.integers(0, 100))
def test_the_longer_it_fails_the_longer_the_wait(record: Record, hints: Hints, limits: Limits, failures: int) -> None:
    record = replace(record, gone=0)
    assert wait(replace(record, failures=failures), hints, limits) <= wait(
        replace(record, failures=failures + 1), hints, limits
    )


@steady
@given(RECORDS, HINTS, LIMITS | EVERY, st.integers(1, 10**9))
def test_retry_after_is_waited_for(record: Record, hints: Hints, limits: Limits, seconds: int) -> None:
    asked = timedelta(seconds=seconds)
    assert wait(replace(record, gone=0), replace(hints, retry_after=asked), limits) >= min(asked, DAY)


@steady
@given(RECORDS, HINTS, LIMITS | EVERY, st.sampled_from([-HOUR, HOUR, -DAY, 3650 * DAY, timedelta()]))
def test_a_clock_that_jumps_makes_no_burst_and_no_gap(
    record: Record, hints: Hints, limits: Limits, jump: timedelta
) -> None:
    """However the time is set, an interval is at most twice the one before it, and not under the shortest."""
    hints = replace(hints, retry_after=None)
    record = replace(record, gone=0, failures=0).planned(NOW, NOW)
    due = next_poll(record, hints, limits, now=NOW, url=URL)
    assert due is not None
    usual = due - NOW
    later = due + jump
    again = next_poll(record.planned(due, NOW).after_success(later), hints, limits, now=later, url=URL)
    assert again is not None
    assert (limits.every or limits.shortest) <= again - later <= max(2 * usual, limits.shortest)


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
@pytest.mark.parametrize("gap", [1, 5, 60, 1440])
def test_an_hour_s_jump_of_the_clock_in_a_run(gap: int, jump: timedelta) -> None:
    """The true time between polls stays within two intervals, and at least half of one, when the clock jumps."""
    published = [NOW + MINUTE * gap * number for number in range(-16, 100)]
    polls: list[datetime] = []
    offset, record, true = timedelta(), Record(), NOW
    while len(polls) < 40:
        polls.append(true)
        last = polls[-2] if len(polls) > 1 else NOW - DAY * 30
        new = [moment + offset for moment in published if last < moment <= true]
        record = record.after_success(true + offset, new)
        due = next_poll(record, Hints(), Limits(), now=true + offset, url=URL)
        assert due is not None
        record = record.planned(due, true + offset)
        true = due - offset
        if len(polls) == 20:
            offset += jump
    waits = [(later - sooner) / MINUTE for sooner, later in pairwise(polls)]
    usual = median(waits)
    assert max(waits) <= 2 * usual
    assert min(waits[20:]) >= usual / 2


@pytest.mark.parametrize(
    ("gaps", "silence", "minutes"),
    [((), 0, 60), ((), 600, 200), ((10,), 0, 10), ((10, 30), 0, 20), ((10,) * 8, 30, 10), ((10,) * 8, 33, 11)],
)
def test_rhythm(gaps: tuple[int, ...], silence: float, minutes: float) -> None:
    assert rhythm(Record(gaps=gaps, newest=NOW - silence * MINUTE), NOW) / MINUTE == pytest.approx(minutes)


# Headers.


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120), (" 120 ", 120), ("0120", 120), ("86400", 86400), ("86401", 86400), ("315360000", 86400),
        ("9" * 30, 86400), ("9" * 5000, 86400), ("Mon, 23 Nov 2026 12:01:00 GMT", 60),
        ("Monday, 23-Nov-26 12:01:00 GMT", 60), ("Mon Nov 23 12:01:00 2026", 60),
        ("Mon, 23 Nov 2026 13:01:00 +0100", 60), ("Fri, 20 Nov 2036 12:00:00 GMT", 86400),
        ("Mon, 23 Nov 2026 11:59:00 GMT", None), ("Mon, 23 Nov 2026 12:00:00 GMT", None), ("0", None), ("-5", None),
        ("", None), ("soon", None), ("1.5", None), ("1e3", None), ("١٢٠", None), ("²", None), ("120, 240", None),
        ("Mon, 99 Foo 99999", None), ("Sun, 31 Dec 9999 23:59:59 -1200", None), ("\udcff", None),
    ],
)  # fmt: skip
def test_retry_after_headers(header: str, seconds: int | None) -> None:
    found = retry_after(header, NOW)
    assert (found and found.total_seconds()) == seconds


IN_AN_HOUR = "Mon, 23 Nov 2026 13:00:00 GMT"


@pytest.mark.parametrize(
    ("cache_control", "expires", "date", "age", "seconds"),
    [
        ("max-age=600", "", "", "", 600),
        ("public, Max-Age = 600 , must-revalidate", "", "", "", 600),
        ('max-age="600"', "", "", "", 600),
        ("s-maxage=5, max-age=600", "", "", "", 600),
        ("max-age=600, max-age=5", "", "", "", 600),
        ("max-age=600", "", "", "100", 500),
        ("max-age=600", "", "", "600", None),
        ("max-age=600", "", "", "old", 600),
        ("max-age=0", IN_AN_HOUR, "", "", None),
        ("max-age=-5", IN_AN_HOUR, "", "", 3600),
        ("max-age=99999999999", "", "", "", 2**31),
        ("max-age=" + "9" * 5000, "", "", "", 2**31),
        ("x-max-age=600", "", "", "", None),
        ("max-age=600s", "", "", "", None),
        ("no-cache, max-age=600", "", "", "", None),
        ("max-age=600, no-store", "", "", "", None),
        ("", IN_AN_HOUR, "", "", 3600),
        ("public", IN_AN_HOUR, "", "60", 3540),
        ("", IN_AN_HOUR, "Mon, 23 Nov 2026 12:50:00 GMT", "", 600),
        ("", IN_AN_HOUR, "yesterday", "", 3600),
        ("", "Mon, 23 Nov 2026 11:00:00 GMT", "", "", None),
        ("", "0", "", "", None),
        ("", "-1", "", "", None),
        ("", "", "", "", None),
    ],
)
def test_freshness(cache_control: str, expires: str, date: str, age: str, seconds: int | None) -> None:
    found = fresh_for(cache_control, expires, date=date, age=age, now=NOW)
    assert (found and found.total_seconds()) == seconds


HEADER = st.text(max_size=40) | st.from_regex(r"(max-age=)?[0-9]{0,20}|[A-Z][a-z]{2}, \d\d? Nov \d+ \d\d:\d\d:\d\d .*")


@steady
@given(HEADER, HEADER, HEADER, HEADER)
def test_no_header_is_too_strange(first: str, second: str, third: str, fourth: str) -> None:
    for found in (retry_after(first, NOW), fresh_for(first, second, date=third, age=fourth, now=NOW)):
        assert found is None or found > timedelta()


# The first polls after a start.

PLANNED = Record(due=NOW + HOUR, last_attempt=NOW - HOUR)


@pytest.mark.parametrize(
    ("record", "limits", "remembered"),
    [
        pytest.param(PLANNED, Limits(), True, id="a due time survives a restart"),
        pytest.param(Record(), Limits(), False, id="a new feed"),
        pytest.param(replace(PLANNED, due=NOW), Limits(), False, id="due by now"),
        pytest.param(replace(PLANNED, due=NOW - DAY), Limits(), False, id="long due"),
        pytest.param(replace(PLANNED, last_attempt=None), Limits(), False, id="planned by nobody"),
        pytest.param(replace(PLANNED, last_attempt=NOW + SECOND), Limits(), False, id="the clock was set back"),
        pytest.param(replace(PLANNED, due=NOW + 12 * HOUR), Limits(), True, id="at the longest"),
        pytest.param(replace(PLANNED, due=NOW + 12 * HOUR + SECOND), Limits(), False, id="over it"),
        pytest.param(down(replace(PLANNED, due=NOW + DAY), 1), Limits(), True, id="asked to wait a day"),
        pytest.param(down(replace(PLANNED, due=NOW + DAY + SECOND), 1), Limits(), False, id="nobody waits longer"),
        pytest.param(PLANNED, every(hours=1), True, id="every hour"),
        pytest.param(PLANNED, every(minutes=59), False, id="now more often"),
        pytest.param(down(PLANNED, 3), every(minutes=1), True, id="more often, but it fails"),
    ],
)
def test_first_poll(record: Record, limits: Limits, remembered: bool) -> None:
    first = first_poll(record, limits, now=NOW, url=URL, feeds=100)
    assert first == (record.due if remembered else NOW + spread(URL, 100, DAY))


@pytest.mark.parametrize("record", [Record(), replace(PLANNED, due=NOW - DAY)])
def test_first_polls_are_spread_and_stay_where_they_are(record: Record) -> None:
    firsts = [first_poll(record, Limits(), now=NOW, url=f"{URL}/{number}", feeds=1000) for number in range(1000)]
    assert firsts == [
        first_poll(record, Limits(), now=NOW, url=f"{URL}/{number}", feeds=1000) for number in range(1000)
    ]
    seconds = [(first - NOW).total_seconds() for first in firsts if first]
    assert 0 <= min(seconds) <= max(seconds) <= 50
    for start in range(0, 50, 5):
        assert 60 <= sum(start <= second < start + 5 for second in seconds) <= 140
    short = [first_poll(record, every(seconds=5), now=NOW, url=f"{URL}/{number}", feeds=1000) for number in range(1000)]
    assert max(first for first in short if first) <= NOW + 5 * SECOND


# Two weeks of feeds on a virtual clock.


@dataclass(frozen=True)
class Run:
    """What polling one feed came to; delays in minutes."""

    polls: int
    delays: tuple[float, ...]


def run(published: list[datetime], *, dated: bool, fixed: timedelta | None = None) -> Run:
    """Poll a feed for two weeks, its document being the last 20 of what it has published."""
    record, now, polls, seen = Record(), NOW, 0, 0
    delays: list[float] = []
    while now < NOW + 14 * DAY:
        there = bisect_right(published, now)
        new = published[max(seen, there - 20) : there]
        if polls:
            delays += [(now - moment) / MINUTE for moment in new]
        record = Record.decode(record.encode()).after_success(now, [moment if dated else None for moment in new])
        due = now + fixed if fixed else next_poll(record, Hints(), Limits(), now=now, url=URL)
        assert due is not None
        record, now, polls, seen = record.planned(due, now), due, polls + 1, there
    return Run(polls, tuple(delays))


def publishing(gap: timedelta, when: Callable[[datetime], bool] = lambda _: True) -> list[datetime]:
    """Publications from 60 gaps before the start on, each up to half a gap early or late; none where `when` is not."""
    chance = random.Random(4)
    count = 60 + round(14 * DAY / gap)
    moments = (NOW + gap * (number - 60 + chance.uniform(-0.5, 0.5)) for number in range(count))
    return sorted(moment for moment in moments if when(moment))


BATCHES = sorted(day + 2 * MINUTE * number for day in publishing(DAY) for number in range(8))
FEEDS = {
    "every 5 minutes": publishing(5 * MINUTE),
    "hourly by day": publishing(HOUR, lambda moment: 7 <= moment.hour < 23),
    "daily": publishing(DAY),
    "weekly": publishing(7 * DAY),
    "dead": [NOW - 400 * DAY - number * HOUR for number in range(20, 0, -1)],
    "eight in a row, daily": BATCHES,
}


@pytest.mark.parametrize(
    ("name", "dated", "polls", "minutes"),
    [
        ("every 5 minutes", True, 5200, 2.5),
        ("every 5 minutes", False, 5200, 2.5),
        ("hourly by day", True, 1344, 8),
        ("hourly by day", False, 1344, 8),
        ("daily", True, 300, 40),
        ("weekly", True, 110, 180),
        ("dead", True, 30, 0),
        ("dead", False, 260, 0),
        ("eight in a row, daily", True, 950, 13),
    ],
)
def test_two_weeks(name: str, dated: bool, polls: int, minutes: float) -> None:
    found = run(FEEDS[name], dated=dated)
    assert found.polls <= polls
    assert (median(found.delays) if found.delays else 0) <= minutes


def test_fewer_polls_than_every_quarter_of_an_hour_and_the_busy_sooner() -> None:
    kinds = ["every 5 minutes", "hourly by day", "daily", "weekly", "dead"]
    own = {name: run(FEEDS[name], dated=True) for name in kinds}
    fixed = {name: run(FEEDS[name], dated=True, fixed=15 * MINUTE) for name in kinds}
    assert sum(found.polls for found in own.values()) <= 0.97 * sum(found.polls for found in fixed.values())
    busy, hourly = kinds[:2]
    assert median(own[busy].delays) <= 0.3 * median(fixed[busy].delays)
    assert median(own[hourly].delays) <= 1.05 * median(fixed[hourly].delays)
    all_own, all_fixed = ([delay for found in runs.values() for delay in found.delays] for runs in (own, fixed))
    assert len(all_own) > 4000
    assert mean(all_own) <= 0.4 * mean(all_fixed)
