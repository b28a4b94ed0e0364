"""`monitor doctor`: whether what the daemon needs is there. Each check stands alone, with a deadline of its own."""

import asyncio
import logging
import os
import resource
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from statistics import median
from typing import Any, Literal
from urllib.parse import urlsplit

from monitor.addresses import is_allowed
from monitor.config import Config, FeedConfig
from monitor.errors import FetchError, InputError, MonitorError
from monitor.http import Http
from monitor.http.lookups import Lookups
from monitor.matching.matcher import Matcher
from monitor.notifiers import Notifier
from monitor.secrecy import without_secrets
from monitor.store.redis import Store
from monitor.store.version import LATEST, State

log = logging.getLogger(__name__)

Verdict = Literal["ok", "warn", "fail"]
_DEADLINE = 15.0  # seconds for each check; the first compilation of the lexicon takes several
_FEEDS_ASKED = 5  # for the time of day
_OLDEST_REDIS = (6, 2)
_LEAST_FILES = 128  # sockets, the archive, libraries; each feed that is polled at the same time has one more
_FEW_BYTES, _LOW_BYTES = 100 * 10**6, 10**9


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; what is not ok has a remedy."""

    verdict: Verdict
    what: str
    detail: str
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{self.verdict} {self.what}: {self.detail}{f'; {self.remedy}' if self.remedy else ''}"
        return without_secrets(" ".join(text.split()))


@dataclass(frozen=True, slots=True)
class Means:
    """What the checks work with; `rules` takes its time and is called in a thread."""

    http: Http
    store: Callable[[], Awaitable[Store]]
    rules: Callable[[], Matcher]
    notifier: Callable[[str], Notifier]
    now: Callable[[], datetime]


async def examine(config: Config, means: Means) -> AsyncIterator[Finding]:
    """Run all checks at once, and give what they find in their order."""
    facts = asyncio.ensure_future(_facts(means))
    checks: dict[str, Awaitable[Iterable[Finding]]] = {
        "rules": _rules(means),
        "redis": _redis(facts),
        "dns": _dns(config),
        "clock": _clock(config, means, facts),
        **{f"receiver {name}": _receiver(name, means) for name in config.receivers},
        "disk": _disk(config),
        "open files": _open_files(config),
    }
    running = [asyncio.ensure_future(_within(_DEADLINE, what, check)) for what, check in checks.items()]
    for check in running:
        for finding in await check:
            yield finding
    facts.cancel()


async def _within(seconds: float, what: str, check: Awaitable[Iterable[Finding]]) -> Sequence[Finding]:
    """What a check finds; whatever stops it is a finding, too."""
    try:
        async with asyncio.timeout(seconds):
            return list(await check)
    except TimeoutError:
        return [Finding("fail", what, f"no answer within {seconds:g} s", "see whether the machine or network is busy")]
    except InputError as error:
        return [Finding("fail", what, str(problem), "mend it there") for problem in error.problems]
    except MonitorError as error:
        return [Finding("fail", what, str(error), _REMEDIES.get(what, "see that it runs and can be reached"))]
    except Exception as error:
        log.debug("the check of %s broke", what, exc_info=True)
        return [Finding("fail", what, f"{type(error).__name__}: {error}", "run monitor -v doctor, and report this")]


_REMEDIES = {"redis": "start it, or set redis.url and state_dir aright"}


@dataclass(frozen=True, slots=True)
class _Facts:
    """What Redis says of itself, the version of what monitor keeps there, and the time of this machine then."""

    said: Mapping[str, Any]
    state: int
    at: datetime


async def _facts(means: Means) -> _Facts:
    store = await means.store()
    return _Facts(await store.facts(), await State(store).version(), means.now())


async def _rules(means: Means) -> list[Finding]:
    matcher = await asyncio.to_thread(means.rules)
    return [Finding("ok", "rules", f"{len(matcher.rules)} rules, no mistakes")]


async def _redis(facts: Awaitable[_Facts]) -> list[Finding]:
    found = await asyncio.shield(facts)
    return [version(found.said), policy(found.said), persistence(found.said), state(found.state)]


def state(version: int) -> Finding:
    """Whether this monitor knows the form of what Redis keeps; version 0 is none that was ever written."""
    if version > LATEST:
        remedy = "run the newer monitor again, or restore a backup from before the upgrade"
        return Finding("fail", "redis state", f"version {version}; this monitor knows versions up to {LATEST}", remedy)
    if 0 < version < LATEST:
        return Finding("ok", "redis state", f"version {version}, which the next start brings to {LATEST}")
    return Finding("ok", "redis state", f"version {version}" if version else "none yet")


def version(facts: Mapping[str, Any]) -> Finding:
    """Whether the server is new enough; Valkey says with which Redis it is compatible, too."""
    number = str(facts.get("redis_version", "0"))
    name = "Valkey" if "valkey_version" in facts else "Redis"
    shown = f"{name} {facts.get('valkey_version', number)}"
    parts = tuple(int(part) for part in number.split(".")[:2] if part.isdigit())
    if parts < _OLDEST_REDIS:
        return Finding("fail", "redis version", shown, "install Redis 6.2 or newer, or any Valkey")
    return Finding("ok", "redis version", shown)


def policy(facts: Mapping[str, Any]) -> Finding:
    """Whether it may drop alerts when its memory is full, and how full that is."""
    chosen = facts.get("maxmemory_policy", "noeviction")
    most, used = int(facts.get("maxmemory", 0)), int(facts.get("used_memory", 0))
    if chosen != "noeviction":
        remedy = "set it to noeviction: redis-cli config set maxmemory-policy noeviction, and in redis.conf"
        return Finding("fail", "redis policy", f"maxmemory-policy is {chosen}, which deletes alerts", remedy)
    if most and used > 0.9 * most:
        return Finding("warn", "redis policy", f"memory is {used / most:.0%} full", "raise maxmemory")
    return Finding("ok", "redis policy", "noeviction")


def persistence(facts: Mapping[str, Any]) -> Finding:
    """Whether what it was given outlives it."""
    failed = [
        key for key in ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")
        if facts.get(key, "ok") != "ok"
    ]  # fmt: skip
    if failed:
        return Finding("fail", "redis persistence", f"{failed[0]} is {facts[failed[0]]}", "see its log and its disk")
    if int(facts.get("aof_enabled", 0)):
        return Finding("ok", "redis persistence", "append-only file")
    remedy = "set appendonly yes: redis-cli config set appendonly yes, and in redis.conf"
    return Finding("warn", "redis persistence", "no append-only file: a crash of Redis loses alerts", remedy)


async def _dns(config: Config) -> list[Finding]:
    look_up = Lookups()
    hosts = sorted({urlsplit(feed.proxy or feed.url).hostname or "" for feed in config.feeds})

    async def trouble(host: str) -> str:
        try:
            found = await look_up(host)
        except OSError as error:
            return f"{host} ({error.strerror or error})"
        proxied = any(feed.proxy and urlsplit(feed.proxy).hostname == host for feed in config.feeds)
        allowed = proxied or any(is_allowed(address, config.http.allow_private) for address in found)
        return "" if allowed else f"{host} ({found[0]} is not public)"

    troubles = [text for text in await asyncio.gather(*map(trouble, hosts)) if text]
    return [resolved(len(hosts), troubles)]


def resolved(hosts: int, troubles: Sequence[str]) -> Finding:
    """What it means that of so many hosts these cannot be connected to."""
    if not troubles:
        return Finding("ok", "dns", f"{hosts} hosts of feeds resolve")
    more = f" and {len(troubles) - 3} more" if len(troubles) > 3 else ""
    detail = f"{len(troubles)} of {hosts} hosts of feeds lead nowhere: {', '.join(troubles[:3])}{more}"
    private = any(text.endswith("is not public)") for text in troubles)
    remedy = "open private networks by http.allow_private" if private else "see the feeds' URLs and /etc/resolv.conf"
    return Finding("fail" if len(troubles) == hosts else "warn", "dns", detail, remedy)


async def _clock(config: Config, means: Means, facts: Awaitable[_Facts]) -> list[Finding]:
    one_a_host = {urlsplit(feed.url).hostname: feed for feed in config.feeds}
    asked = list(one_a_host.values())[:_FEEDS_ASKED]
    found = [off for off in await asyncio.gather(*(_off(feed, means) for feed in asked)) if off is not None]
    if not found and config.redis.url:
        with suppress(MonitorError):
            redis = await asyncio.shield(facts)
            if micros := int(redis.said.get("server_time_usec", 0)):
                found = [redis.at - datetime.fromtimestamp(micros / 1e6, UTC)]
    return [clock(found)]


async def _off(feed: FeedConfig, means: Means) -> timedelta | None:
    """How far we are ahead of a feed's server; None where it does not say."""
    try:
        async with asyncio.timeout(_DEADLINE / 2):
            headers = (await means.http.get(feed.url, access=feed.access)).headers
    except FetchError as error:
        headers = error.headers
    except TimeoutError:
        return None
    with suppress(ValueError, TypeError):
        kept = int(headers.get("age", "0"))  # seconds that a cache has had the answer
        return means.now() - parsedate_to_datetime(headers.get("date", "")) - timedelta(seconds=kept)
    return None


def clock(found: Sequence[timedelta]) -> Finding:
    """What it means that our clock is ahead of others by so much."""
    if not found:
        remedy = "see that the feeds can be reached, and run it again"
        return Finding("warn", "clock", "nobody whom it could be compared with said the time", remedy)
    seconds = median(off.total_seconds() for off in found)
    detail = f"{abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'}"
    if abs(seconds) < 10:
        return Finding("ok", "clock", detail)
    return Finding("fail" if abs(seconds) > 60 else "warn", "clock", detail, "let NTP set it: timedatectl set-ntp true")


async def _receiver(name: str, means: Means) -> list[Finding]:
    what = f"receiver {name}"
    reach: Callable[[], Awaitable[str]] | None = getattr(means.notifier(name), "reach", None)
    if reach is None:
        return [Finding("ok", what, f"its options are right; only monitor notify test {name} tells more")]
    try:
        return [Finding("ok", what, await reach())]
    except MonitorError as error:
        return [Finding("fail", what, str(error), f"mend its options, then try monitor notify test {name}")]


async def _disk(config: Config) -> list[Finding]:
    folders = {"archive.dir": config.archive and config.archive.dir}
    if not config.redis.url:
        folders["state_dir"] = config.state_dir
    return [room(name, folder) for name, folder in folders.items() if folder] or [Finding("ok", "disk", "none needed")]


def room(name: str, folder: Path) -> Finding:
    """Whether there is room in a folder, or where it will be made, and whether we may write there."""
    place = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(place).free
    what, detail = f"disk {name}", f"{free / 1e9:.1f} GB free at {folder}"
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Finding("fail", what, f"{place} cannot be written by this user", f"give it to them, or set {name}")
    if free < _LOW_BYTES:
        return Finding("fail" if free < _FEW_BYTES else "warn", what, detail, f"make room, or set {name} elsewhere")
    return Finding("ok", what, detail)


async def _open_files(config: Config) -> list[Finding]:
    return [files(resource.getrlimit(resource.RLIMIT_NOFILE)[0], len(config.feeds) + len(config.receivers))]


def files(most: int, wanted: int) -> Finding:
    """Whether so many files may be open at once as feeds and receivers may want."""
    if most == resource.RLIM_INFINITY or most >= _LEAST_FILES + wanted:
        return Finding("ok", "open files", "no limit" if most == resource.RLIM_INFINITY else f"{most} at most")
    remedy = f"ulimit -n {2 * (_LEAST_FILES + wanted)}, or LimitNOFILE= in the service"
    detail = f"{most} at most, and {_LEAST_FILES + wanted} may be needed"
    return Finding("fail" if most < _LEAST_FILES else "warn", "open files", detail, remedy)
