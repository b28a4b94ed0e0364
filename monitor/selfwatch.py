"""What `monitor` tells of itself: a receiver that has been failing, or changed files that are wrong; each once, and
once when it is over.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

from monitor.alerts.build import own_alert
from monitor.alerts.retry import Streak
from monitor.alerts.routing import route
from monitor.config import Config
from monitor.feeds.health import short
from monitor.models import Alert
from monitor.store.redis import Store
from monitor.store.troubles import Trouble, TroubleStore

log = logging.getLogger(__name__)

TOLD_AFTER = timedelta(minutes=15)
_ENOUGH = 3  # failures in a row: one message that is refused is no failing receiver
_RECEIVER = "receiver:"


def failing(troubles: Mapping[str, Trouble]) -> dict[str, datetime]:
    """The receivers that people were told of, with since when each fails."""
    return {
        name.removeprefix(_RECEIVER): trouble.since
        for name, trouble in troubles.items()
        if trouble.told and name.startswith(_RECEIVER)
    }


def judge(streak: Streak, known: Trouble | None, now: datetime) -> Trouble | None:
    """How the trouble of a receiver stands, by how one process got on with it lately and what all know."""
    if streak.failures:
        trouble = known or Trouble(since=now)
        lasting = now - trouble.since >= TOLD_AFTER and streak.failures >= _ENOUGH
        return trouble.model_copy(update={"told": True}) if lasting else trouble
    # Another process may be failing with it still: only what arrived after that began is its end.
    over = known and streak.succeeded and streak.succeeded > known.since
    return None if over else known


def told_to(alert: Alert, name: str, config: Config, troubled: Collection[str]) -> Alert:
    """The alert about a receiver, for those that the routes lead to and that do not fail; where all do, for itself."""
    well = [each for each in config.receivers if each != name and each not in troubled]
    routed = [each for each in route(alert, config) if each in well]
    return alert.model_copy(update={"receivers": tuple(routed or well or [name])})


class SelfWatch:
    """One process's watch over monitor itself. `streaks` is how it got on with each receiver that it delivers to."""

    def __init__(
        self, store: Store, config: Config, *, streaks: Callable[[], Mapping[str, Streak]], now: Callable[[], datetime]
    ) -> None:
        self._troubles = TroubleStore(store)
        # The processes of one machine read the same files: one of them tells.
        self._files = f"configuration:{store.name.rsplit('.', 2)[0]}"
        self.config = config
        self._untold: list[str] | None = None  # why changed files are not in effect
        self._streaks = streaks
        self._now = now

    async def files_read(self, problems: list[str]) -> None:
        """Tell what is wrong with changed files, now or with a later step; raises StoreError."""
        self._untold = problems
        await self.step()

    async def step(self) -> None:
        """Note and tell what has changed; raises StoreError."""
        now, known = self._now(), await self._troubles.all()
        if (problems := self._untold) is not None:
            await self._tell_of_files(problems, known.get(self._files))
            if self._untold is problems:  # and was not read again meanwhile
                self._untold = None
        troubled = failing(known)
        for name, streak in self._streaks().items():
            before = known.get(_RECEIVER + name)
            after = judge(streak, before, now)
            if after != before:
                alerts = self._alerts(name, before, after, streak=streak, troubled=troubled)
                if await self._troubles.change(_RECEIVER + name, before, after, alerts):
                    for alert in alerts:
                        log.warning("monitor-health: %s", alert.title)

    async def _tell_of_files(self, problems: list[str], before: Trouble | None) -> None:
        if bool(problems) == bool(before):
            return
        now, text = self._now(), "configuration: read again, all is well"
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            text = f"configuration: changed files are wrong, what was in effect goes on: {problems[0]}{more}"
        after = Trouble(since=now, told=True) if problems else None
        alert = own_alert(self._files, text, ended=not problems, now=now)
        await self._troubles.change(self._files, before, after, [alert])

    def _alerts(
        self, name: str, before: Trouble | None, after: Trouble | None, *, streak: Streak, troubled: Collection[str]
    ) -> list[Alert]:
        now = self._now()
        if after and after.told:
            text = f"receiver {name} has been failing for {short(now - after.since)}: {streak.reason}"
        elif before and before.told:
            text = f"receiver {name} works again, after {short(now - before.since)}"
        else:
            return []
        return [told_to(own_alert(_RECEIVER + name, text, ended=after is None, now=now), name, self.config, troubled)]
