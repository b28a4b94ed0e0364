"""Worker processes: only the piece of work that hangs, dies or eats memory fails."""

import asyncio
import os
import time
from collections.abc import Awaitable

import pytest

from monitor.errors import UnreadableError, WorkerError
from monitor.models import FeedDocument, Page
from monitor.reading import FEED_DEADLINE, PAGE_DEADLINE, Reader, no_pages
from monitor.workers import Workers
from tests.site import item, rss, wait_until


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


def attributes(count: int) -> str:
    return " ".join(f'a{number}="{number}"' for number in range(count))


async def _others_go_on(reader: Reader, slow: Awaitable[object]) -> tuple[int, object]:
    """Parse feeds until `slow` has ended; returns how many, and what it came to."""
    task, count = asyncio.ensure_future(slow), 0
    while not task.done():
        assert len((await reader.feed(Page("", rss(item("1", "One"))))).entries) == 1
        count += 1
    return count, task.exception() or task.result()


@pytest.mark.slow
async def test_a_feed_that_takes_for_ever_is_given_up() -> None:
    """feedparser's time grows with the square of a tag's attributes: 50,000 take it over 25 s."""
    body = rss(item("1", "One")).replace(b"<channel>", f"<channel><b {attributes(50_000)}/>".encode())
    async with Workers(2) as workers:
        reader = Reader(no_pages, workers)
        began = time.monotonic()
        others, outcome = await _others_go_on(reader, reader.feed(Page("", body)))
        assert time.monotonic() - began < FEED_DEADLINE + 5
    assert isinstance(outcome, FeedDocument) or str(outcome) == "given up after 5 s"
    assert others > 5


@pytest.mark.slow
async def test_a_page_that_takes_for_ever_is_given_up() -> None:
    """Likewise that of parsing and extraction: 300,000 take more than 60 s."""
    page = f"<html><body><article><p {attributes(300_000)}>Text of an article.</p></article></body></html>"
    async with Workers(2) as workers:
        reader = Reader(no_pages, workers)
        began = time.monotonic()
        others, outcome = await _others_go_on(reader, reader.extract(page, ""))
        assert time.monotonic() - began < PAGE_DEADLINE + 5
    assert str(outcome) == "given up after 15 s"
    assert others > 5
