"""When a feed is polled next: a pure decision from its own rhythm, what its publisher asks for, and its failures.

An interval grows with the square root of the time between publications. For a given number of polls over many feeds
that makes the sum of all delays from publication to sight least: a publication waits half an interval on average, and
the derivative of rate times interval over two, against the polls spent, is equal for all feeds where the interval is
as the root of one over the rate (Sia, Cho and Cho, Efficient Monitoring Algorithm for Fast News Alerts, IEEE
Transactions on Knowledge and Data Engineering 19, 2007).
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from statistics import median

from monitor.feeds.record import GONE_AFTER, Record

_SECOND = timedelta(seconds=1)
_EVEN = timedelta(minutes=4)  # a feed that publishes this often is polled as often
_UNKNOWN_GAP = timedelta(hours=1)
_BURST = 3  # the last gaps that speed polling up at once
_MOST_BELIEVED = timedelta(hours=1)  # of a publisher's wish: a request an hour burdens nobody
_LONGEST_RETRY_AFTER = timedelta(hours=24)
_LONGEST = timedelta(days=3650)  # beyond it calendars end
_CLOCKS_DIFFER = timedelta(seconds=0.5)  # those of several machines
_POLLS_A_SECOND = 20  # while the first round is spread
_MAX_AGE = re.compile(r"(?:^|,)\s*max-age\s*=\s*\"?(\d+)\"?\s*(?=,|$)", re.ASCII | re.IGNORECASE)
_NOT_FRESH = re.compile(r"(?:^|,)\s*no-(?:cache|store)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the user set: `every`, where set, takes the place of the feed's rhythm; else it stays within the others."""

    shortest: timedelta = timedelta(minutes=2)
    longest: timedelta = timedelta(hours=12)
    every: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Hints:
    """What the headers of an answer ask for, whether it succeeded or not."""

    fresh_for: timedelta | None = None
    retry_after: timedelta | None = None


def next_poll(record: Record, hints: Hints, limits: Limits, *, now: datetime, url: str) -> datetime | None:
    """When a feed is polled next, after the poll that `record` holds; None where it is gone (410) and polled no more.

    `record` has the outcome (`after_success`, `after_failure`) but is not `planned` yet. In this order:

    - Retry-After, at most a day of it, is waited for in any case, even against `every`: the server is in need.
    - After failures the usual interval doubles with each, up to `longest`, and is lengthened by up to a half by a
      hash of URL and streak, so that what failed together does not come back together.
    - The usual interval is `every`, where the user set it, as it is.
    - Else it follows from the rhythm; see `usual`. It is within `shortest` and `longest`.
    """
    if record.gone >= GONE_AFTER:
        return None
    wait = usual(record, hints, limits, now)
    if record.failures:
        longest = max(limits.longest, wait).total_seconds()
        factor = 2.0 ** min(record.failures - 1, 40) * (1 + _share(f"{url} {record.failures}") / 2)
        wait = timedelta(seconds=min(wait.total_seconds() * factor, longest))
    if hints.retry_after:
        wait = max(wait, min(hints.retry_after, _LONGEST_RETRY_AFTER))
    return now + max(wait, _SECOND)


def usual(record: Record, hints: Hints, limits: Limits, now: datetime) -> timedelta:
    """How long to wait between polls of a feed that answers.

    What the publisher asks for (the document's <ttl> or sy:updatePeriod, Cache-Control, Expires) makes the interval
    of the rhythm longer, never shorter, and is believed up to half of the time between publications and up to an hour.
    Most such values are defaults of a program that nobody chose, "hourly" and a day above all. Where the feed was seen
    to publish more often than it says, it has refuted itself; where it has not, a request an hour is still polite.

    An interval is at most twice the wait before it, so that a clock which jumps stretches none beyond that.
    """
    if limits.every is not None:
        return min(limits.every, _LONGEST)
    gap = rhythm(record, now)
    asked = max(record.wish or timedelta(), hints.fresh_for or timedelta())
    wait = max(_even_with(gap), min(asked, gap / 2, _MOST_BELIEVED))
    if record.due and record.last_attempt and record.due > record.last_attempt:
        wait = min(wait, 2 * (record.due - record.last_attempt))
    return min(max(wait, limits.shortest), limits.longest)


def rhythm(record: Record, now: datetime) -> timedelta:
    """The time between publications to reckon with.

    The median of the last ones, or of the last three where these are quicker; a third of the silence since the newest
    where that is longer, so that nights hardly count and feeds that died are let be. An hour where nothing is known.
    """
    gaps = record.gaps
    known = timedelta(minutes=min(median(gaps), median(gaps[-_BURST:]))) if gaps else _UNKNOWN_GAP
    silence = now - record.newest if record.newest else timedelta()
    return max(known, silence / 3)


def _even_with(gap: timedelta) -> timedelta:
    return _EVEN * math.sqrt(gap / _EVEN)


def first_poll(record: Record, limits: Limits, *, now: datetime, url: str, feeds: int) -> datetime | None:
    """When a feed is polled first after a start: when it was due, or else soon, spread among so many `feeds`.

    None where it is gone. A due time that has passed is spread like one that is not known.
    """
    if record.gone >= GONE_AFTER:
        return None
    return kept_due(record, limits, now) or now + spread(url, feeds, limits.every or limits.longest)


def kept_due(record: Record, limits: Limits, now: datetime) -> datetime | None:
    """When a feed is due by what is kept of it; None where that has passed.

    None, too, where it cannot be meant any more: the clock was set back since, or the user's limits are shorter now.
    """
    within = limits.every or limits.longest
    if record.failures:
        within = max(within, limits.longest, _LONGEST_RETRY_AFTER)
    if record.due is None or record.last_attempt is None or record.last_attempt > now + _CLOCKS_DIFFER:
        return None
    return record.due if timedelta() < record.due - now <= within + _CLOCKS_DIFFER else None


def spread(url: str, feeds: int, within: timedelta) -> timedelta:
    """How long after the start one of so many `feeds` is first polled: the same every time, other than its neighbours.

    All of them take a twentieth of a second each, but no longer than `within`.
    """
    return min(timedelta(seconds=feeds / _POLLS_A_SECOND), within) * _share(url)


def _share(text: str) -> float:
    """A number from 0 up to 1 that depends on a text alone."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest()) / 2**32


def retry_after(header: str, now: datetime) -> timedelta | None:
    """How long a Retry-After header (RFC 9110, section 10.2.3) asks to wait, at most a day.

    None where it is nonsense, or names the past.
    """
    wait = _delta_seconds(header.strip())
    if wait is None and (date := _http_date(header)) is not None:
        wait = date - now
    return min(wait, _LONGEST_RETRY_AFTER) if wait and wait > timedelta() else None


def fresh_for(
    cache_control: str, expires: str = "", *, date: str = "", age: str = "", now: datetime
) -> timedelta | None:
    """How long an answer stays fresh in a private cache by its headers (RFC 9111, section 4.2).

    Cache-Control's max-age counts before Expires, which counts from Date; Age is what a cache on the way has used up.
    None where nothing is left, or nothing is said.
    """
    if _NOT_FRESH.search(cache_control):
        return None
    lifetime = None
    if found := _MAX_AGE.search(cache_control):
        lifetime = _delta_seconds(found[1])
    elif (end := _http_date(expires)) is not None:
        lifetime = end - (_http_date(date) or now)
    left = (lifetime or timedelta()) - (_delta_seconds(age.strip()) or timedelta())
    return left if left > timedelta() else None


def _delta_seconds(text: str) -> timedelta | None:
    """A number of seconds as headers write it; one too large to be meant is 68 years (RFC 9111, section 1.2.2)."""
    if not (text.isascii() and text.isdigit()):
        return None
    return timedelta(seconds=int(text) if len(text) <= 9 else 2**31)


def _http_date(text: str) -> datetime | None:
    """Any of the three forms of RFC 9110, section 5.6.7; None for anything else."""
    try:
        date = parsedate_to_datetime(text)
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
