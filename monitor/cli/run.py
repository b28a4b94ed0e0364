"""`monitor run`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.options import config_option

if TYPE_CHECKING:
    from monitor.app import Face
    from monitor.models import Only


@click.command()
@config_option
@click.option("--once", is_flag=True, help="Poll every feed once, deliver what comes of it, and exit.")
@click.option("--only", type=click.Choice(["poll", "deliver"]), help="Leave the other half to other processes.")
def run(config_path: Path | None, once: bool, only: "Only | None") -> None:
    """Poll feeds, match rules, deliver alerts, until stopped by Ctrl-C or SIGTERM.

    \b
    monitor run                          the daemon, by ./monitor.yaml
    monitor run --config my.yaml --once  one round, for cron
    monitor run --only poll              polls and raises alerts; another runs --only deliver
    """
    from monitor import app, config, logs, notifiers

    file = config_path or config.find()
    with logs.held():
        loaded = config.load(file, notifiers.options_of)
        verbose = click.get_current_context().find_root().params["verbose"]
        logs.setup(loaded.log.format, "debug" if verbose else loaded.log.level)
    face = _face() if loaded.web and not once else None
    sys.exit(app.run(loaded, once=once, only=only, file=file, face=face))


def _face() -> "Face":
    """What answers over HTTP; imported only where that is asked for."""
    from monitor.web import serving

    return serving
