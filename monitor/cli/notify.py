"""`monitor notify`: whether a receiver can be reached."""

import asyncio
from pathlib import Path

import click

from monitor.cli.options import config_option


@click.group()
def notify() -> None:
    """Try receivers out."""


@notify.command()
@click.argument("receiver")
@config_option
def test(receiver: str, config_path: Path | None) -> None:
    """Send one made-up alert to RECEIVER now, past routes and outboxes. Exit 1 where it is not taken."""
    from monitor import app, config, notifiers

    loaded = config.load(config_path or config.find(), notifiers.options_of)
    asyncio.run(app.notify_once(loaded, receiver))
    click.echo(f"{receiver} has taken it")
