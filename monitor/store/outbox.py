"""The streams between match and message: alerts, and for each receiver an outbox, a waiting room and dead letters.

A message is in exactly one place at a time: each script moves it, and does nothing where it has been moved before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, ValidationError

from monitor.models import Alert, Notification
from monitor.store.alerts import told_key
from monitor.store.redis import ALERTS, PREFIX, Store, Stream, translated

_KEPT = timedelta(days=7)  # how long dispatched alerts stay in their stream, to be listed
_TOLD_KEPT = 30 * 86_400_000  # milliseconds, as long as alerts grow
DEAD = f"{PREFIX}dead"
_LOOKED_AT = 100  # deliveries of the waiting room, to tell the oldest

# What each receiver was told of an alert, and how: `told` keys follow from the third on.
_TELL = f"""
local function tell(first, count, text)
  for i = first, first + count - 1 do
    redis.call('HSET', KEYS[i], ARGV[3], text)
    redis.call('PEXPIRE', KEYS[i], {_TOLD_KEPT})
  end
end
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('XDEL', KEYS[1], ARGV[2])
"""
# Any number of messages: ARGV[3] on are of each its id, what is said, how many `told` keys it has, and the receipt; its
# `receipt` keys follow them where there is one.
_SENT = f"""
local key, at, done = 2, 3, {{}}
while ARGV[at] do
  local id, said, count, receipt = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3]
  local ours = redis.call('XACK', KEYS[1], ARGV[1], id) == 1
  if ours then done[#done + 1] = id end
  for i = key, key + count - 1 do
    if ours then
      redis.call('HSET', KEYS[i], ARGV[2], said)
      redis.call('PEXPIRE', KEYS[i], {_TOLD_KEPT})
      if receipt ~= '' then redis.call('SET', KEYS[i + count], receipt, 'NX', 'PX', {_TOLD_KEPT}) end
    end
  end
  key, at = key + (receipt == '' and count or 2 * count), at + 4
end
if #done > 0 then redis.call('XDEL', KEYS[1], unpack(done)) end
return 1
"""
_LATER = f"""{_TELL}
tell(3, #KEYS - 2, ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[5], ARGV[6])
return 1
"""
_BURY = f"""{_TELL}
tell(3, #KEYS - 2, ARGV[4])
redis.call('XADD', KEYS[2], '*', 'receiver', ARGV[3], 'delivery', ARGV[5], 'reason', ARGV[4])
return 1
"""
# Of a message that was taken over, as long as it is still with us.
_BEGIN = """
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1, ARGV[3]) == 0 then return -1 end
local begun = redis.call('HINCRBY', KEYS[2], ARGV[2], 1)
redis.call('EXPIRE', KEYS[2], 86400)
return begun
"""
_DUE = """
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, 100)
for _, delivery in ipairs(due) do
  redis.call('ZREM', KEYS[2], delivery)
  redis.call('XADD', KEYS[1], '*', 'delivery', delivery)
end
return #due
"""


class Delivery(BaseModel):
    """A notification on its way, and how often it has been tried."""

    model_config = ConfigDict(frozen=True)

    notification: Notification
    attempts: int = 0
    since: datetime | None = None  # when it was put into the outbox


@dataclass(frozen=True, slots=True)
class Received:
    """A message that was read from a stream and has to be settled by its `id`.

    Of the stream of alerts it is a member of one, and `number` says the how manieth it is, from 1.
    """

    id: str
    body: str
    number: int = 1


@dataclass(frozen=True, slots=True)
class Sending:
    """A delivery that was sent, from which message of the outbox, when, and what its notifier returned."""

    message: Received
    delivery: Delivery
    receipt: str | None
    at: datetime


def outbox_key(receiver: str) -> str:
    return f"{PREFIX}outbox:{receiver}"


async def forgotten(store: Store, receivers: Iterable[str]) -> dict[str, int]:
    """How many deliveries wait for receivers that were configured once and are not now; raises StoreError."""
    current = list(receivers)
    known = await store.remember_receivers(current)
    waiting = {name: await Outbox(store, name).waiting() for name in sorted(known - set(current))}
    return {name: count for name, count in waiting.items() if count}


def _alerts(delivery: Delivery) -> list[str]:
    return [alert.id for alert in delivery.notification.alerts]


class AlertStream(Stream):
    """Alerts that were raised, waiting to be dispatched."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, ALERTS, "dispatch")

    async def receive(self, count: int, block: timedelta | None = None) -> list[Received]:
        read = await self.read(count, block)
        return [Received(identifier, fields["alert"], int(fields.get("number", 1))) for identifier, fields in read]

    def member_of(self, message: Received) -> Alert:
        """The member that a message holds; raises ValidationError."""
        return self._store.written.read(Alert, message.body)

    @translated
    async def trim(self, now: datetime) -> None:
        """Drop alerts that are both old and dispatched."""
        group = await self._state()
        if group is None:
            return
        pending = (await self._client.xpending(self.key, self.group))["min"]
        old = f"{int((now - _KEPT).timestamp() * 1000)}-0"
        oldest_needed = min((pending or group["last-delivered-id"], old), key=_order)
        await self._client.xtrim(self.key, minid=oldest_needed)


def _order(identifier: str) -> tuple[int, int]:
    milliseconds, _, sequence = identifier.partition("-")
    return int(milliseconds), int(sequence or 0)


class Outbox(Stream):
    """What one receiver is to be sent."""

    def __init__(self, store: Store, receiver: str) -> None:
        super().__init__(store, outbox_key(receiver), "deliver")
        self._receiver = receiver
        self._later = f"{PREFIX}later:{receiver}"

    async def receive(self, count: int, block: timedelta | None = None) -> list[Received]:
        return [Received(identifier, fields["delivery"]) for identifier, fields in await self.read(count, block)]

    def delivery_of(self, message: Received) -> Delivery:
        """The delivery that a message holds; raises ValidationError."""
        return self._store.written.read(Delivery, message.body)

    async def sent(self, sendings: Sequence[Sending]) -> None:
        """Settle what was sent; of each alert the first receipt is kept. Done again, it does nothing."""
        keys, arguments = [], [self._receiver]
        for each in sendings:
            told, key = self._told_keys(each.delivery), each.delivery.notification.key
            keys += [*told, *(map(self._receipt_key, _alerts(each.delivery)) if each.receipt else ())]
            said = f"sent {each.at:%Y-%m-%d %H:%M:%S} UTC, attempt {each.delivery.attempts + 1}, key {key}"
            arguments += [each.message.id, said, str(len(told)), each.receipt or ""]
        await self.settle(_SENT, keys, arguments)

    @translated
    async def receipts(self, alerts: Sequence[str]) -> dict[str, str]:
        """What the receiver's notifier returned when it first sent these alerts, as far as it returned anything."""
        kept = await self._client.mget([self._receipt_key(alert) for alert in alerts]) if alerts else []
        return {alert: receipt for alert, receipt in zip(alerts, kept, strict=True) if receipt is not None}

    @translated
    async def begin(self, message: Received) -> int:
        """Note that a message is about to be sent; returns how often this was begun and not ended: 0 as a rule.

        Less than 0 where it is another process's by now, or settled: the one from which it was taken lives after all.
        A message that brought its process down would bring down every other one that takes it over.
        """
        if message.id not in self.taken_over:
            return 0
        arguments = [self.group, message.id, self._store.name]
        return int(await self._client.eval(_BEGIN, 2, self.key, f"{self.key}:begun", *arguments))

    def _receipt_key(self, alert: str) -> str:
        return f"{PREFIX}receipt:{self._receiver}:{alert}"

    async def later(self, message: Received, delivery: Delivery, at: datetime, reason: str) -> None:
        """Put a delivery into the waiting room until `at`."""
        said = f"attempt {delivery.attempts} failed: {reason}; again at {at:%Y-%m-%d %H:%M:%S} UTC"
        arguments = [message.id, self._receiver, said, str(int(at.timestamp() * 1000)), delivery.model_dump_json()]
        await self.settle(_LATER, [self._later, *self._told_keys(delivery)], arguments)

    async def bury(self, message: Received, delivery: Delivery | str, reason: str) -> None:
        """Make a delivery a dead letter, or whatever could not be read as one."""
        body = delivery if isinstance(delivery, str) else delivery.model_dump_json()
        keys = [DEAD, *(() if isinstance(delivery, str) else self._told_keys(delivery))]
        await self.settle(_BURY, keys, [message.id, self._receiver, reason, body])

    def _told_keys(self, delivery: Delivery) -> list[str]:
        return [told_key(alert) for alert in _alerts(delivery)]

    @translated
    async def bring_back(self, now: datetime) -> int:
        """Put what is due again back into the outbox; returns how much."""
        due = str(int(now.timestamp() * 1000))
        return int(await self._client.eval(_DUE, 2, self.key, self._later, due))

    @translated
    async def oldest(self) -> datetime | None:
        """Since when the oldest delivery waits, as far as the first of the outbox and of the waiting room tell."""
        first = [(fields["delivery"], sent) for sent, fields in await self._client.xrange(self.key, "-", "+", 1)]
        later = [(body, "") for body in await self._client.zrange(self._later, 0, _LOOKED_AT - 1)]
        times = [_since(body, sent) for body, sent in (*first, *later)]
        return min(filter(None, times), default=None)

    @translated
    async def waiting(self) -> int:
        """How many deliveries have not arrived yet."""
        return int(await self._client.zcard(self._later)) + int(await self._client.xlen(self.key))


def _since(body: str, sent: str) -> datetime | None:
    """Since when a delivery waits; where it does not say so, the time of its message."""
    try:
        since = Delivery.model_validate_json(body).since
    except ValidationError:
        since = None
    return since or (datetime.fromtimestamp(_order(sent)[0] / 1000, UTC) if sent else None)
