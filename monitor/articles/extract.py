"""The article of an HTML page, by trafilatura.

Runs in a worker process: it is slow, and known to crash under threads.
"""

import sys
from dataclasses import replace

import lxml.html
import trafilatura
from trafilatura.settings import Document, Extractor

from monitor.articles import page
from monitor.articles.metadata import article_body, metadata
from monitor.errors import UnreadableError
from monitor.models import EDGE, Extracted

_OPTIONS = Extractor(output_format="python", fast=True, comments=False)
# As "balanced", but for the second look at the pages of short articles: it takes half as long again, and lets in what
# stands beside them.
_OPTIONS.focus = "article"


def extract(html: bytes | str, url: str = "", content_type: str = "") -> Extracted:
    """Extract the article of a page; raises UnreadableError where there is none."""
    tree = page.parse(html, content_type)
    things = page.linked_data(tree)
    about = metadata(tree, things, url)
    embedded = article_body(things)
    page.prune(tree, embedded)
    text = _without_title(_body(tree), about.title) or embedded
    if not text:
        raise UnreadableError("holds no article text")
    return replace(about, text=text)


def words(html: bytes, content_type: str = "", *, title: bool = False, most: int = sys.maxsize) -> str:
    """All the words that may be in what `extract` makes of a page, those of its title only if that is asked for.

    Of a page of more than `most` characters of them some are enough, as long as they are more than `most` too.
    Raises UnreadableError where `extract` does for what is no page. See `page.words`.
    """
    tree = page.parse(html, content_type)
    things = page.linked_data(tree)
    titled = metadata(tree, things).title if title else ""
    text = article_body(things)
    page.prune(tree, text)
    return f"{titled} {EDGE} {page.words(tree, text, most)}"


def _body(tree: lxml.html.HtmlElement) -> str:
    """The article as trafilatura finds it; the tree is used up."""
    try:
        found = trafilatura.bare_extraction(tree, options=_OPTIONS)
    except Exception as error:  # noqa: BLE001 - trafilatura lets through whatever its parsers raise
        raise UnreadableError(f"cannot be parsed as a page: {type(error).__name__}: {error}") from None
    return found.text.strip() if isinstance(found, Document) and found.text else ""


def _without_title(text: str, title: str) -> str:
    """The text without the headline that stands above it on most pages: its lead is its first paragraph."""
    first, _, rest = text.partition("\n")
    return rest.lstrip() if rest and " ".join(first.split()) == title else text
