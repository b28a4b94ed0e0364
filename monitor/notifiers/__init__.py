"""Notifiers: how a receiver is told. Each is a plugin under the entry point `monitor.notifiers`, ours like others'.

A notifier class has a pydantic model `Options`, is made with `(options, http)`, and sends a notification or raises
TemporaryError or PermanentError. It does not retry, log or pace: delivery does, and waits `pace` seconds, where a class
has that, between two messages. One that keeps something open is an async context manager as well: it is entered before
the first notification and left after the last. One that can tell whether it would be heard, without sending, has
`async reach() -> str`, which raises NotifyError; `monitor doctor` asks it.
"""

from importlib.metadata import entry_points
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from monitor.errors import MonitorError
from monitor.http import Http
from monitor.models import Notification
from monitor.yamlfile import suggest


class Notifier(Protocol):
    """What delivery needs of a notifier."""

    Options: ClassVar[type[BaseModel]]

    def __init__(self, options: Any, http: Http) -> None: ...

    async def send(self, notification: Notification) -> str | None:
        """Send; raises TemporaryError or PermanentError, and TimeoutError counts as temporary.

        What it returns is kept for those of the notification's alerts for which nothing is kept yet, and comes back in
        `receipts` with each further notification of them: a notifier that needs it to answer its own message.
        """


def kinds() -> list[str]:
    """The kinds of notifiers that there are."""
    return sorted({point.name for point in entry_points(group="monitor.notifiers")})


def notifier_class(kind: str) -> type[Notifier]:
    """The class of a kind of notifier; raises LookupError with the known kinds, or MonitorError for a broken plugin."""
    found = {point.name: point for point in entry_points(group="monitor.notifiers")}
    if kind not in found:
        hint = suggest(kind, found) or f"; known: {', '.join(sorted(found))}"
        raise LookupError(f'there is no notifier "{kind}"{hint}')
    try:
        return found[kind].load()  # type: ignore[no-any-return]
    except (ImportError, AttributeError) as error:
        raise MonitorError(f'the notifier plugin "{kind}" cannot be loaded: {error}') from error


def options_of(kind: str) -> type[BaseModel]:
    """The options model of a kind of notifier; raises as `notifier_class` does."""
    return notifier_class(kind).Options
