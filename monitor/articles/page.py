"""A page as a tree; what is embedded in it as JSON-LD; and all its words, of which its article is a part."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

import lxml.etree
import lxml.html

from monitor.articles.charset import decode
from monitor.articles.html import BLOCKS
from monitor.errors import UnreadableError
from monitor.models import EDGE

_WORD = 50  # characters, of which words have fewer
_PHRASE = 20  # words, of which terms have fewer
# As trafilatura parses, so that what it extracts is part of what is seen here.
_PARSER = lxml.html.HTMLParser(
    collect_ids=False, default_doctype=False, encoding="utf-8", remove_comments=True, remove_pis=True
)
_MARKUP = re.compile(r"<(?:!doctype|html|head|body|div|p|br|article|main|section|table|h1|span)\b", re.IGNORECASE)
_PAGES = re.compile(r"html|xml|text/plain")
_CONTROLS = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")  # which pages hold few of; NUL is common
_NO_LETTERS = bytes({*range(32), 127} - set(b"\t\n\r"))
_TEXTS = lxml.etree.XPath("//text()[not(parent::script)]", smart_strings=False)
# Dropped with all that is in them. Some would be dropped by trafilatura as well, but for its last resort.
_NO_TEXT = (
    "script", "style", "svg", "math", "template", "noscript", "iframe", "object", "nav", "aside", "footer", "menu",
    "dialog", "button", "select", "textarea", "label", "rt", "rtc", "rp",
)  # fmt: skip
# What readers say, and what some forums preload.
_BESIDE = lxml.etree.XPath("descendant::div[@id='comments' or @id='disqus_thread' or @id='data-preloaded']")
_HEADLINE = 300  # characters, of which a headline has fewer
_LOOKED_AT = 10_000  # characters, in which there are not many controls
_DEEPEST = 20  # of JSON-LD
_MOST_EMBEDDED = 1_000_000  # characters of one script


def parse(html: bytes | str, content_type: str = "") -> lxml.html.HtmlElement:
    """Parse a page; raises UnreadableError for what is none. `content_type` is the header that came with it."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind and not _PAGES.search(kind):
        raise UnreadableError(f"is no page but {kind}")
    text = html if isinstance(html, str) else decode(html, content_type)
    start = text[:_LOOKED_AT]
    if len(_CONTROLS.findall(start)) > _LOOKED_AT / 100 or text.startswith("%PDF") or not _MARKUP.search(text):
        raise UnreadableError("is no page: no HTML stands in it")
    encoded = text.encode(errors="replace").translate(None, _NO_LETTERS)
    try:
        tree = lxml.etree.fromstring(encoded, parser=_PARSER)
    except (lxml.etree.LxmlError, ValueError) as error:
        raise UnreadableError(f"cannot be parsed as a page: {error}") from None
    if not isinstance(tree, lxml.html.HtmlElement):
        raise UnreadableError("is no page: no HTML stands in it")
    return tree


def linked_data(tree: lxml.html.HtmlElement) -> list[dict[str, Any]]:
    """The objects of a page's JSON-LD, those in lists and graphs as well; what is no JSON is passed over."""
    return [thing for value in _embedded(tree) for thing in _objects(value)]


def prune(tree: lxml.html.HtmlElement, text: str) -> None:
    """Drop what no article is made of: scripts, navigation, what readers say, and lines that are nothing but a link.

    What extraction sees and what `words` sees is the same from then on. `text` is the article in the page's JSON-LD,
    which is put in the place of all its scripts.
    """
    lxml.etree.strip_elements(tree, *_NO_TEXT, with_tail=False)
    for element in [*_BESIDE(tree), *filter(_is_line, tree.iter("a"))]:
        element.getparent().remove(element)
    if text:
        script = lxml.etree.SubElement(tree, "script", type="application/ld+json")
        script.text = json.dumps({"articleBody": escape(text, quote=False)})


def _is_line(link: lxml.html.HtmlElement) -> bool:
    """Tell whether a line is nothing but this link: it leads to another article."""
    before, after, parent = link.getprevious(), link.getnext(), link.getparent()
    if (before is not None and before.tag != "br") or (after is not None and after.tag != "br") or parent is None:
        return False
    around = (parent.text if before is None else before.tail) or "", link.tail or ""
    if parent.tag not in BLOCKS or not all(not text or text.isspace() for text in around):
        return False
    text = link.text_content() if len(link) else link.text or ""
    return len(text) < _HEADLINE and not link.get("href", "#").startswith("#")


def words(tree: lxml.html.HtmlElement, text: str, most: int) -> str:
    """All the words that an article may hold that is extracted from this pruned page, with EDGE where elements meet.

    Which of the elements an article leaves out is not known yet: beside an EDGE any word may come to stand that stands
    beside another. A word that elements cut in pieces stands there in its pieces, and once more whole and alone, as do
    the words around it. `text` is as for `prune`. Where there are more than `most` characters of them, not all of them
    stand there, but more than `most` characters do.
    """
    pieces = EDGE.join([text, " ", *_TEXTS(tree)])
    alone: dict[str, None] = {}
    size = len(pieces)
    for run in _alone(pieces.split()):
        if size > most:
            break
        size += len(run) if run not in alone else 0
        alone[run] = None
    return f" {EDGE} ".join([pieces, *alone]).replace(EDGE, f" {EDGE} ")


def _alone(runs: Sequence[str]) -> Iterator[str]:
    """What stands alone of a page's words: those that elements cut in pieces, whole, and those around them."""
    for place, run in enumerate(runs):
        if EDGE in run.strip(EDGE):
            before, after = reversed(runs[max(0, place - _PHRASE) : place]), runs[place + 1 : place + 1 + _PHRASE]
            yield from _joined(run.split(EDGE))
            yield from _to_edge(before)
            yield from _to_edge(after)


def _to_edge(runs: Iterable[str]) -> Iterator[str]:
    for run in runs:
        yield run
        if EDGE in run:
            return


def _joined(parts: list[str]) -> Iterator[str]:
    """What words may become of parts that stand side by side, where some at either end are left out."""
    for first, part in enumerate(parts):
        middle = ""
        for last in parts[first + 1 :]:
            yield part[-_WORD:] + middle + last[:_WORD]
            middle += last
            if len(middle) > _WORD:
                break


def _embedded(tree: lxml.html.HtmlElement) -> Iterator[Any]:
    for script in tree.iter("script"):
        try:
            if script.get("type") == "application/ld+json":
                yield json.loads((script.text or "")[:_MOST_EMBEDDED], strict=False)
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
