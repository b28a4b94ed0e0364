"""Who is told of an alert: the tree of routes, as Prometheus Alertmanager walks it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from monitor.alerts.matchers import Labels, labels, meets
from monitor.config import Config
from monitor.config.matchers import Matcher
from monitor.config.route import Grouping, Limit, RouteConfig
from monitor.config.times import Digest, TimeInterval
from monitor.feeds.identity import digest
from monitor.models import Alert


@dataclass(frozen=True, slots=True)
class Timing:
    """When the alerts of a route go out; see `RouteConfig` for each."""

    group_by: tuple[Grouping, ...] = ("alert",)
    group_wait: timedelta = timedelta()
    group_interval: timedelta = timedelta(minutes=10)
    digest: Digest | None = None
    mute: tuple[TimeInterval, ...] = ()
    active: tuple[TimeInterval, ...] = ()
    mute_except: tuple[Matcher, ...] = ()
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A route with all that it has from those around it.

    `id` is made of its receivers and the conditions that lead to it, so that it is the same in another process, and
    after other routes or its timing were changed. `path` is how people are told of it.
    """

    id: str
    path: str
    receivers: tuple[str, ...]
    matchers: tuple[Matcher, ...] = ()
    go_on: bool = False
    timing: Timing = field(default_factory=Timing)
    routes: tuple["Node", ...] = ()


def tree_of(config: Config) -> Node:
    """The routes of a configuration; where nobody is named, all receivers are told."""
    everybody = Node("", "", tuple(config.receivers))
    return _node(config.route, everybody, config, place="", path="route")


def _node(route: RouteConfig, around: Node, config: Config, *, place: str, path: str) -> Node:
    """Make a node of a route; `place` and `path` tell it from others, programs and people."""
    receivers = route.receiver or around.receivers
    node = Node(
        id=digest(place, *receivers),
        path=path,
        receivers=receivers,
        matchers=route.matchers,
        go_on=route.go_on,
        timing=_timing(route, around.timing, config),
    )
    places: list[str] = []
    children = []
    for child in route.routes:
        conditions = ", ".join(sorted(str(matcher) for matcher in child.matchers)) or "all"
        inner = digest(place, conditions)
        places.append(inner)
        # Two routes in one place may have the same conditions where the first lets alerts go on.
        inner = digest(inner, str(places.count(inner)))
        children.append(_node(child, node, config, place=inner, path=f"{path} > {conditions}"))
    return replace(node, routes=tuple(children))


def _timing(route: RouteConfig, around: Timing, config: Config) -> Timing:
    """What a route says, and what it does not say as around it."""
    same = ("group_by", "group_wait", "group_interval", "digest", "mute_except", "limit")
    said = {key: getattr(route, key) for key in same if key in route.model_fields_set}
    for key, names in (("mute", "mute_times"), ("active", "active_times")):
        if names in route.model_fields_set:
            said[key] = tuple(span for name in getattr(route, names) for span in config.time_intervals[name])
    return replace(around, **said)


def routes_of(alert: Alert, tree: Node) -> tuple[Node, ...]:
    """The nodes that an alert comes to, in the order of the tree; at least one.

    The receivers that a rule names are told instead of those of all routes, with the timing of the outermost one.
    """
    if alert.receivers:
        return (own_node(tree, alert.receivers),)
    return tuple(_reached(labels(alert), tree))


def own_node(tree: Node, receivers: tuple[str, ...]) -> Node:
    """The route of alerts whose rule names its receivers."""
    return replace(tree, id=digest("own", *receivers), receivers=receivers, routes=())


def _reached(seen: Labels, node: Node) -> list[Node]:
    """The deepest nodes that match below a node that does; a node takes what none of its routes does."""
    found: list[Node] = []
    for child in node.routes:
        if meets(seen, child.matchers):
            found += _reached(seen, child)
            if not child.go_on:
                break
    return found or [node]


def nodes_of(tree: Node) -> Sequence[Node]:
    """A node and all within it, from the top."""
    return [tree, *(inner for child in tree.routes for inner in nodes_of(child))]


def route(alert: Alert, config: Config) -> tuple[str, ...]:
    """The names of all receivers of an alert, each once, in the order of the configuration."""
    return tuple(dict.fromkeys(name for node in routes_of(alert, tree_of(config)) for name in node.receivers))
