"""Alerts that nobody is told of: silenced by somebody, or superfluous beside another alert."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from monitor.alerts.matchers import labels, meets
from monitor.config.matchers import Matchers
from monitor.config.route import InhibitRule, Shared
from monitor.models import Alert
from monitor.stories.join import WINDOW


class Silence(BaseModel):
    """What somebody does not want to hear of for a time; its JSON has matchers as they are written."""

    model_config = ConfigDict(frozen=True)

    id: str
    matchers: Annotated[Matchers, Field(min_length=1)]
    starts: datetime
    ends: datetime
    author: str = ""
    comment: str = ""


def silenced(alert: Alert, silences: Iterable[Silence], now: datetime) -> Silence | None:
    """The first silence that hides an alert at `now`; the end of a silence is not in it."""
    seen = labels(alert)
    return next(
        (silence for silence in silences if silence.starts <= now < silence.ends and meets(seen, silence.matchers)),
        None,
    )


def inhibited(
    alert: Alert, rules: Iterable[InhibitRule], recent: Iterable[Alert], now: datetime
) -> tuple[InhibitRule, Alert] | None:
    """The first rule by which a recent alert hides this one, and that alert.

    An alert hides others for as long after it was last seen as the rule says, else as long as a story lasts. As in
    Prometheus Alertmanager, what is source and target of a rule at once does not hide itself or its like.
    """
    seen = labels(alert)
    others = [other for other in recent if other.id != alert.id]
    for rule in rules:
        if not meets(seen, rule.target_matchers):
            continue
        itself_a_source = meets(seen, rule.source_matchers)
        for other in others:
            if _is_source(other, rule, now, not_targets=itself_a_source) and _share(alert, other, rule.equal):
                return rule, other
    return None


def _is_source(alert: Alert, rule: InhibitRule, now: datetime, *, not_targets: bool) -> bool:
    lasting = WINDOW if rule.lasting is None else rule.lasting
    if alert.last_seen is None or now - alert.last_seen >= lasting:
        return False
    seen = labels(alert)
    return meets(seen, rule.source_matchers) and not (not_targets and meets(seen, rule.target_matchers))


def _share(one: Alert, other: Alert, equal: Iterable[Shared]) -> bool:
    """Tell whether two alerts have a value of each label in common; what neither has, they do not share."""
    values, others = labels(one), labels(other)
    return all(
        one.story == other.story != "" if label == "story" else bool(values[label] & others[label]) for label in equal
    )
