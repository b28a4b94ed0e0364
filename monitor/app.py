"""The composition root: builds the parts, runs them until told to stop, and lets them end in order."""

import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from monitor import fixtures
from monitor.alerts.growth import grown
from monitor.alerts.retry import RetryPolicy
from monitor.archive import Archive, keep_written
from monitor.config import Config, FeedConfig, PerHostConfig
from monitor.delivery import Deliverer
from monitor.demo import DemoSite
from monitor.dispatch import Dispatcher
from monitor.errors import InputError, Problem, StoreError, UnreadableError
from monitor.http import Http
from monitor.matching.concepts import Concepts
from monitor.matching.matcher import Matcher
from monitor.models import Alert, FeedDocument
from monitor.notifiers import Notifier, notifier_class
from monitor.pipeline import Pipeline
from monitor.polling import Poller
from monitor.reading import Reader
from monitor.rules.lexicon import shipped
from monitor.rules.load import load as load_rules
from monitor.schedule import Schedule
from monitor.store.alerts import AlertStore
from monitor.store.feeds import FeedStore
from monitor.store.outbox import AlertStream, Outbox, forgotten
from monitor.store.redis import Store, Stream, wait_for_redis
from monitor.store.server import EmbeddedServer
from monitor.store.stories import StoryStore
from monitor.stories.story import Story
from monitor.supervise import Troubles, end, keep_going
from monitor.workers import Workers

log = logging.getLogger(__name__)

# Seconds; together they stay below the ten that a stop may take.
_POLLS_END_WITHIN = 3.5
_LOOPS_END_WITHIN = 1.5
_DRAINED_WITHIN = 1.5
_ONCE_WAITS_FOR_REDIS = timedelta(seconds=10)
_POLLS_AT_ONCE = 20


def now() -> datetime:
    return datetime.now(UTC)


def matcher_of(config: Config) -> Matcher:
    """Compile the configured rules; raises InputError."""
    rules = load_rules(config.rules, shipped(), config.receivers)
    if not rules.rules:
        raise InputError(
            [Problem(str(config.rules[0]) if config.rules else "rules", "no rule stands there; write one")]
        )
    return Matcher(rules.rules, rules.lexicon)


def pipeline_of(config: Config, matcher: Matcher, store: Store) -> Pipeline:
    """What becomes of articles, with the stories that `store` keeps."""
    window = config.stories.window
    return Pipeline(matcher, Concepts(matcher.lexicon), StoryStore(store, window), window)


class App:
    """A running monitor: built inside `running()`, which also takes it down again."""

    def __init__(
        self,
        config: Config,
        poller: Poller,
        store: Store,
        *,
        notifiers: dict[str, Notifier],
        server: EmbeddedServer | None,
        troubles: Troubles,
    ) -> None:
        self.config = config
        self._poller = poller
        self._store = store
        alerts = AlertStream(store)
        outboxes = {name: Outbox(store, name) for name in notifiers}
        self._dispatcher = Dispatcher(alerts, AlertStore(store), config, now)
        self._deliverers = [
            Deliverer(name, outboxes[name], notifier, now=now, policy=RetryPolicy())
            for name, notifier in notifiers.items()
        ]
        self._outboxes = outboxes
        self._streams: list[Stream] = [alerts, *outboxes.values()]
        self._server = server
        self._troubles = troubles
        self._ending = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Poll, dispatch and deliver until `stop` is set; then let what runs come to its end."""
        schedule = Schedule(self._poller.poll, self._troubles)
        loops = [asyncio.create_task(loop) for loop in (*self._upkeep(), *self._flows())]
        schedule.start(await self._first_polls())
        await stop.wait()
        log.info("stopping")
        await schedule.stop(_POLLS_END_WITHIN)
        await self._wind_up(loops)

    async def _first_polls(self) -> list[tuple[FeedConfig, datetime]]:
        """When each feed is polled first; where Redis does not say, as if nothing were known of them."""
        try:
            return await self._poller.first_polls(self.config.feeds)
        except StoreError as error:
            self._troubles.say(error)
            return [(feed, now()) for feed in self.config.feeds]

    async def once(self, stop: asyncio.Event) -> int:
        """Poll every feed once and deliver what comes of it, or as much as is done when `stop` is set.

        Returns how many deliveries wait for another attempt.
        """
        upkeep, work = [*map(asyncio.create_task, self._upkeep())], asyncio.create_task(self._one_round())
        halt = asyncio.create_task(stop.wait())
        await asyncio.wait([work, halt], return_when=asyncio.FIRST_COMPLETED)
        if halt.done():
            await end([work], _POLLS_END_WITHIN)
        else:
            halt.cancel()
            await work
        await self._wind_up(upkeep)
        return sum([await outbox.waiting() for outbox in self._outboxes.values()])

    async def _wind_up(self, loops: list[asyncio.Task[None]]) -> None:
        """Let the loops end, deliver what was read already, and sign off."""
        self._ending.set()
        await end(loops, _LOOPS_END_WITHIN)
        try:
            async with asyncio.timeout(_DRAINED_WITHIN):
                await self._drain()
        except (StoreError, TimeoutError):
            log.warning("stopped before everything was delivered; the rest is sent after the next start")
        await self._sign_off()

    async def _one_round(self) -> None:
        places = asyncio.Semaphore(_POLLS_AT_ONCE)
        # What a process that died a moment ago had begun is ours once its lease is over.
        deadline = now() + self._store.lease + timedelta(seconds=1)

        async def poll(feed: FeedConfig) -> None:
            async with places:
                while not await self._polled(feed) and now() < deadline:  # noqa: ASYNC110 - a claim raises no event
                    await asyncio.sleep(0.2)

        await asyncio.gather(*map(poll, self.config.feeds))
        await self._drain()
        while now() < deadline and any([await stream.unsettled() for stream in self._streams]):
            await asyncio.sleep(0.2)
            await self._drain()

    async def _polled(self, feed: FeedConfig) -> bool:
        try:
            return await self._poller.poll_now(feed)
        except StoreError as error:
            self._troubles.say(error)
            return True  # it cannot be now; the next round will

    def _flows(self) -> list[Coroutine[Any, Any, None]]:
        steps = {"dispatch": self._dispatcher.step} | {
            f"delivery to {deliverer.receiver}": deliverer.step for deliverer in self._deliverers
        }
        return [self._loop(step, name) for name, step in steps.items()]

    def _upkeep(self) -> list[Coroutine[Any, Any, None]]:
        """What goes on beside polling and delivering."""
        archive = self._poller.archive
        kept = [keep_written(archive, self._ending, now)] if archive else []
        return [self._loop(self._show_life, "the lease"), *kept]

    def _loop(self, step: Callable[[], Awaitable[object]], name: str) -> Coroutine[Any, Any, None]:
        return keep_going(step, name, until=self._ending, troubles=self._troubles, revive=self._revive)

    async def _show_life(self) -> None:
        """Renew our lease, and take over from those whose lease has ended."""
        await self._store.sign_of_life()
        for stream in self._streams:
            await stream.take_over()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), self._store.lease.total_seconds() / 4)

    async def _drain(self) -> None:
        """Dispatch and deliver until nothing is left that could be delivered now."""
        for stream in self._streams:
            await stream.take_over()
        while await self._dispatcher.step(None):
            pass
        await asyncio.gather(*map(_exhaust, self._deliverers))

    async def _sign_off(self) -> None:
        try:
            for stream in self._streams:
                await stream.sign_off()
            await self._store.sign_off()
        except StoreError as error:
            log.warning("%s", error)

    async def _revive(self) -> None:
        if self._server:
            await asyncio.to_thread(self._server.ensure)


async def _exhaust(deliverer: Deliverer) -> None:
    while await deliverer.step(None):
        pass


@asynccontextmanager
async def running(config: Config, patience: timedelta | None) -> AsyncIterator[App]:
    """Build everything, each thing after what it needs; Redis is waited for `patience`, or with None for ever."""
    async with AsyncExitStack() as stack:
        matcher = matcher_of(config)
        if config.demo:
            config = _with_demo(config, stack)
        http = await stack.enter_async_context(Http(config.http))
        notifiers = _notifiers(config, http)
        store, server = _open_store(config, stack)
        troubles = Troubles()
        await wait_for_redis(store, patience, troubles.say)
        for name, count in (await forgotten(store, notifiers)).items():
            log.warning("%d deliveries wait for receiver=%s, which is configured no longer", count, name)
        workers = await stack.enter_async_context(Workers())
        poller = Poller(
            http,
            Reader(http.page, workers),
            FeedStore(store),
            pipeline=pipeline_of(config, matcher, store),
            settings=config.poll,
            now=now,
            archive=_archive(config),
        )
        await store.sign_of_life()  # before any feed is claimed
        log.info("running feeds=%d rules=%d receivers=%s", len(config.feeds), len(matcher.rules), ",".join(notifiers))
        yield App(config, poller, store, notifiers=notifiers, server=server, troubles=troubles)


def _open_store(config: Config, stack: AsyncExitStack) -> tuple[Store, EmbeddedServer | None]:
    """The configured Redis, or else the embedded server."""
    server = None
    if not config.redis.url:
        assert config.state_dir is not None  # noqa: S101 - config.load sees to it
        server = stack.enter_context(EmbeddedServer(config.state_dir))
    store = Store(config.redis.url or (server.url if server else ""), _process_name(), config.redis.lease)
    stack.push_async_callback(store.close)
    return store, server


@asynccontextmanager
async def feed_store(config: Config) -> AsyncIterator[FeedStore]:
    """What is kept of feeds, for a command; raises StoreError where Redis does not answer for ten seconds."""
    async with AsyncExitStack() as stack:
        store, _ = _open_store(config, stack)
        await wait_for_redis(store, _ONCE_WAITS_FOR_REDIS, Troubles().say)
        yield FeedStore(store)


@asynccontextmanager
async def replaying(config: Config, matcher: Matcher) -> AsyncIterator[Pipeline]:
    """The pipeline of a replay, with a server of its own that keeps nothing beyond it."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="monitor-replay-")))
        stack.callback(EmbeddedServer(folder).wait_until_stopped)
        server = stack.enter_context(EmbeddedServer(folder))
        store = Store(server.url, _process_name(), config.redis.lease)
        stack.push_async_callback(store.close)
        yield pipeline_of(config, matcher, store)


async def find_alert(config: Config, identifier: str) -> tuple[Alert, Story | None] | None:
    """An alert by its id and its story, as long as each is kept, for a command; raises StoreError or InputError."""
    if config.state_dir is None and not config.redis.url:
        raise InputError([Problem(identifier, "there is no configuration that says where alerts are kept")])
    async with AsyncExitStack() as stack:
        store, _ = _open_store(config, stack)
        await wait_for_redis(store, _ONCE_WAITS_FOR_REDIS, Troubles().say)
        members = await AlertStore(store).members(identifier)
        if not members:
            return None
        return grown(members), await StoryStore(store).story(members[0].story)


async def fetch_feed(config: Config, feed: FeedConfig) -> FeedDocument:
    """Fetch and parse a feed as the daemon would; raises MonitorError."""
    async with Http(config.http) as http, Workers(1) as workers:
        page = await http.get(feed.url, access=feed.access)
        try:
            return await Reader(http.page, workers).feed(page)
        except UnreadableError as error:
            raise UnreadableError(f"{feed.url} {error}") from None


def _archive(config: Config) -> Archive | None:
    kept = config.archive
    return Archive(kept.dir, kept.keep, kept.max_size) if kept else None


def _notifiers(config: Config, http: Http) -> dict[str, Notifier]:
    made = {}
    for name, receiver in config.receivers.items():
        kind = notifier_class(receiver.type)
        made[name] = kind(kind.Options.model_validate(receiver.options), http)
    return made


def _with_demo(config: Config, stack: AsyncExitStack) -> Config:
    """Serve the demo's fixtures, and add them to the feeds; its state lives no longer than it does."""
    assert config.demo is not None  # noqa: S101 - the caller asked
    site = stack.enter_context(DemoSite(fixtures.read([config.demo]), now()))
    feeds = [FeedConfig(url=url, name=name, every=timedelta(seconds=5)) for name, url in site.feeds.items()]
    state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="monitor-demo-")))
    # Nothing can be removed under a server that still runs: it stops a moment after its last user has left.
    if not config.redis.url:
        stack.callback(EmbeddedServer(state).wait_until_stopped)
    opened = (*config.http.allow_private, ip_network("127.0.0.1/32"))
    log.info("demo: %s is served as %d feeds at %s; Ctrl-C ends it", config.demo, len(feeds), site.url)
    return config.model_copy(
        update={
            "feeds": (*config.feeds, *feeds),
            "state_dir": state,
            "poll": config.poll.model_copy(update={"max_age": timedelta(days=36_500)}),  # fixtures are old news
            # It is only this machine that has to keep pace.
            "http": config.http.model_copy(
                update={"allow_private": opened, "per_host": PerHostConfig(concurrency=20, rate=1000)}
            ),
        }
    )


def _process_name() -> str:
    """A name that no other process bears, now or later."""
    return f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"


def run(config: Config, *, once: bool) -> int:
    """Run the daemon, or one round of it; returns the exit status. Raises MonitorError where it cannot start."""
    if not config.feeds and not config.demo:
        raise InputError([Problem("feeds", "none configured; add some, such as feeds: [https://example.org/feed.xml]")])
    return asyncio.run(_run(config, once))


async def _run(config: Config, once: bool) -> int:
    stop = asyncio.Event()
    running_app = asyncio.ensure_future(_until_stopped(config, stop, once))
    for number in (signal.SIGINT, signal.SIGTERM):
        # The first signal lets it come to its end; a second one cuts that short.
        asyncio.get_running_loop().add_signal_handler(
            number, lambda: running_app.cancel() if stop.is_set() else stop.set()
        )
    try:
        return await running_app
    except asyncio.CancelledError:
        return 130


async def _until_stopped(config: Config, stop: asyncio.Event, once: bool) -> int:
    async with AsyncExitStack() as stack:
        starting = asyncio.ensure_future(
            stack.enter_async_context(running(config, _ONCE_WAITS_FOR_REDIS if once else None))
        )
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            await end([starting], 0)
            return 130 if once else 0
        if once:
            status = _report(await starting.result().once(stop))
            return 130 if stop.is_set() else status
        await starting.result().run(stop)
        return 0


def _report(waiting: int) -> int:
    if waiting:
        sys.stderr.write(f"{waiting} deliveries failed and are kept; a later run tries them again\n")
    return 1 if waiting else 0
