"""Alerts to a program on this machine: JSON on its standard input."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from monitor.alerts.render import as_message, one_line
from monitor.config import Duration
from monitor.errors import NotifyError, PermanentError, TemporaryError
from monitor.http import Http
from monitor.models import Notification

_TAIL = 4_096  # bytes of standard error
_REFUSED = os.EX_DATAERR


class CommandOptions(BaseModel):
    """What is run, and for how long at most."""

    model_config = ConfigDict(extra="forbid")

    command: tuple[Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")], ...] = Field(
        min_length=1, description="the program and its arguments, each an entry of a list; no shell reads it"
    )
    timeout: Duration = Field(timedelta(seconds=30), description="then it is killed, with whatever it has started")

    @field_validator("timeout")
    @classmethod
    def _within_reason(cls, value: timedelta) -> timedelta:
        if not timedelta() < value <= timedelta(seconds=50):
            raise ValueError("a command has up to 50s; let it hand over what takes longer")
        return value


class Command:
    """Runs a program for each notification; status 0 is success, 65 (EX_DATAERR) a refusal for good."""

    Options = CommandOptions

    def __init__(self, options: CommandOptions, http: Http) -> None:
        self._command = options.command
        self._seconds = options.timeout.total_seconds()

    async def send(self, notification: Notification) -> None:
        async with _listening() as (stderr, said):
            status = await self._run(f"{as_message(notification)}\n".encode(), stderr)
        if status:
            raise failure(status, bytes(said))

    async def _run(self, text: bytes, stderr: int) -> int:
        """Run the program to its end, or to that of its time; returns its status. Takes `stderr` over."""
        try:
            # A session of its own, so that all of it can be ended as one.
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=DEVNULL, stderr=stderr, start_new_session=True
            )
        except OSError as error:
            raise TemporaryError(f"{self._command[0]} cannot be run: {error.strerror}") from error
        finally:
            os.close(stderr)
        try:
            async with asyncio.timeout(self._seconds):
                await _feed(process, text)
                return await process.wait()
        except TimeoutError:
            raise TemporaryError(f"{self._command[0]} did not end within {self._seconds:g} s and was killed") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


def failure(status: int, said: bytes) -> NotifyError:
    """What it means that a program ended with a status, or by a signal (negative)."""
    ended = f"ended with status {status}" if status > 0 else f"was ended by {signal.Signals(-status).name}"
    last = one_line(said.decode("utf-8", "replace").strip().rpartition("\n")[2], 300)
    reason = f"the command {ended}: {last}" if last else f"the command {ended}"
    return PermanentError(reason) if status == _REFUSED else TemporaryError(reason)


async def _feed(process: Process, text: bytes) -> None:
    assert process.stdin is not None  # noqa: S101 - it was asked for
    # A program that does not read what it is given may well succeed.
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(text)
        await process.stdin.drain()
        process.stdin.close()
        await process.stdin.wait_closed()


@asynccontextmanager
async def _listening() -> AsyncIterator[tuple[int, bytearray]]:
    """A pipe for standard error, and the end of what comes through it, however much that is.

    It is no pipe of asyncio's: with one of those a process has not ended as long as any other has it open.
    """
    ours, theirs = os.pipe()
    tail = bytearray()
    stream = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(ours, "rb"))
    reading = asyncio.create_task(_read(stream, tail))
    try:
        yield theirs, tail
        await asyncio.wait([reading], timeout=1)
    finally:
        reading.cancel()
        transport.close()


async def _read(stream: asyncio.StreamReader, tail: bytearray) -> None:
    while chunk := await stream.read(65_536):
        tail += chunk
        del tail[:-_TAIL]
