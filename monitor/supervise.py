"""Loops that go on: whatever one turn meets, the next turn comes."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from monitor.errors import StoreError

log = logging.getLogger(__name__)

_PAUSE = 1.0  # seconds after a turn that failed
_SAY_AGAIN = 60.0  # seconds between lines about the same trouble

Revive = Callable[[], Awaitable[None]]


class Troubles:
    """Says that the store is in trouble once, then at most once a minute while it lasts."""

    def __init__(self) -> None:
        self._said = -_SAY_AGAIN

    def say(self, error: StoreError) -> None:
        now = time.monotonic()
        if now - self._said >= _SAY_AGAIN:
            self._said = now
            log.error("%s; nothing is lost, trying again", error)


async def keep_going(
    step: Callable[[], Awaitable[object]], name: str, *, until: asyncio.Event, troubles: Troubles, revive: Revive
) -> None:
    """Call `step` again and again, to the end of the one during which `until` is set.

    A StoreError is said, `revive` called, and the step tried again; so is any other error, with its traceback. Once
    `until` is set it is not: nothing is tried again, and who ends it says what is left.
    """
    while not until.is_set():
        try:
            await step()
            continue
        except StoreError as error:
            if until.is_set():
                return
            troubles.say(error)
            await _revive(revive, troubles)
        except Exception:
            log.exception("unexpected error in %s; going on", name)
        await asyncio.sleep(_PAUSE)


async def _revive(revive: Revive, troubles: Troubles) -> None:
    try:
        await revive()
    except StoreError as error:
        troubles.say(error)


async def end(tasks: Collection[asyncio.Task[Any]], patience: float) -> None:
    """Let tasks end; cancel what has not after `patience` seconds, and do not wait for what ignores even that."""
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=patience)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=1)
