"""HTML fragments, as feeds carry them, to plain text."""

import re

import lxml.etree
import lxml.html

BLOCKS = frozenset(
    re.split(  # a list of quoted names would hide them behind their quotes
        " ",
        "address article aside blockquote br dd div dl dt figcaption figure footer h1 h2 h3 h4 h5 h6 header hr li "
        "main ol p pre section table td th tr ul",
    )
)
_HIDDEN = frozenset({"script", "style", "template", "noscript", "iframe", "object"})
_MARKUP = re.compile(r"<[a-zA-Z/!]|&[#\w]+;")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


def plain_text(fragment: str) -> str:
    """The text of an HTML fragment, a paragraph a line; text without markup comes back as it is."""
    fragment = _CONTROLS.sub("", fragment)
    if not _MARKUP.search(fragment):
        return fragment.strip()
    try:
        root = lxml.html.fragment_fromstring(fragment, create_parent="div")
    except (lxml.etree.LxmlError, ValueError):
        return re.sub(r"<[^>]*>", " ", fragment).strip()
    pieces: list[str] = []
    for event, element in lxml.etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        _gather(event, element, pieces)
    lines = (" ".join(line.split()) for line in "".join(pieces).split("\n"))
    return "\n".join(line for line in lines if line)


def _gather(event: str, element: lxml.html.HtmlElement, pieces: list[str]) -> None:
    """Add what an element contributes at its start (its text) or at its end (what follows it)."""
    block = element.tag in BLOCKS
    if event == "start":
        hidden = element.tag in _HIDDEN
        if hidden:
            element.clear(keep_tail=True)
        pieces += ["\n" if block else "", " ".join((element.text or "").split("\n"))]
    else:
        pieces += ["\n" if block else "", " ".join((element.tail or "").split("\n"))]
