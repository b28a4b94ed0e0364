"""What Redis keeps of routes: the state of each, when it is due, which alerts hide others, and the ledger.

All that one step of dispatch changes is one write, which is refused where another process has changed a state
meanwhile: whatever was decided is decided again then.

What a route has sent of each alert stands apart from its state, which so stays as small as what waits there.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf

from pydantic import BaseModel, ConfigDict, ValidationError

from monitor.alerts.groups import Hold, RouteState, Sent, hold
from monitor.alerts.plan import NEVER, Suppressed, node_of
from monitor.alerts.routing import Node, nodes_of
from monitor.models import Alert
from monitor.store.outbox import AlertStream, Delivery, Received, outbox_key
from monitor.store.redis import PREFIX, Store, translated

_STATE = f"{PREFIX}route:"
_DUE = f"{PREFIX}due"
_SOURCES = f"{PREFIX}sources"
LEDGER = f"{PREFIX}ledger"
LEDGER_KEPT = 100_000  # entries, or some more
_FORGOTTEN_AFTER = int(timedelta(days=30).total_seconds() * 1000)  # milliseconds, of a route where nothing waits

# KEYS: the alerts, the due times, the ledger, the sources, the states, the outboxes, what was sent.
# ARGV: the group; how many messages, states, deliveries, entries, sources, sent; our name; then each of them.
_COMMIT = f"""
local messages, states, deliveries = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local entries, sources, sent = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local at = 9 + messages
local function take() at = at + 1 return ARGV[at - 1] end
if messages > 0 then
  local ours = {{}}
  for _, each in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[9], ARGV[at - 1], 10000, ARGV[8])) do
    ours[each[1]] = true
  end
  for i = 9, at - 1 do if not ours[ARGV[i]] then return 0 end end
end
for i = 1, states do
  local version = string.match(redis.call('GETRANGE', KEYS[4 + i], 0, 20), '^%d+') or '0'
  if version ~= ARGV[at + 4 * i - 3] then return 0 end
end
if messages > 0 then redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 9, at - 1)) end
for i = 1, states do
  local node, version, state, due = take(), take(), take(), take()
  if state == '' then redis.call('DEL', KEYS[4 + i])
  elseif due == '' then redis.call('SET', KEYS[4 + i], state, 'PX', {_FORGOTTEN_AFTER})
  else redis.call('SET', KEYS[4 + i], state) end
  if due == '' then redis.call('ZREM', KEYS[2], node) else redis.call('ZADD', KEYS[2], due, node) end
end
for i = 1, deliveries do redis.call('XADD', KEYS[4 + states + i], '*', 'delivery', take()) end
for i = 1, entries do redis.call('XADD', KEYS[3], 'MAXLEN', '~', {LEDGER_KEPT}, '*', 'entry', take()) end
for i = 1, sources do
  local alert, body = take(), take()
  if body == '' then redis.call('HDEL', KEYS[4], alert) else redis.call('HSET', KEYS[4], alert, body) end
end
for i = 1, sent do redis.call('SET', KEYS[4 + states + deliveries + i], take(), 'PX', {_FORGOTTEN_AFTER}) end
return 1
"""


class LedgerEntry(BaseModel):
    """A match that did not become a message, or not yet: of which alert, for whom, why, and more in `detail`."""

    model_config = ConfigDict(frozen=True)

    alert: str
    rule: str
    document: str
    reason: str
    detail: str = ""
    receivers: tuple[str, ...] = ()
    url: str = ""
    at: datetime

    @classmethod
    def of(cls, suppressed: Suppressed, at: datetime) -> "LedgerEntry":
        """The entry of a match that is not told of."""
        alert = suppressed.alert
        return cls(
            alert=alert.id,
            rule=alert.rule,
            document=alert.documents[-1],
            reason=suppressed.reason,
            detail=suppressed.detail,
            receivers=suppressed.receivers,
            url=alert.url,
            at=at,
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """A state as it was read; `state` is None where there is none yet."""

    version: int = 0
    state: RouteState | None = None


@dataclass(slots=True)
class Step:
    """What one step of dispatch changes.

    `states` are by node, each with when it is due: None where nothing waits. A
    state of None is forgotten. `sources` are the alerts that hide others, None for one that does so no longer.
    """

    states: dict[str, tuple[RouteState | None, datetime | None]] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    entries: list[LedgerEntry] = field(default_factory=list)
    sources: dict[str, Alert | None] = field(default_factory=dict)


class RouteStore:
    """The routes' states as one process sees them; what it wrote last it need not read again."""

    def __init__(self, store: Store, alerts: AlertStream) -> None:
        self._client = store.client
        self._name = store.name
        self._written = store.written
        self._alerts = alerts
        self._known: dict[str, Kept] = {}

    @translated
    async def due(self) -> Sequence[tuple[datetime, str]]:
        """When each route is due where something waits, by its node, soonest first."""
        found = await self._client.zrange(_DUE, 0, -1, withscores=True)
        return [(NEVER if score == inf else datetime.fromtimestamp(score, UTC), node) for node, score in found]

    @translated
    async def load(self, nodes: Mapping[str, Sequence[Alert]]) -> Mapping[str, Kept]:
        """The states of nodes, with what each has sent of these alerts and of those that wait there."""
        missing = [node for node in nodes if node not in self._known]
        asked = [(node, alert.id) for node, alerts in nodes.items() for alert in alerts]
        keys = [*(_STATE + node for node in missing), *(_sent_key(*each) for each in asked)]
        texts = await self._client.mget(keys) if keys else []
        self._known |= {node: _kept(text) for node, text in zip(missing, texts, strict=False)}
        found: dict[str, dict[str, Sent]] = {node: {} for node in nodes}
        for (node, alert), text in zip(asked, texts[len(missing) :], strict=True):
            if text:
                found[node][alert] = Sent.model_validate_json(text)
        self._known |= {node: _remembering(self._known[node], sent) for node, sent in found.items() if sent}
        return {node: self._known[node] for node in nodes}

    @translated
    async def sources(self) -> Sequence[Alert]:
        """The alerts that may hide others."""
        return [Alert.model_validate_json(body) for body in await self._client.hvals(_SOURCES)]

    async def commit(self, messages: Sequence[Received], step: Step) -> bool:
        """Write all that a step changes and settle its messages, as one; False where it has to be decided again."""
        states = {node: _without_sent(state) for node, (state, _) in step.states.items()}
        sent = {key: each for node, (state, _) in step.states.items() for key, each in self._new(node, state)}
        keys = [_DUE, LEDGER, _SOURCES, *(_STATE + node for node in states)]
        keys += [outbox_key(delivery.notification.receiver) for delivery in step.deliveries]
        versions = {node: _next(self._known[node].version) for node in states}
        sizes = [messages, states, step.deliveries, step.entries, step.sources, sent]
        arguments = [*(str(len(each)) for each in sizes), self._name, *(message.id for message in messages)]
        for node, state in states.items():
            body = f"{versions[node]} {state.model_dump_json()}" if state else ""
            arguments += [node, str(self._known[node].version), body, _score(step.states[node][1])]
        arguments += [self._written.as_json(delivery) for delivery in step.deliveries]
        arguments += [entry.model_dump_json() for entry in step.entries]
        for alert, source in step.sources.items():
            arguments += [alert, source.model_dump_json() if source else ""]
        arguments += [each.model_dump_json() for each in sent.values()]
        done = await self._alerts.settle(_COMMIT, [*keys, *sent], arguments)
        for node, state in states.items():
            del self._known[node]
            if done:
                self._known[node] = Kept(versions[node], state) if state else Kept()
        return done

    def _new(self, node: str, state: RouteState | None) -> Iterator[tuple[str, Sent]]:
        """What a route has sent in this step, by where that is kept."""
        known = self._known[node].state
        before = known.sent if known else {}
        for alert, sent in state.sent.items() if state else ():
            if before.get(alert) != sent:
                yield _sent_key(node, alert), sent


def _next(version: int) -> int:
    """The version after this one. The first is random: a state that was forgotten comes back as none that it was.

    Releases before this one reckon with it in Lua, which writes whole numbers of up to 14 digits.
    """
    return version + 1 if version else 1 + secrets.randbits(46)


def _sent_key(node: str, alert: str) -> str:
    return f"{PREFIX}sent:{node}:{alert}"


def _kept(text: str | None) -> Kept:
    version, _, body = (text or "0 ").partition(" ")
    try:
        return Kept(int(version), RouteState.model_validate_json(body) if body else None)
    except ValidationError:  # of a version of monitor to come
        return Kept(int(version))


def _remembering(kept: Kept, sent: dict[str, Sent]) -> Kept:
    state = kept.state
    return Kept(kept.version, state.model_copy(update={"sent": state.sent | sent})) if state else kept


def _without_sent(state: RouteState | None) -> RouteState | None:
    """The state as it is kept: of alerts that do not wait, what was sent stands elsewhere."""
    if state is None:
        return None
    return state.model_copy(update={"sent": {name: each for name, each in state.sent.items() if name in state.waiting}})


def _score(due: datetime | None) -> str:
    if due is None:
        return ""
    return "+inf" if due == NEVER else repr(due.timestamp())


async def waiting(store: Store, tree: Node, now: datetime) -> Sequence[tuple[Alert, RouteState, Hold]]:
    """The alerts that routes hold, with what holds each and until when; raises StoreError."""
    routes, nodes = RouteStore(store, AlertStream(store)), {node.id: node for node in nodes_of(tree)}
    kept = (await routes.load({node: () for _, node in await routes.due()})).values()
    states = [(each.state, node_of(each.state, nodes, tree)) for each in kept if each.state]
    return [
        (each.alert, state, held)
        for state, node in states
        for each in (state.waiting.values() if node else ())
        if node and (held := hold(state, each.alert.id, node, now))
    ]


class Ledger:
    """The ledger as commands read it."""

    def __init__(self, store: Store) -> None:
        self._client = store.client

    async def of(self, alert: str) -> Sequence[LedgerEntry]:
        """What the ledger says of an alert, oldest first."""
        return [entry for entry in await self._holding(alert) if entry.alert == alert]

    async def of_page(self, url: str) -> Sequence[LedgerEntry]:
        """What it says of the matches of a page that made no alert, oldest first."""
        return [entry for entry in await self._holding(url) if entry.url == url and entry.reason == "too old"]

    @translated
    async def _holding(self, text: str) -> Sequence[LedgerEntry]:
        found: list[LedgerEntry] = []
        newest = "+"
        while messages := await self._client.xrevrange(LEDGER, newest, "-", 1000):
            newest = f"({messages[-1][0]}"
            texts = [fields["entry"] for _, fields in messages if text in fields["entry"]]
            found += map(LedgerEntry.model_validate_json, texts)
        return found[::-1]
