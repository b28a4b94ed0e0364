"""What becomes of alerts that came, and of routes that are due: decided for all of one step at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from monitor.alerts.groups import RouteState, after, due, flush, hold, new_state, release
from monitor.alerts.matchers import labels, meets
from monitor.alerts.routing import Node, own_node, routes_of
from monitor.alerts.silences import Silence, inhibited, silenced
from monitor.config.route import InhibitRule
from monitor.models import Alert, Notification
from monitor.stories.join import WINDOW

_SOON = timedelta(seconds=1)
NEVER = datetime.max.replace(tzinfo=UTC)  # when a route is due where no time for what waits comes


@dataclass(frozen=True, slots=True)
class Suppressed:
    """An alert that is not told of, or not yet: why, more in `detail`, and to whom where not all are meant."""

    alert: Alert
    reason: str
    detail: str = ""
    receivers: tuple[str, ...] = ()


@dataclass(slots=True)
class Plan:
    """What is to be done: the states of nodes with when each is due, what is sent, and what is not."""

    states: dict[str, tuple[RouteState | None, datetime | None]] = field(default_factory=dict)
    notifications: list[Notification] = field(default_factory=list)
    suppressed: list[Suppressed] = field(default_factory=list)
    sources: dict[str, Alert | None] = field(default_factory=dict)


def audible(
    alerts: Iterable[Alert],
    *,
    silences: Sequence[Silence],
    rules: Sequence[InhibitRule],
    sources: Sequence[Alert],
    now: datetime,
) -> tuple[list[Alert], Plan]:
    """Part the alerts that somebody is to be told of from those that are silenced or inhibited.

    The plan has the latter, and which alerts inhibit others from now on.
    """
    plan, heard = Plan(), []
    hiding = {source.id: source for source in sources}
    lasting = max((rule.lasting or WINDOW for rule in rules), default=WINDOW)
    plan.sources = {source.id: None for source in sources if source.last_seen and now - source.last_seen >= lasting}
    for alert in alerts:
        if any(meets(labels(alert), rule.source_matchers) for rule in rules):
            plan.sources[alert.id] = hiding[alert.id] = alert
        if by := inhibited(alert, rules, hiding.values(), now):
            plan.suppressed.append(Suppressed(alert, "inhibited", f"by {by[1].rule}, alert {by[1].id}"))
        elif silence := silenced(alert, silences, now):
            detail = f"by silence {silence.id} until {silence.ends:%Y-%m-%d %H:%M} UTC: {silence.comment}"
            plan.suppressed.append(Suppressed(alert, "silenced", detail))
        else:
            heard.append(alert)
    return heard, plan


def nodes_for(alerts: Iterable[Alert], tree: Node) -> dict[str, tuple[Node, list[Alert]]]:
    """The routes that alerts come to, by their ids, each with its alerts."""
    found: dict[str, tuple[Node, list[Alert]]] = {}
    for alert in alerts:
        for node in routes_of(alert, tree):
            found.setdefault(node.id, (node, []))[1].append(alert)
    return found


def advance(
    plan: Plan, state: RouteState | None, node: Node, alerts: Sequence[Alert], *, now: datetime, late: bool
) -> None:
    """Add to a plan what becomes of one route: what came to it, and what may leave it now.

    The state of one that is `late` is kept even where nothing left it, with the next time at which it is due.
    """
    before = state or new_state(node)
    state = before
    for alert in alerts:
        state = after(state, alert, node, now)
    time = due(state, node, now)
    if time is not None and time <= now:
        state, notifications = flush(state, node, now)
        plan.notifications += notifications
        time = due(state, node, now)
    if state == before and not late:
        return
    time = max(time, now + _SOON) if time else NEVER  # nothing that is due now is left
    plan.states[node.id] = (state, time if state.waiting else None)
    for alert in alerts:
        if waits := hold(state, alert.id, node, now):
            until = f"until {waits.until:%Y-%m-%d %H:%M} UTC" if waits.until else "no time for it comes"
            plan.suppressed.append(Suppressed(alert, waits.reason, f"{node.path}: {until}", node.receivers))


def node_of(state: RouteState, known: Mapping[str, Node], tree: Node) -> Node | None:
    """The route of a state; None where the configuration has it no more."""
    own = own_node(tree, state.receivers)
    return known.get(state.node) or (own if own.id == state.node else None)


def forget(plan: Plan, state: RouteState) -> None:
    """Add to a plan that all that waits at a route that is no more is sent."""
    plan.notifications += release(state)
    plan.states[state.node] = (None, None)
