"""The notifiers of receivers, each open from when it is needed until it is not."""

from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from monitor.config import ReceiverConfig
from monitor.errors import InputError, Problem
from monitor.http import Http
from monitor.notifiers import Notifier, notifier_class


class Notifiers:
    """An async context manager; `open` are the notifiers by the names of their receivers."""

    def __init__(self, http: Http) -> None:
        self.open: dict[str, Notifier] = {}
        self._http = http
        self._stacks: dict[str, AsyncExitStack] = {}

    async def __aenter__(self) -> "Notifiers":
        return self

    async def __aexit__(self, *exc: object) -> None:
        for name in list(self.open):
            await self.leave(name)

    def make(self, name: str, receiver: ReceiverConfig) -> Notifier:
        """A notifier that is not open yet; raises InputError where its options are no use."""
        kind = notifier_class(receiver.type)
        try:
            return kind(kind.Options.model_validate(receiver.options), self._http)
        except ValueError as error:
            raise InputError([Problem(f"receivers.{name}", str(error))]) from None

    async def enter(self, name: str, notifier: Notifier) -> None:
        """Open a notifier, if it has anything to open."""
        stack = AsyncExitStack()
        manager: Any = notifier
        if isinstance(manager, AbstractAsyncContextManager):
            await stack.enter_async_context(manager)
        self.open[name], self._stacks[name] = notifier, stack

    async def leave(self, name: str) -> None:
        """Close a notifier; nothing may be sent by it any more."""
        self.open.pop(name, None)
        if stack := self._stacks.pop(name, None):
            await stack.aclose()
