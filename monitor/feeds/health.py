"""How a feed is doing, in a word and a line for people, and which changes of that are worth an alert."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Literal, get_args

from monitor.feeds.record import GONE_AFTER, TEXTS, Record

Trouble = Literal["gone", "failing", "no-text", "silent"]  # the gravest first
State = Literal["ok", "new", "paused", "gone", "failing", "no-text", "silent"]

_FAILING_FOR = timedelta(hours=24)
_FAILED_POLLS = 3
_KNOWN_PUBLICATIONS = 8
_SHORTEST_SILENCE = timedelta(days=3)
_TOO_FEW_TEXTS = 0.1
_ENOUGH_TEXTS = 0.3  # to be over it: a share that wavers about a tenth is not told of at each turn

_RECOVERED = {
    "gone": "answers again",
    "failing": "answers again",
    "no-text": "its pages give text again",
    "silent": "publishes again",
}


@dataclass(frozen=True, slots=True)
class Health:
    """The state of a feed, the reason for it in a line, and the troubles that people are to be told of.

    A feed is failing from its first failure on; only when that has lasted it is a trouble, too. Several troubles can
    last at once; each comes with its own reason.
    """

    state: State
    reason: str = ""
    troubles: tuple[tuple[Trouble, str], ...] = ()

    @property
    def told(self) -> frozenset[str]:
        """What `Record.told` is to be once the `changes` have been told."""
        return frozenset(trouble for trouble, _ in self.troubles)


@dataclass(frozen=True, slots=True)
class Change:
    """A trouble that began, or ended, and what to say about it."""

    trouble: Trouble
    ended: bool
    text: str


def verdict(record: Record, now: datetime, *, paused: bool = False) -> Health:
    """Say how a feed is doing. A trouble that was told of lasts until it is clearly over."""
    if paused:
        # Nothing is learnt of a feed that is not polled: what was told of it still stands.
        return Health("paused", "", tuple((trouble, "") for trouble in get_args(Trouble) if trouble in record.told))
    reasons: dict[Trouble, str] = {
        "gone": _gone(record, now),
        "failing": _failing(record, now),
        "no-text": _no_text(record),
        "silent": _silent(record),
    }
    troubles = tuple((trouble, reason) for trouble, reason in reasons.items() if reason)
    if record.gone >= GONE_AFTER:
        return Health("gone", reasons["gone"], troubles)
    if record.failures:
        return Health("failing", _failure(record, now), troubles)
    if troubles:
        return Health(*troubles[0], troubles)
    return Health("ok") if record.last_success else Health("new", "not polled yet")


def changes(told: Collection[str], health: Health) -> tuple[Change, ...]:
    """What people are to be told, once for each trouble and once for its end; `told` is `Record.told`."""
    if health.state == "paused":
        return ()
    began = [Change(trouble, False, reason) for trouble, reason in health.troubles if trouble not in told]
    over = [trouble for trouble in get_args(Trouble) if trouble in told and trouble not in health.told]
    return (*began, *(Change(trouble, True, _RECOVERED[trouble]) for trouble in over))


def _gone(record: Record, now: datetime) -> str:
    if record.gone >= GONE_AFTER:
        return f"gone: {record.reason or 'HTTP 410'} {record.gone} times; polled no more"
    # Taken up again by its user, it is not yet back.
    return _failure(record, now) if "gone" in record.told and record.failures else ""


def _failing(record: Record, now: datetime) -> str:
    if not record.failures or record.first_failure is None:
        return ""
    lasting = now - record.first_failure >= _FAILING_FOR and record.failures >= _FAILED_POLLS
    if "failing" in record.told or (lasting and not _gone(record, now)):
        return _failure(record, now)
    return ""


def _failure(record: Record, now: datetime) -> str:
    since = f" for {short(now - record.first_failure)}" if record.first_failure else ""
    polls = "1 poll" if record.failures == 1 else f"{record.failures} polls in a row"
    return f"failing{since}: {record.reason or 'no answer'} ({polls})"


def _no_text(record: Record) -> str:
    """Pages that used to give text in half of all cases, and hardly do any more."""
    least = _ENOUGH_TEXTS if "no-text" in record.told else _TOO_FEW_TEXTS
    if not record.had_text or record.texts < TEXTS or record.text_share >= least:
        return ""
    return f"its pages give no text any more: {record.text_share:.0%} of the latest entries did"


def _silent(record: Record) -> str:
    """Silence is what the last good poll saw: while a feed fails, or the monitor is off, nobody knows."""
    if len(record.gaps) + 1 < _KNOWN_PUBLICATIONS or record.newest is None or record.last_success is None:
        return ""
    silence = record.last_success - record.newest
    usual = timedelta(minutes=median(record.gaps))
    # The longest gap speaks for feeds that publish in batches, on working days or not in the holidays.
    if silence <= max(10 * usual, 2 * timedelta(minutes=max(record.gaps)), _SHORTEST_SILENCE):
        return ""
    return f"nothing new for {short(silence)}; it used to publish every {short(usual)}"


def short(span: timedelta) -> str:
    """A span of time in one unit, as it is written in monitor.yaml: 90s, 40m, 26h, 5d."""
    seconds = max(int(span.total_seconds()), 0)
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
