"""The article of an HTML page, by trafilatura.

Runs in a worker process: it is slow, and known to crash under threads.
"""

from datetime import UTC, datetime

import trafilatura
from trafilatura.settings import Document

from monitor.articles.html import plain_text
from monitor.errors import UnreadableError
from monitor.models import Extracted


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
    return Extracted(
        text=found.text.strip(),
        title=" ".join(plain_text(found.title or "").split()),
        author=found.author or "",
        language=found.language or None,
        published=_date(found.date),
    )


def _date(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None
    except ValueError:
        return None
