"""Lists of feeds as feed readers exchange them: OPML 2.0 (http://opml.org/spec2.opml)."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import lxml.etree

from monitor.errors import InputError, Problem

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class OpmlFeed:
    """A feed of such a list; its tags are the titles of the folders that it lies in, and its categories."""

    url: str
    title: str = ""
    tags: tuple[str, ...] = ()
    language: str | None = None


def read(text: bytes, place: str) -> tuple[list[OpmlFeed], list[Problem]]:
    """The feeds of a list, once each, and what is wrong with others; `place` is the name of its file.

    A feed that lies in several folders has the tags of all. Raises InputError where the text is no OPML.
    """
    feeds: dict[str, OpmlFeed] = {}
    problems = []
    for outline, folders in _outlines(_body(text, place), ()):
        attributes = {str(key).lower(): value.strip() for key, value in outline.attrib.items()}
        url = attributes["xmlurl"]
        if not _is_web_address(url):
            problems.append(Problem(f"{place}:{outline.sourceline}", f"{url!r} is no http or https address"))
            continue
        categories = [category.strip().strip("/") for category in attributes.get("category", "").split(",")]
        tags = (*feeds[url].tags, *folders, *categories) if url in feeds else (*folders, *categories)
        language = attributes.get("language", "")
        feed = OpmlFeed(url, _title(outline), (), None if language in ("", "unknown") else language)
        feeds[url] = replace(feeds.get(url, feed), tags=tuple(dict.fromkeys(filter(None, tags))))
    return list(feeds.values()), problems


def write(feeds: Iterable[OpmlFeed], title: str) -> bytes:
    """A list of feeds as an OPML document; tags become categories, which cannot have a comma in them."""
    root = lxml.etree.Element("opml", version="2.0")
    lxml.etree.SubElement(lxml.etree.SubElement(root, "head"), "title").text = _writable(title)
    body = lxml.etree.SubElement(root, "body")
    for feed in feeds:
        name = feed.title or feed.url
        outline = {
            "type": "rss",
            "text": name,
            "title": feed.title,
            "xmlUrl": feed.url,
            "category": ",".join(feed.tags),
        }
        outline["language"] = feed.language or ""
        lxml.etree.SubElement(body, "outline", {key: _writable(value) for key, value in outline.items() if value})
    document: bytes = lxml.etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True)
    return document


def _body(text: bytes, place: str) -> lxml.etree._Element:
    # Entities could be made to stand for files, or for each other without end; no list of feeds needs any.
    parser = lxml.etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = lxml.etree.fromstring(text, parser)
    except lxml.etree.XMLSyntaxError as error:
        line = f":{error.lineno}" if error.lineno else ""
        raise InputError([Problem(f"{place}{line}", f"is no OPML: {error.msg or 'it is empty'}")]) from None
    declared = root.getroottree().docinfo.internalDTD
    if declared is not None and any(True for _ in declared.iterentities()):
        raise InputError([Problem(place, "declares XML entities, which are not read; write out what they stand for")])
    body = next((child for child in root if _name(child) == "body"), None)
    if _name(root) != "opml" or body is None:
        wanted = "an <opml> document with a <body>"
        raise InputError([Problem(place, f"is no OPML: {wanted} is expected, this is <{_name(root)}>")])
    return body


def _outlines(
    parent: lxml.etree._Element, folders: tuple[str, ...]
) -> Iterator[tuple[lxml.etree._Element, tuple[str, ...]]]:
    """Every outline with a feed's address, and the titles of the folders that it lies in, outermost first."""
    for outline in parent:
        if _name(outline) != "outline":
            continue
        is_feed = any(str(key).lower() == "xmlurl" for key in outline.attrib)
        if is_feed:
            yield outline, folders
        yield from _outlines(outline, folders if is_feed else (*folders, _title(outline)))


def _name(element: lxml.etree._Element) -> str:
    return element.tag.lower() if isinstance(element.tag, str) else ""


def _title(outline: lxml.etree._Element) -> str:
    title = outline.get("title") or outline.get("text") or ""
    return " ".join(title.split())


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _writable(text: str) -> str:
    return _NOT_XML.sub("", text)
