"""Who is told of which alert, and when: the tree of routes, inhibition, and what can be wrong with them.

The keys are Prometheus Alertmanager's, with the defaults that news ask for.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from monitor.config.fields import ONE_OR_MANY, Duration, Names, Strict, parse_duration
from monitor.config.intervals import ever_open
from monitor.config.matchers import Label, Matchers
from monitor.config.times import Digest, TimeInterval
from monitor.errors import Problem
from monitor.yamlfile import Document, Path_, suggest

Grouping = Literal["alert", "story", Label]
Shared = Literal["story", Label]


@dataclass(frozen=True, slots=True)
class Limit:
    """So many messages in any such time."""

    count: int
    per: timedelta
    written: str


def _parse_limit(value: Any) -> Any:
    """Read `20/h` or `5/30m`; raises ValueError."""
    if value is None or isinstance(value, Limit):
        return value
    found = re.fullmatch(r"\s*([1-9]\d{0,5})\s*/\s*(\d.*|s|m|h|d)\s*", str(value))
    if not found:
        raise ValueError(f'"{value}" is no limit; write how many messages in what time, such as 20/h or 5/30m, or off')
    per = parse_duration(found[2] if found[2][0].isdigit() else f"1{found[2]}")
    if not per:
        raise ValueError(f'"{value}" is no limit: no time at all')
    return Limit(int(found[1]), per, str(value).replace(" ", ""))


def _off(value: Any) -> Any:
    return None if value == "off" else value


def _some(value: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if value == ():
        raise ValueError("nobody is named; write the name of a receiver, or a list of names")
    return value


class RouteConfig(Strict):
    """A node of the tree: whom its alerts go to, and when; what is not said is as in the route around it."""

    receiver: Annotated[Names | None, AfterValidator(_some)] = Field(
        None, description="a receiver or a list of them; absent: as around it, and all receivers where nothing is said"
    )
    matchers: Matchers = Field((), description="conditions on labels, of which all have to be met, such as level>=high")
    go_on: bool = Field(False, alias="continue", description="whether the routes after it see its alerts too")
    routes: tuple["RouteConfig", ...] = Field((), description="within it: the first that matches takes an alert")
    group_by: Annotated[tuple[Grouping, ...], ONE_OR_MANY] = Field(
        ("alert",),
        description="what alerts share that go out in one message: alert, story, labels; [] is all",
    )
    group_wait: Duration = Field(timedelta(), description="how long a new alert waits for others of its group")
    group_interval: Duration = Field(timedelta(minutes=10), description="between two messages of updates of a group")
    digest: Annotated[Digest | None, BeforeValidator(_off)] = Field(
        None, description="{schedule, timezone}: alerts are gathered and go out together at these times; or off"
    )
    mute_times: Names = Field((), description="time intervals in which nothing is sent, but kept for afterwards")
    active_times: Names = Field((), description="time intervals outside of which nothing is sent, but kept")
    mute_except: Matchers = Field((), description="alerts that no time holds, such as level=critical")
    limit: Annotated[Limit | None, BeforeValidator(_parse_limit), BeforeValidator(_off)] = Field(
        None, description="such as 20/h: what is more waits, which one message says, and comes together later; or off"
    )


class InhibitRule(Strict):
    """Alerts that go without saying while another is fresh."""

    source_matchers: Matchers = Field(min_length=1, description="the alerts that hide others")
    target_matchers: Matchers = Field(min_length=1, description="the alerts that are hidden")
    equal: Annotated[tuple[Shared, ...], ONE_OR_MANY] = Field(
        ("story",), description="what both have to share; [] is nothing"
    )
    lasting: Duration | None = Field(
        None,
        alias="for",
        description="how long after its last article it hides others; absent: as long as a story",
    )

    @field_validator("lasting")
    @classmethod
    def _some_time(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and not value:
            raise ValueError("an alert that hides others for no time hides none; write a duration such as 6h")
        return value


def route_problems(document: Document, receivers: Collection[str], intervals: Collection[str]) -> list[Problem]:
    """Names in routes that nothing has, whatever else is wrong with them."""
    problems = []
    for path, written in _written(document.value.get("route"), ("route",)):
        for key in ("receiver", "mute_times", "active_times"):
            what, known = ("receiver", receivers) if key == "receiver" else ("time interval", intervals)
            listed = ", ".join(sorted(known)) or "none; write them under time_intervals"
            problems += [
                document.problem(
                    (*path, key, index),
                    f'route: no {what} is called "{name}"{suggest(str(name), known)}; known: {listed}',
                )
                for index, name in _named(written.get(key))
                if name not in known
            ]
    return problems


def _named(value: Any) -> list[tuple[int, Any]]:
    return [
        (index, name) for index, name in enumerate(value if isinstance(value, list) else [value]) if name is not None
    ]


def _written(route: Any, path: Path_) -> Iterator[tuple[Path_, dict[str, Any]]]:
    """Each route as it was written, and where."""
    if isinstance(route, dict):
        yield path, route
        inner = route.get("routes")
        for index, child in enumerate(inner if isinstance(inner, list) else ()):
            yield from _written(child, (*path, "routes", index))


Intervals = Mapping[str, Sequence[TimeInterval]]


def tree_problems(root: RouteConfig, intervals: Intervals, document: Document) -> list[Problem]:
    """What is wrong with a tree as a tree: conditions of its root, routes that no alert can reach, or none leaves."""
    path: Path_ = ("route",)
    problems = [
        document.problem((*path, key), f"the first route takes every alert; put {key} into one of its routes")
        for key in ("matchers", "continue")
        if (root.matchers if key == "matchers" else root.go_on)
    ]
    return [
        *problems,
        *_unreachable(root, path, document),
        *_closed(root, path, ((), ()), intervals=intervals, document=document),
    ]


def _closed(
    route: RouteConfig, path: Path_, around: tuple[Names, Names], *, intervals: Intervals, document: Document
) -> Iterator[Problem]:
    """Routes that say themselves, by their times, that nothing ever leaves them."""
    keys = [key for key in ("mute_times", "active_times") if key in route.model_fields_set]
    mute, active = (
        getattr(route, key) if key in keys else names
        for key, names in zip(("mute_times", "active_times"), around, strict=True)
    )
    if keys and {*mute, *active} <= set(intervals):
        spans = [[span for name in names for span in intervals[name]] for names in (mute, active)]
        if not ever_open(*spans):
            said = {"active_times": active, "mute_times": mute}
            times = " and ".join(f"{key} {', '.join(names)}" for key, names in said.items() if names)
            message = f"route: nothing would ever be sent: {times} leave no time; change one"
            yield document.problem((*path, keys[-1]), message)
    for index, child in enumerate(route.routes):
        yield from _closed(child, (*path, "routes", index), (mute, active), intervals=intervals, document=document)


def _unreachable(route: RouteConfig, path: Path_, document: Document) -> Iterator[Problem]:
    for index, child in enumerate(route.routes):
        here = (*path, "routes", index)
        for before, earlier in enumerate(route.routes[:index]):
            if not earlier.go_on and set(earlier.matchers) <= set(child.matchers):
                place = document.place((*path, "routes", before))
                message = f"no alert comes here: the route at {place} takes them all; move this one before it"
                yield document.problem(here, f"{message}, or write continue: true there")
                break
        yield from _unreachable(child, here, document)
