"""The notifiers of receivers, each open from when it is needed until it is not."""

import logging
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from monitor.config import ReceiverConfig
from monitor.errors import InputError, Problem
from monitor.http import Http
from monitor.notifiers import Notifier, notifier_class

log = logging.getLogger(__name__)


class Notifiers:
    """Opens notifiers; an async context manager that closes those which are still open."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._to_close: list[Any] = []

    async def __aenter__(self) -> "Notifiers":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close(tuple(self._to_close))

    def make(self, name: str, receiver: ReceiverConfig) -> Notifier:
        """A notifier that is not open yet; raises InputError where its options are no use."""
        kind = notifier_class(receiver.type)
        try:
            return kind(kind.Options.model_validate(receiver.options), self._http)
        except ValueError as error:
            raise InputError([Problem(f"receivers.{name}", str(error))]) from None

    async def open(self, receivers: Mapping[str, ReceiverConfig]) -> dict[str, Notifier]:
        """The notifiers of receivers by their names, opened; raises InputError, and then none of them is."""
        made = {name: self.make(name, receiver) for name, receiver in receivers.items()}
        for name, notifier in made.items():
            try:
                await self._enter(notifier)
            except Exception as error:
                await self.close(made.values())
                log.debug("receivers.%s cannot be opened", name, exc_info=True)
                raise InputError([Problem(f"receivers.{name}", f"cannot be opened: {error!r}")]) from error
        return made

    async def close(self, notifiers: Iterable[Notifier]) -> None:
        """Close those that keep something open; nothing may be sent by them any more."""
        for notifier in filter(self.keeps, notifiers):
            self._to_close.remove(notifier)
            try:
                await notifier.__aexit__(None, None, None)  # type: ignore[attr-defined]  # it has been entered
            except Exception:
                log.exception("a notifier could not be closed; going on")

    def keeps(self, notifier: Notifier) -> bool:
        """Whether a notifier keeps something open, so that it has to be closed."""
        return any(each is notifier for each in self._to_close)

    async def _enter(self, notifier: Any) -> None:
        if isinstance(notifier, AbstractAsyncContextManager):
            await notifier.__aenter__()
            self._to_close.append(notifier)
