"""When feeds are polled: one APScheduler job per feed."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, EVENT_JOB_SUBMITTED, JobSubmissionEvent
from apscheduler.job import Job
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from monitor import metrics
from monitor.config import FeedConfig
from monitor.errors import StoreError
from monitor.supervise import Troubles, end
from monitor.uptime import uptime

log = logging.getLogger(__name__)

_NET = IntervalTrigger(days=1, timezone=UTC)  # each poll sets its job's next time; this is for one that did not
_STORE_IN_TROUBLE = timedelta(seconds=2)  # polls go on within five of its end
_LATE = timedelta(seconds=10)  # of a poll that begins
_JUMP = timedelta(seconds=20)  # of the clock, which is no drift any more


class Schedule:
    """Calls `poll` for each feed when it is due, and then when `poll` says, each no more than once at a time."""

    def __init__(self, poll: Callable[[FeedConfig], Awaitable[datetime]], troubles: Troubles) -> None:
        self._poll = poll
        self._troubles = troubles
        self._running: set[asyncio.Task[datetime]] = set()
        self._waiting: dict[str, float] = {}  # until when feeds wait, on the clock that nobody sets
        self._stopped = False
        # APScheduler drops a run that is a second late, unless told that late is better than never.
        defaults = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        self._scheduler = AsyncIOScheduler(timezone=UTC, job_defaults=defaults)
        self._scheduler.add_listener(_count, EVENT_JOB_SUBMITTED | EVENT_JOB_MAX_INSTANCES | EVENT_JOB_MISSED)
        # It reports each run, and each that is left out because the last one still goes on.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)

    def start(self, feeds: Iterable[tuple[FeedConfig, datetime]]) -> None:
        """Begin; each feed comes with the time of its first poll."""
        for feed, first in feeds:
            self._add(feed, first)
        self._scheduler.start()
        self._clock = asyncio.create_task(self._watch_clock())

    def exchange(self, feeds: Iterable[FeedConfig], added: Iterable[tuple[FeedConfig, datetime]]) -> None:
        """Poll `feeds` from now on, those of them that are `added` first when it is said.

        Those that have changed come up at once: whether they are due by now, `poll` says.
        """
        wanted = {feed.url: feed for feed in feeds}
        for job in self._scheduler.get_jobs():
            feed = wanted.get(job.id)
            if feed is None:
                job.remove()
                self._waiting.pop(job.id, None)
            elif feed != job.args[0]:
                self._wait(job, datetime.now(UTC), args=[feed])
        for feed, first in added:
            self._add(feed, first)

    def _add(self, feed: FeedConfig, first: datetime) -> None:
        self._scheduler.add_job(self._run, _NET, [feed], id=feed.url, next_run_time=first, replace_existing=True)
        self._waiting[feed.url] = _uptime_at(first)

    def _wait(self, job: Job, due: datetime, **changes: list[FeedConfig]) -> None:
        job.modify(next_run_time=due, **changes)
        self._waiting[job.id] = _uptime_at(due)

    async def stop(self, patience: float) -> None:
        """Begin no more polls, and let those that run end; what has not after `patience` seconds is cancelled."""
        self._clock.cancel()
        self._stopped = True  # for those that APScheduler has handed over, but which have not begun
        self._scheduler.pause()
        await end(set(self._running), patience)
        self._scheduler.shutdown(wait=False)

    async def _run(self, feed: FeedConfig) -> None:
        if self._stopped:
            return
        self._waiting.pop(feed.url, None)
        # Shutting APScheduler down cancels its jobs: the poll is a task of ours, which it cannot reach.
        task = asyncio.ensure_future(self._next(feed))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        with suppress(asyncio.CancelledError):
            due = await asyncio.shield(task)
            # After this run's end: APScheduler leaves out what is due while the last run goes on, here for a day.
            asyncio.get_running_loop().call_soon(self._next_run, feed, due)

    def _next_run(self, feed: FeedConfig, due: datetime) -> None:
        if job := self._scheduler.get_job(feed.url):
            # One that was changed meanwhile was polled as it used to be.
            self._wait(job, due if job.args[0] == feed else datetime.now(UTC))

    async def _next(self, feed: FeedConfig) -> datetime:
        try:
            return await self._poll(feed)
        except StoreError as error:
            self._troubles.say(error)
            return datetime.now(UTC) + _STORE_IN_TROUBLE

    async def _watch_clock(self) -> None:
        """Say how far the clock was set, and let feeds wait as long as they would have: an hour back costs no hour."""
        while True:
            ahead = _clock_ahead()
            await asyncio.sleep(_JUMP.total_seconds() / 2)
            jump = _clock_ahead() - ahead
            if abs(jump) > _JUMP:
                log.warning("the clock was set by %+.0f s; feeds are polled as if it were not", jump.total_seconds())
                now = datetime.now(UTC)
                for url, until in self._waiting.items():
                    self._scheduler.modify_job(url, next_run_time=now + timedelta(seconds=until - _uptime_at(now)))

    def late(self, now: datetime) -> timedelta:
        """By how much the poll that should have begun first is late; nothing where none is."""
        return now - min((job.next_run_time for job in self._scheduler.get_jobs()), default=now)


def _count(event: JobSubmissionEvent) -> None:
    """Count a poll that did not begin when it should have."""
    if event.code != EVENT_JOB_SUBMITTED or datetime.now(UTC) - event.scheduled_run_times[0] > _LATE:
        metrics.MISFIRES.inc()


def _uptime_at(moment: datetime) -> float:
    """What the clock that nobody sets shows at a moment, as far as the one on the wall can say now."""
    return uptime() + (moment - datetime.now(UTC)).total_seconds()


def _clock_ahead() -> timedelta:
    """How far the clock on the wall is ahead of one that nobody sets."""
    return timedelta(seconds=time.time() - uptime())
