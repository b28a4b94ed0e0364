"""`monitor story`: which articles an alert is of, and why."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.options import alert_of, config_option, configuration

if TYPE_CHECKING:
    from monitor.stories.story import Member, Story


@click.group()
def story() -> None:
    """See which articles tell one story."""


@story.command()
@click.argument("alert")
@click.option("--json", "as_json", is_flag=True, help="For programs: the story as one JSON object.")
@config_option
def show(alert: str, as_json: bool, config_path: Path | None) -> None:
    """Show the story of an alert, and say of every article why it joined.

    \b
    monitor story show 4f1c0a9b7e2d4c66a1b2c3d4
    """
    from monitor import app
    from monitor.errors import InputError, Problem
    from monitor.store.stories import StoryStore

    config = configuration(config_path, ())
    found = alert_of(config, alert)
    told = app.ask(config, lambda store: StoryStore(store).story(found.story))
    if told is None:
        raise InputError([Problem(alert, "its story is kept no more, or it never had one")])
    click.echo(told.model_dump_json(exclude={"sketches"}) if as_json else "\n".join(_lines(told)))


def _lines(told: "Story") -> Iterator[str]:
    articles = "1 article" if told.count == 1 else f"{told.count} articles"
    sources = len({member.source for member in told.members})
    yield f"story {told.id}: {articles}, {sources} {'source' if sources == 1 else 'sources'}"
    for member in told.members:
        yield from _about(member)
    if told.count > len(told.members):
        yield f"and {told.count - len(told.members)} more"


def _about(member: "Member") -> Iterator[str]:
    from monitor.alerts.render import printable

    seen = member.time.strftime("%Y-%m-%d %H:%M UTC")
    parts = [member.name or member.source, member.language or "?", seen, member.url or member.document]
    yield f"\n  {printable(member.title or member.document)}"
    yield f"  {printable(' · '.join(parts))}"
    yield f"  {'joined: ' + printable(member.why) if member.why else 'began the story'}"
