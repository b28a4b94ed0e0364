"""`monitor capture`."""

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import alert_of, config_option, configuration, rules_option

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.fixtures import Fixture
    from monitor.matching.matcher import Matcher
    from monitor.models import Alert


@click.command()
@click.argument("what", metavar="URL|ALERT")
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), help="The fixtures.")
@click.option(
    "--expect", multiple=True, metavar="RULE", help="A rule that it should raise; none: it should not raise any."
)
@click.option("--name", default="", metavar="FILE", help="What to call the page; without it, by its URL.")
@rules_option
@config_option
def capture(what: str, folder: Path, expect: tuple[str, ...], name: str, **options: Any) -> None:
    """Keep a page as a fixture, and what it must raise in the expect.yaml beside it.

    Without --expect that is what it raises now. An alert is named by its id, and found for 30 days.

    \b
    monitor capture https://example.org/missed-launch --to seeds --expect dprk-missile
    monitor capture 5f0e6cb2a91d4c3e8b7a6d51 --to seeds --expect none
    """
    from monitor import app
    from monitor.capture import keep

    config = configuration(options["config_path"], options["rules_paths"])
    matcher = app.matcher_of(config)
    _check(expect, name, matcher)
    alert = None if what.lower().startswith(("http://", "https://")) else _alert(what, config)
    file_name = name and f"{name.removesuffix('.html')}.html"
    fixture, raises = asyncio.run(_captured(alert or what, config, matcher, file_name))
    wanted = [rule for rule in expect if rule != "none"] if expect else raises
    file = keep(fixture, folder, wanted)
    click.echo(f"{file}: raises {_listed(raises)}, must raise {_listed(wanted)}")


def _check(expect: tuple[str, ...], name: str, matcher: "Matcher") -> None:
    from monitor.errors import InputError, Problem
    from monitor.yamlfile import suggest

    problems = [
        Problem("--expect", f'no rule is called "{rule}"{suggest(rule, matcher.by_id)}')
        for rule in expect
        if rule not in matcher.by_id and rule != "none"
    ]
    if "none" in expect and len(expect) > 1:
        problems.append(Problem("--expect", "none stands alone"))
    if name and not re.fullmatch(r"\w[\w.-]*", name):
        problems.append(Problem("--name", f'"{name}" is no plain name of a file'))
    if problems:
        raise InputError(problems)


async def _captured(
    what: "str | Alert", config: "Config", matcher: "Matcher", name: str
) -> "tuple[Fixture, list[str]]":
    from monitor.capture import fetched, raised
    from monitor.fixtures import FrontMatter
    from monitor.http import Http
    from monitor.reading import Reader
    from monitor.workers import Workers

    if isinstance(what, str):
        url, about, access = what, FrontMatter(), None
    else:
        alert = what
        feed = next((feed for feed in config.feeds if feed.title == alert.source), None)
        url, access = alert.url, feed.access if feed else None
        about = FrontMatter(
            title=alert.title,
            published=alert.published,
            feed=alert.source,
            feed_url=feed.address if feed else "",
            tags=feed.tags if feed else (),
        )
    async with Http(config.http) as http, Workers() as workers:
        fixture = await fetched(url, about, http.page, name=name, access=access)
        return fixture, await raised(fixture, Reader(http.page, workers), matcher)


def _alert(identifier: str, config: "Config") -> "Alert":
    from monitor.errors import InputError, Problem

    alert = alert_of(config, identifier)
    if not alert.url:
        raise InputError([Problem(identifier, f'the article of this alert has no URL: "{alert.title}"')])
    return alert


def _listed(rules: list[str]) -> str:
    return ", ".join(rules) or "nothing"
