"""Alerts by the thousand, as rules raise them, and what takes them: for tests and figures of dispatch and delivery."""

from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.feeds.identity import digest
from monitor.models import Alert, Evidence, Snippet

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
_SENTENCE = (
    "The army fired number {number} of its missiles into the sea on Monday morning, officials in the capital said, "
    "while reporters of three agencies near the coast heard two explosions and saw smoke above the harbour."
)


def alert(number: int, **changes: Any) -> Alert:
    """The alert of an article of its own, about 1,000 bytes as JSON."""
    source, story = f"Agency {number % 40}", digest("story", str(number))
    seen = NOON + timedelta(seconds=number)
    text = _SENTENCE.format(number=number)
    words = [("missile", "missiles", 34), ("north-korea", "army", 4)]
    values: dict[str, Any] = {
        "id": digest("missile", story), "rule": "missile", "level": "high", "rule_title": "A missile is fired",
        "tags": ("asia",), "document": str(number), "title": f"Missile number {number} fired into the sea",
        "url": f"https://agency{number % 40}.example/world/2026/11/23/{number}-missile-fired-into-the-sea",
        "source": source, "language": "en", "published": seen, "snippet": Snippet(text=text, marks=((4, 8), (34, 42))),
        "evidence": tuple(
            Evidence(concept=concept, text=word, field="body", start=start, end=start + len(word))
            for concept, word, start in words
        ),
        "text_from": "page", "story": story, "documents": (str(number),), "sources": (source,), "languages": ("en",),
        "first_seen": seen, "last_seen": seen,
    }  # fmt: skip
    return Alert(**(values | changes))
