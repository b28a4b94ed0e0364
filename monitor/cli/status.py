"""`monitor status`: one screen of how everything is doing."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.alerts import line
from monitor.cli.options import config_option, configuration, format_option

if TYPE_CHECKING:
    from monitor.models import Alert
    from monitor.status import Status
    from monitor.store.redis import Store

_MOST = 5  # lines of each part: it is one screen
_SECONDS = 2.0
_CLEAR = "\033[H\033[2J"


@click.command()
@click.option("--watch", is_flag=True, help="Again every two seconds, until Ctrl-C.")
@format_option
@config_option
def status(watch: bool, form: str, config_path: Path | None) -> None:
    """Show feeds by state, what waits where, what routes hold, and the last alerts, on one screen.

    \b
    monitor status --watch
    monitor status --format ndjson
    """
    from monitor import app
    from monitor.status import status as ask

    config = configuration(config_path, ())

    async def follow(store: "Store") -> None:
        while True:
            found = await ask(config, store, app.now())
            if form == "ndjson":
                click.echo(json.dumps(as_object(found), ensure_ascii=False))
            else:
                click.echo((_CLEAR if watch else "") + "\n".join(screen(found)))
            if not watch:
                return
            await asyncio.sleep(_SECONDS)

    try:
        app.ask(config, follow)
    except KeyboardInterrupt:
        return


def as_object(found: "Status") -> dict[str, Any]:
    """A status for programs."""
    return {
        "at": found.at.isoformat(),
        "processes": found.processes,
        "feeds": Counter(health.state for _, health in found.feeds),
        "troubled": {name: health.reason for name, health in found.feeds if health.reason and health.state != "new"},
        "backlog": found.backlog,
        "held": Counter(hold.reason for hold in found.held),
        "receivers": {
            name: {"waiting": post.waiting, "dead": post.dead, "configured": post.known}
            | ({"failing_since": post.failing.isoformat()} if post.failing else {})
            for name, post in found.receivers.items()
        },
        "last": [
            {"id": alert.id, "rule": alert.rule, "level": alert.level, "title": alert.title, "at": _seen(alert)}
            for alert in found.last
        ],
    }


def screen(found: "Status") -> Iterator[str]:
    """A status for people, in 24 lines at most."""
    from monitor.alerts.render import printable

    yield f"{found.at:%Y-%m-%d %H:%M:%S} UTC, {found.processes or 'no'} process{'es' * (found.processes > 1)} running"
    yield f"feeds      {_counted(health.state for _, health in found.feeds)}"
    troubled = [
        f"{health.state:8}  {printable(name)}  {printable(health.reason)}"
        for name, health in found.feeds
        if health.state not in ("ok", "new", "paused")
    ]
    yield from _first(troubled, "monitor feeds list")
    yield f"alerts     {found.backlog} to be dispatched"
    until = min((hold.until for hold in found.held if hold.until), default=None)
    yield f"held       {_counted(hold.reason for hold in found.held)}" + (
        f"; the next until {until:%Y-%m-%d %H:%M} UTC" if until else ""
    )
    ranked = sorted(found.receivers.items(), key=lambda each: -(each[1].waiting + each[1].dead))
    yield "receivers"
    yield from _first(
        [
            f"{post.waiting:5} waiting  {post.dead:5} dead  {name}{'' if post.known else ' (not configured)'}"
            + (f", failing since {post.failing:%Y-%m-%d %H:%M} UTC" if post.failing else "")
            for name, post in ranked
        ],
        "monitor status --format ndjson",
    )
    yield "last alerts" if found.last else "last alerts: none"
    for alert in found.last:
        yield f"  {line(alert)}"


def _seen(alert: "Alert") -> str:
    return alert.first_seen.isoformat() if alert.first_seen else ""


def _counted(words: Iterable[str]) -> str:
    counts = Counter(words)
    said = ", ".join(f"{count} {word}" for word, count in counts.most_common())
    return f"{counts.total()}: {said}" if counts else "none"


def _first(lines: list[str], more: str) -> Iterator[str]:
    """The first lines, and where the rest of them stands."""
    shown = lines if len(lines) <= _MOST else lines[: _MOST - 1]
    yield from (f"  {line}" for line in shown)
    if left := len(lines) - len(shown):
        yield f"  and {left} more: {more}"
