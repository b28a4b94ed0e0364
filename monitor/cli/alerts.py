"""`monitor alerts`: what was raised."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import alert_of, config_option, configuration, format_option, show, time_away

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.models import Alert

_WAIT = timedelta(seconds=5)


@click.group()
def alerts() -> None:
    """List the alerts of the last days, show one, or follow them as they are raised.

    \b
    monitor alerts list --since 24h --level high
    monitor alerts show 4f1c0a9b7e2d4c66a1b2c3d4
    monitor alerts tail --format ndjson
    """


@alerts.command("list")
@click.option("--since", default="7d", show_default=True, metavar="TIME", help="How far back, at most 7d.")
@click.option("--rule", help="Only of this rule.")
@click.option("--level", help="Only of this level.")
@click.option("--limit", default=100, show_default=True, help="How many at most.")
@click.option("--waiting", is_flag=True, help="Those that a route holds, with what holds them and until when.")
@format_option
@config_option
def list_(since: str, limit: int, form: str, config_path: Path | None, **only: Any) -> None:
    """The latest alerts, newest first, as they have grown since."""
    if only.pop("waiting"):
        _list_waiting(configuration(config_path, ()))
        return
    from monitor import app
    from monitor.store.alerts import AlertStore

    start = time_away("--since", since, app.now(), back=True)

    def wanted(alert: "Alert") -> bool:
        return all(value is None or getattr(alert, name) == value for name, value in only.items())

    found = app.ask(configuration(config_path, ()), lambda store: AlertStore(store).recent(limit, start, wanted))
    for alert in found:
        show(alert, (), form) if form == "ndjson" else click.echo(line(alert))
    if not found:
        click.echo("no alerts", err=True)


def _list_waiting(config: "Config") -> None:
    from monitor import app
    from monitor.alerts.routing import tree_of
    from monitor.store.routes import waiting

    held = app.ask(config, lambda store: waiting(store, tree_of(config), app.now()))
    for alert, state, hold in held:
        until = f"{hold.until:%Y-%m-%d %H:%M} UTC" if hold.until else "never"
        click.echo(f"{line(alert)}  -> {', '.join(state.receivers)}: {hold.reason} until {until}")
    if not held:
        click.echo("no alerts wait", err=True)


def line(alert: "Alert") -> str:
    from monitor.alerts.render import printable

    seen = alert.first_seen.strftime("%m-%d %H:%M") if alert.first_seen else "-" * 11
    told = f"{len(alert.sources)} x {','.join(alert.languages) or '?'}"
    return f"{alert.id}  {seen}  {alert.level:8}  {printable(alert.rule)}  {told}  {printable(alert.title)}"


@alerts.command("show")
@click.argument("alert")
@format_option
@config_option
def show_(alert: str, form: str, config_path: Path | None) -> None:
    """Show an alert as it has grown, with every word that decided."""
    found = alert_of(configuration(config_path, ()), alert)
    show(found, found.receivers, form)
    if form == "text":
        for line in _details(found):
            click.echo(line)


def _details(alert: "Alert") -> list[str]:
    from monitor.alerts.render import printable

    words = [f"  {item.field:5}  {printable(item.concept)}: {printable(item.text)}" for item in alert.evidence]
    text = {"page": "its page", "content": "the feed's content", "summary": "the feed's summary"}.get(alert.text_from)
    return [
        *words,
        f"  rule {printable(alert.rule)}, version {alert.rule_version or 'none'}",
        f"  text from {text or 'its headline alone'}",
        f"  alert {alert.id}, story {alert.story or 'none'}: monitor story show {alert.id}",
    ]


@alerts.command()
@format_option
@config_option
def tail(form: str, config_path: Path | None) -> None:
    """Show alerts as they are raised, until Ctrl-C."""
    from monitor import app
    from monitor.store.alerts import AlertStore
    from monitor.store.redis import Store

    async def follow(store: Store) -> None:
        kept, last = AlertStore(store), "$"
        while True:
            last, raised = await kept.following(last, _WAIT)
            for alert in raised:
                show(alert, (), form)

    try:
        app.ask(configuration(config_path, ()), follow)
    except KeyboardInterrupt:
        return
