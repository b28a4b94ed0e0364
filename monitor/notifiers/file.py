"""Alerts as a file of JSON objects, one a line."""

import asyncio
import fcntl
import os
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, Field

from monitor.alerts.render import as_json, as_message
from monitor.config import Size
from monitor.errors import TemporaryError
from monitor.http import Http
from monitor.models import Notification


class FileOptions(BaseModel):
    """Where the alerts go, and how much of them stays."""

    model_config = ConfigDict(extra="forbid")

    path: Path = Field(description="the file that alerts are appended to; its folder is made if need be")
    max_size: Size = Field(100_000_000, ge=1, description="a file this large becomes path.1, path.1 becomes path.2")
    keep: int = Field(5, ge=0, le=1000, description="how many such older files stay")


class File:
    """Appends each alert to a file, and returns once the disk has it."""

    Options = FileOptions

    def __init__(self, options: FileOptions, http: Http) -> None:
        self._path = options.path
        self._max_size = options.max_size
        self._keep = options.keep

    async def send(self, notification: Notification) -> None:
        text = "".join(f"{line}\n" for line in lines(notification))
        try:
            await asyncio.to_thread(self._append, text.encode())
        except OSError as error:
            raise TemporaryError(f"{self._path}: {error.strerror}") from error

    def _append(self, text: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked() as file:
            size = os.fstat(file.fileno()).st_size
            # A crash in mid-write may have left half a line: what follows starts on its own.
            if size and not _ends_a_line(self._path):
                text = b"\n" + text
            if size and size + len(text) > self._max_size:
                self._rotate()
                with self._locked() as fresh:
                    _write(fresh, text.lstrip(b"\n"))
            else:
                _write(file, text)

    def _locked(self) -> BinaryIO:
        """The file, locked: other processes may append to it as well, or have just moved it away."""
        while True:
            file = self._path.open("ab")
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.path.samestat(os.fstat(file.fileno()), self._path.stat()):
                    return file
            except FileNotFoundError:
                pass
            except BaseException:
                file.close()
                raise
            file.close()

    def _rotate(self) -> None:
        """Move each file one number up; the last goes."""
        files = [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, self._keep + 1))]
        for older, newer in reversed([*zip(files[1:], files, strict=False)]):
            if newer.exists():
                newer.replace(older)
        if not self._keep:
            self._path.unlink()


def lines(notification: Notification) -> list[str]:
    """A JSON object for each alert, with the notification's `key` and `kind`; a notice is one of its own."""
    extra = {"key": notification.key, "kind": notification.kind}
    return [as_json(alert, extra) for alert in notification.alerts] or [as_message(notification)]


def _write(file: BinaryIO, text: bytes) -> None:
    file.write(text)
    file.flush()
    os.fsync(file.fileno())


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"
