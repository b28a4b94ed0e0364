"""`monitor run`."""

import sys
from pathlib import Path

import click

from monitor.cli.options import config_option


@click.command()
@config_option
@click.option("--once", is_flag=True, help="Poll every feed once, deliver what comes of it, and exit.")
def run(config_path: Path | None, once: bool) -> None:
    """Poll feeds, match rules, deliver alerts, until stopped by Ctrl-C or SIGTERM.

    \b
    monitor run                          the daemon, by ./monitor.yaml
    monitor run --config my.yaml --once  one round, for cron
    """
    from monitor import app, config, notifiers

    loaded = config.load(config_path or config.find(), notifiers.options_of)
    sys.exit(app.run(loaded, once=once))
