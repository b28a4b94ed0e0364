"""`monitor archive`."""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import config_option, configuration, format_option, rules_option, show
from monitor.cli.rules import matcher_for

if TYPE_CHECKING:
    from monitor.archive import Day
    from monitor.config import ArchiveConfig
    from monitor.errors import Problem


def _moment(context: click.Context, option: click.Parameter, value: str | None) -> datetime | None:
    """When that was, so long ago."""
    from monitor.config import parse_duration

    try:
        return datetime.now(UTC) - parse_duration(value) if value else None
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(str(error), context, option) from None


@click.group()
def archive() -> None:
    """Look into the archive of articles, or make room in it."""


@archive.command()
@format_option
@config_option
def stats(form: str, config_path: Path | None) -> None:
    """Count what the archive holds, a line for each day."""
    from monitor.archive import days

    problems: list[Problem] = []
    kept = days(_settings(config_path).dir)
    total = 0
    for day in kept:
        counts = _counts(day, problems)
        total += counts["articles"]
        if form == "ndjson":
            click.echo(json.dumps({"day": str(day.day), "bytes": day.size} | counts))
        else:
            size, articles = f"{day.size / 1e6:,.1f} MB", f"{counts['articles']:,}"
            more = f"{counts['feeds']:,} feeds, {counts['stories']:,} stories, {counts['languages']:,} languages"
            click.echo(f"{day.day}  {size:>12}  {articles:>9} articles  {more}")
    size = f"{sum(day.size for day in kept) / 1e6:,.1f} MB"
    click.echo(f"days: {len(kept)}, articles: {total:,}, {size} on disk", err=True)
    _say(problems)


def _counts(day: "Day", problems: "list[Problem]") -> dict[str, int]:
    from monitor.archive import read

    articles = 0
    kinds: dict[str, Counter[str | None]] = {"feeds": Counter(), "stories": Counter(), "languages": Counter()}
    for _, record in read([day.path], problems):
        articles += 1
        kinds["feeds"][record.feed_url or record.feed] += 1
        kinds["stories"][record.story] += 1
        kinds["languages"][record.language] += 1
    return {"articles": articles} | {name: len(counter) - ("" in counter) for name, counter in kinds.items()}


@archive.command()
@click.argument("expression")
@click.option("--since", metavar="TIME", callback=_moment, help="Only what was seen so long ago at most, such as 7d.")
@rules_option
@format_option
@config_option
def search(expression: str, since: datetime | None, form: str, **options: Any) -> None:
    """Find the archived articles that an expression matches, the newest first. Exit 1 if there is none.

    \b
    monitor archive search "DPRK + missile" --since 7d
    """
    from monitor.replay import newest_first

    folder = _settings(options["config_path"]).dir
    matcher = matcher_for((expression,), options["config_path"], options["rules_paths"])
    problems: list[Problem] = []
    found = 0
    for alert in newest_first(folder, matcher, since, problems):
        found += 1
        show(alert, (), form)
    _say(problems)
    sys.exit(0 if found else 1)


@archive.command()
@config_option
def prune(config_path: Path | None) -> None:
    """Remove the days that are older than archive.keep, or more than archive.max_size has room for.

    The daemon does so by itself.
    """
    from monitor.archive import Archive

    settings = _settings(config_path)
    removed = Archive(settings.dir, settings.keep, settings.max_size).prune(datetime.now(UTC))
    for day in removed:
        click.echo(f"removed {day.path}")
    click.echo(f"days removed: {len(removed)}, {sum(day.size for day in removed) / 1e6:,.1f} MB", err=True)


def _settings(config_path: Path | None) -> "ArchiveConfig":
    from monitor.errors import InputError, Problem

    settings = configuration(config_path, ()).archive
    if settings is None:
        raise InputError([Problem("archive", "none is configured; add one, such as archive: {dir: archive}")])
    return settings


def _say(problems: "Iterable[Problem]") -> None:
    for problem in problems:
        click.echo(str(problem), err=True)
