"""What routes, silences and inhibition see of an alert, and whether it is what they mean."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from monitor.config.matchers import Label, Matcher
from monitor.models import LEVELS, Alert
from monitor.regex import matches_whole

Labels = Mapping[Label, frozenset[str]]
_VALUES: dict[Label, Callable[[Alert], Iterable[str]]] = {
    "rule": lambda alert: [alert.rule],
    "level": lambda alert: [alert.level],
    "tag": lambda alert: alert.tags,
    "feed": lambda alert: [alert.source],
    "language": lambda alert: _languages(alert),
    "source": lambda alert: [alert.source, *alert.sources],
    "concept": lambda alert: [evidence.concept for evidence in alert.evidence],
}


def labels(alert: Alert) -> Labels:
    """The labels of an alert, each with its values in lower case.

    A rule, a level and a feed (of its first article) it has one of; tags, languages, concepts and sources (the feeds
    that told its story) it can have several of, or none. A language such as zh-Hans is also the language zh.
    """
    return _Labels(alert)


class _Labels(Labels):
    """Values are worked out when they are asked for: most alerts are asked for few."""

    def __init__(self, alert: Alert) -> None:
        self._alert = alert

    def __getitem__(self, label: Label) -> frozenset[str]:
        return frozenset(value.casefold() for value in _VALUES[label](self._alert) if value)

    def __iter__(self) -> Iterator[Label]:
        return iter(_VALUES)

    def __len__(self) -> int:
        return len(_VALUES)


def _languages(alert: Alert) -> Iterable[str]:
    languages = [language for language in (alert.language, *alert.languages) if language]
    return [*languages, *(language.partition("-")[0] for language in languages)]


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
