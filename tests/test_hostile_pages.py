"""Hostile pages: each ends at its deadline, and only itself."""

import asyncio
import random
import time
from collections.abc import Callable

import pytest

from monitor.models import Access, Article, Entry, Extract, Page, Source
from monitor.reading import PAGE_DEADLINE, Reader
from monitor.workers import Workers
from tests.pages import FILLER, html


def attributes(count: int) -> str:
    return " ".join(f'a{number}="{number}"' for number in range(count))


LD = '<script type="application/ld+json">%s</script>'
ARTICLE = f"<article><p>{FILLER * 4}</p></article>"
HOSTILE: dict[str, Callable[[], bytes]] = {
    "100,000 attributes": lambda: html(f"<p {attributes(100_000)}>{FILLER}</p>").encode(),
    "2.4 MB of <br>": lambda: html("<br>" * 600_000 + ARTICLE).encode(),
    "10 MB of <p>": lambda: html("<p>x" * 2_500_000).encode(),
    "deep nesting": lambda: html("<div>" * 100_000 + ARTICLE).encode(),
    "deep lists": lambda: html("<ul><li>" * 5_000 + FILLER).encode(),
    "NUL bytes": lambda: html(ARTICLE).replace(" ", "\x00 ").encode(),
    "truncated": lambda: html(ARTICLE).encode()[:-40],
    "truncated tag": lambda: html(ARTICLE).encode() + b"<p class='",
    "wrong charset": lambda: html(ARTICLE + "ä" * 500, '<meta charset="shift_jis">').encode("cp1252"),
    "unknown charset": lambda: html(ARTICLE, '<meta charset="klingon">').encode(),
    "no HTML": lambda: random.Random(1).randbytes(200_000),
    "XML declaration": lambda: b'<?xml version="1.0" encoding="utf-16"?>' + html(ARTICLE).encode(),
    "1 MB of entities": lambda: html("<p>" + "&amp;&#x110000;&#0;" * 60_000 + ARTICLE).encode(),
    "open comment": lambda: html("<!--" + "-" * 500_000 + ARTICLE).encode(),
    "JSON of 1 MB": lambda: html(ARTICLE, LD % ("[" * 1_000_000)).encode(),
    "unclosed <": lambda: html("<" * 500_000 + ARTICLE).encode(),
    "script tags": lambda: html("<script>" * 100_000 + ARTICLE).encode(),
    "meta tags": lambda: html(ARTICLE, "<meta name=a content=b>" * 100_000).encode(),
    "words cut in pieces": lambda: html("".join(f"{n:x}<i>{n:o}</i>" for n in range(20_000)) + ARTICLE).encode(),
    "a codec for its charset": lambda: html(ARTICLE + "ä", '<meta charset="idna">').encode("cp1252"),
    "charset in meta": lambda: b"<meta " * 200_000 + html(ARTICLE).encode(),
}
SLOW = {"100,000 attributes", "2.4 MB of <br>", "10 MB of <p>", "unclosed <", "script tags", "meta tags"}


@pytest.mark.parametrize("way", ["always", "lazy"])
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in HOSTILE])
async def test_a_hostile_page_ends_at_its_deadline_and_alone(name: str, way: Extract) -> None:
    """Pages beside it are read meanwhile, and the next one right after it, by the worker that it may have cost."""
    bodies = {"hostile": HOSTILE[name](), "good": html(ARTICLE).encode()}

    async def page_of(url: str, access: Access | None = None) -> Page:
        return Page(url, bodies[url])

    async with Workers(2) as workers:
        reader = Reader(page_of, workers, way)

        async def read(url: str) -> Article:
            return await reader.article(Entry(url, url, summary="short"), Source("s"), could_match=lambda _: True)

        began = time.monotonic()
        hostile = asyncio.ensure_future(read("hostile"))
        beside = [await read("good") for _ in range(3)]
        article = await hostile
        assert time.monotonic() - began < PAGE_DEADLINE + (8 if way == "lazy" else 3)
        assert all("council" in other.text for other in beside)
        assert article.text_from == "summary" or "council" in article.text or name == "10 MB of <p>"
        after = time.monotonic()
        assert ["council" in other.text for other in await asyncio.gather(read("good"), read("good"))] == [True, True]
        assert time.monotonic() - after < 5
