"""The daemon: polls, dispatches and delivers until it is told to stop, and lets everything end in order."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from monitor import metrics
from monitor.alerts.retry import RetryPolicy
from monitor.archive import keep_written
from monitor.config import FeedConfig
from monitor.delivery import Deliverer
from monitor.dispatch import Dispatcher
from monitor.errors import InputError, Problem, StoreError
from monitor.models import Only
from monitor.notifiers import Notifier
from monitor.notifiers.opened import Notifiers
from monitor.polling import Poller
from monitor.reload import Loaded, Reload, Reread
from monitor.schedule import Schedule
from monitor.sdnotify import notify, ping
from monitor.selfwatch import SelfWatch
from monitor.store.outbox import Outbox, forgotten
from monitor.store.redis import Store, Stream
from monitor.store.server import EmbeddedServer
from monitor.store.version import State
from monitor.supervise import Troubles, end, keep_going

log = logging.getLogger(__name__)

# Seconds; together they stay below the ten that a stop may take.
_POLLS_END_WITHIN = 3.0
_SENDS_BEGIN_WITHIN = 1.0
_SENDS_END_WITHIN = 3.5
_SIGNED_OFF_WITHIN = 0.5
_POLLS_AT_ONCE = 20
_LOOKED_AT_ITSELF = 10.0  # seconds between two looks
# Seconds without progress: longer than one message may take to be sent, and than a clock that was set is noticed in.
_STUCK_AFTER = 120.0


class Daemon:
    """A running monitor; `app` builds it and takes it down again."""

    def __init__(  # noqa: PLR0913 - one for each part that it runs
        self,
        loaded: Loaded,
        poller: Poller,
        store: Store,
        *,
        reread: Reread,
        notifiers: Notifiers,
        opened: Mapping[str, Notifier],
        server: EmbeddedServer | None,
        troubles: Troubles,
        now: Callable[[], datetime],
        only: Only | None = None,
    ) -> None:
        self.config = config = loaded.config
        self.reloads = Reload(loaded, reread, exchange=self.exchange, on_outcome=self._after_reading)
        self._poller = poller
        self._store = store
        self._notifiers = notifiers
        self._dispatcher = Dispatcher(store, config, now)
        self._server = server
        self._troubles = troubles
        self._now = now
        # Those of receivers that are gone stay: they may have sent what Redis has not been told of yet.
        self._deliverers = {name: self._deliverer(name, notifier) for name, notifier in opened.items()}
        self._watch = SelfWatch(
            store, config, streaks=lambda: {each.receiver: each.streak for each in self._at_work}, now=now
        )
        self._delivers = only != "poll"
        self._refused: InputError | None = None  # what a newer monitor has made of the state
        self._stop = asyncio.Event()
        self._ending = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self.schedule = Schedule(self._poll, self._troubles)
        self.ready = False  # feeds are scheduled

    async def run(self, stop: asyncio.Event) -> None:
        """Poll, dispatch and deliver until `stop` is set; then let what runs come to its end.

        Raises InputError where a newer monitor has migrated what Redis keeps.
        """
        self._stop = stop
        try:
            await self._take_over()  # before anybody waits for what is new
        except StoreError as error:
            self._troubles.say(error)
        await self._after_reading([])  # what was read at the start is all right
        delivering = map(self._delivering, self._deliverers.values())
        self._begin(*self._upkeep(), *self._dispatching(), *delivering)
        self.schedule.start(await self._first_polls(self.config.feeds))
        self.ready = True
        notify("READY=1", f"STATUS=polling {len(self.config.feeds)} feeds")
        watchdog = asyncio.create_task(ping(self.stuck))
        reloading = asyncio.create_task(self.reloads.run())
        await stop.wait()
        log.info("stopping")
        notify("STOPPING=1")
        watchdog.cancel()
        await end([reloading], 0)
        await self.schedule.stop(_POLLS_END_WITHIN)
        await self._wind_up()
        if self._refused:
            raise self._refused

    def stuck(self) -> str:
        """What should have made progress long ago, nothing where all is well."""
        latest = time.monotonic() - _STUCK_AFTER
        beats = {"dispatch": self._dispatcher.beat} if self._delivers else {}
        beats |= {f"delivery to {each.receiver}": each.beat for each in self._at_work}
        late = [name for name, beat in beats.items() if beat < latest]
        if self.ready and self.schedule.late(self._now() - self._store.ahead).total_seconds() > _STUCK_AFTER:
            late.append("polling")
        return ", ".join(late)

    async def _first_polls(self, feeds: Sequence[FeedConfig]) -> list[tuple[FeedConfig, datetime]]:
        """When each feed is polled first; where Redis does not say, as if nothing were known of them."""
        try:
            polls = await self._poller.first_polls(feeds)
            return [(feed, due - self._store.ahead) for feed, due in polls]
        except StoreError as error:
            self._troubles.say(error)
            return [(feed, self._now() - self._store.ahead) for feed in feeds]

    async def _poll(self, feed: FeedConfig) -> datetime:
        """Poll a feed; when it is due again by the clock of this machine, which the schedule goes by."""
        return await self._poller.poll(feed) - self._store.ahead

    async def once(self, stop: asyncio.Event) -> int:
        """Poll every feed once and deliver what comes of it, or as much as is done when `stop` is set.

        Returns how many deliveries wait for another attempt.
        """
        self._begin(*self._upkeep())
        work = asyncio.create_task(self._one_round())
        halt = asyncio.create_task(stop.wait())
        await asyncio.wait([work, halt], return_when=asyncio.FIRST_COMPLETED)
        if halt.done():
            await end([work], _POLLS_END_WITHIN)
        else:
            halt.cancel()
            await work
        await self._wind_up()
        return sum([await each.outbox.waiting() for each in self._at_work])

    async def _wind_up(self) -> None:
        """Let the loops end, deliver what there is, and sign off; nothing that is being sent is cut short."""
        self._ending.set()
        loop = asyncio.get_running_loop()
        began = loop.time()
        for deliverer in self._deliverers.values():
            loop.call_later(_SENDS_BEGIN_WITHIN, deliverer.halt)
        await end(self._loops, _SENDS_END_WITHIN)
        try:
            async with asyncio.timeout_at(began + _SENDS_END_WITHIN):
                await self._drain()
                rest = any([await stream.backlog(1) for stream in self._streams])
        except (StoreError, TimeoutError):
            rest = True
        if not await self._sign_off():
            log.warning("stopped without an answer from Redis; what it holds is sent after the next start")
        elif rest:
            log.warning("stopped before everything was delivered; the rest is sent after the next start")

    async def _one_round(self) -> None:
        places = asyncio.Semaphore(_POLLS_AT_ONCE)
        # What a process that died a moment ago had begun is ours once its lease is over.
        deadline = self._now() + self._store.lease + timedelta(seconds=1)

        async def poll(feed: FeedConfig) -> None:
            async with places:
                while not await self._polled(feed) and self._now() < deadline:  # noqa: ASYNC110 - a claim raises no event
                    await asyncio.sleep(0.2)

        await asyncio.gather(*map(poll, self.config.feeds))
        await self._drain()
        while self._now() < deadline and any([await stream.backlog(1) for stream in self._streams]):
            await asyncio.sleep(0.2)
            await self._drain()

    async def _polled(self, feed: FeedConfig) -> bool:
        try:
            return await self._poller.poll_now(feed)
        except StoreError as error:
            self._troubles.say(error)
            return True  # it cannot be now; the next round will

    def _dispatching(self) -> list[Coroutine[Any, Any, None]]:
        return [self._loop(self._dispatcher.step, "dispatch")] if self._delivers else []

    def _delivering(self, deliverer: Deliverer) -> Coroutine[Any, Any, None]:
        return self._loop(deliverer.step, f"delivery to {deliverer.receiver}")

    def _begin(self, *loops: Coroutine[Any, Any, None]) -> None:
        self._loops += map(asyncio.create_task, loops)

    def _deliverer(self, name: str, notifier: Notifier) -> Deliverer:
        return Deliverer(name, Outbox(self._store, name), notifier, now=self._now, policy=RetryPolicy())

    @property
    def _at_work(self) -> list[Deliverer]:
        return [each for each in self._deliverers.values() if not each.rests]

    @property
    def _streams(self) -> list[Stream]:
        """What this process takes messages from."""
        return [self._dispatcher.alerts, *(each.outbox for each in self._at_work)] if self._delivers else []

    # Exchanging, while all goes on.

    async def exchange(self, loaded: Loaded) -> None:
        """Put a configuration and its rules into effect; raises InputError before anything is, and nothing later."""
        before, config = self.config, loaded.config
        differs = {n: each for n, each in config.receivers.items() if before.receivers.get(n) != each}
        opened = await self._notifiers.open(differs)
        if self._ending.is_set():
            raise InputError([Problem("configuration", "monitor is stopping; it reads everything at its next start")])
        self.config = config
        self._poller.exchange(loaded.pipeline, config.poll)
        self._dispatcher.exchange(config)
        self._watch.config = config
        left = self._exchange_receivers(opened)
        known = {feed.url for feed in before.feeds}
        added = await self._first_polls([feed for feed in config.feeds if feed.url not in known])
        self.schedule.exchange(config.feeds, added)
        try:
            if self._delivers:
                await say_forgotten(self._store, config.receivers)
        except StoreError as error:
            self._troubles.say(error)
        for deliverer, notifier in left:
            if self._notifiers.keeps(notifier):
                await deliverer.sent_by_another()
                await self._notifiers.close([notifier])

    async def _after_reading(self, problems: list[str]) -> None:
        """Count and tell that the files that are read are wrong, or right again."""
        if problems:
            metrics.not_loaded(len(problems))
        else:
            metrics.loaded(len(self.reloads.loaded.pipeline.matcher.rules), self.config.receivers, self._now())
        try:
            await self._watch.files_read(problems)
        except StoreError as error:
            self._troubles.say(error)

    def _exchange_receivers(self, opened: Mapping[str, Notifier]) -> list[tuple[Deliverer, Notifier]]:
        """Deliver by these, and to receivers that are gone no more; returns whose notifiers have to be closed."""
        for name in opened.keys() - self._deliverers.keys():
            self._deliverers[name] = self._deliverer(name, opened[name])
            self._begin(self._delivering(self._deliverers[name]))
        changed = [self._deliverers[name] for name in opened.keys() | (self._deliverers.keys() - self.config.receivers)]
        left = [(each, each.exchange(opened.get(each.receiver))) for each in changed]
        return [(each, notifier) for each, notifier in left if notifier and notifier is not opened.get(each.receiver)]

    def _upkeep(self) -> list[Coroutine[Any, Any, None]]:
        """What goes on beside polling and delivering."""
        archive = self._poller.archive
        kept = [keep_written(archive, self._ending, self._now)] if archive else []
        watch = self._loop(self._watch_itself, "the watch over monitor itself")
        return [self._loop(self._show_life, "the lease"), watch, *kept]

    def _loop(self, step: Callable[[], Awaitable[object]], name: str) -> Coroutine[Any, Any, None]:
        return keep_going(step, name, until=self._ending, troubles=self._troubles, revive=self._revive)

    async def _show_life(self) -> None:
        """Renew our lease, and take over from those whose lease has ended."""
        await self._store.sign_of_life()
        try:
            await State(self._store).known_version()
        except InputError as error:
            self._refused = error
            self._stop.set()
        await self._take_over()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), self._store.lease.total_seconds() / 4)

    async def _watch_itself(self) -> None:
        await self._watch.step()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), _LOOKED_AT_ITSELF)

    async def _take_over(self) -> None:
        for stream in self._streams:
            await stream.take_over()

    async def _drain(self) -> None:
        """Dispatch and deliver until nothing is left that could be delivered now."""
        await self._take_over()
        while self._delivers and await self._dispatcher.step(None):
            pass
        await asyncio.gather(*map(_exhaust, self._deliverers.values()))

    async def _sign_off(self) -> bool:
        """Leave nothing that others would wait for; where Redis does not answer they take it after our lease."""
        try:
            async with asyncio.timeout(_SIGNED_OFF_WITHIN):
                for stream in self._streams:
                    await stream.sign_off()
                await self._store.sign_off()
        except (StoreError, TimeoutError):
            return False
        return True

    async def _revive(self) -> None:
        if self._server:
            await asyncio.to_thread(self._server.ensure)


async def _exhaust(deliverer: Deliverer) -> None:
    while await deliverer.step(None):
        pass


async def say_forgotten(store: Store, receivers: Iterable[str]) -> None:
    """Log how much waits for receivers that are configured no longer; raises StoreError."""
    for name, count in (await forgotten(store, receivers)).items():
        log.warning("%d deliveries wait for receiver=%s, which is configured no longer", count, name)
