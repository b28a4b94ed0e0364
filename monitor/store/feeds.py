"""What Redis keeps of feeds: one value for each, which process polls it now, and which are paused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from monitor.feeds.identity import digest
from monitor.models import Alert
from monitor.store.alerts import ADD, added, key_of
from monitor.store.redis import ALERTS, ALIVE, PREFIX, RELEASE, Store, translated
from monitor.store.routes import LEDGER, LEDGER_KEPT, LedgerEntry

_PAUSED = f"{PREFIX}paused"
_CLAIMED_FOR = timedelta(days=1)  # at most; a process that dies loses its claims with its lease
_AT_ONCE = 500

# A claim is its process's as long as that shows life: what a dead one had begun is taken over within the lease.
_CLAIM = """
if redis.call('SISMEMBER', KEYS[3], ARGV[3]) == 1 then return {'paused', ''} end
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] and redis.call('EXISTS', ARGV[2] .. owner) == 1 then return {'taken', ''} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[4])
return {'ours', redis.call('GET', KEYS[2]) or ''}
"""
# Handled entries and their alerts are one write: neither can be there without the other. Whoever was stopped for so
# long that its claim is another's by now writes nothing.
_WRITE = f"""{ADD}
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
redis.call('SET', KEYS[2], ARGV[2])
local added = 0
for i = 5, #KEYS do added = added + add(KEYS[3], KEYS[i], ARGV[2 * i - 5], ARGV[2 * i - 4]) end
for i = #ARGV - ARGV[4] + 1, #ARGV do
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', {LEDGER_KEPT}, '*', 'entry', ARGV[i])
end
if ARGV[3] == '1' then redis.call('DEL', KEYS[1]) end
return added
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """Whether a feed is ours to poll; if so, what is kept of it."""

    ours: bool
    paused: bool = False
    state: bytes = b""


class FeedStore:
    """Feeds as one process sees them; a feed is called by its URL."""

    def __init__(self, store: Store) -> None:
        self._name = store.name
        self._client = store.binary
        self._written = store.written

    @translated
    async def claim(self, url: str) -> Claim:
        """Ask for a feed; what is answered holds until `write` or `give_back`, or until this process seems dead."""
        lifetime = int(_CLAIMED_FOR.total_seconds() * 1000)
        answer, state = await self._client.eval(
            _CLAIM, 3, _claim_key(url), _key(url), _PAUSED, self._name, ALIVE, url, lifetime
        )
        if answer != b"ours":
            return Claim(ours=False, paused=answer == b"paused")
        return Claim(ours=True, state=state)

    @translated
    async def write(
        self,
        url: str,
        state: bytes,
        alerts: Sequence[Alert],
        *,
        entries: Sequence[LedgerEntry] = (),
        done: bool = False,
    ) -> int | None:
        """Keep what is known of a claimed feed, publish members of alerts, and write into the ledger, as one.

        `done` gives the feed back.

        Returns how many of the members are new, None where the feed is another process's by now.
        """
        keys = [_claim_key(url), _key(url), ALERTS, LEDGER, *(key_of(alert.id) for alert in alerts)]
        arguments = [self._name, state, int(done), len(entries)]
        arguments += added(alerts, self._written)
        arguments += [entry.model_dump_json() for entry in entries]
        count = int(await self._client.eval(_WRITE, len(keys), *keys, *arguments))
        return None if count < 0 else count

    @translated
    async def give_back(self, url: str) -> None:
        await self._client.eval(RELEASE, 1, _claim_key(url), self._name)

    @translated
    async def states(self, urls: Sequence[str]) -> list[bytes]:
        """What is kept of feeds, nothing of those never polled."""
        found: list[bytes] = []
        for start in range(0, len(urls), _AT_ONCE):
            found += [
                state or b"" for state in await self._client.mget([_key(u) for u in urls[start : start + _AT_ONCE]])
            ]
        return found

    @translated
    async def paused(self) -> set[str]:
        return {url.decode() for url in await self._client.smembers(_PAUSED)}

    @translated
    async def pause(self, url: str) -> bool:
        """Poll a feed no more until it is resumed; False where it is paused already."""
        return bool(await self._client.sadd(_PAUSED, url))

    @translated
    async def resume(self, url: str, state: bytes) -> bool:
        """Poll a feed again; `state` is what is to be known of it from now on. False where it was not paused."""
        if state:
            await self._client.set(_key(url), state)
        return bool(await self._client.srem(_PAUSED, url))

    @translated
    async def forget(self, url: str) -> None:
        """Drop everything that is kept of a feed."""
        await self._client.srem(_PAUSED, url)
        await self._client.delete(_key(url), _claim_key(url))


def _key(url: str) -> str:
    return f"{PREFIX}feed:{digest(url)}"


def _claim_key(url: str) -> str:
    return f"{PREFIX}claim:{digest(url)}"
