"""The main job: poll a feed, read what is new in it, match it, publish alerts."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b

from monitor import metrics
from monitor.alerts.build import health_alerts
from monitor.archive import Archive
from monitor.config import FeedConfig, PollConfig
from monitor.errors import FetchError, MonitorError, StoreError
from monitor.feeds import health
from monitor.feeds.record import GONE_AFTER, Record
from monitor.feeds.rhythm import Hints, Limits, first_poll, fresh_for, kept_due, next_poll, retry_after
from monitor.feeds.state import FeedState
from monitor.http import Http
from monitor.logs import about
from monitor.models import Entry, FeedDocument, Page, Source
from monitor.pipeline import Pipeline
from monitor.reading import Reader
from monitor.store.feeds import FeedStore
from monitor.store.routes import LedgerEntry

log = logging.getLogger(__name__)

_ENTRIES_AT_ONCE = 4  # of one feed: a guest does not open more connections than a reader would
_TRY_AGAIN = timedelta(seconds=1)  # whether another process is done with a feed
_LOOK_AGAIN = timedelta(minutes=1)  # whether a feed that is paused or gone was resumed


class TakenError(MonitorError):
    """Another process has the feed."""


@dataclass(slots=True)
class _Round:
    """One poll of a feed: what is known of the feed, as it grows."""

    feed: FeedConfig
    state: FeedState
    source: Source
    done: list[Entry] = field(default_factory=list)  # entries that need no second look
    pages: list[bool] = field(default_factory=list)  # whether each page that was asked for gave text
    alerts: int = 0


class Poller:
    """Polls feeds; `pipeline` may be exchanged for another at any time."""

    def __init__(  # noqa: PLR0913 - one for each part that a poll touches
        self,
        http: Http,
        reader: Reader,
        store: FeedStore,
        *,
        pipeline: Pipeline,
        settings: PollConfig,
        now: Callable[[], datetime],
        archive: Archive | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.archive = archive
        self._http = http
        self._reader = reader
        self._store = store
        self._settings = settings
        self._now = now

    def exchange(self, pipeline: Pipeline, settings: PollConfig) -> None:
        """Go on by others; entries that are being handled end with the pipeline that they began with."""
        self.pipeline, self._settings = pipeline, settings

    async def poll(self, feed: FeedConfig) -> datetime:
        """Poll a feed if it is due; returns when to come back. Raises StoreError.

        Other failures of its own are logged, once each, and never reach the caller.
        """
        try:
            with about(feed=feed.address):
                return await self._poll(feed, early=False)
        except TakenError:
            return self._now() + _TRY_AGAIN

    async def poll_now(self, feed: FeedConfig) -> bool:
        """Poll a feed, due or not; False where another process has it. Raises StoreError."""
        try:
            with about(feed=feed.address):
                await self._poll(feed, early=True)
        except TakenError:
            return False
        return True

    async def first_polls(self, feeds: Sequence[FeedConfig]) -> list[tuple[FeedConfig, datetime]]:
        """When each feed is polled first, by what is kept of it. Raises StoreError."""
        now, states = self._now(), await self._store.states([feed.url for feed in feeds])
        first = []
        for feed, state in zip(feeds, states, strict=True):
            record = FeedState.decode(state).record
            due = first_poll(record, self._limits(feed), now=now, url=feed.url, feeds=len(feeds))
            if due is None:
                log.warning("feed=%s is gone and polled no more; `monitor feeds resume` tries it again", feed.address)
            first.append((feed, due or now + _LOOK_AGAIN))
        return first

    def _limits(self, feed: FeedConfig) -> Limits:
        return Limits(self._settings.min, self._settings.max, feed.every)

    async def _poll(self, feed: FeedConfig, *, early: bool) -> datetime:
        claim = await self._store.claim(feed.url)
        if claim.paused:
            return self._now() + _LOOK_AGAIN
        if not claim.ours:
            raise TakenError(f"feed={feed.address} is being polled by another process")
        state, given_back = FeedState.decode(claim.state), False
        metrics.LEASES.inc()
        try:
            if due := self._not_now(feed, state.record, early=early):
                return due
            due = await self._round(feed, state)
            given_back = True  # with the last write of the round
            return due
        except TakenError as error:
            log.warning("%s; what it found is not kept", error)
            raise
        except StoreError:
            raise
        except Exception:
            log.exception("unexpected error while polling feed=%s; going on", feed.address)
            metrics.POLLS.labels("error").inc()
            return self._now() + self._settings.min
        finally:
            metrics.LEASES.dec()
            if not given_back:
                await self._store.give_back(feed.url)

    def _not_now(self, feed: FeedConfig, record: Record, *, early: bool) -> datetime | None:
        """When to come back to a feed that is gone, or that another process has polled meanwhile."""
        if record.gone >= GONE_AFTER:
            return self._now() + _LOOK_AGAIN
        return None if early else kept_due(record, self._limits(feed), self._now())

    async def _round(self, feed: FeedConfig, state: FeedState) -> datetime:
        source = Source(feed.title, feed.address, feed.tags, feed.language, feed.full_text)
        poll = _Round(feed, state, source)
        before, hints, outcome = state.record, Hints(), "failed"
        try:
            page = await self._http.get(
                before.moved_to or feed.url, etag=before.etag, last_modified=before.last_modified, access=feed.access
            )
            hints = self._hints(page)
            record = await self._read(poll, page)
            outcome = "unchanged" if page.unchanged else "read"
        except (StoreError, TakenError):
            raise
        except MonitorError as error:
            record, hints = self._failed(before, error, hints)
        due = await self._close(poll, record, hints)
        metrics.polled(outcome, self._now())
        return due

    async def _read(self, poll: _Round, page: Page) -> Record:
        """Take what is new in a page the whole way; returns what is known of the feed then."""
        record, now = poll.state.record, self._now()
        redirected = record.after_redirect(None if record.moved_to else page.moved_to)
        if page.unchanged or _fingerprint(page.body) == record.body:
            return redirected.after_success(now)
        document = await self._reader.feed(page)
        new = await self._handle_new(poll, document)
        record = redirected.after_success(now, [entry.published for entry in new])
        record = record.after_texts(sum(poll.pages), len(poll.pages))
        memory = poll.state.memory
        if len(poll.done) < len(document.entries):
            # What failed has to be seen again: the next poll asks without conditions.
            poll.state = replace(poll.state, memory=memory.with_entries(poll.done))
            return replace(record, etag="", last_modified="", body="")
        poll.state = replace(poll.state, memory=memory.with_document(document.entries))
        return replace(
            record, etag=page.etag, last_modified=page.last_modified, body=_fingerprint(page.body), wish=document.every
        )

    async def _handle_new(self, poll: _Round, document: FeedDocument) -> list[Entry]:
        """Handle the entries that are not known, oldest first; returns those that are new."""
        poll.source = replace(poll.source, language=poll.source.language or document.language)
        judged = [(entry, poll.state.memory.judge(entry)) for entry in reversed(document.entries)]
        new = [entry for entry, verdict in judged if verdict == "new"]
        old = {entry.key for entry in self._too_old(poll.state.record, new)}
        if old:
            log.info(
                "noted %d old entries of feed=%s without a look; max_age is what counts as old",
                len(old),
                poll.feed.address,
            )
        poll.done += [entry for entry, verdict in judged if verdict == "known" or entry.key in old]
        places = asyncio.Semaphore(_ENTRIES_AT_ONCE)

        async def handle(entry: Entry) -> None:
            async with places:
                with about(article=entry.key):
                    await self._handle(poll, entry)

        waiting = [entry for entry, verdict in judged if verdict != "known" and entry.key not in old]
        # All of them come to an end before an error of the store is raised: none may write once the feed is given back.
        for error in filter(None, await asyncio.gather(*map(handle, waiting), return_exceptions=True)):
            raise error
        return new

    def _too_old(self, record: Record, new: Sequence[Entry]) -> list[Entry]:
        """Entries from before the time that was watched: none that came out while the monitor was down."""
        since = (record.last_success or self._now()) - self._settings.max_age
        return [entry for entry in new if entry.published and entry.published < since]

    async def _handle(self, poll: _Round, entry: Entry) -> None:
        """Take one entry the whole way; where that fails it is left for the next poll."""
        try:
            pipeline = self.pipeline  # another one may have come when the article has been read
            could_match = None if self.archive else pipeline.matcher.could_match  # an archive is of whole articles
            article = await self._reader.article(entry, poll.source, access=poll.feed.access, could_match=could_match)
            now = self._now()
            taken = await pipeline.take(article, now, seen=now)
        except StoreError:
            raise
        except Exception:
            log.exception(
                "unexpected error at entry=%s of feed=%s; it is tried again", entry.url or entry.key, poll.feed.address
            )
            return
        log.debug("read url=%s text_from=%s language=%s", article.url, article.text_from, article.language)
        if article.page_text is not None:
            poll.pages.append(article.page_text)
        metrics.read(article, now if poll.state.record.last_success else None)
        # What raised nothing needs no mark of its own: should it come to that, it is looked at again.
        if taken.alerts or taken.suppressed:
            remembered = replace(poll.state, memory=poll.state.memory.with_entries([*poll.done, entry]))
            entries = [LedgerEntry.of(suppressed, now) for suppressed in taken.suppressed]
            added = await self._store.write(poll.feed.url, remembered.encode(), taken.alerts, entries=entries)
            poll.alerts += _kept(poll.feed, added)
            metrics.ALERTS.inc(added or 0)
            metrics.suppressed(each.reason for each in taken.suppressed)
        if self.archive:
            self.archive.append(article, now, taken.story)
        # Kept last: another entry's write, which may come before this one's, must not mark it without its alerts.
        poll.done.append(entry)

    def _failed(self, before: Record, error: MonitorError, hints: Hints) -> tuple[Record, Hints]:
        reason = error.reason if isinstance(error, FetchError) else str(error)
        status = error.status if isinstance(error, FetchError) else None
        if isinstance(error, FetchError):
            hints = Hints(retry_after=retry_after(error.headers.get("retry-after", ""), self._now()))
        return before.after_failure(self._now(), reason, gone=status == 410), hints

    def _hints(self, page: Page) -> Hints:
        said = {name: page.headers.get(name, "") for name in ("cache-control", "expires", "date", "age")}
        fresh = fresh_for(said["cache-control"], said["expires"], date=said["date"], age=said["age"], now=self._now())
        return Hints(fresh_for=fresh)

    async def _close(self, poll: _Round, record: Record, hints: Hints) -> datetime:
        """Say how the poll went, decide on the next, and give the feed back."""
        now, feed = self._now(), poll.feed
        self._say(feed, poll.state.record, record)
        due = next_poll(record, hints, self._limits(feed), now=now, url=feed.url)
        condition = health.verdict(record, now)
        changes = health.changes(record.told, condition)
        record = replace(record, told=condition.told).planned(due, now)
        state = FeedState(record, poll.state.memory)
        alerts = health_alerts(changes, poll.source, now)
        poll.alerts += _kept(feed, await self._store.write(feed.url, state.encode(), alerts, done=True))
        if poll.alerts:
            log.info("polled feed=%s alerts=%d", feed.address, poll.alerts)
        return due or now + _LOOK_AGAIN

    def _say(self, feed: FeedConfig, before: Record, after: Record) -> None:
        if after.failures and after.reason != before.reason:
            log.warning("feed failed url=%s reason=%r", feed.address, after.reason)
        elif before.failures and not after.failures:
            log.info("feed recovered url=%s", feed.address)


def _kept(feed: FeedConfig, raised: int | None) -> int:
    if raised is None:
        raise TakenError(f"feed={feed.address} was taken over by another process while this one stood still")
    return raised


def _fingerprint(body: bytes) -> str:
    return blake2b(body, digest_size=12).hexdigest()
