"""Silences, as commands set them and dispatch obeys them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from monitor.alerts.silences import Silence
from monitor.store.redis import PREFIX, Store, translated

_SILENCES = f"{PREFIX}silences"
_LISTED_FOR = timedelta(days=7)  # after its end


class SilenceStore:
    """The silences that all processes share."""

    def __init__(self, store: Store) -> None:
        self._client = store.client

    @translated
    async def all(self) -> Sequence[Silence]:
        """All of them, those that are to come and those that ended in the last days among them, by their ends."""
        found = [Silence.model_validate_json(body) for body in await self._client.hvals(_SILENCES)]
        return sorted(found, key=lambda silence: (silence.ends, silence.id))

    @translated
    async def put(self, silence: Silence, now: datetime) -> None:
        """Keep a silence, new or changed; forget those that ended long ago."""
        old = [each.id for each in await self.all() if each.ends < now - _LISTED_FOR]
        await self._client.hset(_SILENCES, silence.id, silence.model_dump_json())
        if old:
            await self._client.hdel(_SILENCES, *old)
