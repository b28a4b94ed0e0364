"""`monitor why-not`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.options import config_option, configuration, rules_option

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.store.redis import Store
    from monitor.whynot import Finding


@click.command("why-not")
@click.argument("what", metavar="URL|TEXT|ALERT")
@rules_option
@config_option
def why_not(what: str, rules_paths: tuple[Path, ...], config_path: Path | None) -> None:
    """Say why nobody was told: walk the whole way of a page, a text or an alert, and name the first stop.

    Of a page: was it in a feed, can it be fetched and extracted, in what language is it, what does each rule lack. Of
    an alert: its story, what held it back, and every receiver's delivery.

    \b
    monitor why-not https://example.org/missed-launch
    monitor why-not "북한이 미사일을 발사했다"
    monitor why-not 4f1c0a9b7e2d4c66a1b2c3d4
    """
    from monitor import app
    from monitor.alerts.render import printable
    from monitor.whynot import first_stop

    config = configuration(config_path, rules_paths)
    found = app.ask(config, lambda store: _found(what, config, store))
    for finding in found:
        click.echo(f"{finding.stage:12} {printable(finding.text)}")
    click.echo(f"{'first stop':12} {printable(first_stop(found))}")


async def _found(what: str, config: "Config", store: "Store") -> "Sequence[Finding]":
    from monitor import app
    from monitor.errors import InputError, Problem
    from monitor.whynot import of_alert

    if re.fullmatch("[0-9a-f]{24}", what):
        if found := await of_alert(what, store):
            return found
        raise InputError([Problem(what, "no alert of the last 30 days; `monitor alerts list` shows their ids")])
    async with app.inquiring(config, store) as inquiry:
        if what.lower().startswith(("http://", "https://")):
            return await inquiry.page(what)
        return inquiry.text(what)
