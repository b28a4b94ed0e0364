"""What can go wrong, in the words that a user is shown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from monitor.secrecy import without_secrets


class MonitorError(Exception):
    """Something that a user can act on; `str()` of it is ready to be shown, and holds no secret."""

    def __str__(self) -> str:
        return without_secrets(super().__str__())


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in what a user wrote: `place` is `file:line:column` or whatever else finds it."""

    place: str
    message: str

    def __str__(self) -> str:
        return without_secrets(f"{self.place}: {self.message}")


class InputError(MonitorError):
    """A file that a user wrote is missing or wrong; holds every problem found, a line each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class FetchError(MonitorError):
    """A feed or a page could not be fetched; says its URL and why, and what the server answered if it did.

    `headers` are those of the answer, by lower-case name: retry-after is among them where the server said so.
    """

    def __init__(
        self, url: str, reason: str, *, status: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self.url, self.reason, self.status, self.headers = url, without_secrets(reason), status, headers or {}
        super().__init__(f"{url}: {reason}")


class UnreadableError(MonitorError):
    """What was fetched is no feed, or holds no article."""


class WorkerError(MonitorError):
    """A piece of work was given up: it ran past its deadline or its memory, or its process died."""


class StoreError(MonitorError):
    """Redis does not answer, or refuses."""


class ArchiveError(MonitorError):
    """The archive cannot be written, or is full; says where, and what was lost if anything was."""


class NotifyError(MonitorError):
    """A notification was not taken; `str()` is the reason."""


class TemporaryError(NotifyError):
    """The receiver may take it later, not before `retry_after` where it said so."""

    def __init__(self, reason: str, *, retry_after: timedelta | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(reason)


class PermanentError(NotifyError):
    """The receiver will never take this notification: trying again would change nothing."""
