"""`monitor replay`."""

import asyncio
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
    from monitor.models import Alert

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
@config_option
def replay(  # noqa: PLR0917 - click hands them over by name
    paths: tuple[Path, ...], rules_paths: tuple[Path, ...], form: str, expected: Path | None, config_path: Path | None
) -> None:
    """Send fixtures through the very stages that the daemon uses, without network.

    PATH is a file or a folder of .txt, .html, .xml, .rss, .atom, .json, .jsonl and .jsonl.zst, as the archive is.

    \b
    monitor replay seeds --rules rules                             the alerts, for people
    monitor replay seeds --rules rules --format ndjson             for programs
    monitor replay seeds --rules rules --expect seeds/expect.yaml  as a test
    """
    from monitor import app, expectation, fixtures
    from monitor.alerts.routing import route

    began = time.monotonic()
    config = configuration(config_path, rules_paths)
    wanted = expectation.read(expected) if expected else None
    matcher = app.matcher_of(config)
    count, alerts = asyncio.run(_replay(fixtures.stream(paths), matcher, config))
    # Shown once all is read: a fixture that cannot be read leaves nothing half-said.
    found = [(alert, route(alert, config)) for alert in alerts]
    for alert, receivers in found:
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


async def _replay(documents: "Iterable[Fixture]", matcher: "Matcher", config: "Config") -> "tuple[int, list[Alert]]":
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
        alerts = await replayed(documents, Reader(no_pages, workers), pipeline, count)
    _progress("")
    return sum(counts), alerts


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", err=True, nl=False)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
