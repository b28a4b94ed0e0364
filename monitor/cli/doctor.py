"""`monitor doctor`: whether everything is there that the daemon needs."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.options import config_option

if TYPE_CHECKING:
    from monitor.doctor import Finding


@click.command()
@config_option
def doctor(config_path: Path | None) -> None:
    """Examine configuration, rules, Redis, DNS, clock, receivers, disk and open files; nothing is sent.

    Each finding is a line: ok, warn or fail, what, and what to do. Exit 1 where something fails.
    """
    from monitor import app, config, notifiers
    from monitor.doctor import Finding
    from monitor.errors import InputError

    failed = False

    def say(finding: "Finding") -> None:
        nonlocal failed
        failed |= finding.verdict == "fail"
        click.echo(str(finding))

    try:
        place = config_path or config.find()
        loaded = config.load(place, notifiers.options_of)
    except InputError as error:
        for problem in error.problems:
            say(Finding("fail", "configuration", str(problem), "mend it there; the rest was not examined"))
        sys.exit(1)
    if loaded.feeds or loaded.demo:
        found = f"{place}: {len(loaded.feeds)} feeds, {len(loaded.receivers)} receivers"
        say(Finding("ok", "configuration", found))
    else:
        say(Finding("fail", "configuration", f"{place}: no feeds", "add some: monitor feeds add URL"))
    asyncio.run(app.examine(loaded, say))
    sys.exit(1 if failed else 0)
