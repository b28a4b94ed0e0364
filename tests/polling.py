"""What polls, as one process has it: real parts on a real Redis, with a clock that the test moves."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from monitor.config import FeedConfig, HttpConfig, PollConfig
from monitor.feeds.state import FeedState
from monitor.http import Http
from monitor.matching.concepts import Concepts
from monitor.matching.matcher import Matcher
from monitor.pipeline import Pipeline
from monitor.polling import Poller
from monitor.reading import Reader
from monitor.rules.expression import parse
from monitor.rules.lexicon import Lexicon
from monitor.rules.schema import Rule
from monitor.store.feeds import FeedStore
from monitor.store.redis import ALERTS, Store
from monitor.store.stories import StoryStore
from monitor.stories.join import WINDOW
from monitor.workers import Workers

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NO_PAUSES = HttpConfig.model_validate(
    {"allow_private": ["127.0.0.0/8"], "per_host": {"concurrency": 50, "rate": 1e6}, "robots": False}
)
_NODES = {"missile": parse("missile"), "nato": parse('"NATO"')}
RULES = [Rule(id=name, title=name, level="info", tags=(), node=node) for name, node in _NODES.items()]


@dataclass
class Clock:
    time: datetime = NOW

    def __call__(self) -> datetime:
        return self.time


class CountedWorkers(Workers):
    """Workers that note what they were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def run(self, function: Callable[..., Any], *arguments: Any, deadline: float) -> Any:
        self.asked.append(function.__name__)
        return await super().run(function, *arguments, deadline=deadline)


@dataclass
class Monitor:
    """One process's poller, its store, and the alerts that any process has raised."""

    poller: Poller
    store: Store
    feeds: FeedStore
    clock: Clock
    workers: CountedWorkers
    due: datetime | None = None
    _told: int = field(default=0)

    async def poll(self, feed: FeedConfig) -> datetime | None:
        """Poll when the feed is due, which is now where it was not polled before; returns when it is due again."""
        self.clock.time = max(self.clock.time, self.due or self.clock.time)
        self.due = await self.poller.poll(feed)
        return self.due

    async def alerts(self) -> list[dict[str, Any]]:
        """The alerts in the stream, oldest first."""
        return [json.loads(fields["alert"]) for _, fields in await self.store.client.xrange(ALERTS)]

    async def raised(self) -> list[str]:
        """`rule: title` of each alert that was raised since this was last asked, sorted."""
        alerts = await self.alerts()
        new, self._told = alerts[self._told :], len(alerts)
        return sorted(f"{alert['rule']}: {alert['title']}" for alert in new)

    async def state(self, feed: FeedConfig) -> FeedState:
        [kept] = await self.feeds.states([feed.url])
        return FeedState.decode(kept)


@asynccontextmanager
async def monitor(
    url: str,
    name: str = "one",
    *,
    clock: Clock | None = None,
    settings: PollConfig | None = None,
    lease: timedelta = timedelta(minutes=1),
    feed_store: Callable[[Store], FeedStore] = FeedStore,
) -> AsyncIterator[Monitor]:
    """A monitor called `name` on the Redis at `url`; it shows a sign of life once."""
    clock = clock or Clock()
    store = Store(url, name, lease)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        http = await stack.enter_async_context(Http(NO_PAUSES))
        workers = CountedWorkers()
        await stack.enter_async_context(workers)
        feeds, lexicon = feed_store(store), Lexicon([])
        poller = Poller(
            http,
            Reader(http.page, workers, "lazy"),
            feeds,
            pipeline=Pipeline(Matcher(RULES, lexicon), Concepts(lexicon), StoryStore(store), WINDOW),
            settings=settings or PollConfig(),
            now=clock,
        )
        await store.sign_of_life()
        yield Monitor(poller, store, feeds, clock, workers)


def entry(guid: str, title: str, *, age: timedelta | None = None, link: str = "", text: str = "") -> str:
    """An entry of an RSS feed that came out `age` before NOW."""
    published = f"<pubDate>{format_datetime(NOW - age)}</pubDate>" if age is not None else ""
    guids = f'<guid isPermaLink="false">{guid}</guid>' if guid else ""
    links = f"<link>{link}</link>" if link else ""
    return f"<item>{guids}<title>{title}</title>{links}{published}<description>{text}</description></item>"


def every(span: timedelta, count: int, title: Callable[[int], str] = "Weather {}".format) -> Sequence[str]:
    """Entries that came out one after the other, so far apart, the newest now and first."""
    return [entry(f"e{number}", title(number), age=number * span) for number in range(count)]
