"""What is wrong with monitor itself, as all of its processes know it: each trouble begins once and ends once."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from monitor.models import Alert
from monitor.store.alerts import ADD, added, key_of
from monitor.store.redis import ALERTS, PREFIX, Store, translated

_TROUBLES = f"{PREFIX}troubles"
# Of several processes that see the same change, one makes it and tells of it. An empty value is none.
_CHANGE = f"""{ADD}
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
for i = 3, #KEYS do add(KEYS[2], KEYS[i], ARGV[2 * i - 2], ARGV[2 * i - 1]) end
return 1
"""


class Trouble(BaseModel):
    """Since when something is wrong, and whether people were told."""

    model_config = ConfigDict(frozen=True)

    since: datetime
    told: bool = False


class TroubleStore:
    """Troubles by what they are of, such as `receiver:desk`."""

    def __init__(self, store: Store) -> None:
        self._client = store.client
        self._written = store.written

    @translated
    async def all(self) -> Mapping[str, Trouble]:
        found = {}
        for name, body in (await self._client.hgetall(_TROUBLES)).items():
            try:
                found[name] = Trouble.model_validate_json(body)
            except ValidationError:  # of a version of monitor to come
                continue
        return found

    @translated
    async def change(
        self, name: str, before: Trouble | None, after: Trouble | None, alerts: Sequence[Alert] = ()
    ) -> bool:
        """Note how a trouble stands now and publish alerts, as one; False where another process was faster."""
        keys = [_TROUBLES, ALERTS, *(key_of(alert.id) for alert in alerts)]
        arguments = [name, *(each.model_dump_json() if each else "" for each in (before, after))]
        arguments += added(alerts, self._written)
        return bool(await self._client.eval(_CHANGE, len(keys), *keys, *arguments))
