"""`monitor silence`: what nobody wants to hear of for a time."""

import getpass
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitor.cli.options import config_option, configuration, show, time_away

if TYPE_CHECKING:
    from monitor.alerts.silences import Silence
    from monitor.config import Config
    from monitor.config.matchers import Matchers
    from monitor.store.redis import Store

_matchers = click.argument("matchers", nargs=-1, required=True, metavar="MATCHER...")
_PREVIEWED = timedelta(days=7)


@click.group()
def silence() -> None:
    """Hide alerts for a time, all those that meet every matcher: rule=sanctions, level!=high, source=~"Blog.*".

    Labels are rule, level, tag, feed, language, source and concept. What is hidden stays in `monitor alerts list`.

    \b
    monitor silence preview tag=markets language=id
    monitor silence add tag=markets language=id --for 8h --comment "exchange holiday"
    """


@silence.command()
@_matchers
@click.option("--for", "lasting", required=True, metavar="TIME", help="How long, such as 2h or 3d.")
@click.option("--comment", default="", help="Why.")
@click.option("--author", default=None, help="Who; without it, the user's name.")
@config_option
def add(matchers: tuple[str, ...], lasting: str, config_path: Path | None, **said: str | None) -> None:
    """Silence alerts from now on; takes effect at once."""
    from monitor import app
    from monitor.alerts.silences import Silence

    now = app.now()
    made = Silence(
        id=secrets.token_hex(4), matchers=_parsed(matchers), starts=now, ends=time_away("--for", lasting, now),
        author=said["author"] or getpass.getuser(), comment=said["comment"] or "",
    )  # fmt: skip
    app.ask(configuration(config_path, ()), partial(_put, made, now))
    click.echo(f"{made.id} until {made.ends:%Y-%m-%d %H:%M} UTC")


@silence.command("list")
@click.option("--all", "everything", is_flag=True, help="Those that ended in the last 7 days, too.")
@config_option
def list_(everything: bool, config_path: Path | None) -> None:
    """The silences, a line each: id, end, matchers, author, comment."""
    from monitor import app
    from monitor.alerts.render import printable

    now = app.now()
    found = [each for each in _all(configuration(config_path, ())) if everything or each.ends > now]
    for each in found:
        state = "until" if each.ends > now else "ended"
        matchers = " ".join(str(matcher) for matcher in each.matchers)
        said = "  ".join(filter(None, [each.author, each.comment]))
        click.echo(printable(f"{each.id}  {state} {each.ends:%Y-%m-%d %H:%M} UTC  {matchers}  {said}"))
    if not found:
        click.echo("no silences", err=True)


@silence.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@config_option
def expire(ids: tuple[str, ...], config_path: Path | None) -> None:
    """End silences now."""
    from monitor import app
    from monitor.errors import InputError, Problem

    config, now = configuration(config_path, ()), app.now()
    active = {each.id: each for each in _all(config) if each.ends > now}
    if missing := [name for name in ids if name not in active]:
        raise InputError([Problem(name, "no such silence; `monitor silence list` shows them") for name in missing])
    for name in ids:
        ended = active[name].model_copy(update={"ends": now})
        app.ask(config, partial(_put, ended, now))
        click.echo(f"{name} has ended")


@silence.command()
@_matchers
@config_option
def preview(matchers: tuple[str, ...], config_path: Path | None) -> None:
    """Show which alerts of the last 7 days such a silence would have hidden."""
    from monitor import app
    from monitor.alerts.matchers import labels, meets
    from monitor.store.alerts import AlertStore

    wanted, since = _parsed(matchers), app.now() - _PREVIEWED

    found = app.ask(
        configuration(config_path, ()), lambda store: AlertStore(store).recent(10_000, since, lambda _: True)
    )
    would = [alert for alert in found if meets(labels(alert), wanted)]
    for alert in would:
        show(alert, (), "text")
    click.echo(f"would have hidden {len(would)} of the {len(found)} alerts of 7 days", err=True)


def _all(config: "Config") -> "Sequence[Silence]":
    from monitor import app
    from monitor.store.silences import SilenceStore

    return app.ask(config, lambda store: SilenceStore(store).all())


async def _put(silence: "Silence", now: datetime, store: "Store") -> None:
    from monitor.store.silences import SilenceStore

    await SilenceStore(store).put(silence, now)


def _parsed(texts: Sequence[str]) -> "Matchers":
    from monitor.config.matchers import parse_matcher
    from monitor.errors import InputError, Problem

    parsed, problems = [], []
    for text in texts:
        try:
            parsed.append(parse_matcher(text))
        except ValueError as error:
            problems.append(Problem("matcher", str(error)))
    if problems:
        raise InputError(problems)
    return tuple(parsed)
