"""The lexicon: concepts, and what the press of each language calls them.

A file under `monitor/lexicon/` maps a concept's English name to its terms by language (BCP 47 tag; `any` for
terms that count in every text), beside these keys: `about`, one line that says what is meant and what is not;
`aliases`, other names that rules may use; `except`, by language, longer phrases in which a term means something else;
`territory`, an ISO 3166 code, which adds the country's name in every language that CLDR knows.

A term is a word or a phrase, found in any inflected form of its language. `word*` may go on, `*word` may have
something before it, `=Word` is exact and case-sensitive.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from monitor import yamlfile
from monitor.errors import InputError, Problem
from monitor.rules.expression import holds_a_word

ANY = "any"
SHIPPED = Path(__file__).parent.parent / "lexicon"
# The languages that the shipped lexicon is written in.
LANGUAGES = frozenset(
    re.split(
        " ",
        "en id ms ko ja zh-Hans zh-Hant ru uk ar fa he tr de fr es pt it nl pl cs sk ro bg sr hr el hu sv da nb fi hi "
        "bn ur ta th vi tl sw ka",
    )
)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?")
_FORMAT = b"2"  # of the cache


class Concept(BaseModel):
    """One thing that rules can name; everything but `name`, `about` and `aliases` is by language.

    `names` are a country's, which count in texts of other languages too, where they begin with a capital letter.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: str = ""
    about: str = ""
    aliases: tuple[str, ...] = ()
    territory: str | None = None
    terms: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    exceptions: Mapping[str, tuple[str, ...]] = Field(default_factory=dict, alias="except")
    names: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    include: tuple[str, ...] = ()
    override: bool = False

    @field_validator("terms", "exceptions")
    @classmethod
    def _words(cls, value: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        for term in (term for terms in value.values() for term in terms):
            if not holds_a_word(term):
                raise ValueError(f'"{term}" holds no letter or digit')
        return value

    @model_validator(mode="before")
    @classmethod
    def _gather_languages(cls, value: Any) -> Any:
        """Put the keys that are languages under `terms`; a bare term or list of terms is for every language."""
        if isinstance(value, str):
            value = [value]
        if isinstance(value, list):
            return {"terms": {ANY: value}}
        if not isinstance(value, dict) or "terms" in value:
            return value
        terms = {key: value[key] for key in value if _LANGUAGE.fullmatch(key)}
        terms = {key: [words] if isinstance(words, str) else words for key, words in terms.items()}
        return {key: value[key] for key in value if key not in terms} | {"terms": terms}


class Lexicon:
    """Concepts by name; a name is found whatever its case, with spaces, hyphens or underscores."""

    def __init__(self, concepts: Iterable[Concept]) -> None:
        self.concepts = {concept.name: concept for concept in concepts}
        self._names = {_plain(alias): concept.name for concept in self.concepts.values() for alias in concept.aliases}
        self._names |= {_plain(name): name for name in self.concepts}
        self.compiled: dict[str, Any] = {}  # what a matcher makes of each concept, for the next matcher

    def find(self, name: str) -> Concept | None:
        """Find the concept that a rule calls so, or None."""
        known = self._names.get(_plain(name))
        return self.concepts[known] if known else None

    def all_names(self) -> list[str]:
        """Every name that rules may use."""
        return [name for concept in self.concepts.values() for name in (concept.name, *concept.aliases)]

    def extended(self, concepts: Iterable[Concept]) -> "Lexicon":
        """This lexicon with a user's concepts: a known name adds to what is there, or with `override` replaces it.

        Raises LookupError (the concept, the reason) for one that includes itself or what is no concept.
        """
        merged = dict(self.concepts)
        added = list(concepts)
        for concept in added:
            known = self.find(concept.name)
            merged[known.name if known else concept.name] = _joined(known, concept) if known else concept
        lexicon = Lexicon(merged.values())
        for concept in added:
            name = lexicon._names[_plain(concept.name)]
            try:
                lexicon.concepts[name] = lexicon._with_included(lexicon.concepts[name], (name,))
            except LookupError as error:
                raise LookupError(concept.name, error.args[-1]) from None
        return lexicon

    def _with_included(self, concept: Concept, path: tuple[str, ...]) -> Concept:
        """A concept with the terms of those that it includes; raises LookupError."""
        for name in concept.include:
            included = self.find(name)
            if included is None:
                hint = yamlfile.suggest(name, self.all_names())
                raise LookupError(f'includes "{name}", which is no concept{hint}')
            if included.name in path:
                raise LookupError(f"includes itself: {' > '.join((*path, included.name))}")
            inner = self._with_included(included, (*path, included.name)).model_copy(update={"override": False})
            concept = _joined(concept, inner)
        return concept.model_copy(update={"include": ()})


def _joined(first: Concept, second: Concept) -> Concept:
    """Two concepts' terms as one, under the name of the first."""
    if second.override:
        return second.model_copy(update={"name": first.name, "aliases": first.aliases})
    terms, exceptions, names = (
        {key: tuple(dict.fromkeys((*a.get(key, ()), *b.get(key, ())))) for key in (*a, *b)}
        for a, b in (
            (first.terms, second.terms),
            (first.exceptions, second.exceptions),
            (first.names, second.names),
        )
    )
    update = {
        "terms": terms,
        "exceptions": exceptions,
        "names": names,
        "aliases": (*first.aliases, *second.aliases),
        "include": (*first.include, *second.include),
    }
    return first.model_copy(update=update)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.strip()).casefold()


def load(folder: Path = SHIPPED) -> Lexicon:
    """Read every file of a lexicon's folder; raises InputError with all that is wrong."""
    problems: list[Problem] = []
    concepts: dict[str, Concept] = {}
    for path in sorted(folder.glob("*.yaml")):
        document = yamlfile.read(path)
        for name in document.value or {}:
            try:
                concept = yamlfile.validate(Concept, document, document.value[name], (name,))
            except InputError as error:
                problems += error.problems
                continue
            if name in concepts:
                problems.append(document.problem((name,), f'the concept "{name}" stands already in another file'))
            concepts[name] = concept.model_copy(update={"name": name})
    if problems:
        raise InputError(problems)
    return Lexicon(_with_countries(concepts.values()))


def shipped() -> Lexicon:
    """The lexicon that comes with monitor. Reading it takes seconds, so what was read is kept in the user's cache."""
    cache = _cache_file()
    with suppress(OSError, ValueError):
        return Lexicon(Concept.model_construct(**fields) for fields in json.loads(cache.read_bytes()))
    lexicon = load()
    body = json.dumps([concept.model_dump() for concept in lexicon.concepts.values()], ensure_ascii=False)
    with suppress(OSError):  # a service may have no home: then each start reads the files
        cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=cache.parent, delete=False, encoding="utf-8") as file:
            file.write(body)
        Path(file.name).replace(cache)
    return lexicon


def _cache_file() -> Path:
    """Where the lexicon is kept as read: the name tells from which files, so that an old one is never taken."""
    fingerprint = blake2b(_FORMAT, digest_size=12)
    for path in sorted(SHIPPED.glob("*.yaml")):
        fingerprint.update(path.read_bytes())
    home = (
        os.environ.get("CACHE_DIRECTORY")
        or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "monitor"
    )
    return Path(home) / f"lexicon-{fingerprint.hexdigest()}.json"


def _with_countries(concepts: Iterable[Concept]) -> Iterator[Concept]:
    """Add CLDR's names to the concepts that are countries, and the countries that have no entry of their own."""
    territories = _territories()
    for concept in concepts:
        names = territories.pop(concept.territory, {}) if concept.territory else {}
        yield concept.model_copy(update={"names": names})
    for names in territories.values():
        yield Concept(name=names["en"][0], names=names)


def _territories() -> dict[str, dict[str, tuple[str, ...]]]:
    """The names of every country by its code and by language, from the CLDR that Babel carries."""
    from babel import localedata

    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for locale in localedata.locale_identifiers():
        language = _locale_language(locale)
        if language:
            # Not through babel.Locale, whose cache would keep 100 MB for ever.
            for code, name in localedata.load(locale)["territories"].items():
                if re.fullmatch("[A-Z]{2}", code) and code not in ("EU", "EZ", "UN", "QO", "ZZ", "XA", "XB"):
                    names = found.setdefault(code, {})
                    names[language] = tuple(dict.fromkeys((*names.get(language, ()), name)))
    localedata._cache.clear()
    return {code: names for code, names in sorted(found.items()) if "en" in names}


def _locale_language(locale: str) -> str | None:
    """Our tag for one of Babel's locales; None for those that only vary another."""
    language, _, script = locale.partition("_")
    if script in ("Hans", "Hant"):
        return f"{language}-{script}"
    if script in ("", "Latn", "Cyrl") and language != "zh":
        return {"fil": "tl", "no": "nb", "nn": "nb"}.get(language, language)
    return None
