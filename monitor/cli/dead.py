"""`monitor dead`: what could not be delivered."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import config_option, configuration, format_option

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.store.dead import DeadLetter, DeadLetters

_ids = click.argument("ids", nargs=-1, metavar="[ID...]")
_all = click.option("--all", "everything", is_flag=True, help="All of them, or all of --receiver.")
_receiver = click.option("--receiver", help="Only what this receiver was to be sent.")


@click.group()
def dead() -> None:
    """See what was given up after the last attempt or a final refusal; send it again, or drop it.

    \b
    monitor dead list
    monitor dead retry --all --receiver desk
    """


@dead.command("list")
@_receiver
@config_option
def list_(receiver: str | None, config_path: Path | None) -> None:
    """What was given up, oldest first: id, time, receiver, what it was, and why."""
    letters = [letter for letter in _letters(configuration(config_path, ())) if receiver in (None, letter.receiver)]
    for letter in letters:
        click.echo(f"{letter.id}  {letter.at:%Y-%m-%d %H:%M}  {letter.receiver}  {_about(letter)}  {_reason(letter)}")
    if not letters:
        click.echo("no dead letters", err=True)


@dead.command("show")
@click.argument("id_", metavar="ID")
@format_option
@config_option
def show_(id_: str, form: str, config_path: Path | None) -> None:
    """What was to be sent, in full."""
    from monitor.cli.options import show

    [letter] = _chosen(_letters(configuration(config_path, ())), (id_,), None, everything=False)
    click.echo(f"{letter.id}  {letter.at:%Y-%m-%d %H:%M}  {letter.receiver}  {_reason(letter)}\n", err=form != "text")
    if letter.delivery is None:
        click.echo(letter.body)
        return
    for alert in letter.delivery.notification.alerts:
        show(alert, (letter.receiver,), form)


@dead.command()
@_ids
@_all
@_receiver
@config_option
def retry(config_path: Path | None, **which: Any) -> None:
    """Put letters back into their outboxes; the running daemon sends them, as the same messages as before."""
    click.echo(f"put back: {_settle(lambda dead, letter: dead.retry(letter), config_path, **which)}")


@dead.command()
@_ids
@_all
@_receiver
@config_option
def drop(config_path: Path | None, **which: Any) -> None:
    """Drop letters for good."""
    click.echo(f"dropped: {_settle(lambda dead, letter: dead.drop(letter), config_path, **which)}")


def _settle(how: "Callable[[DeadLetters, DeadLetter], Awaitable[bool]]", config_path: Path | None, **which: Any) -> str:
    """Do it to the letters that a user names; returns to how many of them it was done."""
    from monitor import app
    from monitor.store.dead import DeadLetters
    from monitor.store.redis import Store

    config = configuration(config_path, ())
    letters = _chosen(_letters(config), **which)

    async def settled(store: Store) -> int:
        return sum([await how(DeadLetters(store), letter) for letter in letters])

    return f"{app.ask(config, settled)} of {len(letters)}"


def _letters(config: "Config") -> "Sequence[DeadLetter]":
    from monitor import app
    from monitor.store.dead import DeadLetters

    return app.ask(config, lambda store: DeadLetters(store).all())


def _chosen(
    letters: "Sequence[DeadLetter]", ids: Sequence[str], receiver: str | None, *, everything: bool
) -> "list[DeadLetter]":
    """The letters that a user names, each by its id, or all; raises InputError."""
    from monitor.errors import InputError, Problem

    if bool(ids) == everything:
        raise InputError([Problem("dead", "name the letters by their ids, or say --all")])
    known = {letter.id: letter for letter in letters}
    if missing := [name for name in ids if name not in known]:
        raise InputError([Problem(name, "no such dead letter; `monitor dead list` shows them") for name in missing])
    chosen = [known[name] for name in ids] if ids else list(letters)
    return [letter for letter in chosen if receiver in (None, letter.receiver)]


def _about(letter: "DeadLetter") -> str:
    from monitor.alerts.render import printable

    delivery = letter.delivery
    if delivery is None:
        return "unreadable"
    told = delivery.notification
    more = f" and {len(told.alerts) - 1} more" if len(told.alerts) > 1 else ""
    return f"{told.kind}: {printable(told.alerts[0].title if told.alerts else told.text)}{more}"


def _reason(letter: "DeadLetter") -> str:
    from monitor.alerts.render import printable

    return printable(letter.reason)
