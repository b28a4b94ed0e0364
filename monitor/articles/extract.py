"""The article of an HTML page, by trafilatura.

Runs in a worker process: it is slow, and known to crash under threads.
"""

import re
from datetime import UTC, datetime

import trafilatura
from trafilatura.settings import Document

from monitor.articles.html import plain_text
from monitor.errors import UnreadableError
from monitor.models import Extracted

_LANG = re.compile(r"""<html[^>]*\slang\s*=\s*["']?([\w-]+)""", re.IGNORECASE)


def extract(html: bytes | str, url: str = "") -> Extracted:
    """Extract the article of a page; raises UnreadableError where there is none."""
    try:
        found = trafilatura.bare_extraction(
            html, url=url or None, fast=True, include_comments=False, with_metadata=True
        )
    except Exception as error:  # noqa: BLE001 - trafilatura lets through whatever its parsers raise
        raise UnreadableError(f"cannot be parsed as a page: {type(error).__name__}: {error}") from None
    if not isinstance(found, Document) or not found.text:
        raise UnreadableError("holds no article text")
    title = " ".join(plain_text(found.title or "").split())
    return Extracted(
        text=_without_title(found.text.strip(), title),
        title=title,
        author=found.author or "",
        language=_declared_language(html),
        published=_date(found.date),
    )


def _without_title(text: str, title: str) -> str:
    """The text without the headline that stands above it on most pages: its lead is its first paragraph."""
    first, _, rest = text.partition("\n")
    return rest.lstrip() if rest and " ".join(first.split()) == title else text


def _declared_language(html: bytes | str) -> str | None:
    """What the page's <html lang> says."""
    head = html[:4096]
    found = _LANG.search(head if isinstance(head, str) else head.decode("latin-1"))
    return found[1] if found else None


def _date(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None
    except ValueError:
        return None
