"""A quick way through well-formed feeds of the usual shapes, with the very values that feedparser would find.

The document becomes a tree in C, and a short walk collects what an entry is made of. Wherever feedparser might see
something else (broken XML, a DOCTYPE, markup that is not escaped, xml:base, base64, elements in odd places) the walk
gives up, and feedparser reads the document instead. The rules that look odd are feedparser 6.0's own: what a second
description is, which title wins, when a guid is a link.
"""

import re
from typing import Any, TypeAlias
from xml.etree.ElementTree import Element, ParseError, XMLParser

from monitor.feeds.xmltext import RDF, DoubtError, Names, repaired, utf8

Raw: TypeAlias = dict[str, Any]

_XML = "{http://www.w3.org/XML/1998/namespace}"
_SLASHES = re.compile(r"^([A-Za-z][A-Za-z0-9+,.-]*://)/+")
_HTML = frozenset({"text/html", "html", "application/xhtml+xml", "xhtml"})
_TEXT = frozenset({"text", "plain", "text/plain", "html", "text/html"})

_GROUPS = frozenset({"media:group", "media:content"})
_PERSON = frozenset({"name", "email", "uri", "url", "homepage"})
_IN_SOURCE = frozenset(
    {"title", "id", "link", "updated", "subtitle", "rights", "category", "icon", "logo", "generator"}
)
_IN_IMAGE = frozenset({"title", "link", "description", "url", "href", "width", "height"})
_NESTING = frozenset({"author", "contributor", "managingeditor", "itunes:owner", "itunes:category", "items"})
_DOUBTFUL = frozenset({
    "abstract", "authors", "body", "channel", "contributors", "date", "entry", "feed", "fullitem", "image", "item",
    "itunes:owner", "links", "math", "rss", "source", "svg", "tags", "textinput", "xhtml:body",
})  # fmt: skip
_DOUBTFUL_IN_FEED = frozenset(
    {"content", "content:encoded", "dc:title", "media:title", *_DOUBTFUL} - {"date", "itunes:owner"}
)


def read(body: bytes, content_type: str) -> tuple[Raw, list[Raw]] | None:
    """The feed's and the entries' values by feedparser's names for them; None where feedparser has to be asked.

    An entry has some of `id`, `link`, `title`, `summary`, `author`, `published`, `updated` (texts) and `content`, a
    list of parts with `value` and `language`. The feed has some of `title`, `language`, `ttl` and the syndication
    module's `sy_updateperiod` and `sy_updatefrequency`.
    """
    document = utf8(body, content_type)
    if document is None or b"<!DOCTYPE" in document:
        return None
    parser = XMLParser(encoding="utf-8")  # noqa: S314 - without a DOCTYPE there are no entities to expand
    try:
        parser.feed(document)
        walk = _Walk(Names(document))
        walk.document(parser.close())
    except (ParseError, DoubtError, ValueError):
        return None
    return walk.feed, walk.entries


class _Walk:
    """One walk through a document."""

    def __init__(self, names: Names) -> None:
        self.feed: Raw = {}
        self.entries: list[Raw] = []
        self._names = names
        self._title_depth = -1
        self._has_content = False

    def document(self, root: Element) -> None:
        kind = self._names[root.tag]
        attributes = _attributes(root)
        language = _language(attributes, None)
        if language and kind != "rdf:rdf":
            self.feed["language"] = language
        if kind == "feed":
            self._channel(root, 2, language)
        elif kind in ("rss", "rdf:rdf"):
            self._rss(root, language)
            if not self.entries and kind == "rdf:rdf":
                raise DoubtError
        else:
            raise DoubtError

    def _rss(self, root: Element, language: str | None) -> None:
        channels = 0
        for child in root:
            name = self._names[child.tag]
            if name == "channel" and not channels:
                channels += 1
                attributes = _attributes(child)
                self._channel(child, 3, _language(attributes, language))
            elif name == "item":
                self._entry(child, 3, language)
            elif name in ("image", "textinput"):
                self._skip(child, _IN_IMAGE)
            else:
                raise DoubtError

    def _channel(self, channel: Element, depth: int, language: str | None) -> None:
        for child in channel:
            name = self._names[child.tag]
            if name in ("item", "entry"):
                self._entry(child, depth + 1, language)
            elif name in ("image", "textinput"):
                self._skip(child, _IN_IMAGE)
                self._title_depth = -1
            else:
                self._of_feed(name, child, depth)

    def _of_feed(self, name: str, element: Element, depth: int) -> None:
        if name in _DOUBTFUL_IN_FEED or (len(element) and name not in _NESTING):
            raise DoubtError
        if name == "title":
            if not -1 < self._title_depth <= depth:
                self.feed["title"] = value = _value(element, _attributes(element))
                self._title_depth = depth if value else self._title_depth
        elif name in ("language", "dc:language"):
            self.feed["language"] = _value(element)
        elif name in ("ttl", "sy:updateperiod", "sy:updatefrequency") and not element.attrib:
            self.feed[name.replace(":", "_")] = _value(element)
        elif name in ("summary", "itunes:summary", "description", "dc:description", "media:description"):
            self._has_content = self._has_content or "summary" in self.feed
            if "summary" in name:
                self.feed["summary"] = ""

    def _skip(self, element: Element, expected: frozenset[str]) -> None:
        """Pass by an element whose content cannot reach an entry's values, as long as it holds what is expected."""
        for child in element:
            if len(child) or self._names[child.tag] not in expected:
                raise DoubtError

    def _entry(self, element: Element, depth: int, language: str | None) -> None:
        attributes = _attributes(element)
        if not {"href", "lastmod"}.isdisjoint(attributes):
            raise DoubtError
        entry = _Entry(self._names, self._has_content)
        if about := attributes.get(f"{{{RDF}}}about"):
            entry.found["id"] = about
        language = _language(attributes, language)
        for child in element:
            entry.take(child, depth, language)
        self.entries.append(entry.found)
        self._title_depth, self._has_content = entry.title_depth, False


class _Entry:
    """What the elements of an entry add up to; of a value found at several depths the outermost counts."""

    def __init__(self, names: Names, has_content: bool) -> None:
        self.found: Raw = {}
        self.title_depth = -1
        self._names = names
        self._has_content = has_content
        self._depths: dict[str, int] = {}

    def take(self, element: Element, depth: int, language: str | None, nested: bool = False) -> None:
        name = self._names[element.tag]
        attributes = _attributes(element) if element.attrib else {}
        language = _language(attributes, language) if attributes else language
        if handle := _HANDLERS.get(name):
            if nested and name not in ("media:title", "media:description"):
                raise DoubtError
            handle(self, element, attributes, depth=depth, language=language)
        elif name in _GROUPS:
            for child in element:
                self.take(child, depth + 1, language, True)
        elif len(element) or name in _DOUBTFUL:
            raise DoubtError

    def _set(self, key: str, value: str, depth: int) -> None:
        if depth <= self._depths.get(key, depth):
            self._depths[key] = depth
            self.found[key] = value

    def _title(self, element: Element, attributes: Raw, *, depth: int, language: str | None) -> None:
        value = _value(element, attributes)
        if -1 < self.title_depth <= depth:
            return
        self._set("title", value, depth)
        if value and self._names[element.tag] != "media:title":
            self.title_depth = depth

    def _link(self, element: Element, attributes: Raw, *, depth: int, language: str | None) -> None:
        if not {"url", "uri"}.isdisjoint(attributes):
            raise DoubtError
        if "href" not in attributes:
            output = _value(element, resolved=True).replace("&amp;", "&")
            self.found["link"] = re.sub("&([A-Za-z0-9_]+);", r"&\1", output)
            return
        _value(element)
        rel = attributes.get("rel", "alternate").lower()
        if rel == "alternate" and attributes.get("type", "text/html").lower() in _HTML:
            self.found["link"] = _resolved(attributes["href"])

    def _guid(self, element: Element, attributes: Raw, *, depth: int, language: str | None) -> None:
        is_link = attributes.get("ispermalink", "true") == "true"
        value = _value(element, resolved=is_link)
        self._set("id", value, depth)
        if is_link:
            self.found.setdefault("link", value)

    def _summary(self, element: Element, attributes: Raw, *, depth: int, language: str | None) -> None:
        if "summary" in self.found and not self._has_content:
            self._content(element, attributes, depth=depth, language=language)
        else:
            self._set("summary", _value(element, attributes), depth)

    def _content(self, element: Element, attributes: Raw, *, depth: int, language: str | None) -> None:
        self._has_content = True
        value = _value(element, attributes)
        self.found.setdefault("content", []).append({"value": value, "language": language})
        self.found.setdefault("summary", value)

    def _published(self, element: Element, attributes: Raw, *, depth: int, language: str | None) -> None:
        self._set("published", _value(element), depth)

    def _updated(self, element: Element, attributes: Raw, *, depth: int, language: str | None) -> None:
        self._set("updated", _value(element), depth)

    def _author(self, element: Element, attributes: Raw, *, depth: int, language: str | None) -> None:
        person: dict[str, str] = {}
        for child in element:
            part = self._names[child.tag]
            if part not in _PERSON or len(child) or child.attrib:
                raise DoubtError
            person[part] = (child.text or "").strip()
        name, email, earlier = person.get("name"), person.get("email"), self.found.get("author", "")
        if person and earlier and (not name or "@" in earlier):
            raise DoubtError
        own = "".join([element.text or "", *(child.tail or "" for child in element)])
        self.found["author"] = f"{name} ({email})" if name and email else name or email or repaired(own.strip())

    def _contributor(self, element: Element, attributes: Raw, *, depth: int, language: str | None) -> None:
        if any(len(child) or self._names[child.tag] not in _PERSON for child in element):
            raise DoubtError

    def _source(self, element: Element, attributes: Raw, *, depth: int, language: str | None) -> None:
        if "title" not in self.found or any(
            len(child) or self._names[child.tag] not in _IN_SOURCE for child in element
        ):
            raise DoubtError
        self.title_depth = -1


_HANDLERS = {
    **dict.fromkeys(("title", "dc:title", "media:title"), _Entry._title),
    "link": _Entry._link,
    **dict.fromkeys(("guid", "id"), _Entry._guid),
    **dict.fromkeys(
        ("description", "summary", "itunes:summary", "dc:description", "media:description"), _Entry._summary
    ),
    **dict.fromkeys(("content", "content:encoded"), _Entry._content),
    **dict.fromkeys(("published", "issued", "pubdate", "dcterms:issued"), _Entry._published),
    **dict.fromkeys(("updated", "modified", "lastbuilddate", "dc:date", "dcterms:modified"), _Entry._updated),
    **dict.fromkeys(("author", "managingeditor", "dc:creator", "dc:author", "itunes:author"), _Entry._author),
    "contributor": _Entry._contributor,
    "source": _Entry._source,
}


def _attributes(element: Element) -> Raw:
    attributes = {key.lower() if key[0] != "{" else key: value for key, value in element.attrib.items()}
    if "base" in attributes or f"{_XML}base" in attributes:
        raise DoubtError
    return attributes


def _language(attributes: Raw, inherited: str | None) -> str | None:
    language = attributes.get(f"{_XML}lang", attributes.get("lang"))
    return inherited if language is None else language.replace("_", "-") or None


def _value(element: Element, attributes: Raw | None = None, *, resolved: bool = False) -> str:
    """The text of an element; of one that may hold markup with its attributes, for markup has to be escaped."""
    if len(element):
        raise DoubtError
    if attributes and (attributes.get("type", "text").lower() not in _TEXT or attributes.get("mode") == "base64"):
        raise DoubtError
    text = (element.text or "").strip()
    return repaired(_resolved(text) if resolved else text)


def _resolved(address: str) -> str:
    return _SLASHES.sub(r"\1", address)
