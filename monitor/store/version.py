"""The version of what Redis keeps: the number of the form that its keys and values have.

A migration brings a state from one version to the next. Each is begun by one process, under a lock that it renews; the
others wait. The version is written once a migration has ended: whatever a crash leaves half done is done again, so a
migration has to bear to be run over what it has changed before.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

from monitor.errors import InputError, Problem
from monitor.store.redis import PREFIX, RELEASE, Store, translated

Migration = Callable[[Store], Awaitable[None]]

# The n-th brings version n to n + 1. What was written before there were versions is version 1, as is nothing at all.
MIGRATIONS: list[Migration] = []

LATEST = len(MIGRATIONS) + 1  # of this monitor
VERSION = f"{PREFIX}version"
_LOCK = f"{PREFIX}migrating"
_LOCKED_FOR = timedelta(seconds=10)
_LOOK_AGAIN = 0.2  # seconds
_MILLISECONDS = int(_LOCKED_FOR.total_seconds() * 1000)

_LOCKED = f"""
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', {_MILLISECONDS})
return 1
"""
# Whoever stood still for longer than its lock lasts raises no version.
_MIGRATED = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2])
return 1
"""


class State:
    """The state in Redis as a whole; `migrations` are those of this monitor."""

    def __init__(self, store: Store, migrations: list[Migration] | None = None) -> None:
        self._store = store
        self._client = store.client
        self._migrations = MIGRATIONS if migrations is None else migrations

    async def bring_up_to_date(self) -> None:
        """Migrate to the version of this monitor; raises InputError where the state is of a newer one, StoreError."""
        while await self.known_version() <= len(self._migrations):
            if await self._lock():
                await self._migrate()
            else:
                await asyncio.sleep(_LOOK_AGAIN)

    async def known_version(self) -> int:
        """The version, 0 where none was ever written; raises InputError where this monitor does not know it."""
        version, latest = await self.version(), len(self._migrations) + 1
        if version > latest:
            raise InputError([_newer(version, latest)])
        return version

    @translated
    async def version(self) -> int:
        """The version, 0 where none was ever written."""
        return int(await self._client.get(VERSION) or 0)

    @translated
    async def _lock(self) -> bool:
        return bool(await self._client.eval(_LOCKED, 1, _LOCK, self._store.name))

    async def _migrate(self) -> None:
        """Go one version further; does nothing where another process has done so since."""
        ended = asyncio.Event()
        renewing = asyncio.create_task(self._renew(ended))
        try:
            version = await self.version()
            if 0 < version <= len(self._migrations):
                await self._migrations[version - 1](self._store)
            if version <= len(self._migrations):
                await self._raise_to(version + 1)
        finally:
            ended.set()
            await asyncio.gather(renewing, return_exceptions=True)
            await self._unlock()

    async def _renew(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), _LOCKED_FOR.total_seconds() / 4)
                return
            await self._lock()

    @translated
    async def _raise_to(self, version: int) -> None:
        await self._client.eval(_MIGRATED, 2, _LOCK, VERSION, self._store.name, str(version))

    @translated
    async def _unlock(self) -> None:
        await self._client.eval(RELEASE, 1, _LOCK, self._store.name)


def _newer(version: int, latest: int) -> Problem:
    return Problem(
        "redis",
        f"what it keeps is of version {version}, and this monitor knows versions up to {latest}; "
        "run the newer monitor again, or restore a backup from before the upgrade",
    )
