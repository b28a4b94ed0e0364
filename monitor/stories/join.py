"""Does an article belong to a story? Decided by what both say, and explained by it.

A near-copy does. So does a report, in whatever language, of the same topic at the same place and time, the more surely
the more names and numbers it shares. Neither does where what one says first the other does not say at all: where
their places, actors or names differ, or their earthquakes are not of one magnitude.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from monitor.stories.copies import similarity
from monitor.stories.names import shared
from monitor.stories.numbers import magnitudes
from monitor.stories.sketch import Sketch

WINDOW = timedelta(hours=72)
NEAR_COPY = 0.6  # texts with 12 % edits have 0.71 or more in common, unrelated ones of one language up to 0.5
_ENOUGH = 0.55
_WEIGHTS = {"topics": 0.3, "places": 0.3, "names": 0.2, "numbers": 0.1, "time": 0.1}
_UNKNOWN = 0.4  # what a part counts that one of the two articles says nothing of
_MAGNITUDES_APART = 0.5  # agencies differ by less about one earthquake
_TOPICS_APART = 0.5  # two statements of one minister share but his office
_FORM = 3  # numbers, from which on a text that has none of them in common is a form that is filled in daily
_NAMES_APART = 0.34  # one name in three may be the town's
_HEADLINE = 4  # words, from which on a headline tells an event


@dataclass(frozen=True, slots=True)
class Joined:
    """An article belongs to a story: why, how surely from 0 to 1, and how much of each part agrees."""

    reason: str
    score: float
    parts: dict[str, float]


@dataclass(frozen=True, slots=True)
class Apart:
    """An article does not belong to a story."""

    reason: str
    score: float = 0.0


class Told(Protocol):
    """A story as far as the decision needs it: sketches of some of its members, the first of them first."""

    @property
    def sketches(self) -> Sequence[Sketch]: ...

    @property
    def first_seen(self) -> datetime: ...


def decide(sketch: Sketch, story: Told, now: datetime, window: timedelta = WINDOW) -> Joined | Apart:
    """Say whether an article belongs to a story, by the sketch that it is most like; the first one can forbid it."""
    first = story.sketches[0]
    if max(abs(sketch.time - first.time), now - story.first_seen) > window:
        return Apart(f"the story began more than {window.total_seconds() / 3600:g} hours away")
    verdicts = [compare(sketch, member, window) for member in story.sketches]
    if isinstance(verdicts[0], Apart) and conflict(sketch, first):
        return verdicts[0]
    return max(verdicts, key=lambda verdict: (isinstance(verdict, Joined), verdict.score))


def compare(one: Sketch, other: Sketch, window: timedelta = WINDOW) -> Joined | Apart:
    """Say whether two articles tell of the same event."""
    if reason := conflict(one, other):
        return Apart(reason)
    if copied := _copied(one, other):
        return copied
    known = {name: part for name, part in _parts(one, other, window).items() if part is not None}
    score = sum(weight * known.get(name, _UNKNOWN) for name, weight in _WEIGHTS.items())
    if lacking := _lacking(known):
        return Apart(f"they have no {lacking} in common", score)
    if score < _ENOUGH:
        return Apart(f"they have too little in common: {score:.2f} of {_ENOUGH}", score)
    return Joined(_said(one, other), score, known)


def _lacking(known: Mapping[str, float]) -> str:
    """What two reports of one event would have in common and these have not; "" where they have it all."""
    details = [known[name] for name in ("names", "numbers") if name in known]
    if "topics" not in known and sum(details) < 1:
        return "known topic, nor names and numbers enough,"
    alike = known.get("topics", 1)
    if not alike or (alike < _TOPICS_APART and not known.get("numbers")):
        return "topic" if not alike else "main topic"
    # Of two attacks on one country in one day only towns, people and numbers tell which is which.
    if details and not any(details):
        return "name or number"
    return "" if details or known.get("places") else "place, name or number"


def _copied(one: Sketch, other: Sketch) -> Joined | Apart | None:
    """What follows from texts that are alike; None where they are not."""
    alike = similarity(one.signature, other.signature)
    if alike >= NEAR_COPY:
        if min(len(one.numbers), len(other.numbers)) >= _FORM and not one.numbers & other.numbers:
            return Apart("the text is the same but for all its numbers", alike)
        return Joined("near-copy", alike, {"text": alike})
    alike = _headlines_alike(one, other)
    return Joined("near-copy of the headline", alike, {"headline": alike}) if alike >= NEAR_COPY else None


def _headlines_alike(one: Sketch, other: Sketch) -> float:
    """How many words two headlines have in common, of articles of one language of which one has too little text."""
    if one.language != other.language or (one.signature and other.signature):
        return 0.0
    words = one.title_words | other.title_words
    return len(one.title_words & other.title_words) / len(words) if len(words) >= _HEADLINE else 0.0


def conflict(one: Sketch, other: Sketch) -> str:
    """Why two articles cannot tell of the same event, however alike they are; "" where nothing speaks against it."""
    for what, (ours, theirs) in {
        "places": (one.places, other.places),
        "actors": (actors(one), actors(other)),
    }.items():
        if _mutual(ours & one.main, ours, theirs & other.main, theirs) == 0:
            return f"the {what} differ: {_listed(ours & one.main)} / {_listed(theirs & other.main)}"
    if _other_names(one, other):
        return f"the names differ: {_listed(one.main_names)} / {_listed(other.main_names)}"
    felt, measured = magnitudes(one.numbers), magnitudes(other.numbers)
    if felt and measured and min(abs(a - b) for a in felt for b in measured) > _MAGNITUDES_APART:
        return f"the magnitudes differ: {max(felt):g} / {max(measured):g}"
    return ""


def _parts(one: Sketch, other: Sketch, window: timedelta) -> dict[str, float | None]:
    """How much of each part agrees, from 0 to 1; None where one of them says nothing of it."""
    ours, theirs = topics(one), topics(other)
    few = min(len(one.numbers), len(other.numbers))
    return {
        "topics": _mutual(ours & one.main, ours, theirs & other.main, theirs),
        "places": _mutual(one.places & one.main, one.places, other.places & other.main, other.places),
        "names": _names_part(one, other),
        "numbers": min(1.0, len(one.numbers & other.numbers) / min(few, 3)) if few else None,
        "time": 1 - abs(one.time - other.time) / window,
    }


def _mutual(
    our_main: frozenset[str], ours: frozenset[str], their_main: frozenset[str], theirs: frozenset[str]
) -> float | None:
    """How much of what each of two articles says first the other says anywhere; None where one says nothing first."""
    if not our_main or not their_main:
        return None
    return (len(our_main & theirs) + len(their_main & ours)) / (len(our_main) + len(their_main))


def _names_part(one: Sketch, other: Sketch) -> float | None:
    if not one.cased and not other.cased:
        return None  # of words that may be names any two texts of one language have some in common
    cased, among = (one, other) if one.cased else (other, one)
    found = len(shared(cased.names, among.names))
    # Scripts without capital letters hide names too well for their absence to mean anything.
    return min(1.0, found / 2) if found or (one.cased and other.cased) else None


def _other_names(one: Sketch, other: Sketch) -> bool:
    """Tell whether two articles of one language name others in headline and lead."""
    few = min(len(one.main_names), len(other.main_names))
    if not one.language or one.language != other.language or not one.cased or not few:
        return False
    agreeing = max(
        len(shared(one.main_names, other.names)) / len(one.main_names),
        len(shared(other.main_names, one.names)) / len(other.main_names),
    )
    return agreeing < _NAMES_APART if few > 1 else not agreeing


def actors(sketch: Sketch) -> frozenset[str]:
    """Organisations: the concepts that are no countries and yet have names of their own."""
    return frozenset(concept for concept in sketch.concepts - sketch.places if concept[0].isupper())


def topics(sketch: Sketch) -> frozenset[str]:
    """What an article is about: the concepts that are neither countries nor organisations."""
    return sketch.concepts - sketch.places - actors(sketch)


def _said(one: Sketch, other: Sketch) -> str:
    """What two articles have in common, in words."""
    about = _listed(topics(one) & topics(other) & (one.main | other.main))
    where = _listed(one.places & other.places & (one.main | other.main))
    numbers = _listed(one.numbers & other.numbers)
    return "; ".join(f"{what}: {said}" for what, said in (("topics", about), ("places", where), ("numbers", numbers))
                     if said)  # fmt: skip


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)[:6])
