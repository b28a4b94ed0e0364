"""`monitor init`: a configuration and rules to start with."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

_FEED = "https://feeds.bbci.co.uk/{}/rss.xml"
# A newsroom's service in the language of the machine, beside the one in English.
_SERVICES = {
    "ar": "arabic", "es": "mundo", "fr": "afrique", "hi": "hindi", "id": "indonesia", "ja": "japanese",
    "ko": "korean", "pt": "portuguese", "ru": "russian", "sw": "swahili", "tr": "turkce", "uk": "ukrainian",
    "ur": "urdu", "vi": "vietnamese", "zh": "zhongwen/simp",
}  # fmt: skip

_CONFIG = """\
# The configuration of monitor. Paths are relative to this file; ${{NAME}} is taken from the environment.
# monitor config show says what is in effect, monitor doctor whether all of it works.

feeds:
{feeds}
  # - {{url: "https://example.org/feed.xml", name: Example, every: 5m, tags: [example]}}

# More feeds: monitor feeds add URL, or monitor feeds import reader.opml.

rules: rules           # a folder of rule files; monitor rules check says what is wrong with them
state_dir: state       # where the server that comes with monitor keeps its data
# redis: {{url: "redis://localhost:6379/0"}}   # instead of it; several machines may share one

receivers:
  terminal: {{type: console}}
  log: {{type: file, path: alerts.ndjson}}
  # desk: {{type: slack, token: "${{SLACK_TOKEN}}", channel: C0123456789}}
  # mail: {{type: email, host: mail.example.org, user: monitor, password: "${{MAIL_PASSWORD}}",
  #        from: monitor@example.org, to: desk@example.org}}

# Who is told of what, and when; without it everybody of everything, at once.
# time_intervals:
#   night: {{times: "22:00-07:00", timezone: {zone}}}
# route:
#   receiver: terminal
#   mute_times: night
#   mute_except: level=critical
#   routes:
#     - {{receiver: log, continue: true, mute_times: []}}
#     - {{matchers: level=low, digest: {{schedule: 0 8 * * *, timezone: {zone}}}}}

# Keep every article, so that rules can be tried on the past: monitor archive search, monitor replay.
# archive: {{dir: archive, keep: 90d, max_size: 10GB}}
"""

_RULES = """\
# The first rules: + is and, | is or, - is not. A name such as earthquake is a concept, found in every language.
# monitor rules explain and monitor match try them out.
rules:
  - id: disaster
    title: Earthquakes and tsunamis
    level: high
    match: earthquake | tsunami

  - id: cyberattack
    title: Large attacks on computers
    level: medium
    match: ransomware | cyberattack + ("hospital" | nuclear power plant | parliament)
{own}"""

_OWN = """
  - id: home
    title: Sanctions and attacks at home
    level: high
    match: {country} + (sanctions | terrorism | cyberattack)
"""


@click.command()
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path, file_okay=False))
def init(folder: Path) -> None:
    """Write a commented monitor.yaml and first rules into DIR, the current folder if none is named.

    They suit this machine's language, country and time zone. What is there already is never overwritten.
    """
    from monitor.errors import InputError, Problem

    files = {folder / name: text for name, text in first_files(os.environ, _zone()).items()}
    config, rules = files
    if config.exists():
        raise InputError([Problem(str(config), "is there already; nothing was written")])
    if any(rules.parent.glob("*")):
        click.echo(f"kept {rules.parent} as it is", err=True)
        del files[rules]
    for file, text in files.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as opened:
                opened.write(text)
        except OSError as error:
            raise InputError([Problem(str(file), f"cannot be written: {error.strerror}")]) from None
        click.echo(f"wrote {file}")
    place = "" if folder == Path() else f" --config {folder / 'monitor.yaml'}"
    click.echo(f"next: monitor doctor{place}, then monitor run{place}", err=True)


def first_files(environ: "Mapping[str, str]", zone: str) -> dict[str, str]:
    """What to begin with, by file, in the language and country that a locale such as de_DE.UTF-8 names."""
    locale = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    found = re.match(r"([a-z]{2,3})(?:_([A-Z]{2}))?", locale)
    language, territory = found.groups() if found else ("", None)
    feeds = [_FEED.format("news/world")]
    if language in _SERVICES:
        feeds.append(_FEED.format(_SERVICES[language]))
    country = _country(territory)
    return {
        "monitor.yaml": _CONFIG.format(feeds="\n".join(f"  - {feed}" for feed in feeds), zone=zone),
        "rules/first.yaml": _RULES.format(own=_OWN.format(country=country) if country else ""),
    }


def _country(territory: str | None) -> str:
    """What the lexicon calls a country, as an expression."""
    from monitor.rules.lexicon import shipped

    names = [concept.name for concept in shipped().concepts.values() if concept.territory == territory]
    return names[0] if territory and names else ""


def _zone() -> str:
    """The time zone of this machine, as far as it can be told."""
    named = os.environ.get("TZ") or "/".join(Path("/etc/localtime").resolve().parts[-2:])
    return named if re.fullmatch(r"[A-Z]\w+/[A-Z][\w-]+", named) else "UTC"
