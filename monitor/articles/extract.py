"""The article of an HTML page, by trafilatura.

Runs in a worker process: it is slow, and known to crash under threads.
"""

import re
from dataclasses import replace
from html import unescape
from typing import Any

import lxml.etree
import lxml.html
import trafilatura
from trafilatura.settings import Document, Extractor

from monitor.articles import page
from monitor.articles.html import plain_text
from monitor.articles.metadata import is_article, metadata
from monitor.errors import UnreadableError
from monitor.models import Extracted

_LINKED = lxml.etree.XPath("//a//text()", smart_strings=False)
_OPTIONS = Extractor(output_format="python", fast=True, comments=False)
# As "balanced", but for the second look at the pages of short articles: it takes half as long again, and lets in what
# stands beside them.
_OPTIONS.focus = "article"
_SHORT = 250  # characters: below it trafilatura looks everywhere, and finds what it should not


def extract(html: bytes | str, url: str = "", content_type: str = "") -> Extracted:
    """Extract the article of a page; raises UnreadableError where there is none."""
    tree = page.parse(html, content_type)
    things = page.linked_data(tree)
    about = metadata(tree, things, url)
    links = {" ".join(text.split()) for text in _LINKED(tree)}
    text = _without_title(_without_links(_body(tree), links), about.title)
    if len(text) < _SHORT:
        text = max(text, _embedded(things), key=len)
    if not text:
        raise UnreadableError("holds no article text")
    return replace(about, text=text)


def _body(tree: lxml.html.HtmlElement) -> str:
    """The article as trafilatura finds it; the tree is used up."""
    # What it drops anyway is copied no more than needed.
    lxml.etree.strip_elements(tree, "style", "svg", with_tail=False)
    for script in tree.xpath("//script[not(@type='application/ld+json')]"):
        script.drop_tree()
    try:
        found = trafilatura.bare_extraction(tree, options=_OPTIONS)
    except Exception as error:  # noqa: BLE001 - trafilatura lets through whatever its parsers raise
        raise UnreadableError(f"cannot be parsed as a page: {type(error).__name__}: {error}") from None
    return found.text.strip() if isinstance(found, Document) and found.text else ""


def _without_links(text: str, links: set[str]) -> str:
    """The text without the lines that are nothing but a link: they lead to other articles."""
    return "\n".join(line for line in text.split("\n") if " ".join(line.split()).lstrip("- ") not in links)


def _without_title(text: str, title: str) -> str:
    """The text without the headline that stands above it on most pages: its lead is its first paragraph."""
    first, _, rest = text.partition("\n")
    return rest.lstrip() if rest and " ".join(first.split()) == title else text


def _embedded(things: list[dict[str, Any]]) -> str:
    """The longest text of an article that a page has in its JSON-LD."""
    bodies = [thing.get("articleBody") for thing in things if is_article(thing)]
    texts = (_lines(unescape(body)) for body in bodies if isinstance(body, str))
    return max(texts, key=len, default="")


def _lines(text: str) -> str:
    return re.sub(r"\s*\n\s*", "\n", plain_text(text)).strip()
