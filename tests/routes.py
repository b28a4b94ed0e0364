"""What tests of routes share: alerts in one line, a tree from YAML, and a virtual clock that plays events to it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from monitor import yamlfile
from monitor.alerts.groups import RouteState, after, due, flush, new_state
from monitor.alerts.routing import Node, routes_of, tree_of
from monitor.config import Config
from monitor.models import Alert, Evidence, Notification, Snippet

RECEIVERS = {name: {"type": "console"} for name in ("a", "b", "c")}


def tree(text: str) -> Node:
    """The routes of a configuration's text, with receivers a, b and c."""
    return tree_of(config(text))


def config(text: str) -> Config:
    document = yamlfile.parse(text or "{}", "test")
    document.value = {"receivers": RECEIVERS} | document.value
    return yamlfile.validate(Config, document)


def alert(name: str = "1", documents: int = 1, **said: Any) -> Alert:
    """An alert whose story has so many documents; `concepts` are its evidence's."""
    concepts = said.pop("concepts", ())
    evidence = tuple(Evidence(concept=concept, text="x", field="body", start=0, end=1) for concept in concepts)
    values = {
        "id": name, "rule": "r", "level": "medium", "document": name, "title": name, "source": "BBC",
        "snippet": Snippet(text=name), "evidence": evidence,
        "documents": tuple(f"{name}.{n}" for n in range(documents)),
    }  # fmt: skip
    return Alert(**(values | said))


def at(text: str, day: str = "2026-11-23") -> datetime:
    """`08:30`, `08:30:05`, or a date before it, in UTC."""
    date, _, clock = text.rpartition(" ")
    return datetime.fromisoformat(f"{date or day}T{clock}").replace(tzinfo=UTC)


@dataclass
class Sending:
    """One message of one route to one receiver."""

    time: datetime
    note: Notification
    node: Node

    def __str__(self) -> str:
        what = " ".join(f"{each.id}x{len(each.documents)}" for each in self.note.alerts)
        clock = f"{self.time:%d %H:%M:%S}".removesuffix(":00")
        return f"{clock} {self.note.kind} {what or self.note.text.split(':')[0]}"


@dataclass
class Clock:
    """Plays events to a tree as the daemon does: each is taken when it comes, and all goes out when it is due.

    The states are read from their JSON before each step: what a restart does not keep is lost here, too.
    """

    tree: Node
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    states: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    sent: list[Sending] = field(default_factory=list)

    def play(self, events: Iterable[tuple[datetime, Alert]], days: int = 9) -> "Clock":
        for time, event in events:
            self.run(time)
            for node in routes_of(event, self.tree):
                self.nodes[node.id] = node
                self.states.setdefault(node.id, new_state(node).model_dump_json())
                self.states[node.id] = after(self.state(node), event, node, time).model_dump_json()
        self.run(self.now + timedelta(days=days))
        return self

    def run(self, until: datetime) -> None:
        """Let time pass, from one due time to the next."""
        for _ in range(10_000):
            times = [(time, node.path, node) for node in self.nodes.values() if (time := self.due(node))]
            if not times or min(times)[0] > until:
                self.now = until
                return
            time, _path, node = min(times, key=lambda each: each[:2])
            self.now = max(time, self.now)
            self.flush(node)
        raise AssertionError("it never rests")

    def due(self, node: Node) -> datetime | None:
        return due(self.state(node), node, self.now)

    def flush(self, node: Node) -> None:
        before = self.state(node)
        state, notes = flush(before, node, self.now)
        assert (state, notes) == flush(before, node, self.now), "decided twice, it is decided the same"
        assert (state.waiting, state.held, state.told) != (before.waiting, before.held, before.told)
        self.states[node.id] = state.model_dump_json()
        self.sent += [Sending(self.now, note, node) for note in notes]

    def state(self, node: Node) -> RouteState:
        return RouteState.model_validate_json(self.states[node.id])

    def lines(self) -> list[str]:
        return [str(sending) for sending in self.sent]
