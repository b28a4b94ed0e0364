"""Feed documents to entries: RSS, RDF and Atom as feedparser reads them, and JSON Feed. Runs in a worker process."""

import calendar
import io
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import feedparser
from feedparser.datetimes import _parse_date as parse_date  # there is no public name for dates of every form

from monitor.articles.html import plain_text
from monitor.errors import UnreadableError
from monitor.feeds import json_feed, sax, wellformed
from monitor.feeds.discover import feeds_in, is_page
from monitor.feeds.entries import entry, text_of, told_apart
from monitor.models import Entry, FeedDocument

feedparser.api.PREFERRED_XML_PARSERS[:] = [sax.__name__]

_SPACE = b"\xef\xbb\xbf \t\r\n"
_NAMED = 5  # feeds of a web page that a message names
_PERIODS = {"hourly": 1, "daily": 24, "weekly": 7 * 24, "monthly": 30 * 24, "yearly": 365 * 24}  # hours
_LONGEST_WISH = timedelta(days=30)
# What is left of a date without its time of day and zone names no day: feedparser would take today.
_CLOCK = re.compile(r"\d{1,2}:\d\d(:\d\d)?(\.\d+)?|[+-]\d\d:?\d\d\s*$")
_DAY = re.compile(r"\d{4}|\d\d\D?\d\d\D?\d\d|\d[\s-]+[^\W\d]{3,}\.?[\s-]+\d\d")


def parse(body: bytes, url: str, content_type: str = "") -> FeedDocument:
    """Parse a feed document fetched from `url`; raises UnreadableError where it is none."""
    try:
        if body.lstrip(_SPACE).startswith(b"{"):
            document = json_feed.read(body, url)
        else:
            document = _parse_xml(body, url, content_type)
    except (UnreadableError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - feedparser lets through whatever its parsers raise
        raise UnreadableError(f"cannot be parsed as a feed: {type(error).__name__}: {error}") from None
    return replace(document, entries=told_apart(document.entries))


def _parse_xml(body: bytes, url: str, content_type: str) -> FeedDocument:
    feed, entries = wellformed.read(body, content_type) or _by_feedparser(body, url, content_type)
    return FeedDocument(
        _title(feed),
        text_of(feed.get("language")) or None,
        tuple(_entry(found, url) for found in entries),
        _every(feed),
    )


def _by_feedparser(body: bytes, url: str, content_type: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    headers = {"content-type": content_type} if content_type else {}
    # Bytes, never text: feedparser would open a string that names a file. We escape when we show, not here.
    parsed = feedparser.parse(
        io.BytesIO(body), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
    )
    if not parsed.entries and (not parsed.get("version") or is_page(body)):
        raise UnreadableError(_what_it_is(body, url))
    return parsed.feed, parsed.entries


def _what_it_is(body: bytes, url: str) -> str:
    if not is_page(body):
        return "is no feed: neither RSS nor Atom nor JSON Feed"
    addresses = [address for address, _ in feeds_in(body, url)][:_NAMED]
    if not addresses:
        return "is a web page that links to no feed"
    return f"is a web page, not a feed; it links to: {', '.join(addresses)}"


def _entry(found: dict[str, Any], base: str) -> Entry:
    parts = found.get("content", ())
    guid, link = text_of(found.get("id")), text_of(found.get("link"))
    if link == guid and not link.startswith(("http://", "https://")):
        link = ""  # RSS says that a guid is a link unless it says otherwise; most feeds forget to
    return entry(
        guid,
        link,
        base,
        title=_title(found),
        content=max((text_of(part.get("value")) for part in parts), key=len, default=""),
        summary=text_of(found.get("summary")),
        author=text_of(found.get("author")),
        # Not by item: feedparser answers with `published` and a warning where there is no `updated`.
        published=_moment(dict.get(found, "published")) or _moment(dict.get(found, "updated")),
        language=next((part["language"] for part in parts if part.get("language")), None),
    )


def _title(found: Mapping[str, Any]) -> str:
    """A title on one line; HTML in it, which most feeds escape and some do not, becomes text."""
    return " ".join(plain_text(text_of(found.get("title"))).split())


def _moment(text: Any) -> datetime | None:
    """The moment that a date of any form names; None where it names no day, or one that no calendar has."""
    if not isinstance(text, str) or not _DAY.search(_CLOCK.sub(" ", text)):
        return None
    try:
        parsed = parse_date(text)
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC) if parsed else None
    except (ValueError, OverflowError, OSError, TypeError):
        return None


def _every(feed: Mapping[str, Any]) -> timedelta | None:
    """How long the publisher asks to wait between polls: the longest of <ttl> and the syndication module's period.

    The module (https://web.resource.org/rss/1.0/modules/syndication/) has a period and how often in it to ask, once
    where it does not say. What is no whole number above 0, or comes to more than 30 days, is no wish.
    """
    wishes = [timedelta(minutes=_count(feed.get("ttl")))]
    if "sy_updateperiod" in feed or "sy_updatefrequency" in feed:
        hours = _PERIODS.get(text_of(feed.get("sy_updateperiod", "daily")).lower(), 0)
        often = _count(feed.get("sy_updatefrequency", "1"))
        wishes.append(timedelta(hours=hours / often) if often else timedelta())
    return max((wish for wish in wishes if timedelta() < wish <= _LONGEST_WISH), default=None)


def _count(text: Any) -> int:
    """A whole number of at most six digits; 0 where there is none."""
    return int(text) if isinstance(text, str) and re.fullmatch(r"\s*[0-9]{1,6}\s*", text) else 0
