"""The door to Redis: one connection pool, keys under one hash tag, foreign errors translated.

Every key begins with `{monitor}:`, so that what one transaction touches lies on one node of a cluster. Only commands of
Redis 6.2 are used, and EVAL where several have to happen as one.
"""

import asyncio
import functools
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.connection import HiredisRespSerializer
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from monitor.errors import StoreError
from monitor.store.written import Written
from monitor.uptime import uptime

PREFIX = "{monitor}:"
ALERTS = f"{PREFIX}alerts"
ALIVE = f"{PREFIX}alive:"  # and the name of a process: there as long as it shows life
_SOCKET_TIMEOUT = 10.0  # seconds; blocking reads have to be shorter
_CLOCKS_DIFFER = 0.25  # seconds; less than this is not worth a correction, and much of it a measuring error

_LIVE = """
local kept = redis.call('SET', KEYS[1], '1', 'PX', ARGV[1], 'GET')
local time = redis.call('TIME')
return {kept and 1 or 0, tonumber(time[1]), tonumber(time[2])}
"""
# Of what one process holds at a time by its name: whoever holds it no more lets nobody else's go.
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
# As one: a process that was only stopped may read on in between, and would lose what it is given with its name.
_TAKE_OVER = """
local taken = {}
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local name = consumer[2]
  if name ~= ARGV[2] and redis.call('EXISTS', ARGV[3] .. name) == 0 then
    local pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1000, name)
    while #pending > 0 do
      for _, entry in ipairs(pending) do
        redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, entry[1], 'JUSTID')
        taken[#taken + 1] = entry[1]
      end
      pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1000, name)
    end
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], name)
  end
end
return taken
"""
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Self = TypeVar("Self")


def translated(
    method: Callable[Concatenate[Self, Arguments], Awaitable[Result]],
) -> Callable[Concatenate[Self, Arguments], Coroutine[Any, Any, Result]]:
    """Turn redis-py's errors into StoreError."""

    @functools.wraps(method)
    async def call(self: Self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return await method(self, *args, **kwargs)
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreError(f"Redis: {str(error) or type(error).__name__}{_remedy(error)}") from error

    return call  # type: ignore[return-value]  # functools.wraps forgets that `self` may go unnamed


class _PackedByHiredis:
    """A connection that packs commands by hiredis, as redis-py's blocking ones do: with its own code that takes longer
    than all that is decided of an alert."""

    _pack = HiredisRespSerializer().pack

    def pack_command(self, *args: Any) -> list[bytes]:
        return list(self._pack(*args))


def _remedy(error: Exception) -> str:
    """What to do about an error whose words do not tell."""
    denied = isinstance(error, NoPermissionError) or "user executing the script can't" in str(error)
    return "; deploy/redis.acl lists the commands that the user of redis.url needs" if denied else ""


class Store:
    """State in Redis, as one process sees it. `name` is this process's, unique among all that share the server."""

    def __init__(self, url: str, name: str, lease: timedelta) -> None:
        self.name = name
        self.lease = lease
        self.written = Written()
        self.ahead = timedelta()  # how far the clock of Redis, by which all processes go, is ahead of this machine's
        self._term, self._held_until = 0, math.inf
        # No retries inside the client: a command whose answer was lost may have been carried out.
        # Untyped on purpose: what redis-py declares covers both of its protocols and both of its decodings.
        # No word on which client this is either: an ACL would have to allow it, and Redis before 7.2 knows it not.
        options: Any = {"socket_timeout": _SOCKET_TIMEOUT, "retry": Retry(NoBackoff(), 0), "driver_info": None}
        # As many as there are receivers, each of which waits for its outbox on a connection of its own.
        self.client: Any = redis.asyncio.Redis.from_url(url, decode_responses=True, max_connections=10_000, **options)
        # For what is no text, such as feeds, of which thousands may be due at once: their commands wait their turn.
        waiting = redis.asyncio.BlockingConnectionPool.from_url(url, timeout=_SOCKET_TIMEOUT, **options)
        self.binary: Any = redis.asyncio.Redis.from_pool(waiting)
        for pool in (self.client.connection_pool, waiting):
            pool.connection_class = type("Connection", (_PackedByHiredis, pool.connection_class), {})

    async def close(self) -> None:
        await self.client.aclose()
        await self.binary.aclose()

    @translated
    async def ping(self) -> None:
        """Raises StoreError where the server does not answer, or may drop what it was given."""
        await self.client.ping()
        policy = (await self.client.info("memory")).get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            raise StoreError(f"Redis: maxmemory-policy is {policy}, which deletes alerts; set it to noeviction")

    @translated
    async def facts(self) -> Mapping[str, Any]:
        """What the server says of itself, by the names of INFO."""
        return dict(await self.client.info())

    # Who is alive: what a dead process had begun is taken over by the others.

    @translated
    async def sign_of_life(self) -> None:
        """Renew our lease, and look at the clock."""
        began, clock = uptime(), time.time()
        lease = int(self.lease.total_seconds() * 1000)
        kept, seconds, microseconds = await self.client.eval(_LIVE, 1, self._alive_key(self.name), lease)
        if not kept or began >= self._held_until:
            self._term += 1
        self._held_until = began + self.lease.total_seconds()
        took = uptime() - began
        ahead = seconds + microseconds / 1e6 - clock - took / 2
        if abs(ahead - self.ahead.total_seconds()) > _CLOCKS_DIFFER + took / 2:
            self.ahead = timedelta(seconds=ahead)

    @property
    def term(self) -> int | None:
        """Which of our leases lasts, counted; None where the last one has ended.

        What was read under another one, as before this process was stopped for long, may be another's by now.
        """
        return self._term if uptime() < self._held_until else None

    @translated
    async def sign_off(self) -> None:
        await self.client.delete(self._alive_key(self.name))

    @translated
    async def alive(self, name: str) -> bool:
        return bool(await self.client.exists(self._alive_key(name)))

    def _alive_key(self, name: str) -> str:
        return f"{ALIVE}{name}"

    @translated
    async def remember_receivers(self, names: Sequence[str]) -> set[str]:
        """Note the receivers of this start; returns those of every start so far."""
        if names:
            await self.client.sadd(f"{PREFIX}receivers", *names)
        return set(await self.client.smembers(f"{PREFIX}receivers"))


class Stream:
    """A Redis stream with one consumer group: what is read stays ours until it is settled, also across a crash."""

    def __init__(self, store: Store, key: str, group: str) -> None:
        self.key, self.group = key, group
        self._store = store
        self._client = store.client
        self._unsettled_first = True
        self._term: int | None = None  # under which the last messages were read
        self.taken_over: set[str] = set()  # what processes that died had read and not settled

    @translated
    async def read(self, count: int, block: timedelta | None = None) -> list[tuple[str, dict[str, str]]]:
        """Read messages, waiting up to `block` for one; first those that we were given and did not settle."""
        if self._store.term is None:
            await self._store.sign_of_life()
        self._term = self._store.term
        if self._unsettled_first:
            if messages := await self._read_from("0", count, None):
                return messages
            self._unsettled_first = False
        return await self._read_from(">", count, block)

    def ours(self) -> bool:
        """Whether what was read last is ours still: our lease has lasted since."""
        return self._term is not None and self._term == self._store.term

    def again(self) -> None:
        """Let the next read begin with what was read but not settled."""
        self._unsettled_first = True

    async def _read_from(self, start: str, count: int, block: timedelta | None) -> list[tuple[str, dict[str, str]]]:
        wait = int(block.total_seconds() * 1000) if block else None
        try:
            answer = await self._client.xreadgroup(self.group, self._store.name, {self.key: start}, count, wait)
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            await self._create()
            return []
        messages = answer[0][1] if answer else []
        return [(identifier, fields) for identifier, fields in messages if fields]

    async def _create(self) -> None:
        """Make the group, from the stream's very beginning: whatever waits in it is to be read."""
        try:
            await self._client.xgroup_create(self.key, self.group, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    @translated
    async def take_over(self) -> int:
        """Take what dead processes had read and not settled, and forget their names; returns how much."""
        await self._create()
        taken = await self._client.eval(_TAKE_OVER, 1, self.key, self.group, self._store.name, ALIVE)
        if taken:
            self.taken_over |= set(taken)
            self.again()
        return len(taken)

    @translated
    async def sign_off(self) -> None:
        """Forget our own name, if nothing of ours is left."""
        with_us = await self._client.xpending_range(self.key, self.group, "-", "+", 1, self._store.name)
        if not with_us:
            await self._client.xgroup_delconsumer(self.key, self.group, self._store.name)

    @translated
    async def backlog(self, most: int = 10_000) -> int:
        """How many messages have not been settled, counted up to `most`; none where there is no such stream."""
        group = await self._state()
        count, last = (int(group["pending"]), f"({group['last-delivered-id']}") if group else (0, "-")
        while count < most and (unread := await self._client.xrange(self.key, last, "+", min(500, most - count))):
            count, last = count + len(unread), f"({unread[-1][0]}"
        return min(count, most)

    @translated
    async def readers(self) -> int:
        """How many processes that are alive have read of it."""
        found = await self._client.xinfo_consumers(self.key, self.group) if await self._state() else []
        return sum([await self._store.alive(consumer["name"]) for consumer in found])

    async def _state(self) -> Mapping[str, Any] | None:
        """What Redis says of the group; None where nobody has made it."""
        groups = await self._client.xinfo_groups(self.key) if await self._client.exists(self.key) else []
        return next((group for group in groups if group["name"] == self.group), None)

    @translated
    async def settle(self, script: str, keys: Sequence[str], arguments: Sequence[str]) -> bool:
        """Run a script that settles a message: KEYS[1] is the stream, ARGV[1] the group, ARGV[2] the message."""
        return bool(await self._client.eval(script, 1 + len(keys), self.key, *keys, self.group, *arguments))


async def wait_for_redis(store: Store, patience: timedelta | None, notice: Callable[[StoreError], None]) -> None:
    """Wait until Redis answers, at most `patience`; raises the last StoreError after it."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience.total_seconds() if patience else None
    while True:
        try:
            return await store.ping()
        except StoreError as error:
            notice(error)
            if deadline is not None and loop.time() >= deadline:
                raise
        await asyncio.sleep(1)
