"""The main job: poll a feed, read what is new in it, match it, publish alerts."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from hashlib import blake2b

from monitor.alerts.build import alerts_for
from monitor.config import FeedConfig
from monitor.errors import FetchError, MonitorError, StoreError
from monitor.http import Http
from monitor.matching.matcher import Matcher
from monitor.models import Access, Entry, FeedDocument, Page, Source
from monitor.reading import Reader
from monitor.store.redis import FeedState, Store
from monitor.supervise import Troubles

log = logging.getLogger(__name__)

_ENTRIES_AT_ONCE = 4  # of one feed: a guest does not open more connections than a reader would


class Poller:
    """Polls feeds; `matcher` may be exchanged for another at any time."""

    def __init__(
        self,
        http: Http,
        reader: Reader,
        store: Store,
        *,
        matcher: Matcher,
        now: Callable[[], datetime],
        troubles: Troubles,
    ) -> None:
        self.matcher = matcher
        self._http = http
        self._reader = reader
        self._store = store
        self._now = now
        self._failing: dict[str, str] = {}
        self._troubles = troubles

    async def poll(self, feed: FeedConfig) -> None:
        """Poll a feed once. Its own failures are logged, once each; they never reach the caller."""
        try:
            await self._poll(feed)
        except StoreError as error:
            self._troubles.say(error)
        except MonitorError as error:
            self._note_failure(feed, error)
        except Exception:
            log.exception("unexpected error while polling feed=%s; going on", feed.url)
        else:
            if self._failing.pop(feed.url, None):
                log.info("feed recovered url=%s", feed.url)

    async def _poll(self, feed: FeedConfig) -> None:
        state = await self._store.feed_state(feed.url)
        page = await self._http.get(feed.url, etag=state.etag, last_modified=state.last_modified, access=feed.access)
        if page.unchanged or _same_body(page, state):
            return
        document = await self._reader.feed(page)
        handled, alerts = await self._handle_new(feed, document)
        # Kept last: whatever fails above must make the next poll see these entries again.
        if handled:
            keys = [entry.key for entry in document.entries]
            await self._store.remember(feed.url, _state_of(page), self._now(), keys)
        if alerts is not None:
            log.info("polled feed=%s entries=%d alerts=%d", feed.url, len(document.entries), alerts)

    async def _handle_new(self, feed: FeedConfig, document: FeedDocument) -> tuple[bool, int | None]:
        """Handle the entries not handled before; returns whether all were, and how many alerts came of it."""
        entries = {
            entry.key: entry for entry in reversed(document.entries)
        }  # oldest first, as feeds have newest on top
        new = await self._store.unseen(feed.url, list(entries))
        if not new:
            return True, None
        source = Source(feed.title, feed.url, feed.tags, feed.language or document.language, feed.full_text)
        places = asyncio.Semaphore(_ENTRIES_AT_ONCE)

        async def handle(entry: Entry) -> int | None:
            async with places:
                return await self._handle(entry, source, feed.access)

        counts = await asyncio.gather(*(handle(entries[key]) for key in new))
        return None not in counts, sum(count or 0 for count in counts)

    async def _handle(self, entry: Entry, source: Source, access: Access) -> int | None:
        """Take one entry the whole way; returns how many alerts it raised, None where it has to be tried again."""
        try:
            article = await self._reader.article(entry, source, access=access)
            alerts = alerts_for(self.matcher.match(article), article, self.matcher.by_id, self._now())
            published = await self._store.publish(alerts, source.url, entry.key, self._now())
        except StoreError:
            raise
        except Exception:
            log.exception(
                "unexpected error at entry=%s of feed=%s; it is tried again", entry.url or entry.key, source.url
            )
            return None
        return len(alerts) if published else 0

    def _note_failure(self, feed: FeedConfig, error: MonitorError) -> None:
        reason = error.reason if isinstance(error, FetchError) else str(error)
        if self._failing.get(feed.url) != reason:
            self._failing[feed.url] = reason
            log.warning("feed failed url=%s reason=%r", feed.url, reason)


def _same_body(page: Page, state: FeedState) -> bool:
    return state.body == _fingerprint(page.body)


def _state_of(page: Page) -> FeedState:
    return FeedState(page.etag, page.last_modified, _fingerprint(page.body))


def _fingerprint(body: bytes) -> str:
    return blake2b(body, digest_size=12).hexdigest()
