"""From the stream of alerts to the outboxes of their receivers, by way of routes, silences and inhibition."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from pydantic import ValidationError

from monitor import metrics
from monitor.alerts.growth import grown, lacking, step, superfluous
from monitor.alerts.plan import Plan, Suppressed, advance, audible, forget, node_of, nodes_for
from monitor.alerts.routing import Node, nodes_of, tree_of
from monitor.config import Config
from monitor.errors import StoreError
from monitor.models import Alert
from monitor.store.alerts import MOST, AlertStore
from monitor.store.outbox import AlertStream, Delivery, Received
from monitor.store.redis import Store
from monitor.store.routes import LedgerEntry, RouteStore, Step
from monitor.store.silences import SilenceStore

log = logging.getLogger(__name__)

_BATCH = 100


class Dispatcher:
    """Takes what alerts are made of, and puts what is to be sent into outboxes, when it is to be sent."""

    def __init__(self, store: Store, config: Config, now: Callable[[], datetime]) -> None:
        self.alerts = AlertStream(store)
        self._kept = AlertStore(store)
        self._routes = RouteStore(store, self.alerts)
        self._silences = SilenceStore(store)
        self._now = now
        self._batch = _BATCH
        self._looked: Node | None = None  # the routes by which all that waits was looked at
        self.exchange(config)
        self.beat = time.monotonic()  # the last progress
        self._trimmed: datetime | None = None

    def exchange(self, config: Config) -> None:
        """Go on by another configuration; all that waits is looked at again, for routes that are no more."""
        self._tree = tree_of(config)
        self._nodes = {node.id: node for node in nodes_of(self._tree)}
        self._inhibit = config.inhibit_rules

    async def step(self, block: timedelta | None = timedelta(seconds=1)) -> int:
        """Dispatch what has come and what is due, waiting up to `block` for it; returns how much. Raises StoreError."""
        received: Sequence[Received] = ()
        tree = self._tree
        self.beat = time.monotonic()
        try:
            late, wait = await self._due(block)
            received = await self.alerts.receive(self._batch, wait)
            if received or late:
                await self._decide(received, late, tree)
            else:
                self._looked = tree
            await self._trim()
        except BaseException as error:
            self.alerts.again()
            if isinstance(error, Exception) and not isinstance(error, StoreError) and received:
                self._looked = tree
                return await self._without_poison(received)
            raise
        return len(received) + len(late)

    async def _decide(self, received: Sequence[Received], late: Sequence[str], tree: Node) -> None:
        """Decide and write what becomes of it; `tree` is by what `late` was chosen."""
        plan = await self._plan(received, late)
        if await self._routes.commit(received, _written(plan, self._now())):
            metrics.suppressed(each.reason for each in plan.suppressed)
            self._looked = tree
        else:
            self.alerts.again()  # another process was faster somewhere: it is decided again
        self._batch = _BATCH

    async def _due(self, block: timedelta | None) -> tuple[list[str], timedelta | None]:
        """The routes that are due, at the first time all where something waits, and how long to wait for alerts."""
        now, due = self._now(), await self._routes.due()
        late = [node for time, node in due if time <= now or self._looked is not self._tree]
        if late or not block:
            return late, None
        soonest = min((time - now for time, _ in due), default=block)
        return [], max(min(block, soonest), timedelta(milliseconds=1))

    async def _plan(self, received: Sequence[Received], late: Sequence[str]) -> Plan:
        now, tree, nodes, inhibit = self._now(), self._tree, self._nodes, self._inhibit
        alerts, waiting = await self._read(received)
        silences = await self._silences.all() if alerts else []
        sources = await self._routes.sources() if alerts and inhibit else []
        heard, plan = audible(alerts, silences=silences, rules=inhibit, sources=sources, now=now)
        plan.suppressed += waiting
        reached = nodes_for(heard, tree)
        come_to = dict.fromkeys(late, ()) | {node_id: come for node_id, (_, come) in reached.items()}
        for node_id, kept in (await self._routes.load(come_to)).items():
            node, come = reached.get(node_id, (None, []))
            node = node or (node_of(kept.state, nodes, tree) if kept.state else None)
            if node:
                advance(plan, kept.state, node, come, now=now, late=node_id in late)
            elif kept.state:
                log.info("a route to %s is configured no more; what waited there is sent", kept.state.receivers)
                forget(plan, kept.state)
        return plan

    async def _read(self, received: Iterable[Received]) -> tuple[list[Alert], list[Suppressed]]:
        """The alerts that were raised or have grown, as they are by now, and those that wait for corroboration."""
        latest: dict[str, tuple[int, Alert]] = {}
        for message in received:
            try:
                member = self.alerts.member_of(message)
            except ValidationError:
                log.exception("an alert in the stream cannot be read; it is passed over: %s", message.body)
                continue
            if message.number >= latest.get(member.id, (0, member))[0]:
                latest[member.id] = message.number, member
        alerts, waiting = [], []
        for number, member in latest.values():
            members = await self._kept.members(member.id, number) if number > 1 else [member]
            if step(members) == "waits":
                waiting.append(Suppressed(grown(members), "below threshold", lacking(members)))
                if len(members) >= MOST:
                    await self._kept.thin(member.id, superfluous(members))
            else:
                alerts.append(grown(members))
        return alerts, waiting

    async def _without_poison(self, received: Sequence[Received]) -> int:
        """After an error that nobody foresaw: take alerts one by one, and pass over the one that it is."""
        if len(received) > 1:
            log.exception("unexpected error in dispatch; its alerts are taken one by one")
            self._batch = 1
            return len(received)
        log.exception("unexpected error in dispatch; the alert is passed over: %s", received[0].body)
        await self._routes.commit(received, Step())
        return 1

    async def _trim(self) -> None:
        now = self._now()
        if self._trimmed is None or abs(now - self._trimmed) > timedelta(hours=1):  # the clock may be set back
            await self.alerts.trim(now)
            self._trimmed = now


def _written(plan: Plan, now: datetime) -> Step:
    """A plan as it is kept."""
    entries = [LedgerEntry.of(suppressed, now) for suppressed in plan.suppressed]
    deliveries = [Delivery(notification=notification, since=now) for notification in plan.notifications]
    return Step(plan.states, deliveries, entries, plan.sources)
