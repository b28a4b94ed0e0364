"""From page to entries and from entry to article: the stages that the daemon and `replay` share."""

import logging
from collections.abc import Awaitable
from typing import Protocol

from monitor.articles.html import plain_text
from monitor.articles.language import detect
from monitor.errors import FetchError, UnreadableError, WorkerError
from monitor.models import Access, Article, Entry, Extracted, FeedDocument, Page, Source
from monitor.workers import Workers

log = logging.getLogger(__name__)

FEED_DEADLINE = 5.0  # seconds
PAGE_DEADLINE = 15.0  # seconds


class PageSource(Protocol):
    """Where pages come from: the web, or for `replay` nowhere. None is no page, and no failure either."""

    def __call__(self, url: str, access: Access | None = None) -> Awaitable[Page | None]: ...


async def no_pages(url: str, access: Access | None = None) -> None:
    """The page source of whoever has no network."""
    return


class Reader:
    """Reads feeds and articles; what is slow runs in `workers`."""

    def __init__(self, pages: PageSource, workers: Workers) -> None:
        self._pages = pages
        self._workers = workers

    async def feed(self, page: Page) -> FeedDocument:
        """Parse a feed document; raises UnreadableError or WorkerError."""
        return await self._workers.run(_parse, page.body, page.url, page.content_type, deadline=FEED_DEADLINE)

    async def article(
        self, entry: Entry, source: Source, identity: str = "", *, access: Access | None = None
    ) -> Article:
        """The article behind an entry: its page's text, or else what the feed itself has of it.

        `access` is how the user wants the feed's pages to be asked for.
        """
        own = plain_text(entry.content) or plain_text(entry.summary)
        page = await self._page(entry, source, access)
        text = page.text if page and len(page.text) >= len(own) else own
        declared = entry.language or (page.language if page else None) or source.language
        return Article(
            id=identity or entry.key,
            source=source,
            text=text,
            title=entry.title or (page.title if page else ""),
            url=entry.url,
            author=entry.author or (page.author if page else ""),
            published=entry.published or (page.published if page else None),
            language=detect(f"{entry.title}\n{text}", declared),
            page_text=bool(page and page.text) if self._has_page(entry, source) else None,
        )

    async def extract(self, html: bytes | str, url: str) -> Extracted:
        """The article of a page; raises UnreadableError or WorkerError."""
        return await self._workers.run(_extract, html, url, deadline=PAGE_DEADLINE)

    def _has_page(self, entry: Entry, source: Source) -> bool:
        return self._pages is not no_pages and source.full_text != "never" and bool(entry.url)

    async def _page(self, entry: Entry, source: Source, access: Access | None) -> Extracted | None:
        """Fetch and extract an entry's page; None, with a line in the log, where that fails."""
        if not self._has_page(entry, source):
            return None
        try:
            page = await self._pages(entry.url, access)
            return await self.extract(page.body, page.url) if page else None
        except (FetchError, UnreadableError, WorkerError) as error:
            reason = error.reason if isinstance(error, FetchError) else str(error)
            log.warning("page failed url=%s reason=%r; the feed's own text is used", entry.url, reason)
            return None


# Imported only where they run, in the workers: trafilatura costs every process 50 MB.


def _parse(body: bytes, url: str, content_type: str) -> FeedDocument:
    from monitor.feeds.parse import parse

    return parse(body, url, content_type)


def _extract(html: bytes | str, url: str) -> Extracted:
    from monitor.articles.extract import extract

    return extract(html, url)
