"""The addresses of a name, asked of the operating system without letting a slow name server hold anything up."""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from monitor.addresses import Address

Resolve = Callable[[str], Awaitable[Sequence[Address]]]  # raises OSError where a name has no address

_AT_ONCE = 32


class Lookups:
    """A `Resolve`: each look-up has a thread of its own, of which there are 32 at most.

    The threads are daemons: a look-up cannot be broken off, and the end of the process must not wait for one.
    """

    def __init__(self, look_up: Callable[[str], list[Address]] | None = None) -> None:
        self._ask = look_up or addresses_of
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def __call__(self, host: str) -> Sequence[Address]:
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Address]] = loop.create_future()
        asking = threading.Thread(target=self._look_up, args=(host, loop, answer), name="look-up", daemon=True)
        try:
            asking.start()
        except RuntimeError as error:  # the machine gives us no more threads for now
            self._places.release()
            raise OSError(0, str(error)) from None
        return await answer

    def _look_up(self, host: str, loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[list[Address]]") -> None:
        outcome: list[Address] | OSError
        try:
            outcome = self._ask(host)
        except OSError as error:
            outcome = error
        with suppress(RuntimeError):  # the loop has ended meanwhile: nobody waits any longer
            loop.call_soon_threadsafe(self._settle, answer, outcome)

    def _settle(self, answer: "asyncio.Future[list[Address]]", outcome: list[Address] | OSError) -> None:
        self._places.release()
        if answer.done():
            return
        if isinstance(outcome, OSError):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)


def addresses_of(host: str, flags: int = 0) -> list[Address]:
    """Ask the operating system; `flags` are those of getaddrinfo. Raises OSError."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    except UnicodeError:
        raise OSError(0, "it is no host name") from None
    return [ipaddress.ip_address(str(info[4][0]).partition("%")[0]) for info in found]


def written_address(host: str) -> Address | None:
    """The address that a host is written as, in any of the forms that the operating system reads as one."""
    with suppress(OSError):
        return addresses_of(host, socket.AI_NUMERICHOST)[0]
    return None
