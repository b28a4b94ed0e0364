"""A story as it is kept: what began it, who told it since, and why each was taken for the same."""

from collections.abc import Iterator
from datetime import datetime
from hashlib import blake2b
from itertools import chain, islice, product

from pydantic import BaseModel, ConfigDict

from monitor.stories.copies import bands
from monitor.stories.join import Joined, actors, topics
from monitor.stories.sketch import Sketch

_MOST_CLUES = 24


class Member(BaseModel):
    """An article of a story, and why it joined; `why` is empty for the article that began it.

    `source` is the address of its feed, or else the feed's name, which is `name`; `time` is when it was seen.
    """

    model_config = ConfigDict(frozen=True)

    document: str
    source: str
    name: str = ""
    language: str | None = None
    title: str = ""
    url: str = ""
    time: datetime
    why: str = ""
    score: float = 1.0


class Story(BaseModel):
    """One event. `sketches` are of the first article and of the first in each other language, some of them.

    `count` is of all its articles, of which `members` has the first 200, in the order of time; it is empty where only
    the sketches were asked for.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    first: Member
    first_seen: datetime
    last_seen: datetime
    count: int
    sketches: tuple[Sketch, ...]
    members: tuple[Member, ...] = ()


def story_id(document: str, source: str) -> str:
    """The name of the story that an article begins: 16 hexadecimal digits."""
    return blake2b(f"{source}\n{document}".encode(), digest_size=8).hexdigest()


def why(verdict: Joined) -> str:
    """Say in one line why an article joined."""
    return f"{verdict.reason} ({verdict.score:.2f})"


def traces(sketch: Sketch) -> tuple[list[bytes], list[bytes]]:
    """By which keys of 8 bytes stories are found that an article may belong to: those of its text, those of its event.

    An event is looked for by pairs of what tells it: a place or actor with a topic or number, a topic with a name, and
    where neither place nor actor is known a name with a number.
    """
    clues = dict.fromkeys(islice(_clues(sketch), _MOST_CLUES))
    return bands(sketch.signature), [blake2b(clue.encode(), digest_size=8).digest() for clue in clues]


def _clues(sketch: Sketch) -> Iterator[str]:
    names = sorted(sketch.main_names)[:8] if sketch.cased else []
    where = sorted((sketch.places | actors(sketch)) & sketch.main)[:4]
    what = sorted(topics(sketch) & sketch.main)[:4]
    numbers = sorted(sketch.numbers)[:8]
    for one, other in chain(product(where, (*what, *numbers)), product(what, names)):
        yield f"{one} + {other}"
    if not where:
        for one, other in product(names, numbers):
            yield f"{one} + {other}"
