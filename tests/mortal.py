"""`monitor run` in a child process that has no feeds but publishes alerts, and may kill itself at its n-th step.

Everything but polling is the daemon's own: its start, dispatch, delivery, signals and end. In the place of each feed
stands a sheaf of alerts that is published and marked as handled in one write, once, as a poll does it.
"""

import logging
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from monitor import app, config, notifiers, store
from monitor.config import FeedConfig
from monitor.http import Http
from monitor.matching.matcher import Matcher
from monitor.rules.lexicon import Lexicon
from monitor.store.feeds import FeedStore
from monitor.store.redis import Stream
from monitor.store.routes import RouteStore
from tests.alerting import alert
from tests.crashing import CONTEXT, Steps

SHEAF = 10  # alerts that one poll publishes
_DONE = b"done"
_MATCHER = Matcher([], Lexicon([]))


@dataclass(frozen=True)
class Life:
    """How a child lives: until its `last` step of dispatch and delivery, or with 0 until it is ended.

    Each sheaf is first published `apart` seconds after the one before it. Redis is given up after `patience` seconds.
    """

    last: int = 0
    apart: float = 0.002
    patience: float = 10.0


class Press:
    """What stands in the poller's place: a feed is a sheaf of alerts."""

    archive = None
    life = Life()

    def __init__(self, http: Http, reader: object, feeds: FeedStore, **_: object) -> None:
        self._feeds = feeds

    async def first_polls(self, feeds: tuple[FeedConfig, ...]) -> list[tuple[FeedConfig, datetime]]:
        began, apart = app.now(), timedelta(seconds=self.life.apart)
        return [(feed, began + number * apart) for number, feed in enumerate(feeds)]

    async def poll(self, feed: FeedConfig) -> datetime | None:
        """Publish a sheaf that was not published yet; one that another process has may be had soon."""
        claim = await self._feeds.claim(feed.url)
        if not claim.ours:
            return app.now() + timedelta(seconds=0.3)
        if claim.state == _DONE:
            await self._feeds.give_back(feed.url)
        else:
            first = int(feed.url.rpartition("/")[2]) * SHEAF
            alerts = [alert(number) for number in range(first, first + SHEAF)]
            await self._feeds.write(feed.url, _DONE, alerts, done=True)
        return app.now() + (feed.every or timedelta(days=1))


def live(file: Path, log: Path, life: Life = Press.life) -> ForkServerProcess:
    """Begin a life with the configuration `file`."""
    process = CONTEXT.Process(target=_live, args=(file, log, life), daemon=True)
    process.start()
    return process


def _live(file: Path, log: Path, life: Life) -> None:
    logging.basicConfig(filename=log, format="%(levelname)s %(name)s %(message)s", level=logging.INFO)
    Press.life = life
    # Nothing is matched, and compiling the lexicon takes longer than many a life.
    changed: list[tuple[Any, str, Any]] = [(app, "Poller", Press), (app, "matcher_of", lambda _: _MATCHER)]
    for owner, name, value in [*changed, (store.redis, "_SOCKET_TIMEOUT", life.patience)]:
        setattr(owner, name, value)
    if life.last:
        steps = Steps(life.last)
        for owner, name in _STEPS:
            steps.around(owner, name)
    os._exit(app.run(config.load(file, notifiers.options_of), once=False))


# The moments before and after each of these are steps.
_STEPS: list[tuple[type, str]] = [
    (FeedStore, "write"),
    (Stream, "read"),
    (Stream, "settle"),
    (RouteStore, "load"),
    (Http, "_exchange"),
]
