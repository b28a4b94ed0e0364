"""Which times of the clock an instant is in, and when a time that is closed opens."""

from calendar import monthrange
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

from monitor.config.times import Range, TimeInterval

_DAY = timedelta(days=1)
_QUARTER = timedelta(minutes=15)
_FURTHEST = timedelta(days=370)


def within(moment: datetime, interval: TimeInterval) -> bool:
    """Tell whether a clock in the interval's zone shows one of its times at a moment."""
    local = moment.astimezone(interval.timezone)
    minute = 60 * local.hour + local.minute
    if not interval.times:
        return _is_day(local.date(), interval)
    days = {local.date() - _DAY * before for span in interval.times for before in _days_before(minute, span)}
    return any(_is_day(day, interval) for day in days)


def _days_before(minute: int, span: Range) -> list[int]:
    """How many days ago the span began that a minute of the day is in; none where it is in none."""
    begin, end = span
    if begin < end:
        return [0] if begin <= minute < end else []
    return [0] if minute >= begin else [1] if minute < end else []


def _is_day(day: date, interval: TimeInterval) -> bool:
    length = monthrange(day.year, day.month)[1]
    of_month = [tuple(end if end > 0 else length + 1 + end for end in span) for span in interval.days_of_month]
    return (
        _in_one(day.weekday(), interval.weekdays)
        and _in_one(day.month, interval.months)
        and _in_one(day.year, interval.years)
        and (not of_month or any(first <= day.day <= last for first, last in of_month))
    )


def _in_one(value: int, ranges: Sequence[Range]) -> bool:
    """Tell whether a value is in one of some ranges, of which one may run over the end: friday:monday; none is all."""
    return not ranges or any(
        first <= value <= last if first <= last else value >= first or value <= last for first, last in ranges
    )


def is_open(moment: datetime, mute: Sequence[TimeInterval], active: Sequence[TimeInterval]) -> bool:
    """Tell whether a moment is in no time that is mute and, where some are active, in one of those."""
    if any(within(moment, interval) for interval in mute):
        return False
    return not active or any(within(moment, interval) for interval in active)


def opens(
    moment: datetime, mute: Sequence[TimeInterval], active: Sequence[TimeInterval], within_next: timedelta = _FURTHEST
) -> datetime | None:
    """The first time from a moment on that is open, to the minute; None where a year, or so long, has none."""
    if is_open(moment, mute, active):
        return moment
    # Clocks are changed at quarters of an hour, and differ by them: only so many minutes after one can a time begin.
    minutes = sorted({0, *(end % 15 for interval in (*mute, *active) for span in interval.times for end in span)})
    utc = moment.astimezone(UTC)
    start = utc.replace(minute=utc.minute // 15 * 15, second=0, microsecond=0)
    for quarter in _quarters(start, within_next):
        for minute in minutes:
            at = quarter + timedelta(minutes=minute)
            if at > moment and is_open(at, mute, active):
                return at
    return None


def ever_open(mute: Sequence[TimeInterval], active: Sequence[TimeInterval]) -> bool:
    """Tell whether any time at all is open, be it long past or years ahead.

    Days on which the same intervals begin, and on the days around them, by clocks that are as far ahead, are alike:
    one of each kind is looked at.
    """
    spans, seen = (*mute, *active), set()
    for first in sorted({2000, *(year for span in spans for ends in span.years for year in (ends[0], ends[1] + 1))}):
        # After 28 years the calendar comes again; there is none after 9999.
        start = datetime(min(first, 9972), 1, 1, tzinfo=UTC)
        for day in (start + _DAY * count for count in range(28 * 365 + 6)):
            kind = _kind(day, spans)
            if kind not in seen and (at := opens(day, mute, active, _DAY)) and at < day + _DAY:
                return True
            seen.add(kind)
    return False


def _kind(day: datetime, spans: Sequence[TimeInterval]) -> tuple[object, ...]:
    near = [day.date() + _DAY * shift for shift in (-2, -1, 0, 1)]
    offsets = (moment.astimezone(span.timezone).utcoffset() for span in spans for moment in (day, day + _DAY))
    return (*(_is_day(each, span) for each in near for span in spans), *offsets)


def _quarters(start: datetime, within_next: timedelta) -> Iterable[datetime]:
    return (start + _QUARTER * count for count in range(within_next // _QUARTER))
