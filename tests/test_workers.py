"""Worker processes: only the piece of work that hangs, dies or eats memory fails."""

import asyncio
import os
import time

import pytest

from monitor.errors import UnreadableError, WorkerError
from monitor.workers import Workers
from tests.site import wait_until


def double(number: int) -> int:
    return 2 * number


def hang() -> None:
    time.sleep(60)


def die() -> None:
    os._exit(1)


def eat() -> int:
    return len(bytearray(4_000_000_000))


def refuse() -> None:
    raise UnreadableError("no")


async def test_results_and_errors_come_back() -> None:
    async with Workers(2) as workers:
        assert await asyncio.gather(*(workers.run(double, n, deadline=20) for n in range(20))) == [
            2 * n for n in range(20)
        ]
        with pytest.raises(UnreadableError, match="no"):
            await workers.run(refuse, deadline=20)


async def test_what_hangs_dies_or_eats_memory_fails_alone() -> None:
    async with Workers(2) as workers:
        assert await workers.run(double, 1, deadline=20) == 2
        with pytest.raises(WorkerError, match=r"given up after 0.3 s"):
            await workers.run(hang, deadline=0.3)
        with pytest.raises(WorkerError, match="its worker process died"):
            await workers.run(die, deadline=20)
        with pytest.raises(WorkerError, match="needs too much memory"):
            await workers.run(eat, deadline=20)
        assert await workers.run(double, 2, deadline=20) == 4


async def test_the_end_does_not_wait_for_what_hangs() -> None:
    began = time.monotonic()
    async with Workers(1) as workers:
        task = asyncio.ensure_future(workers.run(hang, deadline=60))
        await asyncio.to_thread(wait_until, lambda: workers._all)
        task.cancel()
    assert time.monotonic() - began < 10
