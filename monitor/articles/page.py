"""A page as a tree; what is embedded in it as JSON-LD; and all its words, of which its article is a part."""

import itertools
import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import lxml.etree
import lxml.html

from monitor.articles.charset import decode
from monitor.errors import UnreadableError
from monitor.matching.folding import FIELD_BREAK

EDGE = FIELD_BREAK.strip()  # in the words of a page, wherever an element begins or ends
# As trafilatura parses, so that what it extracts is part of what is seen here.
_PARSER = lxml.html.HTMLParser(
    collect_ids=False, default_doctype=False, encoding="utf-8", remove_comments=True, remove_pis=True
)
_MARKUP = re.compile(r"<(?:!doctype|html|head|body|div|p|br|article|main|section|table|h1|span)\b", re.IGNORECASE)
_PAGES = re.compile(r"html|xml|text/plain")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_TEXTS = lxml.etree.XPath("//text()[not(parent::script or parent::style)]", smart_strings=False)
_CONTENTS = lxml.etree.XPath("//meta/@content", smart_strings=False)
_EMBEDDED = lxml.etree.XPath("//script[@type='application/ld+json']/text()", smart_strings=False)
# Texts in attributes, and letters with their reading beside them, of which an article may be made as well.
_UNSEEN = lxml.etree.XPath("boolean(//math | //ruby | //rt | //*[@data-preloaded])")
_LOOKED_AT = 10_000  # characters, in which there are not many controls
_DEEPEST = 20  # of JSON-LD
_MOST_EMBEDDED = 1_000_000  # characters of one script


def parse(html: bytes | str, content_type: str = "") -> lxml.html.HtmlElement:
    """Parse a page; raises UnreadableError for what is none. `content_type` is the header that came with it."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind and not _PAGES.search(kind):
        raise UnreadableError(f"is no page but {kind}")
    text = html if isinstance(html, str) else decode(html, content_type)
    strange = len(_CONTROLS.findall(text, 0, _LOOKED_AT)) - text.count("\x00", 0, _LOOKED_AT)
    text = _CONTROLS.sub("", text)
    if strange > _LOOKED_AT / 100 or text.startswith("%PDF") or not _MARKUP.search(text):
        raise UnreadableError("is no page: no HTML stands in it")
    try:
        tree = lxml.html.document_fromstring(text.encode(), parser=_PARSER)
    except (lxml.etree.LxmlError, ValueError, AssertionError) as error:
        raise UnreadableError(f"cannot be parsed as a page: {error}") from None
    if not isinstance(tree, lxml.html.HtmlElement):
        raise UnreadableError("is no page: no HTML stands in it")
    return tree


def linked_data(tree: lxml.html.HtmlElement) -> list[dict[str, Any]]:
    """The objects of a page's JSON-LD, those in lists and graphs as well; what is no JSON is passed over."""
    return [thing for value in _embedded(tree) for thing in _objects(value)]


def words(tree: lxml.html.HtmlElement) -> str | None:
    """All the words that an article of this page may hold, with EDGE where elements meet; None where that is not sure.

    Which of the elements an article leaves out is not known yet: any words may come to stand beside an EDGE. A word
    that an element cuts in two stands there in its parts, and once more whole.
    """
    if _UNSEEN(tree):
        return None
    try:
        embedded = [text for value in _embedded(tree) for text in _strings(value)]
    except RecursionError:
        return None
    pieces = EDGE.join([*_TEXTS(tree), " ", f" {EDGE} ".join(_CONTENTS(tree)), *map(EDGE.join, map(_pieces, embedded))])
    cut = [run.strip(EDGE) for run in pieces.split() if EDGE in run.strip(EDGE)]
    return f" {EDGE} ".join([pieces.replace(EDGE, f" {EDGE} "), *(word for run in cut for word in _joined(run))])


def _joined(run: str) -> Iterator[str]:
    """A word that elements cut in pieces: whole, and with only one of the cuts undone."""
    parts = list(filter(None, run.split(EDGE)))
    yield "".join(parts)
    if len(parts) > 2:
        yield from (before + after for before, after in itertools.pairwise(parts))


def _pieces(text: str) -> list[str]:
    """The text of a string that may hold HTML, which may be escaped."""
    text = _CONTROLS.sub("", unescape(text))
    if not re.search(r"<[a-zA-Z/]", text):
        return [" ", text, " "]
    return [" ", *_TEXTS(lxml.html.fragment_fromstring(text, create_parent="div")), " "]


def _embedded(tree: lxml.html.HtmlElement) -> Iterator[Any]:
    for script in _EMBEDDED(tree):
        try:
            yield json.loads(script[:_MOST_EMBEDDED], strict=False)
        except (ValueError, RecursionError):
            continue


def _objects(value: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for inner in value:
            yield from _objects(inner, depth + 1)
    elif isinstance(value, dict):
        yield value
        for key in ("@graph", "mainEntity"):
            yield from _objects(value.get(key), depth + 1)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _strings(inner)
