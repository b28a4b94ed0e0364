"""What users write, read again while the daemon runs: all of it is exchanged, or nothing where anything is wrong."""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from watchfiles import awatch

from monitor.config import Config
from monitor.errors import InputError, MonitorError
from monitor.pipeline import Pipeline
from monitor.rules.load import files_of
from monitor.sdnotify import notify

log = logging.getLogger(__name__)

_QUIET = 200  # milliseconds without a change, after which a file is taken to be written
_LOOK_ANYWAY = 10_000  # milliseconds; where a file system tells nobody of changes, they are seen all the same
# All others are what a running process is made of.
_EXCHANGED = frozenset(
    {
        *("rules", "feeds", "feeds_file", "poll", "receivers", "route"),
        *("time_intervals", "inhibit_rules", "stories"),
    }
)

Stamp = frozenset[tuple[str, int, int, int]]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What is in effect: a configuration, and what becomes of articles by its rules."""

    config: Config
    pipeline: Pipeline

    @property
    def counts(self) -> tuple[int, int, str]:
        """What the log says of it: how many feeds and rules, and the receivers."""
        return len(self.config.feeds), len(self.pipeline.matcher.rules), ",".join(self.config.receivers)


@dataclass(frozen=True, slots=True)
class Reread:
    """How to read again: first the configuration, then what it leads to; both raise MonitorError.

    `file` is the configuration's, None where it came from none. `rules` is given what is in effect, too.
    """

    file: Path | None
    config: Callable[[], Config]
    rules: Callable[[Config, Loaded], Loaded]


class Reload:
    """Reads everything again when a file changes or somebody asks, and exchanges it; one at a time.

    `exchange` puts it into effect, or raises before anything is. `on_outcome` is told how each reload ended, as
    `reload` returns it; what the one before said is still in `problems` then. Whoever sets `asked` asks for a reload.
    """

    def __init__(
        self,
        loaded: Loaded,
        reread: Reread,
        *,
        exchange: Callable[[Loaded], Awaitable[None]],
        on_outcome: Callable[[list[str]], Awaitable[None]],
    ) -> None:
        self.loaded = loaded
        self.problems: list[str] = []
        self.asked = asyncio.Event()
        self._reread = reread
        self._exchange = exchange
        self._on_outcome = on_outcome
        self._one_at_a_time = asyncio.Lock()
        # It says where rules are to be mended, though with those it may not be in effect.
        self._written = loaded.config
        self._stamp = self._look()
        # It reports everything that happens in a folder.
        logging.getLogger("watchfiles").setLevel(logging.WARNING)

    async def run(self) -> None:
        """Reload when files change and when asked, until cancelled."""
        await asyncio.gather(self._watch(), self._listen())

    async def reload(self) -> list[str]:
        """Read and exchange; returns what is wrong, a line each, none where all is in effect."""
        async with self._one_at_a_time:
            notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
            try:
                problems = await self._reload()
                await self._on_outcome(problems)
            finally:
                notify("READY=1")
            feeds = f"polling {len(self.loaded.config.feeds)} feeds"
            notify(f"STATUS={feeds}" + (f"; not reloaded: {problems[0]}" if problems else ""))
            self.problems = problems
            return problems

    async def _listen(self) -> None:
        while True:
            await self.asked.wait()
            self.asked.clear()
            await self.reload()

    async def _watch(self) -> None:
        while True:
            try:
                await self._until_changed()
            except (OSError, RuntimeError) as error:
                log.warning("files cannot be watched, so they are looked at now and then: %s", error)
                while not await self._changed():  # noqa: ASYNC110 - a file that nobody watches raises no event
                    await asyncio.sleep(_LOOK_ANYWAY / 1000)
            await self.reload()

    async def _until_changed(self) -> None:
        watched = await asyncio.to_thread(folders, self._reread.file, self._written)
        changes = awatch(
            *watched, watch_filter=None, step=_QUIET, rust_timeout=_LOOK_ANYWAY, yield_on_timeout=True,
            recursive=False, ignore_permission_denied=True,
        )  # fmt: skip
        async with aclosing(changes):
            async for _ in changes:
                if await self._changed():
                    return

    async def _changed(self) -> bool:
        return await asyncio.to_thread(self._look) != self._stamp

    def _look(self) -> Stamp:
        return self._named() | stamp(_rule_files(self._written))

    def _named(self) -> Stamp:
        return stamp(_named(self._reread.file, self._written))

    async def _reload(self) -> list[str]:
        try:
            loaded = self._within_bounds(await asyncio.to_thread(self._read))
            await self._exchange(loaded)
        except MonitorError as error:
            problems = str(error).splitlines()
            for problem in problems:
                log.error("%s", problem)
            log.error("not reloaded; what was in effect goes on")
            return problems
        except Exception as error:
            log.exception("unexpected error in a reload; what was in effect goes on")
            return [f"unexpected error: {error}"]
        self.loaded = loaded
        log.info("reloaded feeds=%d rules=%d receivers=%s", *loaded.counts)
        return []

    def _read(self) -> Loaded:
        # Looked at first: what is written while we read is read again.
        self._stamp, named = self._look(), self._named()
        self._written = config = self._reread.config()
        self._stamp = named | stamp(_rule_files(config))
        return self._reread.rules(config, self.loaded)

    def _within_bounds(self, loaded: Loaded) -> Loaded:
        """What was read, but with the settings as they are that cannot change."""
        running = self.loaded.config
        fixed = kept(running, loaded.config)
        for name in fixed:
            log.warning("%s: this setting has changed; it takes effect after a restart", name)
        unchanged = {name: getattr(running, name) for name in fixed}
        return Loaded(loaded.config.model_copy(update=unchanged), loaded.pipeline)


def kept(before: Config, after: Config) -> list[str]:
    """The settings that differ and cannot be exchanged while a process runs."""
    return [
        name for name in Config.model_fields if name not in _EXCHANGED and getattr(before, name) != getattr(after, name)
    ]


def stamp(paths: Iterable[Path]) -> Stamp:
    """What tells that a file was written, replaced, added or removed: of each its path, time, size and inode."""
    found = set()
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        found.add((str(path), status.st_mtime_ns, status.st_size, status.st_ino))
    return frozenset(found)


def folders(file: Path | None, config: Config) -> set[Path]:
    """Where changes are seen: the folders of all files that are read, and those around them, which may replace them."""
    found = {path.parent for path in _named(file, config)}
    for path in config.rules:
        found.add(path.parent)
        if path.is_dir():
            found |= {Path(folder) for folder, _, _ in os.walk(path)}
    return {_there(folder) for folder in found}


def _named(file: Path | None, config: Config) -> Iterable[Path]:
    return (*((file.absolute(),) if file else ()), config.feeds_file)


def _rule_files(config: Config) -> Iterable[Path]:
    for path in config.rules:
        try:
            yield from files_of(path)
        except (InputError, OSError):
            continue


def _there(folder: Path) -> Path:
    """A folder, or where there is no such folder what should hold it."""
    while not folder.is_dir():
        folder = folder.parent
    return folder
