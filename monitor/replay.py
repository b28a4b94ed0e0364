"""Fixtures through the very stages that the daemon uses, without network, in a stable order."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from monitor.alerts.build import alerts_for
from monitor.alerts.growth import grown, step
from monitor.archive import days, read
from monitor.articles.language import detect, normal
from monitor.errors import InputError, Problem, UnreadableError, WorkerError
from monitor.fixtures import Fixture
from monitor.matching.matcher import Matcher
from monitor.models import Alert, Article, Extracted, Page, Source
from monitor.pipeline import Pipeline
from monitor.reading import Reader

_UNDATED = datetime(1970, 1, 1, tzinfo=UTC)  # when documents are seen none of which has a time
_PATIENCE = 1_000  # articles without a time that wait for one with a time
_AHEAD = 8  # fixtures that are read while an earlier one is waited for


@dataclass(frozen=True, slots=True)
class Replayed:
    """The alerts as they are in the end, in the order in which they were raised, and each as it grew, with when."""

    alerts: Sequence[Alert]
    events: Sequence[tuple[datetime, Alert]]


async def replay(
    fixtures: Iterable[Fixture], reader: Reader, pipeline: Pipeline, progress: Callable[[int], None]
) -> Replayed:
    """Take fixtures the whole way; `progress` is told of every fixture how many documents it holds.

    A document is seen when it was in truth, where that is known, or else published; or else with the one before it,
    the first ones with the first that has a time.
    Raises InputError with all the fixtures that could not be read.
    """
    members: dict[str, list[Alert]] = {}
    raised: dict[str, None] = {}
    events: list[tuple[datetime, Alert]] = []
    async for article, seen in _with_times(articles_in(fixtures, reader), progress):
        for alert in (await pipeline.take(article, seen or _UNDATED, seen=seen)).alerts:
            told = members.setdefault(alert.id, [])
            told.append(alert)
            if step(told) != "waits":
                raised[alert.id] = None
                events.append((seen or _UNDATED, grown(told)))
    return Replayed([grown(members[alert]) for alert in raised], events)


async def _with_times(
    read: AsyncIterator[tuple[Fixture, list[Article]]], progress: Callable[[int], None]
) -> AsyncIterator[tuple[Article, datetime | None]]:
    """Yield each article with when it was seen, None where none has a time, or none for long."""
    clock: datetime | None = None
    waiting: deque[Article] = deque()
    async for fixture, articles in read:
        progress(len(articles))
        for article in articles:
            waiting.append(article)
            clock = fixture.about.seen or article.published or clock
            while waiting and (clock or len(waiting) > _PATIENCE):
                yield waiting.popleft(), clock
    for article in waiting:
        yield article, None


def alerts_of(article: Article, matcher: Matcher) -> list[Alert]:
    """What rules say of one article by itself."""
    return alerts_for(matcher.match(article), article, matcher.by_id)


async def articles_in(fixtures: Iterable[Fixture], reader: Reader) -> AsyncIterator[tuple[Fixture, list[Article]]]:
    """Yield each fixture with the articles that it holds, in turn.

    Raises InputError at the end, with all the fixtures that could not be read.
    """
    problems: list[Problem] = []
    async for fixture, articles in _in_order(fixtures, reader, problems):
        yield fixture, articles
    if problems:
        raise InputError(problems)


async def _in_order(
    fixtures: Iterable[Fixture], reader: Reader, problems: list[Problem]
) -> AsyncIterator[tuple[Fixture, list[Article]]]:
    async def read(fixture: Fixture) -> tuple[Fixture, list[Article]]:
        try:
            return fixture, await articles_of(fixture, reader)
        except InputError as error:
            problems.extend(error.problems)
            return fixture, []

    running: deque[asyncio.Task[tuple[Fixture, list[Article]]]] = deque()
    try:
        for fixture in fixtures:
            running.append(asyncio.ensure_future(read(fixture)))
            if len(running) > _AHEAD:
                yield await running.popleft()
        while running:
            yield await running.popleft()
    finally:
        for task in running:
            task.cancel()


async def articles_of(fixture: Fixture, reader: Reader) -> list[Article]:
    """The articles that a fixture holds: one, or those of a feed's entries. Raises InputError where it holds none."""
    about = fixture.about
    try:
        if fixture.feed is not None:
            return await _feed_articles(fixture, fixture.feed, reader)
        page = Extracted(fixture.text or "") if fixture.html is None else await reader.extract(fixture.html, about.url)
    except (UnreadableError, WorkerError) as error:
        raise InputError([Problem(fixture.path or fixture.document, str(error))]) from None
    title = about.title or page.title
    article = Article(
        id=fixture.document,
        source=Source(about.feed or fixture.document, about.feed_url, about.tags),
        text=page.text,
        title=title,
        url=about.url,
        author=about.author or page.author,
        text_from=about.text_from or ("content" if fixture.html is None else "page"),
        published=about.published or page.published,
        language=normal(about.language) or detect(f"{title}\n{page.text}", page.language),
    )
    return [article]


async def _feed_articles(fixture: Fixture, body: bytes, reader: Reader) -> list[Article]:
    document = await reader.feed(Page(url="", body=body))
    source = Source(document.title or fixture.document, language=document.language)
    return [await reader.article(entry, source, f"{fixture.document}#{entry.key}") for entry in document.entries]


def newest_first(folder: Path, matcher: Matcher, since: datetime | None, problems: list[Problem]) -> Iterator[Alert]:
    """The alerts of an archive's articles that were seen at `since` or later, the newest article first.

    What cannot be read is added to `problems`.
    """
    for day in reversed(days(folder)):
        if since and day.day < since.astimezone(UTC).date():
            return
        found: list[tuple[datetime, list[Alert]]] = []
        for document, record in read([day.path], problems):
            if since and record.seen < since:
                continue
            article = record.article(document)
            if alerts := alerts_of(article, matcher):
                found.append((record.seen, alerts))
        for _, alerts in sorted(found, key=lambda one: one[0], reverse=True):
            yield from alerts
