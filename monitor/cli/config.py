"""`monitor config`: what is in effect, and what can be written."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import config_option, format_option

if TYPE_CHECKING:
    from pydantic import BaseModel


@click.group()
def config() -> None:
    """Show the configuration that is in effect, or its JSON Schema."""


@config.command()
@config_option
@format_option
def show(config_path: Path | None, form: str) -> None:
    """Print the configuration with every default, as YAML that can be loaded again.

    Secrets are hidden; what the environment gives is shown by its name.
    """
    from monitor import config, notifiers, yamlfile
    from monitor.config.environment import override
    from monitor.config.shown import shown

    place = config_path or config.find()
    loaded = config.load(place, notifiers.options_of)
    document = yamlfile.read(place)
    written = override(document.value or {}, config.Config.model_fields, document, os.environ)
    fields = shown(loaded, written, notifiers.options_of)
    click.echo(json.dumps(fields, ensure_ascii=False) if form == "ndjson" else yamlfile.dump(fields).rstrip())


@config.command()
def schema() -> None:
    """Print the JSON Schema of monitor.yaml, for editors."""
    from monitor.config.json_schema import schema

    click.echo(json.dumps(schema(options_of_all()), indent=2, ensure_ascii=False))


def options_of_all() -> "dict[str, type[BaseModel]]":
    """The options of every kind of receiver whose plugin can be loaded."""
    from monitor import notifiers
    from monitor.errors import MonitorError

    found: dict[str, Any] = {}
    for kind in notifiers.kinds():
        try:
            found[kind] = notifiers.options_of(kind)
        except MonitorError as error:
            click.echo(f"left out: {error}", err=True)
    return found
