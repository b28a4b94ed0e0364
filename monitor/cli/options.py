"""What several commands share: options, the configuration that they mean, and how alerts are shown."""

import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.models import Alert

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The configuration; without it ./monitor.yaml, the user's or /etc/monitor/monitor.yaml.",
)


rules_option = click.option(
    "--rules",
    "rules_paths",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Rule files or folders, instead of the configured ones.",
)
format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "ndjson"]),
    default="text",
    show_default=True,
    help="For people, or a JSON object a line.",
)


def configuration(path: Path | None, rules_paths: tuple[Path, ...]) -> "Config":
    """The configuration, where there is one: what only reads rules and fixtures works without."""
    from monitor import config, notifiers
    from monitor.errors import InputError

    try:
        place = path or config.find()
    except InputError:
        loaded = config.Config()
    else:
        loaded = config.load(place, notifiers.options_of)
    return loaded.model_copy(update={"rules": rules_paths}) if rules_paths else loaded


def time_away(option: str, written: str, now: datetime, *, back: bool = False) -> datetime:
    """The time that is as long after `now`, or before it, as is written in an option; raises InputError."""
    from monitor.config import parse_duration
    from monitor.errors import InputError, Problem

    try:
        length = parse_duration(written)
        return now - length if back else now + length
    except OverflowError:
        raise InputError([Problem(option, f'"{written}" leads out of the calendar')]) from None
    except ValueError as error:
        raise InputError([Problem(option, str(error))]) from None


def show(alert: "Alert", receivers: Iterable[str], form: str) -> None:
    """Print an alert, for people or for programs."""
    from monitor.alerts.render import as_json, as_text

    if form == "ndjson":
        click.echo(as_json(alert, {"receivers": list(receivers)}))
    else:
        click.echo(f"{as_text(alert, colour=sys.stdout.isatty())}\n")


def alert_of(config: "Config", identifier: str) -> "Alert":
    """The alert of an id; raises InputError where there is none, and StoreError."""
    from monitor import app
    from monitor.errors import InputError, Problem
    from monitor.store.alerts import AlertStore

    alert = app.ask(config, lambda store: AlertStore(store).get(identifier))
    if alert is None:
        raise InputError([Problem(identifier, "no alert of the last 30 days; `monitor alerts list` shows their ids")])
    return alert
