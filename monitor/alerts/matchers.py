"""What routes, silences and inhibition see of an alert, and whether it is what they mean."""

from collections.abc import Iterable, Mapping

from monitor.config.matchers import LEVELS, Label, Matcher
from monitor.models import Alert
from monitor.rules.regex import matches_whole

Labels = Mapping[Label, frozenset[str]]


def labels(alert: Alert) -> Labels:
    """The labels of an alert, each with its values in lower case.

    A rule, a level and a feed (of its first article) it has one of; tags, languages, concepts and sources (the feeds
    that told its story) it can have several of, or none. A language such as zh-Hans is also the language zh.
    """
    languages = [language for language in (alert.language, *alert.languages) if language]
    values: dict[Label, Iterable[str]] = {
        "rule": [alert.rule],
        "level": [alert.level],
        "tag": alert.tags,
        "feed": [alert.source],
        "language": [*languages, *(language.partition("-")[0] for language in languages)],
        "source": [alert.source, *alert.sources],
        "concept": [evidence.concept for evidence in alert.evidence],
    }
    return {label: frozenset(value.casefold() for value in found if value) for label, found in values.items()}


def meets(seen: Labels, matchers: Iterable[Matcher]) -> bool:
    """Tell whether labels meet all matchers.

    `=` and `=~` want one value of the label to be so, `!=` and `!~` none; a label without values has the value "".
    """
    return all(_meets(seen[matcher.label] or {""}, matcher) for matcher in matchers)


def _meets(values: Iterable[str], matcher: Matcher) -> bool:
    match matcher.sign:
        case "=" | "!=":
            found = matcher.value.casefold() in values
        case "=~" | "!~":
            found = any(matches_whole(matcher.value, value) for value in values)
        case ">=":
            found = any(LEVELS.index(value) >= LEVELS.index(matcher.value) for value in values)
    return not found if matcher.sign.startswith("!") else found
