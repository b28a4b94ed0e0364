"""From page to entries and from entry to article: the stages that the daemon and `replay` share."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from monitor import metrics
from monitor.articles.html import plain_text
from monitor.articles.language import detect
from monitor.errors import FetchError, UnreadableError, WorkerError
from monitor.models import FIELD_BREAK, Access, Article, Entry, Extract, Extracted, FeedDocument, Page, Source, TextFrom
from monitor.workers import Workers

log = logging.getLogger(__name__)

FEED_DEADLINE = 5.0  # seconds
PAGE_DEADLINE = 15.0  # seconds
_GLANCE_DEADLINE = 5.0  # seconds
_GLANCED_AT = 200_000  # characters: to look at more words would hold up everything else


class PageSource(Protocol):
    """Where pages come from: the web, or for `replay` nowhere. None is no page, and no failure either."""

    def __call__(self, url: str, access: Access | None = None) -> Awaitable[Page | None]: ...


async def no_pages(url: str, access: Access | None = None) -> None:
    """The page source of whoever has no network."""
    return


class Reader:
    """Reads feeds and articles; what is slow runs in `workers`.

    With `extract` "lazy", articles are extracted only where a rule may match: see `article`.
    """

    def __init__(self, pages: PageSource, workers: Workers, extract: Extract = "always") -> None:
        self._pages = pages
        self._workers = workers
        self._lazy = extract == "lazy"

    async def feed(self, page: Page) -> FeedDocument:
        """Parse a feed document; raises UnreadableError or WorkerError."""
        return await self._workers.run(_parse, page.body, page.url, page.content_type, deadline=FEED_DEADLINE)

    async def article(
        self,
        entry: Entry,
        source: Source,
        identity: str = "",
        *,
        access: Access | None = None,
        could_match: Callable[[Article], bool] | None = None,
    ) -> Article:
        """The article behind an entry: its page's text, or else what the feed itself has of it.

        `access` is how the user wants the feed's pages to be asked for. `could_match` says of an article that has all
        the words of the page whether any rule may match what is extracted from it; where that is out of the question
        a lazy reader leaves it at what the feed has.
        """
        alone = _from_feed(entry, source, identity)
        if self._pages is no_pages or source.full_text == "never" or not entry.url:
            return alone
        try:
            page = await self._pages(entry.url, access)
            words = await self._words(page, title=not alone.title) if page and self._lazy and could_match else None
            if words is not None and could_match and not could_match(_of_words(alone, words)):
                return replace(alone, page_text=any(map(str.isalpha, words)))
            extracted = await self.extract(page.body, page.url, page.content_type) if page else None
        except (FetchError, UnreadableError, WorkerError) as error:
            reason = error.reason if isinstance(error, FetchError) else str(error)
            log.warning("page failed url=%s reason=%r; the feed's own text is used", entry.url, reason)
            metrics.fell_back(error)
            extracted = None
        return _with_page(alone, extracted, entry.language, source) if extracted else replace(alone, page_text=False)

    async def extract(self, html: bytes | str, url: str, content_type: str = "") -> Extracted:
        """The article of a page; raises UnreadableError or WorkerError."""
        with metrics.EXTRACTION.time():
            return await self._workers.run(_extract, html, url, content_type, deadline=PAGE_DEADLINE)

    async def _words(self, page: Page, *, title: bool) -> str | None:
        """All the words that the article of a page may hold; None for so many that it takes long to look at them."""
        try:
            words = await self._workers.run(_words, page.body, page.content_type, title, deadline=_GLANCE_DEADLINE)
        except WorkerError:
            return None
        return words if len(words) < _GLANCED_AT else None


def _from_feed(entry: Entry, source: Source, identity: str) -> Article:
    """The article as far as its feed has it."""
    content = plain_text(entry.content)
    text = content or plain_text(entry.summary)
    text_from: TextFrom = "content" if content else "summary" if text else "none"
    return Article(
        id=identity or entry.key,
        source=source,
        text=text,
        title=entry.title,
        url=entry.url,
        author=entry.author,
        published=entry.published,
        language=detect(f"{entry.title}\n{text}", entry.language, source.language),
        text_from=text_from,
    )


def _of_words(alone: Article, words: str) -> Article:
    """An article of all the words that it could have."""
    return replace(alone, text=f"{words}{FIELD_BREAK}{alone.text}")


def _with_page(alone: Article, page: Extracted, language: str | None, source: Source) -> Article:
    """The article with what its page says: the longer text of both, and what the feed does not say of it."""
    title = alone.title or page.title
    whole = len(page.text) >= len(alone.text)
    text = page.text if whole else alone.text
    return replace(
        alone,
        text=text,
        text_from="page" if whole else alone.text_from,
        title=title,
        author=alone.author or page.author,
        published=alone.published or page.published,
        language=detect(f"{title}\n{text}", language, page.language, source.language),
        page_text=True,
        site=page.site,
        canonical=page.url,
        image=page.image,
    )


# Imported only where they run, in the workers: trafilatura costs every process 50 MB.


def _parse(body: bytes, url: str, content_type: str) -> FeedDocument:
    from monitor.feeds.parse import parse

    return parse(body, url, content_type)


def _extract(html: bytes | str, url: str, content_type: str) -> Extracted:
    from monitor.articles.extract import extract

    return extract(html, url, content_type)


def _words(html: bytes, content_type: str, title: bool) -> str:
    from monitor.articles.extract import words

    return words(html, content_type, title=title, most=_GLANCED_AT)
