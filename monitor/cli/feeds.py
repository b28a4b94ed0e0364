"""`monitor feeds`."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import config_option, format_option

if TYPE_CHECKING:
    from monitor.cli.feeds_table import Row
    from monitor.config import Config, FeedConfig
    from monitor.feeds.state import FeedState
    from monitor.models import FeedDocument
    from monitor.store.feeds import FeedStore

url_argument = click.argument("url")


@click.group()
def feeds() -> None:
    """See how feeds are doing; add, pause and remove them; exchange them with feed readers.

    \b
    monitor feeds list                    how each feed is doing
    monitor feeds check URL               what is there, before you add it
    monitor feeds add URL --tag korea     to feeds.yaml, beside the configuration
    monitor feeds import reader.opml      the feeds of a feed reader
    """


@feeds.command("list")
@config_option
@format_option
def list_(config_path: Path | None, form: str) -> None:
    """How each feed is doing.

    State, last success, rhythm, delay from publication to sight, share of pages that gave text, and what is wrong.
    """
    from monitor import app
    from monitor.cli.feeds_table import Row, table
    from monitor.feeds.health import verdict
    from monitor.store.feeds import FeedStore

    config, now = _load(config_path), app.now()
    rows = []
    for feed, state, paused in app.ask(config, lambda store: _states(FeedStore(store), config.feeds)):
        row = Row(feed.title, feed.url, state.record, verdict(state.record, now, paused=paused))
        rows.append((feed, row))
    if form == "ndjson":
        for feed, row in rows:
            click.echo(json.dumps(_fields(feed, row), ensure_ascii=False))
    elif rows:
        click.echo(table([row for _, row in rows], now))
    else:
        click.echo("no feeds yet; add one with: monitor feeds add URL", err=True)


@feeds.command()
@url_argument
@click.option("--name", default="", help="What it is called; without it the title that it gives itself.")
@click.option(
    "--every", metavar="TIME", help="How often it is polled, such as 5m; without it, as often as it publishes."
)
@click.option("--tag", "tags", multiple=True, help="A tag; may be given several times.")
@click.option("--language", help="Its language, where it does not say so itself.")
@click.option("--unchecked", is_flag=True, help="Do not look first whether a feed is there.")
@config_option
def add(url: str, unchecked: bool, config_path: Path | None, **described: Any) -> None:
    """Add a feed, after a look whether there is one at URL.

    It is polled from the next start of monitor run on.
    """
    from monitor import app, feedlist

    config = _load(config_path)
    feed = _feed(url=url, **described)
    if feed.url in {known.url for known in config.feeds}:
        raise _refused(url, "is among the feeds already")
    if not unchecked:
        document = asyncio.run(app.fetch_feed(config, feed))
        feed = feed.model_copy(update={"name": feed.name or document.title})
    feedlist.add(config.feeds_file, [feed])
    click.echo(f"added {feed.title} to {config.feeds_file}")


@feeds.command()
@url_argument
@config_option
def remove(url: str, config_path: Path | None) -> None:
    """Remove a feed that was added here, and forget what is known of it."""
    from monitor import app, feedlist
    from monitor.store.feeds import FeedStore

    config = _load(config_path)
    known = _known(config, url)
    if not feedlist.remove(config.feeds_file, known.url):
        raise _refused(url, "stands in the configuration itself; remove it there")
    app.ask(config, lambda store: FeedStore(store).forget(known.url))
    click.echo(f"removed {known.title}")


@feeds.command()
@url_argument
@config_option
def pause(url: str, config_path: Path | None) -> None:
    """Poll a feed no more until it is resumed; takes effect at once."""
    title, changed = _change(config_path, url, lambda store, url: store.pause(url))
    click.echo(f"{title} is paused" if changed else f"{title} was paused already")


@feeds.command()
@url_argument
@config_option
def resume(url: str, config_path: Path | None) -> None:
    """Poll a feed again that was paused, or that was given up as gone."""
    title, _ = _change(config_path, url, _try_again)
    click.echo(f"{title} is polled again")


@feeds.command()
@url_argument
@config_option
def check(url: str, config_path: Path | None) -> None:
    """Fetch URL as the daemon would, and say what is there; of a web page, which feeds it links to."""
    from monitor import app

    config = _load(config_path)
    known = {feed.url: feed for feed in config.feeds}.get(url) or _feed(url=url)
    for line in _described(asyncio.run(app.fetch_feed(config, known))):
        click.echo(line)


@feeds.command("import")
@click.argument("opml", type=click.Path(path_type=Path))
@config_option
def import_(opml: Path, config_path: Path | None) -> None:
    """Add the feeds of a list from a feed reader; its folders become tags."""
    from monitor import feedlist
    from monitor.errors import InputError, Problem
    from monitor.feeds.opml import read

    config = _load(config_path)
    try:
        found, problems = read(opml.read_bytes(), str(opml))
    except OSError as error:
        raise InputError([Problem(str(opml), f"cannot be read: {error.strerror}")]) from None
    for problem in problems:
        click.echo(f"{problem}; left out", err=True)
    wanted = [_feed(url=feed.url, name=feed.title, tags=feed.tags, language=feed.language) for feed in found]
    new = feedlist.add(config.feeds_file, wanted, [feed.url for feed in config.feeds])
    click.echo(f"added {len(new)} feeds to {config.feeds_file}; {len(wanted) - len(new)} were there already")


@feeds.command()
@config_option
def export(config_path: Path | None) -> None:
    """Print all feeds as OPML, for a feed reader."""
    from monitor.feeds.opml import OpmlFeed, write

    listed = [OpmlFeed(feed.url, feed.title, feed.tags, feed.language) for feed in _load(config_path).feeds]
    click.echo(write(listed, "monitor").decode(), nl=False)


def _load(path: Path | None) -> "Config":
    from monitor import config, notifiers

    return config.load(path or config.find(), notifiers.options_of)


def _change(path: Path | None, url: str, change: "Callable[[FeedStore, str], Awaitable[bool]]") -> tuple[str, bool]:
    """Change what is kept of a feed; returns its title, and what `change` does."""
    from monitor import app
    from monitor.store.feeds import FeedStore

    config = _load(path)
    known = _known(config, url)
    return known.title, app.ask(config, lambda store: change(FeedStore(store), known.url))


def _feed(**fields: object) -> "FeedConfig":
    """A feed as the user describes it; raises InputError."""
    from pydantic import ValidationError

    from monitor.config import FeedConfig
    from monitor.errors import InputError, Problem

    try:
        return FeedConfig.model_validate({key: value for key, value in fields.items() if value is not None})
    except ValidationError as error:
        found = [Problem(str(fields["url"]), item["msg"].removeprefix("Value error, ")) for item in error.errors()]
        raise InputError(found) from None


def _known(config: "Config", url: str) -> "FeedConfig":
    """The configured feed of a URL, or of a name that only one has; raises InputError."""
    from monitor.yamlfile import suggest

    matching = [feed for feed in config.feeds if feed.url == url] or [
        feed for feed in config.feeds if feed.title == url
    ]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise _refused(url, f"is the name of {len(matching)} feeds; give the URL")
    raise _refused(url, f"is none of the feeds{suggest(url, [feed.url for feed in config.feeds])}")


def _refused(url: str, reason: str) -> Exception:
    from monitor.errors import InputError, Problem

    return InputError([Problem(url, reason)])


def _fields(feed: "FeedConfig", row: "Row") -> dict[str, object]:
    record = row.record
    seconds = None if record.delay is None else record.delay.total_seconds()
    return {
        "url": feed.url,
        "name": feed.title,
        "tags": feed.tags,
        "state": row.health.state,
        "reason": row.health.reason,
        "last_success": record.last_success and record.last_success.isoformat(),
        "due": record.due and record.due.isoformat(),
        "failures": record.failures,
        "minutes_between": record.gaps,
        "delay": seconds,
        "text_share": record.text_share if record.texts else None,
    }


def _described(document: "FeedDocument") -> list[str]:
    from monitor.alerts.render import printable
    from monitor.feeds.health import short

    dated = [entry.published for entry in document.entries if entry.published]
    lines = [
        f"title     {printable(document.title)}",
        f"language  {printable(document.language or 'not said')}",
        f"entries   {len(document.entries)}, {len(dated)} with a date",
    ]
    if dated:
        lines.append(f"newest    {max(dated):%Y-%m-%d %H:%M} UTC")
    if document.every:
        lines.append(f"asks for  a poll every {short(document.every)}")
    return lines + [f"  - {printable(entry.title or entry.url)}" for entry in document.entries[:5]]


async def _states(store: "FeedStore", feeds: "Sequence[FeedConfig]") -> list[tuple["FeedConfig", "FeedState", bool]]:
    from monitor.feeds.state import FeedState

    paused = await store.paused()
    states = map(FeedState.decode, await store.states([feed.url for feed in feeds]))
    return [(feed, state, feed.url in paused) for feed, state in zip(feeds, states, strict=True)]


async def _try_again(store: "FeedStore", url: str) -> bool:
    """Resume a feed; one that was gone is polled as if it had never failed."""
    from monitor.feeds.state import FeedState

    [state] = await store.states([url])
    known = FeedState.decode(state)
    afresh = replace(known, record=replace(known.record, gone=0, due=None))
    return await store.resume(url, afresh.encode() if state else b"")
