"""Matchers as users write them, in routes, inhibition rules and silences: `level>=high`, `source=~"BBC.*"`.

The words and signs are those of Prometheus Alertmanager; `>=` is added, for levels have an order.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import BeforeValidator, PlainSerializer

from monitor.config.fields import ONE_OR_MANY
from monitor.models import LEVELS
from monitor.regex import check_regex
from monitor.yamlfile import suggest

Label = Literal["rule", "level", "tag", "feed", "language", "source", "concept"]
Sign = Literal["=", "!=", "=~", "!~", ">="]

LABELS: tuple[Label, ...] = get_args(Label)
_FORM = re.compile(r'\s*(\w+)\s*(=~|!~|!=|>=|=)\s*(?:"([^"]*)"|([^"]*?))\s*', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label of an alert; a `value` of `=~` and `!~` is a regular expression for the whole label."""

    label: Label
    sign: Sign
    value: str

    def __str__(self) -> str:
        quoted = self.value if re.fullmatch(r"[\w.-]+", self.value) else f'"{self.value}"'
        return f"{self.label}{self.sign}{quoted}"


def parse_matcher(text: Any) -> Matcher:
    """Read a matcher; raises ValueError."""
    if isinstance(text, Matcher):
        return text
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise ValueError(f'"{text}" is no matcher; write a label, one of = != =~ !~ and a value, such as level=high')
    label, sign, quoted, plain = found.groups()
    if label not in LABELS:
        raise ValueError(f'"{label}" is no label{suggest(label, LABELS)}; there are {", ".join(LABELS)}')
    value = plain if quoted is None else quoted
    if sign in ("=~", "!~"):
        check_regex(value)
    elif label == "level" and value not in LEVELS:
        raise ValueError(f'"{value}" is no level{suggest(value, LEVELS)}; there are {", ".join(LEVELS)}')
    if sign == ">=" and label != "level":
        raise ValueError(f'"{text}": only levels have an order; write = != =~ or !~')
    return Matcher(cast(Label, label), cast(Sign, sign), value)


Matchers = Annotated[
    tuple[Annotated[Matcher, BeforeValidator(parse_matcher)], ...],
    ONE_OR_MANY,
    PlainSerializer(lambda matchers: [str(matcher) for matcher in matchers], return_type=list[str]),
]
