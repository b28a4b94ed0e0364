"""What `monitor status` shows: how everything is doing at one moment."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from monitor.alerts.groups import Hold
from monitor.alerts.routing import tree_of
from monitor.config import Config, FeedConfig
from monitor.feeds.health import Health, State, verdict
from monitor.feeds.state import FeedState
from monitor.metrics import Kept, Outboxed
from monitor.models import Alert
from monitor.selfwatch import failing
from monitor.store.alerts import AlertStore
from monitor.store.dead import DeadLetters
from monitor.store.feeds import FeedStore
from monitor.store.outbox import AlertStream, Outbox
from monitor.store.redis import Store
from monitor.store.routes import waiting
from monitor.store.troubles import TroubleStore

_LAST = 5
_FEEDS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Post:
    """How many deliveries of one receiver wait, and how many were given up; `known` is whether it is configured."""

    waiting: int
    dead: int
    known: bool = True
    failing: datetime | None = None  # since when, where people were told


@dataclass(frozen=True, slots=True)
class Status:
    """`feeds` are by name with how each is doing, `backlog` is how many alerts are still to be dispatched.

    `processes` is how many are alive that dispatch.
    """

    at: datetime
    processes: int
    feeds: Sequence[tuple[str, Health]]
    backlog: int
    held: Sequence[Hold]
    receivers: Mapping[str, Post]
    last: Sequence[Alert]


async def status(config: Config, store: Store, now: datetime) -> Status:
    """Ask Redis; raises StoreError."""
    stream = AlertStream(store)
    dead = Counter(letter.receiver for letter in await DeadLetters(store).all())
    names = [*config.receivers, *sorted((set(dead) | await store.remember_receivers(())) - set(config.receivers))]
    failures = failing(await TroubleStore(store).all())
    posts = {
        name: Post(await Outbox(store, name).waiting(), dead[name], name in config.receivers, failures.get(name))
        for name in names
    }
    return Status(
        at=now,
        processes=await stream.readers(),
        feeds=await _feeds(config.feeds, FeedStore(store), now),
        backlog=await stream.backlog(),
        held=[hold for _, _, hold in await waiting(store, tree_of(config), now)],
        receivers={name: post for name, post in posts.items() if post.known or post.waiting or post.dead},
        last=await AlertStore(store).latest(_LAST),
    )


async def kept(config: Config, store: Store, feeds: Mapping[str, int], now: datetime) -> Kept:
    """What of it metrics show, which is as much as can be asked every few seconds; raises StoreError.

    `feeds` are how many there are by state.
    """
    stream, failures = AlertStream(store), failing(await TroubleStore(store).all())
    outboxes = {name: Outbox(store, name) for name in config.receivers}
    return Kept(
        feeds=feeds,
        backlog=await stream.backlog(),
        processes=await stream.readers(),
        dead=await DeadLetters(store).count(),
        outboxes={
            name: Outboxed(await outbox.waiting(), now - (await outbox.oldest() or now), name in failures)
            for name, outbox in outboxes.items()
        },
    )


async def feeds_by_state(feeds: Sequence[FeedConfig], store: Store, now: datetime) -> Mapping[str, int]:
    """Count feeds; with ten thousand of them that takes half a second, and polls go on meanwhile. Raises StoreError."""
    states: Counter[str] = Counter(dict.fromkeys(get_args(State), 0))
    for start in range(0, len(feeds), _FEEDS_AT_ONCE):
        found = await _feeds(feeds[start : start + _FEEDS_AT_ONCE], FeedStore(store), now)
        states.update(health.state for _, health in found)
    return states


async def _feeds(feeds: Sequence[FeedConfig], store: FeedStore, now: datetime) -> Sequence[tuple[str, Health]]:
    paused = await store.paused()
    states = await store.states([feed.url for feed in feeds])
    return [
        (feed.title, verdict(FeedState.decode(state).record, now, paused=feed.url in paused))
        for feed, state in zip(feeds, states, strict=True)
    ]
