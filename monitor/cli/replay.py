"""`monitor replay`."""

import asyncio
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.options import config_option, configuration, format_option, rules_option, show

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.fixtures import Fixture
    from monitor.matching.matcher import Matcher
    from monitor.replay import Replayed

_MUCH = 50  # fixtures, after which progress is shown again


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@rules_option
@format_option
@click.option(
    "--expect",
    "expected",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Compare with these alerts; exit 1 on any difference.",
)
@click.option("--deliveries", is_flag=True, help="Show what would have been sent, and when, instead of the alerts.")
@config_option
def replay(  # noqa: PLR0917 - click hands them over by name
    paths: tuple[Path, ...],
    rules_paths: tuple[Path, ...],
    form: str,
    expected: Path | None,
    deliveries: bool,
    config_path: Path | None,
) -> None:
    """Send fixtures through the very stages that the daemon uses, without network.

    PATH is a file or a folder of .txt, .html, .xml, .rss, .atom, .json, .jsonl and .jsonl.zst, as the archive is.

    \b
    monitor replay seeds --rules rules                             the alerts, for people
    monitor replay seeds --rules rules --format ndjson             for programs
    monitor replay seeds --rules rules --expect seeds/expect.yaml  as a test
    monitor replay archive --deliveries                            what would have been sent, and when
    """
    from monitor import app, expectation, fixtures
    from monitor.alerts.routing import route

    began = time.monotonic()
    config = configuration(config_path, rules_paths)
    wanted = expectation.read(expected) if expected else None
    matcher = app.matcher_of(config)
    count, told = asyncio.run(_replay(fixtures.stream(paths), matcher, config))
    # Shown once all is read: a fixture that cannot be read leaves nothing half-said.
    found = [(alert, route(alert, config)) for alert in told.alerts]
    if deliveries:
        _show_deliveries(told, config, form)
    for alert, receivers in () if deliveries else found:
        show(alert, receivers, form)
    seconds = time.monotonic() - began
    click.echo(f"{_counted(count, 'document')}, {_counted(len(found), 'alert')}, {seconds:.1f} s", err=True)
    if wanted is not None:
        lines = expectation.differences(
            wanted, [alert.model_dump(mode="json") | {"receivers": list(names)} for alert, names in found]
        )
        for line in lines:
            click.echo(line, err=True)
        sys.exit(1 if lines else 0)


async def _replay(documents: "Iterable[Fixture]", matcher: "Matcher", config: "Config") -> "tuple[int, Replayed]":
    from monitor import app
    from monitor.reading import Reader, no_pages
    from monitor.replay import replay as replayed
    from monitor.workers import Workers

    counts: list[int] = []

    def count(documents: int) -> None:
        counts.append(documents)
        if len(counts) % _MUCH == 0:
            _progress(f"{len(counts)} fixtures")

    async with Workers() as workers, app.replaying(config, matcher) as pipeline:
        told = await replayed(documents, Reader(no_pages, workers), pipeline, count)
    _progress("")
    return sum(counts), told


def _show_deliveries(told: "Replayed", config: "Config", form: str) -> None:
    """What would have been sent to whom, a message a line, in the order of time."""
    from monitor.alerts.rehearse import rehearse
    from monitor.alerts.render import as_message, heading, printable
    from monitor.alerts.routing import tree_of

    for time_, message in rehearse(told.events, tree_of(config), config.inhibit_rules):
        if form == "ndjson":
            click.echo(json.dumps({"at": time_.isoformat()} | json.loads(as_message(message)), ensure_ascii=False))
        else:
            titles = "; ".join(alert.title for alert in message.alerts)
            click.echo(printable(f"{time_:%Y-%m-%d %H:%M:%S}  {message.receiver}  {heading(message)}  {titles}"))


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", err=True, nl=False)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
