"""What becomes of a delivery that failed, and of its receiver."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.errors import PermanentError, TemporaryError

_TOLERATED = 3  # failures of a receiver, one after the other
_FIRST_REST, _LONGEST_REST = timedelta(seconds=5), timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again at a time."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Bury:
    """Give up: make it a dead letter."""

    reason: str


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Waits double from `first` to `longest`; 20 attempts last about a day."""

    attempts: int = 20
    first: timedelta = timedelta(seconds=5)
    longest: timedelta = timedelta(hours=2)


def judge(error: Exception, attempt: int, policy: RetryPolicy, now: datetime, *, chance: random.Random) -> Retry | Bury:
    """Say what becomes of a delivery whose attempt number `attempt` (from 1) ended in `error`."""
    if isinstance(error, PermanentError):
        return Bury(str(error))
    if attempt >= policy.attempts:
        return Bury(f"{error} (after {attempt} attempts)")
    wait = min(policy.first * 2 ** min(attempt - 1, 30), policy.longest)
    # Jitter, so that what failed together does not come back together.
    wait = wait * chance.uniform(0.8, 1.2)
    if isinstance(error, TemporaryError) and error.retry_after is not None:
        wait = max(wait, error.retry_after)
    return Retry(now + wait)


@dataclass(frozen=True, slots=True)
class Streak:
    """How one process got on with a receiver lately: failures of any kind in a row, the last one's reason, and when
    something last arrived.
    """

    failures: int = 0
    reason: str = ""
    succeeded: datetime | None = None

    def after(self, error: Exception | None, now: datetime) -> "Streak":
        """The streak after an attempt; without `error` it succeeded."""
        return Streak(self.failures + 1, str(error), self.succeeded) if error else Streak(succeeded=now)


@dataclass(frozen=True, slots=True)
class Circuit:
    """Whether a receiver is spared for a while, because it fails: then nothing is sent to it but a probe now and then.

    So an outage costs one message its attempts, and not all of them.
    """

    failures: int = 0  # one after the other
    spared_until: datetime | None = None

    def wait(self, now: datetime) -> timedelta:
        """How long to send nothing, zero where the receiver may be tried."""
        return max(self.spared_until - now, timedelta()) if self.spared_until else timedelta()

    def after(self, error: Exception | None, now: datetime) -> "Circuit":
        """The circuit after an attempt; without `error` it succeeded.

        The third failure in a row spares the receiver, for twice as long with each further one. Where it says itself
        when to come back, it is spared until then.
        """
        if not isinstance(error, TemporaryError):
            return Circuit()
        failures = self.failures + 1
        wait = timedelta() if failures < _TOLERATED else _FIRST_REST * 2 ** min(failures - _TOLERATED, 30)
        rest = max(min(wait, _LONGEST_REST), error.retry_after or timedelta())
        return Circuit(failures, now + rest if rest else None)
