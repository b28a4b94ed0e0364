"""An alert grows with its story: every further article of it that the rule matches is one of its members.

A member is the alert that one article makes of itself. All that follows is decided from the members in the order in
which they came, so that it is the same whoever works it out, and when.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from monitor.models import Alert, Latest, When

Step = Literal["waits", "raised", "updated"]


def grown(members: Sequence[Alert]) -> Alert:
    """The alert of its members: what the first says of itself, and the documents, sources, languages of them all."""
    if len(members) == 1:
        return members[0]
    seen = [time for member in members for time in (member.first_seen, member.last_seen) if time]
    return members[0].model_copy(
        update={
            "documents": tuple(document for member in members for document in member.documents),
            "sources": tuple(dict.fromkeys(source for member in members for source in member.sources)),
            "languages": tuple(dict.fromkeys(language for member in members for language in member.languages)),
            "first_seen": min(seen, default=None),
            "last_seen": max(seen, default=None),
            "latest": _latest(members[-1]),
        }
    )


def _latest(member: Alert) -> Latest:
    return Latest(**{name: getattr(member, name) for name in Latest.model_fields})


def step(members: Sequence[Alert]) -> Step:
    """What the last of the members did: the alert still waits for corroboration, was raised by it, or updated."""
    when = members[0].when
    if not corroborated(members, when):
        return "waits"
    return "updated" if len(members) > 1 and corroborated(members[:-1], when) else "raised"


def corroborated(members: Sequence[Alert], when: When | None) -> bool:
    """Tell whether as many sources and languages as the rule asks for told a story, in the time that it gives them."""
    if when is None:
        return bool(members)
    return any(_enough(_within(members, start, when.within), when) for start in members)


def superfluous(members: Sequence[Alert]) -> list[Alert]:
    """The members of an alert that waits which no corroboration to come depends on.

    That is all but the first, of which the alert is, and the last of each source and language: whatever time a rule
    gives them, who comes next is nearest to those.
    """
    last = {(member.sources, member.languages): number for number, member in enumerate(members)}
    kept = {0, *last.values()}
    return [member for number, member in enumerate(members) if number not in kept]


def lacking(members: Sequence[Alert]) -> str:
    """How far members are from what their rule asks for, in words."""
    alert, when = grown(members), members[0].when or When()
    counts = [(len(alert.sources), when.sources, "sources"), (len(alert.languages), when.languages, "languages")]
    told = ", ".join(f"{have} of {wanted} {what}" for have, wanted, what in counts if wanted > 1)
    return told + (f" within {when.within.total_seconds() / 3600:g} h" if when.within else "")


def _within(members: Sequence[Alert], start: Alert, within: timedelta | None) -> list[Alert]:
    """The members that were seen at a member's time, or as much later as `within` says."""
    began = start.first_seen
    if within is None or began is None:
        return list(members)
    return [member for member in members if member.first_seen and began <= member.first_seen <= began + within]


def _enough(members: Sequence[Alert], when: When) -> bool:
    sources = {source for member in members for source in member.sources}
    languages = {language for member in members for language in member.languages}
    # That an article is in some language is sure, even where it is not known in which.
    return len(sources) >= when.sources and max(len(languages), 1) >= when.languages
