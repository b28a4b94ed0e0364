"""The feeds that a web page links to, for whoever gives a page's address where a feed's is wanted."""

import re
from collections.abc import Iterator
from urllib.parse import urldefrag, urljoin

import lxml.etree
import lxml.html

_TYPES = frozenset(
    re.split(  # as a list of names would be twice as long
        " ",
        "application/rss+xml application/atom+xml application/rdf+xml application/feed+json application/json "
        "application/x-rss+xml application/x.atom+xml application/x-atom+xml text/rss+xml",
    )
)
_PAGE = re.compile(rb"<(!doctype\s+html|html|head|body)[\s>]", re.IGNORECASE)
_HEAD = 2_000  # bytes in which a page shows that it is one
_LONGEST = 2_000_000  # bytes of a page that are looked at
_LIKE_A_FEED = re.compile(
    r"[/.](rss|atom|rdf|feeds?)(\.(xml|rdf|json|php|aspx?))?/?$|[./](rss|atom|rdf|feed)[^/]*\.xml$|[?&](feed|format)="
    r"(rss2?|atom|rdf|json)\b",
    re.IGNORECASE,
)


def is_page(body: bytes) -> bool:
    """Whether a document is a web page rather than anything else."""
    return bool(_PAGE.search(body[:_HEAD]))


def feeds_in(html: bytes, url: str) -> list[tuple[str, str]]:
    """The (address, title) of each feed that the page at `url` links to, once each.

    First those that it declares (`link rel=alternate` of a feed's type), then links whose addresses look like a feed's.
    """
    try:
        page = lxml.html.document_fromstring(html[:_LONGEST])
    except (lxml.etree.LxmlError, ValueError):
        return []
    base = _joined(url, (page.xpath("string(//base/@href)") or "").strip()) or url
    found: dict[str, str] = {}
    for link, title in (*_declared(page), *_linked(page)):
        address = _joined(base, link)
        if address:
            found.setdefault(address, " ".join(title.split()))
    return list(found.items())


def _declared(page: lxml.html.HtmlElement) -> Iterator[tuple[str, str]]:
    for link in page.iter("link"):
        kind = link.get("type", "").split(";")[0].strip().lower()
        if "alternate" in link.get("rel", "").lower().split() and kind in _TYPES:
            yield link.get("href", ""), link.get("title", "")


def _linked(page: lxml.html.HtmlElement) -> Iterator[tuple[str, str]]:
    for link in page.iter("a"):
        if _LIKE_A_FEED.search(link.get("href", "").split("#")[0].strip()):
            yield link.get("href"), link.text_content()


def _joined(base: str, link: str) -> str:
    """The absolute address of a link, without its fragment; nothing where it is none of the web's."""
    try:
        address = urldefrag(urljoin(base, link.strip())).url if link.strip() else ""
    except ValueError:
        return ""
    return address if address.startswith(("http://", "https://")) else ""
