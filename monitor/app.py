"""The composition root: the only place that builds parts, for the daemon and for commands."""

import asyncio
import logging
import os
import secrets
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar

from monitor import doctor, fixtures
from monitor.alerts.build import trial
from monitor.archive import Archive
from monitor.condition import Condition
from monitor.config import Config, FeedConfig, PerHostConfig, WebConfig
from monitor.config import load as load_config
from monitor.daemon import Daemon, say_forgotten
from monitor.demo import DemoSite
from monitor.errors import InputError, Problem, UnreadableError
from monitor.http import Http
from monitor.matching.concepts import Concepts
from monitor.matching.matcher import Matcher
from monitor.models import FeedDocument, Only
from monitor.notifiers import Notifier, options_of
from monitor.notifiers.opened import Notifiers
from monitor.pipeline import Pipeline
from monitor.polling import Poller
from monitor.reading import Reader
from monitor.reload import Loaded, Reread
from monitor.rules.lexicon import shipped
from monitor.rules.load import load as load_rules
from monitor.store.feeds import FeedStore
from monitor.store.redis import Store, wait_for_redis
from monitor.store.server import EmbeddedServer
from monitor.store.stories import StoryStore
from monitor.store.version import State
from monitor.supervise import Troubles, end
from monitor.whynot import Inquiry
from monitor.workers import Workers
from monitor.yamlfile import suggest

Answer = TypeVar("Answer")
Face = Callable[[WebConfig, Condition], AbstractAsyncContextManager[None]]
log = logging.getLogger(__name__)

_ONCE_WAITS_FOR_REDIS = timedelta(seconds=10)


def now() -> datetime:
    return datetime.now(UTC)


def matcher_of(config: Config, before: Matcher | None = None) -> Matcher:
    """Compile the configured rules; raises InputError. What the lexicon had ready for the matcher before is used."""
    rules = load_rules(config.rules, shipped(), config.receivers)
    if not rules.rules:
        raise InputError(
            [Problem(str(config.rules[0]) if config.rules else "rules", "no rule stands there; write one")]
        )
    same = before and before.lexicon.concepts == rules.lexicon.concepts
    return Matcher(rules.rules, before.lexicon if before and same else rules.lexicon)


def pipeline_of(config: Config, matcher: Matcher, store: Store, before: Pipeline | None = None) -> Pipeline:
    """What becomes of articles, with the stories that `store` keeps."""
    window = config.stories.window
    known = before.concepts if before and before.matcher.lexicon is matcher.lexicon else Concepts(matcher.lexicon)
    return Pipeline(matcher, known, StoryStore(store, window), window)


@asynccontextmanager
async def running(
    config: Config,
    patience: timedelta | None,
    condition: Condition,
    *,
    only: Only | None = None,
    file: Path | None = None,
) -> AsyncIterator[Daemon]:
    """Build everything, each thing after what it needs; Redis is waited for `patience`, or with None for ever.

    `condition` is told of the daemon. `file` is where the configuration stands, if it is to be read again when it
    changes.
    """
    async with AsyncExitStack() as stack:
        matcher, given = matcher_of(config), config
        adapt = _demo(config, stack) if config.demo else _as_it_is
        receivers, config = config.receivers, half_of(adapt(config), only)
        http = await stack.enter_async_context(Http(config.http))
        notifiers = await stack.enter_async_context(Notifiers(http))
        opened = await notifiers.open(config.receivers)
        store, server = _open_store(config, stack)
        troubles = Troubles()
        await wait_for_redis(store, patience, troubles.say)
        await State(store).bring_up_to_date()
        await say_forgotten(store, receivers)

        def shared_now() -> datetime:
            return now() + store.ahead

        workers = await stack.enter_async_context(Workers())
        pipeline = pipeline_of(config, matcher, store)
        poller = Poller(
            http,
            Reader(http.page, workers, config.extract),
            FeedStore(store),
            pipeline=pipeline,
            settings=config.poll,
            now=shared_now,
            archive=_archive(config),
        )
        await store.sign_of_life()  # before any feed is claimed
        log.info("running feeds=%d rules=%d receivers=%s", *Loaded(config, pipeline).counts)

        def written() -> Config:
            return adapt(_checked(load_config(file, options_of), only) if file else given)

        parts: Any = {"notifiers": notifiers, "opened": opened, "server": server, "troubles": troubles}
        reread = Reread(file, written, _compile(store, only))
        daemon = Daemon(Loaded(config, pipeline), poller, store, reread=reread, **parts, now=shared_now, only=only)
        condition.watch(daemon, store)
        yield daemon


def _compile(store: Store, only: Only | None) -> Callable[[Config, Loaded], Loaded]:
    """What makes, of a configuration and what was loaded before, what takes that one's place."""

    def again(config: Config, before: Loaded) -> Loaded:
        matcher = matcher_of(config, before.pipeline.matcher)
        return Loaded(half_of(config, only), pipeline_of(config, matcher, store, before.pipeline))

    return again


def half_of(config: Config, only: Only | None) -> Config:
    """The configuration of a process that does one half of the work: without feeds, or without receivers."""
    left_out: dict[Only | None, dict[str, Any]] = {"deliver": {"feeds": ()}, "poll": {"receivers": {}}}
    return config.model_copy(update=left_out.get(only, {}))


def _as_it_is(config: Config) -> Config:
    return config


def _open_store(config: Config, stack: AsyncExitStack) -> tuple[Store, EmbeddedServer | None]:
    """The configured Redis, or else the embedded server."""
    server = None
    if not config.redis.url:
        assert config.state_dir is not None  # noqa: S101 - config.load sees to it
        server = stack.enter_context(EmbeddedServer(config.state_dir))
    store = Store(config.redis.url or (server.url if server else ""), _process_name(), config.redis.lease)
    stack.push_async_callback(store.close)
    return store, server


def ask(config: Config, question: Callable[[Store], Awaitable[Answer]]) -> Answer:
    """What a command wants to know of what Redis keeps, or to change in it.

    Raises StoreError where Redis does not answer for ten seconds, and InputError where there is no configuration.
    """

    async def asked() -> Answer:
        async with AsyncExitStack() as stack:
            store, _ = _open_store(config, stack)
            await wait_for_redis(store, _ONCE_WAITS_FOR_REDIS, Troubles().say)
            await State(store).bring_up_to_date()
            return await question(store)

    if config.state_dir is None and not config.redis.url:
        raise InputError([Problem("configuration", "none found that says where alerts are kept; name one by --config")])
    return asyncio.run(asked())


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


async def fetch_feed(config: Config, feed: FeedConfig) -> FeedDocument:
    """Fetch and parse a feed as the daemon would; raises MonitorError."""
    async with Http(config.http) as http, Workers(1) as workers:
        page = await http.get(feed.url, access=feed.access)
        try:
            return await Reader(http.page, workers).feed(page)
        except UnreadableError as error:
            raise UnreadableError(f"{feed.url} {error}") from None


@asynccontextmanager
async def inquiring(config: Config, store: Store) -> AsyncIterator[Inquiry]:
    """What `monitor why-not` walks the way of an article with."""
    matcher = matcher_of(config)
    async with Http(config.http) as http, Workers(1) as workers:
        yield Inquiry(config, matcher, store, http=http, reader=Reader(http.page, workers), now=now())


async def notify_once(config: Config, receiver: str) -> None:
    """Send a made-up alert to a receiver; raises NotifyError, or InputError where there is no such receiver."""
    if receiver not in config.receivers:
        known = f"{suggest(receiver, config.receivers)}; known: {', '.join(config.receivers)}"
        raise InputError([Problem(receiver, f"no such receiver{known}")])
    async with Http(config.http) as http, Notifiers(http) as notifiers:
        opened = await notifiers.open({receiver: config.receivers[receiver]})
        await opened[receiver].send(trial(receiver, now()))


async def examine(config: Config, say: Callable[[doctor.Finding], None]) -> None:
    """Say how everything that the daemon needs is doing, one finding after the other; nothing is sent."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(Http(config.http))

        async def store() -> Store:
            opened, _ = await asyncio.to_thread(_open_store, config, stack)
            return opened

        def notifier(name: str) -> Notifier:
            return Notifiers(http).make(name, config.receivers[name])

        means = doctor.Means(http, store, lambda: matcher_of(config), notifier, now)
        async for finding in doctor.examine(config, means):
            say(finding)


def _archive(config: Config) -> Archive | None:
    kept = config.archive
    return Archive(kept.dir, kept.keep, kept.max_size) if kept else None


def _demo(config: Config, stack: AsyncExitStack) -> Callable[[Config], Config]:
    """Serve the demo's fixtures; returns what adds them to a configuration. Its state lives no longer than it does."""
    assert config.demo is not None  # noqa: S101 - the caller asked
    site = stack.enter_context(DemoSite(fixtures.read([config.demo]), now()))
    feeds = [FeedConfig(url=url, name=name, every=timedelta(seconds=5)) for name, url in site.feeds.items()]
    state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="monitor-demo-")))
    # Nothing can be removed under a server that still runs: it stops a moment after its last user has left.
    if not config.redis.url:
        stack.callback(EmbeddedServer(state).wait_until_stopped)
    log.info("demo: %s is served as %d feeds at %s; Ctrl-C ends it", config.demo, len(feeds), site.url)

    def with_demo(config: Config) -> Config:
        opened = (*config.http.allow_private, ip_network("127.0.0.1/32"))
        # It is only this machine that has to keep pace.
        manners = {"allow_private": opened, "per_host": PerHostConfig(concurrency=20, rate=1000)}
        return config.model_copy(
            update={
                "feeds": (*config.feeds, *feeds),
                "state_dir": state,
                "poll": config.poll.model_copy(update={"max_age": timedelta(days=36_500)}),  # fixtures are old news
                "http": config.http.model_copy(update=manners),
            }
        )

    return with_demo


def _process_name() -> str:
    """A name that no other process bears, now or later."""
    return f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"


def run(
    config: Config, *, once: bool, only: Only | None = None, file: Path | None = None, face: Face | None = None
) -> int:
    """Run the daemon, or one round of it; returns the exit status. Raises MonitorError where it cannot start.

    With `only` it does one half of the work, and other processes do the other half. `file` is where the configuration
    stands, to be read again when it changes. `face` answers those who ask the daemon how it is doing.
    """
    _checked(config, only)
    condition = Condition(now)
    opening = running(config, _ONCE_WAITS_FOR_REDIS if once else None, condition, only=only, file=file)
    shown = face(config.web, condition) if face and config.web else nullcontext()
    return asyncio.run(_run(opening, shown, once=once))


def _checked(config: Config, only: Only | None) -> Config:
    if not config.feeds and not config.demo and only != "deliver":
        raise InputError([Problem("feeds", "none configured; add some, such as feeds: [https://example.org/feed.xml]")])
    return config


async def _run(
    opening: AbstractAsyncContextManager[Daemon], shown: AbstractAsyncContextManager[None], *, once: bool
) -> int:
    stop, again = asyncio.Event(), asyncio.Event()
    running_app = asyncio.ensure_future(_until_stopped(opening, shown, stop, None if once else again))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # The first signal lets it come to its end; a second one cuts that short.
        loop.add_signal_handler(number, lambda: running_app.cancel() if stop.is_set() else stop.set())
    in_terminal = os.isatty(0)

    def hang_up() -> None:
        """It asks to read the files again, but comes as well when the terminal is closed that this runs in."""
        (stop if once or (in_terminal and not os.isatty(0)) else again).set()

    loop.add_signal_handler(signal.SIGHUP, hang_up)
    try:
        return await running_app
    except asyncio.CancelledError:
        return 130


async def _until_stopped(
    opening: AbstractAsyncContextManager[Daemon],
    shown: AbstractAsyncContextManager[None],
    stop: asyncio.Event,
    again: asyncio.Event | None,
) -> int:
    """One round where `again` is None, which else is set when the files are to be read again."""
    once = again is None
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(shown)  # first of all: it is asked while Redis is waited for
        starting = asyncio.ensure_future(stack.enter_async_context(opening))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            await end([starting], 0)
            return 130 if once else 0
        if once:
            status = _report(await starting.result().once(stop))
            return 130 if stop.is_set() else status
        daemon = starting.result()
        daemon.reloads.asked = again or daemon.reloads.asked
        await daemon.run(stop)
        return 0


def _report(waiting: int) -> int:
    if waiting:
        log.warning("%d deliveries failed and are kept; a later run tries them again", waiting)
    return 1 if waiting else 0
