"""What Redis keeps of alerts: the members of each, by the article that made it, in the order in which they came.

An alert is kept for 30 days after it last grew, so that no edited entry raises it a second time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import inf

from monitor.alerts.growth import grown, step
from monitor.feeds.identity import digest
from monitor.models import Alert
from monitor.store.redis import ALERTS, PREFIX, Store, translated
from monitor.store.written import Written

_KEPT = timedelta(days=30)
_GONE = ""  # among the members of an alert that was thinned out: how many more there were, less this one
_AT_ONCE = 500  # messages
MOST = 500  # members of an alert; what comes after them is as well told

# For scripts: add a member to an alert and publish it, once, with its number from 1. Returns whether it was new.
# Of alerts that may wait for corroboration there is room for as many again, until dispatch has thinned them out.
ADD = f"""
local function waits(body)
  local when = cjson.decode(body).when
  return when and when ~= cjson.null
end
local function add(stream, alert, member, body)
  local count = redis.call('HLEN', alert)
  if count >= {MOST} and (count >= {2 * MOST} or not waits(body)) then return 0 end
  local number = count + 1 + (count > 0 and redis.call('HGET', alert, '{_GONE}') or 0)
  if redis.call('HSETNX', alert, member, number .. ' ' .. body) == 0 then return 0 end
  redis.call('PEXPIRE', alert, {int(_KEPT.total_seconds() * 1000)})
  redis.call('XADD', stream, '*', 'alert', body, 'number', number)
  return 1
end
"""
_THIN = f"""
local known = redis.call('HEXISTS', KEYS[1], '{_GONE}')
local gone = redis.call('HDEL', KEYS[1], unpack(ARGV))
if gone > 0 then redis.call('HINCRBY', KEYS[1], '{_GONE}', gone - 1 + known) end
"""


def key_of(alert_id: str) -> str:
    """Where the members of an alert are kept."""
    return f"{PREFIX}alert:{alert_id}"


def told_key(alert_id: str) -> str:
    """Where it is kept what became of the deliveries of an alert."""
    return f"{PREFIX}told:{alert_id}"


def _known_by(member: Alert) -> str:
    return digest(member.source, member.document)


def added(members: Iterable[Alert], written: Written) -> list[str]:
    """What `add` is given of members: by what it knows each again, and its JSON."""
    return [part for each in members for part in (_known_by(each), written.as_json(each))]


class AlertStore:
    """Alerts as commands and dispatch look them up."""

    def __init__(self, store: Store) -> None:
        self._client = store.client

    @translated
    async def members(self, alert_id: str, upto: float = inf) -> Sequence[Alert]:
        """The members of an alert up to a number, in order; none where there is no such alert, or no more."""
        kept = await self._client.hgetall(key_of(alert_id))
        numbered = [value.split(" ", 1) for name, value in kept.items() if name != _GONE]
        in_order = sorted((int(number), body) for number, body in numbered)
        return [Alert.model_validate_json(body) for number, body in in_order if number <= upto]

    @translated
    async def thin(self, alert_id: str, members: Sequence[Alert]) -> None:
        """Drop members of an alert; those that come later are numbered as if they were still there."""
        if members:
            await self._client.eval(_THIN, 1, key_of(alert_id), *map(_known_by, members))

    async def get(self, alert_id: str) -> Alert | None:
        """An alert as it has grown so far; None where there is none, no more, or none yet for lack of corroboration."""
        members = await self.members(alert_id)
        return grown(members) if members and step(members) != "waits" else None

    @translated
    async def told(self, alert_id: str) -> Mapping[str, str]:
        """What became of the last delivery of an alert, in words, by receiver."""
        return dict(await self._client.hgetall(told_key(alert_id)))

    @translated
    async def made_of(self, wanted: Callable[[Alert], bool], since: datetime) -> Sequence[str]:
        """The ids of the alerts with a member that is `wanted` and came since a time, at most 7 days ago; latest first.

        Those that still wait for corroboration are among them.
        """
        found: dict[str, None] = {}
        newest, oldest = "+", str(int(since.timestamp() * 1000))
        while messages := await self._client.xrevrange(ALERTS, newest, oldest, _AT_ONCE):
            newest = f"({messages[-1][0]}"
            members = [Alert.model_validate_json(fields["alert"]) for _, fields in messages]
            found |= dict.fromkeys(member.id for member in members if wanted(member))
        return list(found)

    async def recent(self, limit: int, since: datetime, wanted: Callable[[Alert], bool]) -> Sequence[Alert]:
        """The alerts that were raised or grew since a time and that are `wanted`, latest first, `limit` at most."""
        found: list[Alert] = []
        for identifier in await self.made_of(wanted, since):
            if len(found) < limit and (alert := await self.get(identifier)):
                found.append(alert)
        return found

    @translated
    async def latest(self, limit: int) -> Sequence[Alert]:
        """The last alerts that were raised or grew, latest first; no further back than that takes."""
        found: dict[str, Alert | None] = {}
        newest = "+"
        while sum(map(bool, found.values())) < limit and (
            messages := await self._client.xrevrange(ALERTS, newest, "-", 4 * limit)
        ):
            newest = f"({messages[-1][0]}"
            for _, fields in messages:
                identifier = Alert.model_validate_json(fields["alert"]).id
                if identifier not in found:
                    found[identifier] = await self.get(identifier)
        return [alert for alert in found.values() if alert][:limit]

    @translated
    async def following(self, last: str, block: timedelta) -> tuple[str, Sequence[Alert]]:
        """The alerts that are raised after the message `last`, `$` for now, and the message to go on from.

        Waits up to `block` for one.
        """
        answer = await self._client.xread({ALERTS: last}, _AT_ONCE, int(block.total_seconds() * 1000))
        messages = answer[0][1] if answer else []
        found = []
        for _, fields in messages:
            members = await self.members(Alert.model_validate_json(fields["alert"]).id, int(fields.get("number", 1)))
            if members and step(members) == "raised":
                found.append(grown(members))
        return messages[-1][0] if messages else last, found
