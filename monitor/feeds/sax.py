"""The XML reader that feedparser is told to use: text in large pieces, and no tags made to keep it busy.

feedparser looks a module up by name and calls its `create_parser`.
"""

from collections.abc import Mapping
from xml.sax.expatreader import ExpatParser

from monitor.errors import UnreadableError

MOST_ATTRIBUTES = 1_000  # of one tag: feedparser looks each of them up among all of them


class Reader(ExpatParser):
    """Python's own reader, which by itself hands a text over in a piece for each of its lines and entities."""

    def reset(self) -> None:
        super().reset()
        self._parser.buffer_text = True  # type: ignore[attr-defined] # typeshed knows no attributes of it

    def start_element_ns(self, name: str, attrs: Mapping[str, str]) -> None:
        if len(attrs) > MOST_ATTRIBUTES:
            raise UnreadableError(f"is no feed: a tag has {len(attrs)} attributes")
        super().start_element_ns(name, attrs)


def create_parser() -> Reader:
    """Called by `xml.sax.make_parser`."""
    return Reader()
