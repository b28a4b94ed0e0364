"""How much is asked of one host: so many requests at a time, and so many a second."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

BURST = 10  # requests that may come at once after a rest: a feed and the pages of a few new entries
_PATIENCE = 300.0  # seconds
_HOSTS = 4_096


class CrowdedError(Exception):
    """A request found no place at its host for as long as one may wait."""


@dataclass(slots=True)
class _Host:
    places: asyncio.Semaphore
    due: float = 0.0
    users: int = 0


class Limits:
    """Lets `concurrency` requests at a time to each host, and `rate` a second in the long run."""

    def __init__(self, concurrency: int, rate: float) -> None:
        self._concurrency = concurrency
        self._interval = 1 / rate
        self._hosts: dict[str, _Host] = {}
        self._tidy_at = _HOSTS

    @asynccontextmanager
    async def place(self, host: str, patience: float = _PATIENCE) -> AsyncIterator[None]:
        """Wait for a place at a host, and have it until the end; raises CrowdedError after `patience` seconds."""
        state = self._state(host)
        state.users += 1
        try:
            try:
                async with asyncio.timeout(patience):
                    await state.places.acquire()
            except TimeoutError:
                raise CrowdedError from None
            try:
                now = asyncio.get_running_loop().time()
                wait, state.due = turn(state.due, now, self._interval)
                if wait > 0:
                    await asyncio.sleep(wait)
                yield
            finally:
                state.places.release()
        finally:
            state.users -= 1

    def _state(self, host: str) -> _Host:
        """What is known of a host. Those that rest are forgotten in time: a rested host is like a new one."""
        state = self._hosts.get(host)
        if state is None:
            if len(self._hosts) >= self._tidy_at:
                now = asyncio.get_running_loop().time()
                self._hosts = {name: one for name, one in self._hosts.items() if one.users or one.due > now}
                self._tidy_at = max(_HOSTS, 2 * len(self._hosts))
            state = self._hosts[host] = _Host(asyncio.Semaphore(self._concurrency))
        return state


def turn(due: float, now: float, interval: float) -> tuple[float, float]:
    """How many seconds a request waits, and the next `due`: when the next would come if all came evenly.

    The generic cell rate algorithm (ITU-T I.371): a request may come BURST - 1 intervals before it is due.
    """
    due = max(due, now)
    return max(0.0, due - (BURST - 1) * interval - now), due + interval
