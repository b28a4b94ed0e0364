"""Alerts on the terminal that `monitor run` was started in."""

import sys

from pydantic import BaseModel, ConfigDict

from monitor.alerts.render import as_text, news_of, printable
from monitor.errors import TemporaryError
from monitor.http import Http
from monitor.models import Notification


class ConsoleOptions(BaseModel):
    """The console needs none."""

    model_config = ConfigDict(extra="forbid")


class Console:
    """Prints each alert on standard output, in colour where that is a terminal."""

    Options = ConsoleOptions

    def __init__(self, options: ConsoleOptions, http: Http) -> None:
        self._colour = sys.stdout.isatty()

    async def send(self, notification: Notification) -> None:
        told = [as_text(alert, colour=self._colour) for alert in news_of(notification)]
        text = "\n\n".join(told) or printable(notification.text)
        try:
            sys.stdout.write(f"{text}\n\n")
            sys.stdout.flush()
        except OSError as error:
            raise TemporaryError(f"standard output: {error.strerror}") from error
