"""How this process is doing, for whoever asks over HTTP: from before its parts are built until after they are gone."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from monitor import metrics
from monitor.config import FeedConfig
from monitor.daemon import Daemon
from monitor.errors import StoreError
from monitor.status import feeds_by_state, kept
from monitor.store.redis import Store

_PATIENCE = 1.5  # seconds that Redis may take to answer
_COUNT_WITHIN = 0.3  # seconds that a scrape waits for feeds to be counted; else it shows the count before
_REST = 20  # times as long as a count took


class Condition:
    """Knows no daemon until it is given one by `watch`."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._daemon: Daemon | None = None
        self._store: Store | None = None
        self._feeds: Mapping[str, int] = {}
        self._counting: asyncio.Task[None] | None = None
        self._count_again = 0.0

    def watch(self, daemon: Daemon, store: Store) -> None:
        """Tell of this daemon from now on."""
        self._daemon, self._store = daemon, store

    def stuck(self) -> str:
        """What makes no progress, nothing where all goes on."""
        return self._daemon.stuck() if self._daemon else ""

    async def reload(self) -> list[str]:
        """Read what users wrote again; what is wrong with it, a line each, none where it is in effect now."""
        if not self._daemon or not self._daemon.ready:
            return ["it is starting, and reads everything anyway"]
        return await self._daemon.reloads.reload()

    def broken(self) -> list[str]:
        """What is wrong with files that were changed, so that it goes on by those before; a line each."""
        return self._daemon.reloads.problems if self._daemon else []

    async def lacking(self) -> list[str]:
        """Why it is not ready, a line each."""
        if not self._daemon or not self._store:
            return ["it is starting: Redis has not answered yet"]
        lines = [] if self._daemon.ready else ["it is starting: no feed is scheduled yet"]
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._store.ping()
        except StoreError as error:
            lines.append(str(error))
        except TimeoutError:
            lines.append(f"Redis: no answer within {_PATIENCE} s")
        return lines

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """All metrics and their content type; where Redis is silent, without what it keeps."""
        found, late = None, timedelta()
        if self._daemon and self._store:
            late = self._daemon.schedule.late(self._now()) if self._daemon.ready else late
            try:
                async with asyncio.timeout(_PATIENCE):
                    feeds = await self._counted(self._daemon.config.feeds, self._store)
                    found = await kept(self._daemon.config, self._store, feeds, self._now())
            except (StoreError, TimeoutError):
                found = None
        return metrics.render(found, late, accept)

    async def _counted(self, feeds: Sequence[FeedConfig], store: Store) -> Mapping[str, int]:
        """Feeds by state, as they were a moment ago: of very many, it would take too long to count them each time."""

        async def count() -> None:
            began = time.monotonic()
            with suppress(StoreError):
                self._feeds = await feeds_by_state(feeds, store, self._now())
            ended = time.monotonic()
            self._count_again = ended + _REST * (ended - began)

        if self._counting is None or (self._counting.done() and time.monotonic() >= self._count_again):
            self._counting = asyncio.create_task(count())
        await asyncio.wait([self._counting], timeout=_COUNT_WITHIN)
        return self._feeds
