"""Alerts as a file of JSON objects, one a line."""

import asyncio
import fcntl
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from monitor.alerts.render import as_json
from monitor.errors import TemporaryError
from monitor.http import Http
from monitor.models import Notification


class FileOptions(BaseModel):
    """Where the alerts go."""

    model_config = ConfigDict(extra="forbid")

    path: Path = Field(description="the file that alerts are appended to; its folder is made if need be")


class File:
    """Appends each alert to a file, and returns once the disk has it."""

    Options = FileOptions

    def __init__(self, options: FileOptions, http: Http) -> None:
        self._path = options.path

    async def send(self, notification: Notification) -> None:
        lines = [as_json(alert, {"key": notification.key}) for alert in notification.alerts]
        try:
            await asyncio.to_thread(self._append, "".join(f"{line}\n" for line in lines))
        except OSError as error:
            raise TemporaryError(f"{self._path}: {error.strerror}") from error

    def _append(self, text: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # other processes may append to it as well
            # A crash in mid-write may have left half a line: what follows starts on its own.
            if file.tell() and not _ends_a_line(self._path):
                text = f"\n{text}"
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"
