"""The files of the archive: written, read and pruned.

Several processes write the same file, each frame under its lock: there is one file a day however often a process is
started, and what one left torn is cut off by the next that writes.
"""

import asyncio
import fcntl
import logging
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from pydantic import ValidationError

from monitor.archive.frames import MAX_LINE, lines, packed, sound_end
from monitor.archive.record import Record
from monitor.errors import ArchiveError, Problem
from monitor.models import Article

log = logging.getLogger(__name__)

_NAME = re.compile(r"(\d{4}-\d\d-\d\d)\.jsonl\.zst")
_MAX_WAITING = 20_000_000  # bytes that are kept in memory while the disk takes none
_FLUSH_EVERY = 3.0  # seconds


@dataclass(frozen=True, slots=True)
class Day:
    """One file of the archive; `size` is in bytes, as it lies on the disk."""

    path: Path
    day: date
    size: int


@dataclass(frozen=True, slots=True)
class _Line:
    day: date
    body: bytes


class Archive:
    """The archive as one process writes it: `append` is quick and may be called anywhere, `flush` writes."""

    def __init__(self, folder: Path, keep: timedelta, max_size: int) -> None:
        self._folder = folder
        self._keep = keep
        self._max_size = max_size
        self._changing = threading.Lock()  # what waits
        self._writing = threading.Lock()
        self._waiting: list[_Line] = []
        self._known = (0, 0)  # the inode that we wrote last, and where its whole frames ended

    def append(self, article: Article, seen: datetime, story: str = "") -> None:
        """Take an article; the disk has it after the next flush."""
        body = Record.of(article, seen, story).model_dump_json().encode() + b"\n"
        if len(body) > MAX_LINE:
            log.warning("article=%s is too large for the archive: %d bytes", article.url or article.id, len(body))
            return
        with self._changing:
            self._waiting.append(_Line(seen.astimezone(UTC).date(), body))

    def flush(self) -> int:
        """Write what waits and return how many articles that was; the disk has them then.

        Raises ArchiveError where it does not take them; then they wait for the next flush, as many as 20 MB hold.
        """
        with self._writing:
            with self._changing:
                left, self._waiting = self._waiting, []
            count = len(left)
            for day in sorted({line.day for line in left}):
                path = self._folder / f"{day}.jsonl.zst"
                try:
                    self._write(path, packed(line.body for line in left if line.day == day))
                except OSError as error:
                    lost = self._wait_again(left)
                    told = f"; {lost} articles were given up" if lost else ""
                    raise ArchiveError(f"{path}: cannot be written: {error.strerror}{told}") from None
                left = [line for line in left if line.day != day]
            return count

    def _wait_again(self, unwritten: list[_Line]) -> int:
        """Put back what could not be written, without the oldest where that is too much; returns how many."""
        with self._changing:
            self._waiting = unwritten + self._waiting
            size, lost = sum(len(line.body) for line in self._waiting), 0
            while size > _MAX_WAITING:
                size -= len(self._waiting[lost].body)
                lost += 1
            self._waiting = self._waiting[lost:]
            return lost

    def _write(self, path: Path, frames: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with path.open("a+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            inode, known = os.fstat(file.fileno()).st_ino, 0
            if self._known[0] == inode:
                known = self._known[1]
            end = sound_end(file, known)
            if end + len(frames) > self._max_size:
                raise OSError(0, f"this day alone needs more than archive.max_size, {self._max_size:,} bytes; raise it")
            file.truncate(end)  # of what a crash left torn
            try:
                rest = memoryview(frames)
                while rest:  # a disk that is nearly full takes a part, and then says why it takes no more
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):  # the reason is on its way already, and the next flush looks again
                    file.truncate(end)
                raise
            self._known = (inode, end + len(frames))

    def prune(self, now: datetime) -> list[Day]:
        """Remove the days that are too old, and the oldest while all are too large, never the newest; returns them.

        Raises ArchiveError where one cannot be removed.
        """
        kept, removed = days(self._folder), []
        size = sum(day.size for day in kept)
        for day in kept[:-1]:
            too_old = datetime.combine(day.day, time.max, UTC) < now - self._keep
            if not too_old and size <= self._max_size:
                break
            try:
                day.path.unlink(missing_ok=True)  # another process may have been faster
            except OSError as error:
                raise ArchiveError(f"{day.path}: cannot be removed: {error.strerror}") from None
            size -= day.size
            removed.append(day)
        return removed


async def keep_written(archive: Archive, until: asyncio.Event, now: Callable[[], datetime]) -> None:
    """Flush and prune every few seconds until `until` is set, and then once more; trouble is logged, once each."""
    said = ""
    while True:
        ending = until.is_set()
        try:
            await asyncio.to_thread(archive.flush)
            for day in await asyncio.to_thread(archive.prune, now()):
                log.info("archive: removed %s, %d bytes", day.path, day.size)
            said = ""
        except ArchiveError as error:
            if str(error) != said:
                log.error("%s", error)
            said = str(error)
        except Exception:
            log.exception("unexpected error in the archive; going on")
        if ending:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(until.wait(), _FLUSH_EVERY)


def days(folder: Path) -> list[Day]:
    """The files of an archive, the oldest first; none where there is no such folder."""
    found = []
    for path in folder.glob("*.jsonl.zst"):
        if name := _NAME.fullmatch(path.name):
            with suppress(ValueError, FileNotFoundError):  # a day of no calendar; a file that was pruned just now
                found.append(Day(path, date.fromisoformat(name[1]), path.stat().st_size))
    return sorted(found, key=lambda day: day.day)


def read(paths: Iterable[Path], problems: list[Problem]) -> Iterator[tuple[str, Record]]:
    """Yield each record with its document, such as `2026-11-23.jsonl.zst#7`, file by file in the order of writing.

    What cannot be read is passed over and added to `problems`. Raises InputError where a file cannot be opened, or
    unfolds into more than anybody wrote.
    """
    for path in paths:
        for number, line in lines(path, problems):
            try:
                yield f"{path.name}#{number}", Record.model_validate_json(line)
            except ValidationError as error:
                problems.append(Problem(f"{path}:{number}", f"no record: {error.errors()[0]['msg']}"))
