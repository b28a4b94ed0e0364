"""JSON Feed 1.0 and 1.1 (https://www.jsonfeed.org/version/1.1/)."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from monitor.errors import UnreadableError
from monitor.feeds.entries import entry, text_of
from monitor.models import Entry, FeedDocument


def read(body: bytes, url: str) -> FeedDocument:
    """Read a document fetched from `url`; raises UnreadableError where it is no JSON Feed."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"is no JSON Feed: {error}") from None
    if not str(document.get("version", "")).startswith("https://jsonfeed.org/version/"):
        raise UnreadableError('is no JSON Feed: "version" does not name one')
    items = document.get("items")
    if not isinstance(items, list | None):
        raise UnreadableError('is no JSON Feed: "items" is no list')
    entries = tuple(_entry(item, url) for item in items or () if isinstance(item, dict))
    return FeedDocument(text_of(document.get("title")), text_of(document.get("language")) or None, entries)


def _entry(item: Mapping[str, Any], base: str) -> Entry:
    guid = item.get("id", "")
    return entry(
        str(guid) if isinstance(guid, str | int | float) else "",
        text_of(item.get("url")) or text_of(item.get("external_url")),
        base,
        title=" ".join(text_of(item.get("title")).split()),
        content=text_of(item.get("content_html")) or _html_of(text_of(item.get("content_text"))),
        summary=_html_of(text_of(item.get("summary"))),
        author=", ".join(_authors(item)),
        published=_moment(text_of(item.get("date_published")) or text_of(item.get("date_modified"))),
        language=text_of(item.get("language")) or None,
    )


def _authors(item: Mapping[str, Any]) -> list[str]:
    """The authors' names: 1.1 has a list of them, 1.0 one."""
    authors = item.get("authors") or [item.get("author")]
    named = [author for author in authors if isinstance(author, dict)] if isinstance(authors, list) else []
    return [name for author in named if (name := text_of(author.get("name")))]


def _html_of(text: str) -> str:
    """Plain text to HTML, since an entry's content is HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", "<br>")


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
