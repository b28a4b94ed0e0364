"""`monitor routes`: who is told of what, and when."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import config_option, configuration, format_option

if TYPE_CHECKING:
    from monitor.alerts.routing import Node
    from monitor.config import Config, RouteConfig
    from monitor.models import Alert

_LABELS = {"tag": "tags", "source": "sources", "language": "languages", "receiver": "receivers"}


@click.group()
def routes() -> None:
    """Show the routes of alerts, and who would be told of one."""


@routes.command("show")
@format_option
@config_option
def show_routes(form: str, config_path: Path | None) -> None:
    """Show the tree of routes: the conditions of each, its receivers, and what it says of times.

    What a route does not say is as in the one around it.
    """
    from monitor.alerts.routing import tree_of

    config = configuration(config_path, ())
    for depth, route, node in _walk(config.route, tree_of(config)):
        if form == "ndjson":
            fields = {"route": node.path, "id": node.id, "receivers": node.receivers, "continue": node.go_on}
            click.echo(json.dumps(fields | {"says": _said(route)}, ensure_ascii=False))
        else:
            conditions = ", ".join(str(matcher) for matcher in node.matchers) or ("everything" if depth else "route")
            said = "".join(f"  {key}: {value}" for key, value in _said(route).items())
            click.echo(f"{'  ' * depth}{conditions} -> {', '.join(node.receivers)}{said}")


def _walk(route: "RouteConfig", node: "Node", depth: int = 0) -> "Iterator[tuple[int, RouteConfig, Node]]":
    yield depth, route, node
    for inner, child in zip(route.routes, node.routes, strict=True):
        yield from _walk(inner, child, depth + 1)


def _said(route: "RouteConfig") -> dict[str, str]:
    """What a route says itself, but for its conditions and receivers."""
    fields = type(route).model_fields
    names = [
        name for name in fields if name in route.model_fields_set and name not in ("receiver", "matchers", "routes")
    ]
    return {fields[name].alias or name: _written(getattr(route, name)) for name in names}


def _written(value: Any) -> str:
    """A setting as a user would write it, more or less."""
    from monitor.config.route import Limit
    from monitor.config.times import Digest

    if isinstance(value, Digest):
        return f"{value.schedule} {value.timezone}"
    if isinstance(value, Limit):
        return value.written
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return "off" if value is None else str(value).lower()


@routes.command("test")
@click.option("--rule", help="Its rule, whose level, tags and receivers it has where no others are given.")
@click.option("--level", help="Its level; medium where its rule says none.")
@click.option("--tag", multiple=True, help="One of its tags; again for another.")
@click.option("--feed", help="The feed that told its story first.")
@click.option("--source", multiple=True, help="Another feed that told it; again for another.")
@click.option("--language", multiple=True, help="A language in which it was told; again for another.")
@click.option("--concept", multiple=True, help="A concept that its rule found; again for another.")
@click.option("--receiver", multiple=True, help="A receiver that its rule names; again for another.")
@click.option(
    "--file", "file", type=click.File(encoding="utf-8"), help="Alerts instead, a JSON object a line; - is stdin."
)
@click.option("--at", "at", metavar="TIME", help="When it comes, such as 2026-11-24T23:30; in UTC, and now if absent.")
@format_option
@config_option
def test_routes(file: Any, at: str | None, form: str, config_path: Path | None, **labels: Any) -> None:
    """Say which receivers would be told of an alert, when, and why then.

    Each alert is taken for the first that comes; silences and inhibition are left aside.

    \b
    monitor routes test --level critical --tag asia --at 2026-11-24T23:30
    monitor routes test --file alerts.ndjson
    """
    from monitor.alerts.groups import when
    from monitor.alerts.routing import tree_of

    config = configuration(config_path, ())
    tree, now = tree_of(config), _time(at)
    for alert in _read(file) if file else [_labelled(config, labels)]:
        for told in when(alert, tree, now):
            if form == "ndjson":
                fields = {"receiver": told.receiver, "at": told.at and told.at.isoformat(), "why": told.why}
                click.echo(json.dumps({"alert": alert.id, **fields, "route": told.path}, ensure_ascii=False))
            else:
                time = "never" if told.at is None else f"{told.at:%Y-%m-%d %H:%M:%S} UTC"
                shown = told.why if told.why == "at once" else f"{time} ({told.why})"
                click.echo(f"{f'{alert.id}  ' if file else ''}{told.receiver}  {shown}  by {told.path}")


def _time(written: str | None) -> datetime:
    from monitor.errors import InputError, Problem

    try:
        time = datetime.fromisoformat(written) if written else datetime.now(UTC)
    except ValueError:
        raise InputError([Problem("--at", f'"{written}" is no time; write one such as 2026-11-24T23:30')]) from None
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _read(file: Any) -> "Iterator[Alert]":
    from pydantic import ValidationError

    from monitor.errors import InputError, Problem
    from monitor.models import Alert

    for number, line in enumerate(file, 1):
        try:
            if line.strip():
                yield Alert.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            what = ".".join(map(str, first["loc"])) or "the line"
            message = f"no alert: {what}: {first['msg'].lower()}; write one as `monitor match --format ndjson` does"
            raise InputError([Problem(f"{file.name}:{number}", message)]) from None


def _labelled(config: "Config", labels: dict[str, Any]) -> "Alert":
    """An alert with labels; what is not given comes from its rule."""
    from monitor.errors import InputError, Problem
    from monitor.models import LEVELS, Alert, Evidence, Snippet
    from monitor.yamlfile import suggest

    level = labels["level"]
    if level and level not in LEVELS:
        listed = ", ".join(LEVELS)
        raise InputError([Problem("--level", f'"{level}" is no level{suggest(level, LEVELS)}; there are {listed}')])
    said = {name: labels[label] for label, name in _LABELS.items() if labels[label]} | (
        {"level": level} if level else {}
    )
    values = _of_rule(config, labels["rule"]) | said
    concepts = [Evidence(concept=name, text=name, field="body", start=0, end=0) for name in labels["concept"]]
    return Alert(
        id="test", document="test", title="test", source=labels["feed"] or "", snippet=Snippet(text=""),
        evidence=tuple(concepts), documents=("test",), language=next(iter(labels["language"]), None), **values,
    )  # fmt: skip


def _of_rule(config: "Config", rule_id: str | None) -> dict[str, Any]:
    """What the alerts of a rule have from it; the built-in rules are in no file."""
    from monitor.alerts.build import FEED_HEALTH, MONITOR_HEALTH
    from monitor.errors import InputError, Problem
    from monitor.rules.lexicon import shipped
    from monitor.rules.load import load
    from monitor.yamlfile import suggest

    if rule_id in (None, FEED_HEALTH, MONITOR_HEALTH):
        return {"rule": rule_id or "", "level": "medium"}
    rules = {rule.id: rule for rule in load(config.rules, shipped(), config.receivers).rules}
    if rule_id not in rules:
        raise InputError([Problem("--rule", f'no rule is called "{rule_id}"{suggest(str(rule_id), rules)}')])
    rule = rules[rule_id]
    return {"rule": rule.id, "level": rule.level, "tags": rule.tags, "receivers": rule.receivers}
