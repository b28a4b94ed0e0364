"""Feed documents to entries: RSS, RDF and Atom by feedparser, JSON Feed by ourselves. Runs in a worker process."""

import calendar
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import feedparser

from monitor.articles.html import plain_text
from monitor.errors import UnreadableError
from monitor.feeds.identity import digest, key_of
from monitor.models import Entry, FeedDocument

_SURROGATES = re.compile("[\ud800-\udfff]")


def parse(body: bytes, url: str, content_type: str = "") -> FeedDocument:
    """Parse a feed document fetched from `url`; raises UnreadableError where it is none."""
    try:
        if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
            document = _parse_json(body, url)
        else:
            document = _parse_xml(body, url, content_type)
    except UnreadableError:
        raise
    except Exception as error:  # noqa: BLE001 - feedparser lets through whatever its parsers raise
        raise UnreadableError(f"cannot be parsed as a feed: {type(error).__name__}: {error}") from None
    return replace(document, entries=_told_apart(document.entries))


def _told_apart(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Entries with keys of their own, where a feed gives several the same guid."""
    counts = Counter(entry.key for entry in entries)
    return tuple(
        entry
        if counts[entry.key] == 1
        else replace(entry, key=f"{entry.key}#{digest(entry.url, entry.title, entry.content or entry.summary)[:8]}")
        for entry in entries
    )


def _parse_xml(body: bytes, url: str, content_type: str) -> FeedDocument:
    headers = {"content-type": content_type} if content_type else {}
    # Bytes, never text: feedparser would open a string that names a file. We escape when we show, not here.
    parsed = feedparser.parse(
        io.BytesIO(body), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
    )
    if not parsed.entries and not parsed.get("version"):
        raise UnreadableError("is no feed: neither RSS nor Atom nor JSON Feed")
    feed = parsed.feed
    entries = tuple(_entry(entry, url) for entry in parsed.entries)
    return FeedDocument(_title(feed), _text(feed.get("language")) or None, entries)


def _entry(raw: dict[str, Any], base: str) -> Entry:
    content = max((_text(part.get("value")) for part in raw.get("content", ())), key=len, default="")
    guid, link = _text(raw.get("id")), _text(raw.get("link"))
    if link == guid and not link.startswith(("http://", "https://")):
        link = ""  # RSS says that a guid is a link unless it says otherwise; most feeds forget to
    return _with_key(
        guid,
        url=_web_address(link, base),
        title=_title(raw),
        content=content,
        summary=_text(raw.get("summary")),
        author=_text(raw.get("author")),
        published=_time(dict.get(raw, "published_parsed") or dict.get(raw, "updated_parsed")),
        language=next((part["language"] for part in raw.get("content", ()) if part.get("language")), None),
    )


def _web_address(link: str, base: str) -> str:
    """The address that an entry's link means; nothing where it is none of the web's (an Atom id, say)."""
    try:
        address = urljoin(base, link) if link else ""
    except ValueError:
        return ""
    return address if address.startswith(("http://", "https://")) else ""


def _with_key(guid: str, **fields: Any) -> Entry:
    return Entry(key=key_of(guid, fields["url"], fields["title"], fields["content"] or fields["summary"]), **fields)


def _title(raw: Mapping[str, Any]) -> str:
    """A title on one line; HTML in it, which most feeds escape and some do not, becomes text."""
    return " ".join(plain_text(_text(raw.get("title"))).split())


def _text(value: Any) -> str:
    return _SURROGATES.sub("", value).strip() if isinstance(value, str) else ""


def _time(parsed: Any) -> datetime | None:
    """A struct_time in UTC to a datetime; None for a date that no calendar has."""
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC) if parsed else None
    except (ValueError, OverflowError, OSError, TypeError):
        return None


def _parse_json(body: bytes, url: str) -> FeedDocument:
    """Read JSON Feed 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1/)."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"is no JSON Feed: {error}") from None
    if not str(document.get("version", "")).startswith("https://jsonfeed.org/version/"):
        raise UnreadableError('is no JSON Feed: "version" does not name one')
    items = document.get("items")
    if not isinstance(items, list | None):
        raise UnreadableError('is no JSON Feed: "items" is no list')
    entries = tuple(_json_entry(item, url) for item in items or () if isinstance(item, dict))
    return FeedDocument(_text(document.get("title")), _text(document.get("language")) or None, entries)


def _json_entry(item: Mapping[str, Any], base: str) -> Entry:
    link = _text(item.get("url")) or _text(item.get("external_url"))
    guid = item.get("id", "")
    return _with_key(
        str(guid) if isinstance(guid, str | int | float) else "",
        url=_web_address(link, base),
        title=" ".join(_text(item.get("title")).split()),
        content=_text(item.get("content_html")) or escape_text(_text(item.get("content_text"))),
        summary=escape_text(_text(item.get("summary"))),
        author=", ".join(_json_authors(item)),
        published=_json_time(_text(item.get("date_published")) or _text(item.get("date_modified"))),
        language=_text(item.get("language")) or None,
    )


def _json_authors(item: Mapping[str, Any]) -> Iterable[str]:
    authors = item.get("authors") or [item.get("author")]
    return [_text(author.get("name")) for author in authors if isinstance(author, dict) and author.get("name")]


def escape_text(text: str) -> str:
    """Plain text to HTML, since an entry's content is HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", "<br>")


def _json_time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
