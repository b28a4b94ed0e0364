"""What a route keeps back and when it lets it go: groups, digests, quiet times and limits, each a pure decision.

A new alert goes out when its group has waited, updates of the alerts of a group go out together and not too often, a
digest takes all that its route has gathered. What may not go out yet stays: nothing is ever dropped here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from monitor.alerts.matchers import labels, meets
from monitor.alerts.routing import Node, routes_of
from monitor.config.intervals import is_open, opens
from monitor.feeds.identity import digest
from monitor.models import Alert, Notification
from monitor.stories.join import WINDOW

Kind = Literal["alert", "update", "digest", "notice"]
Reason = Literal["silenced", "inhibited", "muted", "grouped", "digest", "limit", "below threshold"]

_EVER = datetime.min.replace(tzinfo=UTC)
_SETTLING = timedelta(minutes=1)  # from when a limit is reached until it is said how many alerts wait


class Waiting(BaseModel):
    """An alert that was not sent yet, or has grown since; `since` is when that began."""

    model_config = ConfigDict(frozen=True)

    alert: Alert
    group: str
    since: datetime


class Sent(BaseModel):
    """How many documents an alert had when it was last sent, and when that was."""

    model_config = ConfigDict(frozen=True)

    documents: int
    at: datetime


class RouteState(BaseModel):
    """What one route has to remember. Its JSON is all that a restart needs.

    `waiting` and `sent` are by alert, `updated` says when updates of a group were last sent. `spent` are the times of
    the messages that count for the limit, `held` is when it was reached while there was more to send, and `told` says
    whether a message said so.
    """

    model_config = ConfigDict(frozen=True)

    node: str
    receivers: tuple[str, ...]
    waiting: dict[str, Waiting] = {}
    sent: dict[str, Sent] = {}
    updated: dict[str, datetime] = {}
    spent: tuple[datetime, ...] = ()
    held: datetime | None = None
    told: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """Why an alert was not sent yet, and when it will be; None where no time for it comes in a year."""

    reason: Reason
    until: datetime | None


@dataclass(frozen=True, slots=True)
class _Bundle:
    """Alerts that go out in one message: `ready` is when they may but for quiet times, `free` if none holds them."""

    kind: Kind
    waiting: tuple[Waiting, ...]
    ready: datetime
    free: bool


def new_state(node: Node) -> RouteState:
    """The state of a route that has seen nothing."""
    return RouteState(node=node.id, receivers=node.receivers)


def after(state: RouteState, alert: Alert, node: Node, now: datetime) -> RouteState:
    """The state when an alert came, new or grown; the same where this much of it was sent or waits already.

    An alert that still waits is replaced by what it has grown to, and keeps its place.
    """
    sent, waits = state.sent.get(alert.id), state.waiting.get(alert.id)
    count = len(alert.documents)
    if (sent and count <= sent.documents) or (waits and count <= len(waits.alert.documents)):
        return state
    group, since = (waits.group, waits.since) if waits else (_group(alert, node), now)
    waiting = state.waiting | {alert.id: Waiting(alert=alert, group=group, since=since)}
    return state.model_copy(update={"waiting": waiting})


def _group(alert: Alert, node: Node) -> str:
    """What an alert shares with its group. Of what grows with a story, its first article's counts."""
    values: dict[str, str] = {"alert": alert.id, "story": alert.story or alert.id}
    values |= {"source": alert.source, "language": alert.language or ""}
    seen = labels(alert)
    values |= {key: "\n".join(sorted(seen[key])) for key in seen if key in node.timing.group_by and key not in values}
    return digest(*(values[key] for key in node.timing.group_by))


def due(state: RouteState, node: Node, now: datetime) -> datetime | None:
    """When `flush` has something to do, not after `now` where it is late; None where nothing waits or can ever go."""
    bundles = _bundles(state, node, apart=True)
    # The first message past a limit is tried at once: that is when it is noted that the limit holds.
    slot = _slot(state, node) if state.held else _EVER
    free = min((bundle.ready for bundle in bundles if bundle.free), default=None)
    bound = min((bundle.ready for bundle in bundles if not bundle.free), default=None)
    times = [
        max(free, slot) if free else None,
        _opens(node, max(bound, slot, now)) if bound else None,
        _notice_at(state, node, now) if bundles else None,
    ]
    return min((time for time in times if time), default=None)


def flush(state: RouteState, node: Node, now: datetime) -> tuple[RouteState, list[Notification]]:
    """Let go what is due: the state afterwards, and a notification for each message and receiver.

    What a limit kept back comes in one message, as soon as the limit allows one.
    """
    state = _without_old(state, node, now)
    opened = is_open(now, node.timing.mute, node.timing.active)
    bundles = _bundles(state, node, apart=not opened)
    ready = [bundle for bundle in bundles if bundle.ready <= now and (opened or bundle.free)]
    ready.sort(key=lambda bundle: (bundle.ready, bundle.kind))
    if state.held and ready and _slot(state, node) <= now:
        ready = [_together(ready)]
        state = state.model_copy(update={"held": None, "told": False})
    limit = node.timing.limit
    room = max(limit.count - len(state.spent), 0) if limit else len(ready)
    messages = [note for bundle in ready[:room] for note in _notifications(bundle, state)]
    state = _sent(state, ready[:room], now, counted=limit is not None)
    if ready[room:] and state.held is None:
        state = state.model_copy(update={"held": now})
    notice = _notice_at(state, node, now)
    if notice and notice <= now:
        messages += _notices(state, node, sum(len(bundle.waiting) for bundle in ready[room:]))
        state = state.model_copy(update={"told": True})
    return state, messages


def hold(state: RouteState, alert_id: str, node: Node, now: datetime) -> Hold | None:
    """Why an alert waits after a `flush` at `now`, and until when; None where it does not wait."""
    if alert_id not in state.waiting:
        return None
    group = state.waiting[alert_id].group
    mates = {name: each for name, each in state.waiting.items() if node.timing.digest or each.group == group}
    bundles = _bundles(state.model_copy(update={"waiting": mates}), node, apart=True)
    bundle = next(bundle for bundle in bundles if any(each.alert.id == alert_id for each in bundle.waiting))
    earliest = max(bundle.ready, now)
    time = earliest if bundle.free else _opens(node, earliest)
    if time is None or time > earliest:
        return Hold("muted", time)
    if state.held and time < (slot := _slot(state, node)):
        return Hold("limit", slot if bundle.free else _opens(node, slot))
    return Hold("digest" if node.timing.digest else "grouped", time)


def release(state: RouteState) -> list[Notification]:
    """All that waits, to be sent when the configuration has its route no more."""
    if not state.waiting:
        return []
    waiting = tuple(state.waiting.values())
    return _notifications(_Bundle("digest" if len(waiting) > 1 else "alert", waiting, waiting[0].since, True), state)


@dataclass(frozen=True, slots=True)
class Told:
    """Who would be told of an alert, by which route, when, and why not before."""

    receiver: str
    path: str
    at: datetime | None
    why: Reason | Literal["at once"]


def when(alert: Alert, tree: Node, now: datetime) -> list[Told]:
    """Say what would become of an alert that came now as the first; silences and inhibition aside."""
    told = []
    for node in routes_of(alert, tree):
        state, _ = flush(after(new_state(node), alert, node, now), node, now)
        waits = hold(state, alert.id, node, now)
        at = waits.until if waits else now
        told += [Told(name, node.path, at, waits.reason if waits else "at once") for name in node.receivers]
    return told


def _bundles(state: RouteState, node: Node, *, apart: bool) -> list[_Bundle]:
    """What waits, by the messages that it makes; `apart` keeps what no quiet time holds from what one may hold."""
    timing = node.timing
    apart = apart and bool(timing.mute or timing.active) and bool(timing.mute_except)
    kept: dict[tuple[str, Kind, bool], list[Waiting]] = {}
    for waiting in state.waiting.values():
        free = apart and meets(labels(waiting.alert), timing.mute_except)
        kind: Kind = "digest" if timing.digest else "update" if waiting.alert.id in state.sent else "alert"
        kept.setdefault(("" if timing.digest else waiting.group, kind, free), []).append(waiting)
    return [
        _Bundle(kind, tuple(waiting), min(_ready(kind, waiting, state, node)), free)
        for (_, kind, free), waiting in kept.items()
    ]


def _ready(kind: Kind, waiting: Sequence[Waiting], state: RouteState, node: Node) -> Iterable[datetime]:
    """When each of a bundle may go out, but for quiet times and limits."""
    timing = node.timing
    if timing.digest:
        return [timing.digest.after(min(each.since for each in waiting))]
    if kind == "alert":
        return [each.since + timing.group_wait for each in waiting]
    last = state.updated.get(waiting[0].group)
    times = [(each.since, state.sent[each.alert.id].at) for each in waiting]
    return [max(since, max(sent, last or sent) + timing.group_interval) for since, sent in times]


def _opens(node: Node, moment: datetime) -> datetime | None:
    return opens(moment, node.timing.mute, node.timing.active)


def _slot(state: RouteState, node: Node) -> datetime:
    """From when on the limit allows another message."""
    limit = node.timing.limit
    if limit is None or len(state.spent) < limit.count:
        return _EVER
    return state.spent[-limit.count] + limit.per


def _notice_at(state: RouteState, node: Node, now: datetime) -> datetime | None:
    """When it is said that a limit was reached; None where it is not, or was. The limit may end before."""
    if state.held is None or state.told:
        return None
    return _opens(node, max(state.held + _SETTLING, now))


def _notices(state: RouteState, node: Node, count: int) -> list[Notification]:
    written = node.timing.limit.written if node.timing.limit else ""
    text = (
        f"{count} {'alert waits' if count == 1 else 'alerts wait'}: the limit {written} of {node.path} is reached. "
        f"What waits comes in one message at {_slot(state, node):%Y-%m-%d %H:%M} UTC or soon after; "
        "`monitor alerts list --waiting` shows it now."
    )
    key = digest(state.node, "notice", str(state.held))
    return [
        Notification(key=f"{key}.{name}", receiver=name, alerts=(), kind="notice", text=text)
        for name in state.receivers
    ]


def _notifications(bundle: _Bundle, state: RouteState) -> list[Notification]:
    """One notification for each receiver; its key is made of the alerts and of how much of them is told."""
    alerts = tuple(waiting.alert for waiting in bundle.waiting)
    key = digest(state.node, *sorted(f"{alert.id} {len(alert.documents)}" for alert in alerts))
    return [
        Notification(key=f"{key}.{name}", receiver=name, alerts=alerts, kind=bundle.kind) for name in state.receivers
    ]


def _together(bundles: Sequence[_Bundle]) -> _Bundle:
    """All in one message, in the order in which they came."""
    if len(bundles) == 1:
        return bundles[0]
    waiting = sorted((each for bundle in bundles for each in bundle.waiting), key=lambda each: each.since)
    return _Bundle("digest", tuple(waiting), bundles[0].ready, all(bundle.free for bundle in bundles))


def _sent(state: RouteState, bundles: Sequence[_Bundle], now: datetime, *, counted: bool) -> RouteState:
    waiting = [each for bundle in bundles for each in bundle.waiting]
    gone = {each.alert.id: Sent(documents=len(each.alert.documents), at=now) for each in waiting}
    grown = {each.group: now for each in waiting if each.alert.id in state.sent}
    return state.model_copy(
        update={
            "waiting": {name: each for name, each in state.waiting.items() if name not in gone},
            "sent": state.sent | gone,
            "updated": state.updated | grown,
            "spent": (*state.spent, *(now for _ in bundles)) if counted else (),
        }
    )


def _without_old(state: RouteState, node: Node, now: datetime) -> RouteState:
    """The state without what decides nothing any more: a story that has ended grows no further."""
    per = node.timing.limit.per if node.timing.limit else timedelta()
    sent = {name: sent for name, sent in state.sent.items() if now - sent.at < WINDOW or name in state.waiting}
    updated = {group: at for group, at in state.updated.items() if now - at < node.timing.group_interval}
    spent = tuple(at for at in state.spent if now - at < per)
    return state.model_copy(update={"sent": sent, "updated": updated, "spent": spent})
