"""What is kept of an article to tell which story it belongs to: one or two kilobytes, alike in every language."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from monitor.matching.folding import fold
from monitor.models import Article, Evidence
from monitor.stories.copies import signature
from monitor.stories.names import is_cased, names_in
from monitor.stories.numbers import numbers_in

_TELLING, _HEADLINE = 200, 300  # characters
# What agencies put before all their articles, of which it tells nothing: KYIV, Nov 18 (Reuters) - and the like.
_DATELINE = re.compile(
    r"""\s*(?:[^\n(]{0,50}\([^\n()]{2,40}\)\s*[-–—]{1,2}  # Berlin (dpa) -
    |(?:(?![a-zß-ÿа-џ])[^\n,–—]){2,40},[^\n–—]{1,40}?\s[-–—]{1,2}  # JAKARTA, Kompas.com -
    |[^\n/]{2,40}/[^\n/]{2,20}/\.?)\s""",  # КИЕВ, 18 ноября. /ТАСС/.
    re.VERBOSE,
)


class Sketch(BaseModel):
    """An article as stories see it.

    `concepts` are those of the lexicon that it speaks of, `places` those of them that are countries, `main` those that
    stand in its headline or lead. `names` are its people and places as they sound, `main_names` those of headline and
    lead; where `cased` is False they are merely words, among which names of other texts may be looked for. `numbers`
    have their units. `time` is when it was published, or else seen.
    """

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    signature: bytes = b""
    concepts: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()
    main: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    main_names: frozenset[str] = frozenset()
    cased: bool = True
    numbers: frozenset[str] = frozenset()
    title_words: frozenset[str] = frozenset()
    time: datetime
    language: str | None = None
    source: str = ""


def sketch(article: Article, evidence: Sequence[Evidence], places: Collection[str], now: datetime) -> Sketch:
    """Sketch an article; `evidence` is of all the lexicon's concepts in it, `places` names those that are countries."""
    concepts = frozenset(found.concept for found in evidence)
    text = _without_dateline(article.text)
    lead = text[: article.lead_end]
    in_title = {(found.start, found.end) for found in evidence if found.field == "title"}
    in_text = {(found.start, found.end) for found in evidence if found.field != "title"}
    main_names = names_in(article.title, in_title) | names_in(lead, in_text)
    return Sketch(
        signature=signature(f"{article.title}\n{article.text}"),
        concepts=concepts,
        places=concepts & frozenset(places),
        main=frozenset(found.concept for found in evidence if found.field != "body"),
        names=main_names | names_in(text, in_text),
        main_names=main_names,
        cased=_cased(article.title + lead),
        numbers=numbers_in(f"{article.title}\n{text}"),
        title_words=frozenset(fold(article.title[:_HEADLINE]).text.split()),
        time=min(article.published or now, now),
        language=article.language,
        source=article.source.name,
    )


def _without_dateline(text: str) -> str:
    """A text with as many spaces in the place of its dateline."""
    found = _DATELINE.match(text)
    return " " * found.end() + text[found.end() :] if found else text


def _cased(text: str) -> bool:
    """Tell whether a text is in a script with capital letters, by its beginning."""
    letters = [letter for letter in text[:_TELLING] if letter.isalpha()]
    return 2 * sum(map(is_cased, letters)) >= len(letters)
