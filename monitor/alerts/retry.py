"""What becomes of a delivery that failed."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitor.errors import PermanentError, TemporaryError


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
