"""`monitor routes show` and `monitor routes test`, as a user runs them."""

import json
from pathlib import Path

import pytest

from tests.daemon import monitor
from tests.routes import alert

CONFIG = """
rules: [rules.yaml]
receivers: {desk: {type: console}, phone: {type: console}, log: {type: console}}
time_intervals:
  night: {times: "22:00-07:00", timezone: Europe/Berlin}
route:
  receiver: desk
  mute_times: night
  mute_except: level=critical
  limit: 20/h
  routes:
    - {receiver: log, continue: true, mute_times: [], limit: "off"}
    - {matchers: level=critical, receiver: [phone, desk], group_interval: 1h30m}
    - matchers: ['tag=~"mark.*"', level>=low]
      digest: {schedule: 0 8 * * mon-fri, timezone: Asia/Seoul}
    - {}
"""
RULES = """
rules:
  - {id: quake, match: earthquake, level: critical, tags: [asia]}
  - {id: bank, match: bank, tags: markets, receivers: phone}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "monitor.yaml").write_text(CONFIG)
    (tmp_path / "rules.yaml").write_text(RULES)
    return tmp_path


def test_the_tree_is_shown(folder: Path) -> None:
    result = monitor("routes", "show", cwd=folder)
    assert result.stdout.splitlines() == [
        "route -> desk  mute_times: night  mute_except: level=critical  limit: 20/h",
        "  everything -> log  continue: true  mute_times: none  limit: off",
        "  level=critical -> phone, desk  group_interval: 5400s",
        '  tag=~"mark.*", level>=low -> desk  digest: 0 8 * * mon-fri Asia/Seoul',
        "  everything -> desk",
    ]
    lines = [
        json.loads(line) for line in monitor("routes", "show", "--format", "ndjson", cwd=folder).stdout.splitlines()
    ]
    assert [line["route"] for line in lines] == [
        "route", "route > all", "route > level=critical", 'route > level>=low, tag=~"mark.*"', "route > all",
    ]  # fmt: skip
    assert len({line["id"] for line in lines}) == 5


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("--at 2026-11-24T12:00", ["log  at once  by route > all", "desk  at once  by route > all"]),
        (
            "--at 2026-11-24T23:30",
            ["log  at once  by route > all", "desk  2026-11-25 06:00:00 UTC (muted)  by route > all"],
        ),
        (
            "--rule quake --at 2026-11-24T23:30",
            [
                "log  at once  by route > all",
                "phone  at once  by route > level=critical",
                "desk  at once  by route > level=critical",
            ],
        ),
        (
            "--tag asia --tag markets --at 2026-11-24T12:00+09:00",
            ["log  at once  by route > all",
             'desk  2026-11-25 06:00:00 UTC (muted)  by route > level>=low, tag=~"mark.*"'],
        ),
        ("--rule bank --at 2026-11-24T22:00", ["phone  2026-11-25 06:00:00 UTC (muted)  by route"]),
        (
            "--rule bank --receiver desk --receiver log --at 2026-11-24T12:00",
            ["desk  at once  by route", "log  at once  by route"],
        ),
        (
            "--rule feed-health --level info --at 2026-11-24T12:00",
            ["log  at once  by route > all", "desk  at once  by route > all"],
        ),
    ],
)  # fmt: skip
def test_who_would_be_told(folder: Path, said: str, told: list[str]) -> None:
    result = monitor("routes", "test", *said.split(), cwd=folder)
    assert (result.stdout.splitlines(), result.stderr) == (told, "")


def test_alerts_of_a_file(folder: Path) -> None:
    file = folder / "alerts.ndjson"
    file.write_text(
        "\n".join(alert(name, level=level).model_dump_json() for name, level in (("1", "critical"), ("2", "low")))
    )
    result = monitor("routes", "test", "--file", file, "--at", "2026-11-24T23:30", "--format", "ndjson", cwd=folder)
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"alert": name, "receiver": receiver, "at": at, "why": why, "route": route}
        for name, receiver, at, why, route in [
            ("1", "log", "2026-11-24T23:30:00+00:00", "at once", "route > all"),
            ("1", "phone", "2026-11-24T23:30:00+00:00", "at once", "route > level=critical"),
            ("1", "desk", "2026-11-24T23:30:00+00:00", "at once", "route > level=critical"),
            ("2", "log", "2026-11-24T23:30:00+00:00", "at once", "route > all"),
            ("2", "desk", "2026-11-25T06:00:00+00:00", "muted", "route > all"),
        ]
    ]


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("--rule bnak", '--rule: no rule is called "bnak"; did you mean "bank"?'),
        (
            "--level hihg",
            '--level: "hihg" is no level; did you mean "high"?; there are info, low, medium, high, critical',
        ),
        ("--at noon", '--at: "noon" is no time; write one such as 2026-11-24T23:30'),
        ("--file monitor.yaml", "monitor.yaml:2: no alert: the line: invalid json: "),
    ],
)
def test_mistakes(folder: Path, said: str, line: str) -> None:
    result = monitor("routes", "test", *said.split(), cwd=folder)
    assert result.returncode == 2
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1
