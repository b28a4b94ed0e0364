"""What a page says of its article besides the text: in its JSON-LD, in its <meta>, or else where readers see it."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html import unescape
from typing import Any
from urllib.parse import urljoin

import lxml.etree
import lxml.html

from monitor.articles.html import plain_text
from monitor.models import Extracted

_METAS = lxml.etree.XPath("//meta[@content]")
_HEADLINES = lxml.etree.XPath("//h1")
_TITLES = lxml.etree.XPath("//head/title | //body/title")
_TIMES = lxml.etree.XPath("//article//time/@datetime | //time[@pubdate]/@datetime | //*[@itemprop='datePublished']/@*")
_CANONICAL = lxml.etree.XPath("//link[contains(concat(' ', @rel, ' '), ' canonical ')]/@href", smart_strings=False)
_ARTICLE = re.compile(r"(?:Article|Posting|Report|Review)$")
_LONGEST = 500  # characters of a title or a name
_PUBLISHED = (
    "article:published_time", "datepublished", "date", "dc.date", "dc.date.issued", "dcterms.created", "pubdate",
    "publishdate", "publish-date", "parsely-pub-date", "sailthru.date", "og:article:published_time",
)  # fmt: skip


def metadata(tree: lxml.html.HtmlElement, things: Iterable[dict[str, Any]], url: str = "") -> Extracted:
    """An article without its text; `things` are the objects of the page's JSON-LD, `url` is where the page was.

    The language is as it was declared; times without a zone are taken for UTC.
    """
    story = next((thing for thing in things if is_article(thing)), {})
    said = _said(tree)

    def meta(*names: str) -> str:
        return next((said[name] for name in names if said.get(name)), "")

    headline = " ".join(_HEADLINES(tree)[0].text_content().split()) if len(_HEADLINES(tree)) == 1 else ""
    named = [meta("og:title", "twitter:title"), _text(story.get("headline")), headline, *_contents(_TITLES(tree))]
    times = [*_texts(story.get("datePublished")), *(said.get(name, "") for name in _PUBLISHED), *_TIMES(tree)]
    canonical = [*_CANONICAL(tree), meta("og:url")]
    return Extracted(
        text="",
        title=next(filter(None, map(_line, named)), ""),
        author=_authors(story) or _line(_no_address(meta("author", "article:author", "dc.creator", "parsely-author"))),
        site=_line(meta("og:site_name", "application-name") or _name(story.get("publisher"))),
        language=_language(tree, meta("content-language", "og:locale"), _text(story.get("inLanguage"))),
        published=next(filter(None, map(_time, times)), None),
        url=next(filter(None, (_address(link, url) for link in canonical)), ""),
        image=_address(meta("og:image", "og:image:url", "twitter:image") or _picture(story.get("image")), url),
    )


def article_body(things: Iterable[dict[str, Any]]) -> str:
    """The longest text of an article in a page's JSON-LD, a paragraph a line and free of markup; "" for none."""
    bodies = [_text(thing.get("articleBody")) for thing in things if is_article(thing)]
    return max(map(_paragraphs, bodies), key=len, default="")


def is_article(thing: dict[str, Any]) -> bool:
    """Tell whether an object of JSON-LD is of a type of schema.org that is an article."""
    return any(_ARTICLE.search(kind) for kind in _texts(thing.get("@type")))


def _said(tree: lxml.html.HtmlElement) -> dict[str, str]:
    """What each <meta> says, by its name in lower case; the first of several."""
    said: dict[str, str] = {}
    for element in _METAS(tree):
        for key in ("property", "name", "itemprop", "http-equiv"):
            if name := element.get(key):
                said.setdefault(name.strip().lower(), element.get("content").strip())
    return said


def _language(tree: lxml.html.HtmlElement, *others: str) -> str | None:
    html = tree.get("lang") or tree.get("{http://www.w3.org/XML/1998/namespace}lang") or tree.get("xml:lang")
    return next((tag.strip()[:35] for tag in (html, *others) if tag and tag.strip()), None)


def _contents(elements: Iterable[lxml.html.HtmlElement]) -> Iterator[str]:
    return (element.text_content() for element in elements)


def _line(text: str) -> str:
    return " ".join(plain_text(text[: 4 * _LONGEST]).split())[:_LONGEST]


def _paragraphs(text: str) -> str:
    """Text in which markup may have been escaped; what looks like more of it then is none."""
    plain = plain_text(unescape(text)).replace("<", " ")
    return re.sub(r"\s*\n\s*", "\n", plain).strip()


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]


def _text(value: Any) -> str:
    return next(iter(_texts(value)), "")


def _name(value: Any) -> str:
    return _text(value.get("name")) if isinstance(value, dict) else _text(value)


def _authors(story: dict[str, Any]) -> str:
    people = story.get("author")
    names = (_line(_no_address(_name(person))) for person in (people if isinstance(people, list) else [people]))
    return "; ".join(dict.fromkeys(filter(None, names)))


def _picture(value: Any) -> str:
    first = value[0] if isinstance(value, list) and value else value
    return _text(first.get("url")) if isinstance(first, dict) else _text(first)


def _no_address(name: str) -> str:
    """A name; pages also put the address of a profile in its place."""
    return "" if re.match(r"https?://|/|@", name) else name


def _address(link: str, base: str) -> str:
    try:
        absolute = urljoin(base, link.strip()) if link.strip() else ""
    except ValueError:
        return ""
    return absolute if re.match(r"https?://[^\s/]+", absolute) else ""


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text.strip())
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
