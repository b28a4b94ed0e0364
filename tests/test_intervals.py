"""Times of the clock: what is in them, and when what is closed opens."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config.intervals import ever_open, is_open, opens, within
from monitor.config.times import Digest, TimeInterval
from tests.routes import at


@pytest.mark.parametrize(
    ("interval", "inside", "outside"),
    [
        ({"times": "09:00-17:00"}, ["09:00", "16:59:59"], ["08:59:59", "17:00"]),
        ({"times": "00:00-24:00"}, ["00:00", "23:59:59"], []),
        ({"times": ["08:00-09:00", "22:00-02:00"]}, ["08:30", "23:00", "01:59"], ["09:00", "02:00", "12:00"]),
        ({"weekdays": "mon:fri"}, ["2026-11-27 23:59"], ["2026-11-28 00:00", "2026-11-29 23:59"]),
        ({"weekdays": "sat:mon"}, ["2026-11-28 00:00", "2026-11-29 12:00", "2026-11-30 12:00"], ["2026-11-27 12:00"]),
        (
            {"weekdays": "friday", "times": "22:00-06:00"},
            ["2026-11-27 22:00", "2026-11-28 05:59"],
            ["2026-11-27 05:59", "2026-11-28 22:00"],
        ),
        ({"days_of_month": "-1"}, ["2026-02-28 12:00", "2028-02-29 12:00"], ["2028-02-28 12:00", "2026-02-01 12:00"]),
        ({"days_of_month": ["1:3", "-2:-1"]}, ["2026-11-03 12:00", "2026-11-29 12:00"], ["2026-11-04 12:00"]),
        ({"days_of_month": "31"}, ["2026-12-31 12:00"], ["2026-11-30 12:00"]),
        ({"days_of_month": "5:-5"}, ["2026-11-05 12:00", "2026-11-26 12:00"], ["2026-11-04 12:00", "2026-11-27 12:00"]),
        ({"months": ["dec:feb", "6"]}, ["2026-01-15 12:00", "2026-06-15 12:00"], ["2026-03-01 12:00"]),
        ({"years": ["2026", "2030:2031"]}, ["2026-01-01 00:00", "2031-12-31 12:00"], ["2027-01-01 00:00"]),
        (
            {"months": "december", "days_of_month": "31", "times": "22:00-02:00"},
            ["2026-12-31 23:00", "2027-01-01 01:00"],
            ["2026-12-31 01:00", "2027-01-01 23:00"],
        ),
        ({"times": "09:00-10:00", "timezone": "Asia/Kathmandu"}, ["03:15", "04:14"], ["03:14", "04:15"]),
        ({"weekdays": "monday", "timezone": "Asia/Seoul"}, ["2026-11-22 15:00"], ["2026-11-23 15:00"]),
        ({}, ["00:00"], []),
    ],
)
def test_what_is_within(interval: dict[str, object], inside: list[str], outside: list[str]) -> None:
    span = TimeInterval.model_validate(interval)
    assert [time for time in inside if not within(at(time), span)] == []
    assert [time for time in outside if within(at(time), span)] == []


ZONES = st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns", "UTC"])
MINUTES = st.integers(0, 1439)
DAYS = ["2026-03-28", "2026-10-24", "2026-03-07", "2026-10-31", "2026-04-04", "2026-10-03", "2026-06-01"]


@settings(max_examples=60, deadline=None)
@given(
    ZONES, st.lists(st.tuples(MINUTES, MINUTES), min_size=1, max_size=3), st.sampled_from(DAYS), MINUTES, st.booleans()
)
def test_a_time_opens_at_the_first_minute_that_is_open(
    zone: str, spans: list[tuple[int, int]], day: str, minute: int, active: bool
) -> None:
    """What a walk over all minutes finds, on days when clocks are changed."""
    times = [f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in spans if a != b] or ["00:00-01:00"]
    interval = TimeInterval.model_validate({"times": times, "timezone": zone})
    mute, only = ((), (interval,)) if active else ((interval,), ())
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(minutes=minute)
    walked = (start + timedelta(minutes=count) for count in range(3 * 1440))
    assert opens(start, mute, only) == next((time for time in walked if is_open(time, mute, only)), None)


def test_seconds_are_kept_where_it_is_open_and_none_where_it_opens() -> None:
    night = (TimeInterval.model_validate({"times": "22:00-07:10"}),)
    assert opens(at("08:00:07"), night, ()) == at("08:00:07")
    assert opens(at("06:59:59"), night, ()) == at("07:10")
    assert opens(at("07:09:59"), night, ()) == at("07:10")
    late = (TimeInterval.model_validate({"times": "22:03-07:10"}),)
    assert opens(at("22:05"), late, ()) == at("2026-11-24 07:10"), "not the time before it"


def test_what_never_opens() -> None:
    assert opens(at("08:00"), (TimeInterval(),), ()) is None
    past = (TimeInterval.model_validate({"years": "2020:2025"}),)
    assert opens(at("08:00"), (), past) is None


EVER_OPEN: list[tuple[list[dict[str, object]], list[dict[str, object]], bool]] = [
    ([], [], True),
    ([{}], [], False),
    ([{"times": "00:00-24:00"}], [], False),
    ([{"times": "00:00-23:59"}], [], True),
    ([{"times": "07:00-22:00"}], [{"times": "08:00-21:00"}], False),
    ([{"times": "07:00-22:00", "timezone": "Asia/Seoul"}], [{"times": "08:00-21:00"}], True),
    ([{"weekdays": "mon:fri"}, {"weekdays": "sat:sun"}], [], False),
    ([{"weekdays": "mon:fri"}], [{"times": "22:00-06:00", "weekdays": "friday"}], True),
    ([], [{"months": "feb", "days_of_month": "30"}], False),
    ([], [{"months": "feb", "days_of_month": "29"}], True),
    ([{"years": "2000:2027"}], [{"months": "feb", "days_of_month": "29", "weekdays": "monday"}], True),
    ([], [{"years": "2020"}], True),
    ([], [{"years": "9999"}], True),
    ([{"years": "2000:9999"}], [], False),
    ([{"years": "2000:2040"}], [{"years": "2030:2040"}], False),
    ([{"times": "00:00-02:00", "timezone": "Europe/Berlin"}, {"times": "03:00-24:00", "timezone": "Europe/Berlin"}],
     [{"months": "march", "days_of_month": "25:31", "weekdays": "sunday", "timezone": "Europe/Berlin"}], False),
]  # fmt: skip


@pytest.mark.parametrize(("mute", "active", "open_"), EVER_OPEN)
def test_whether_any_time_is_ever_open(
    mute: list[dict[str, object]], active: list[dict[str, object]], open_: bool
) -> None:
    spans = [[TimeInterval.model_validate(each) for each in which] for which in (mute, active)]
    began = time.perf_counter()
    assert ever_open(*spans) is open_
    assert time.perf_counter() - began < 2, "a start does not wait for it"


@pytest.mark.parametrize(
    ("schedule", "zone", "moment", "following"),
    [
        ("0 8 * * *", "UTC", "08:00", "2026-11-24 08:00"),
        ("0 8 * * *", "UTC", "07:59:59", "08:00"),
        ("0 8 * * *", "Europe/Berlin", "2026-03-28 08:00", "2026-03-29 06:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-28 08:00", "2026-03-29 01:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-24 08:00", "2026-10-25 00:30"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25 00:30", "2026-10-26 01:30"),
        ("30 2 * * *", "America/New_York", "2026-03-07 12:00", "2026-03-08 07:00"),
        ("30 1 * * *", "America/New_York", "2026-10-31 12:00", "2026-11-01 05:30"),
        ("0 9 * * mon", "Asia/Seoul", "2026-11-23 00:00", "2026-11-30 00:00"),
    ],
)
def test_when_a_digest_is_due(schedule: str, zone: str, moment: str, following: str) -> None:
    digest = Digest.model_validate({"schedule": schedule, "timezone": zone})
    assert digest.after(at(moment)) == at(following)
