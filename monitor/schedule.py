"""When feeds are polled: one APScheduler job per feed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from monitor.config import FeedConfig
from monitor.feeds.rhythm import spread
from monitor.supervise import end


class Schedule:
    """Calls `poll` for each feed, again and again, each no more than once at a time."""

    def __init__(self, poll: Callable[[FeedConfig], Awaitable[None]]) -> None:
        self._poll = poll
        self._running: set[asyncio.Task[None]] = set()
        # APScheduler drops a run that is a second late, unless told that late is better than never.
        defaults = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        self._scheduler = AsyncIOScheduler(timezone=UTC, job_defaults=defaults)
        # It reports each run, and each that is left out because the last one still goes on.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)

    def start(self, feeds: Iterable[FeedConfig], now: datetime) -> None:
        feeds = list(feeds)
        for feed in feeds:
            trigger = IntervalTrigger(seconds=feed.every.total_seconds(), timezone=UTC)
            first = now + spread(feed.url, len(feeds), feed.every)
            self._scheduler.add_job(self._run, trigger, [feed], id=feed.url, next_run_time=first)
        self._scheduler.start()

    async def stop(self, patience: float) -> None:
        """Begin no more polls, and let those that run end; what has not after `patience` seconds is cancelled."""
        self._scheduler.pause()
        await end(set(self._running), patience)
        self._scheduler.shutdown(wait=False)

    async def _run(self, feed: FeedConfig) -> None:
        # Shutting APScheduler down cancels its jobs: the poll is a task of ours, which it cannot reach.
        task = asyncio.ensure_future(self._poll(feed))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)
