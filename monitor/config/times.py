"""When routes are quiet and when digests go out, as users write it; clocks are those of an IANA time zone.

Time intervals are Prometheus Alertmanager's, as a mapping; and a time such as 22:00-07:00 may run past midnight.
"""

import calendar
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import BeforeValidator, Field, field_validator

from monitor.config.fields import ONE_OR_MANY, Strict
from monitor.yamlfile import suggest

_TIMES = re.compile(r"(\d{1,2}):([0-5]\d)\s*-\s*(\d{1,2}):([0-5]\d)")
_DAYS = [name.lower() for name in calendar.day_name]
_MONTHS = [name.lower() for name in calendar.month_name]

Range = tuple[int, int]


def _parse_zone(value: Any) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    try:
        return ZoneInfo(str(value))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = suggest(str(value), available_timezones())
        raise ValueError(f'"{value}" is no time zone of IANA{near or "; write one such as Europe/Berlin"}') from None


def _parse_times(value: Any) -> Range:
    """Read `22:00-07:00` as minutes of the day; raises ValueError."""
    found = _TIMES.fullmatch(str(value).strip())
    begin, end = (60 * int(found[1]) + int(found[2]), 60 * int(found[3]) + int(found[4])) if found else (0, 0)
    if begin == end or begin >= 24 * 60 or end > 24 * 60:
        raise ValueError(f'"{value}" is no time of day; write its begin and end, such as 22:00-07:00')
    return begin, end


def _parse_range(value: Any, names: Sequence[str], lowest: int, highest: int) -> Range:
    """Read `monday`, `mon:fri`, `1:5` or `-1`, both ends included; raises ValueError."""
    ends = [_number(end.strip().lower(), names) for end in str(value).split(":")]
    first, last = ends[0], ends[-1]
    if len(ends) > 2 or first is None or last is None or not all(lowest <= end <= highest for end in (first, last)):
        example = f"{names[-3]}:{names[-1]}" if names else f"{max(lowest, 1)}:{max(lowest, 1) + 4}"
        raise ValueError(f'"{value}" was not understood; write one, or a first and a last such as {example}')
    return first, last


def _number(text: str, names: Sequence[str]) -> int | None:
    named = [index for index, name in enumerate(names) if len(text) >= 3 and name.startswith(text)]
    return named[0] if named else int(text) if re.fullmatch(r"-?\d{1,4}", text) else None


def _weekday(value: Any) -> Range:
    if re.search(r"\d", str(value)):
        raise ValueError(f'"{value}": days of the week have names, such as monday:friday')
    return _parse_range(value, _DAYS, 0, 6)


def _day_of_month(value: Any) -> Range:
    first, last = _parse_range(value, (), -31, 31)
    if 0 in (first, last) or first < 0 < last or (first > last and (first < 0) == (last < 0)):
        raise ValueError(f'"{value}" holds no day; write days from 1, or from the end with -1, the first one first')
    return first, last


def _month(value: Any) -> Range:
    return _parse_range(value, _MONTHS, 1, 12)


def _year(value: Any) -> Range:
    first, last = _parse_range(value, (), 2000, 9999)
    if first > last:
        raise ValueError(f'"{value}" holds no year; write the first one first')
    return first, last


Zone = Annotated[ZoneInfo, BeforeValidator(_parse_zone)]


Times = Annotated[tuple[Annotated[Range, BeforeValidator(_parse_times)], ...], ONE_OR_MANY]
Weekdays = Annotated[tuple[Annotated[Range, BeforeValidator(_weekday)], ...], ONE_OR_MANY]
Days = Annotated[tuple[Annotated[Range, BeforeValidator(_day_of_month)], ...], ONE_OR_MANY]
Months = Annotated[tuple[Annotated[Range, BeforeValidator(_month)], ...], ONE_OR_MANY]
Years = Annotated[tuple[Annotated[Range, BeforeValidator(_year)], ...], ONE_OR_MANY]


class TimeInterval(Strict):
    """Times of the clock on the wall: those that are in one of the ranges of each key that is written."""

    times: Times = Field((), description="such as 22:00-07:00, without its end; after midnight the day before counts")
    weekdays: Weekdays = Field((), description="such as saturday or mon:fri")
    days_of_month: Days = Field((), description="such as 1:5; -1 is the last day")
    months: Months = Field((), description="such as december or 6:8")
    years: Years = Field((), description="such as 2026:2028")
    timezone: Zone = Field(ZoneInfo("UTC"), description="whose clock is meant, such as Europe/Berlin")


class Digest(Strict):
    """Everything that a route gathers goes out together at the times of a cron expression of five fields."""

    schedule: str = Field(description="minute, hour, day of month, month, day of week, such as 0 8 * * mon-fri")
    timezone: Zone = Field(ZoneInfo("UTC"), description="whose clock is meant, such as Asia/Seoul")

    @field_validator("schedule")
    @classmethod
    def _comes_some_day(cls, value: str) -> str:
        remedy = "write minute, hour, day of month, month and day of week, such as 0 8 * * mon-fri"
        if len(value.split()) != 5:
            raise ValueError(f'"{value}" is no cron expression: it has not five fields; {remedy}')
        try:
            next(CronSim(value, datetime(2026, 1, 1, tzinfo=UTC)))
        except CronSimError as error:
            raise ValueError(f'"{value}" is no cron expression: {str(error).lower()}; {remedy}') from None
        except StopIteration:
            raise ValueError(f'"{value}" never comes; {remedy}') from None
        return value

    def after(self, moment: datetime) -> datetime:
        """The first time of the schedule later than a moment, in UTC.

        As Debian's cron has it, a time that a clock put forward leaves out comes right after the gap, and one that a
        clock put back shows twice comes the first time.
        """
        return next(CronSim(self.schedule, moment.astimezone(self.timezone))).astimezone(UTC)
