"""The command `monitor`. Each command imports what it needs when it runs, so that `--help` is immediate."""

import io
import os
import sys
from typing import Any

import click

from monitor import __version__, logs
from monitor.cli.alerts import alerts
from monitor.cli.archive import archive
from monitor.cli.capture import capture
from monitor.cli.config import config
from monitor.cli.dead import dead
from monitor.cli.doctor import doctor
from monitor.cli.feeds import feeds
from monitor.cli.init import init
from monitor.cli.notify import notify
from monitor.cli.replay import replay
from monitor.cli.routes import routes
from monitor.cli.rules import match, rules
from monitor.cli.run import run
from monitor.cli.silence import silence
from monitor.cli.status import status
from monitor.cli.story import story
from monitor.cli.whynot import why_not
from monitor.errors import InputError, MonitorError


class _Group(click.Group):
    """Shows mistakes as they are, a line each on standard error; exit status 2 for the user's own, else 1."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except InputError as error:
            logs.complain(str(error))
            context.exit(2)
        except MonitorError as error:
            logs.complain(f"monitor: {error}")
            context.exit(1)
        except BrokenPipeError:
            # Whoever read our output has gone, as `head` does.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            context.exit(141)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="monitor")
@click.option("-v", "--verbose", is_flag=True, help="Say more in the log.")
def main(verbose: bool) -> None:
    """Watch news feeds; tell people, in any language, when something they care about happens."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows no Korean still shows the alert
    logs.setup(level="debug" if verbose else "info")


for command in (
    run,
    feeds,
    rules,
    routes,
    match,
    replay,
    archive,
    capture,
    alerts,
    story,
    dead,
    notify,
    silence,
    why_not,
    config,
    doctor,
    init,
    status,
):
    main.add_command(command)
