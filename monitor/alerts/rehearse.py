"""Routes on a virtual clock: what would have been sent, and when, had alerts come at certain times."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from monitor.alerts.groups import RouteState
from monitor.alerts.plan import NEVER, Plan, advance, audible, nodes_for
from monitor.alerts.routing import Node
from monitor.config.route import InhibitRule
from monitor.models import Alert, Notification

Sending = tuple[datetime, Notification]


def rehearse(events: Iterable[tuple[datetime, Alert]], tree: Node, rules: Sequence[InhibitRule]) -> Iterator[Sending]:
    """Play alerts, each as it was at its time, and then let time pass until nothing waits that can ever go.

    The decisions are those of dispatch; there are no silences.
    """
    stage = _Stage(tree, rules)
    for time, alert in sorted(events, key=lambda event: event[0]):
        yield from stage.until(time)
        yield from stage.take(alert, time)
    yield from stage.until(NEVER)


class _Stage:
    def __init__(self, tree: Node, rules: Sequence[InhibitRule]) -> None:
        self._tree = tree
        self._rules = rules
        self._nodes: dict[str, Node] = {}
        self._states: dict[str, RouteState] = {}
        self._due: dict[str, datetime] = {}
        self._sources: dict[str, Alert] = {}

    def take(self, alert: Alert, now: datetime) -> Iterator[Sending]:
        sources = list(self._sources.values())
        heard, plan = audible([alert], silences=(), rules=self._rules, sources=sources, now=now)
        for node, alerts in nodes_for(heard, self._tree).values():
            self._nodes[node.id] = node
            advance(plan, self._states.get(node.id), node, alerts, now=now, late=False)
        return self._done(plan, now)

    def until(self, end: datetime) -> Iterator[Sending]:
        """Let time pass, from one due time to the next, up to `end`; what never comes does not come then either."""
        while self._due:
            time, node = min((time, node) for node, time in self._due.items())
            if time > end or time == NEVER:
                return
            plan = Plan()
            advance(plan, self._states[node], self._nodes[node], (), now=time, late=True)
            yield from self._done(plan, time)

    def _done(self, plan: Plan, now: datetime) -> Iterator[Sending]:
        for node, (state, due) in plan.states.items():
            self._due.pop(node, None)
            if state:
                self._states[node] = state
            if due:
                self._due[node] = due
        for alert, source in plan.sources.items():
            self._sources.pop(alert, None)
            if source:
                self._sources[alert] = source
        return iter([(now, notification) for notification in plan.notifications])
