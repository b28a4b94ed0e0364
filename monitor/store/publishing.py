"""Messages for other programs, in a Redis that need not be ours."""

from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from monitor.store.redis import translated

_SECONDS = 10.0


class Publisher:
    """A connection to the Redis at `url`, made when it is needed first; raises ValueError where that is no address."""

    def __init__(self, url: str) -> None:
        options: Any = {"socket_timeout": _SECONDS, "socket_connect_timeout": _SECONDS}
        self._client: Any = redis.asyncio.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)

    @translated
    async def add(self, stream: str, fields: dict[str, str], most: int) -> None:
        """Append to a stream that keeps about `most` of its last entries; raises StoreError."""
        await self._client.xadd(stream, fields, maxlen=most, approximate=True)

    @translated
    async def publish(self, channel: str, message: str) -> None:
        """Tell whoever listens to a channel now; raises StoreError."""
        await self._client.publish(channel, message)

    @translated
    async def close(self) -> None:
        await self._client.aclose()
