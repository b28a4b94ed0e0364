"""What the documentation shows works: every YAML block loads, every key and command is named."""

import re
import shlex
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml
from click import Option

from monitor import config, notifiers
from monitor.cli import main
from monitor.matching.lint import lint
from monitor.rules.lexicon import shipped
from monitor.rules.load import load
from monitor.rules.schema import RuleSchema, RuleTest, Scope
from tests.conftest import REPOSITORY
from tests.daemon import monitor

README = (REPOSITORY / "README.md").read_text()
GUIDE = (REPOSITORY / "rules/README.md").read_text()
RECEIVERS = (REPOSITORY / "monitor/notifiers/README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README + GUIDE + RECEIVERS, re.DOTALL)
SECRETS = {
    "DESK_TOKEN": "x",
    "SLACK_TOKEN": "xoxb-1",
    "SLACK_WEBHOOK": "https://hooks.slack.com/services/1",
    "MAIL_PASSWORD": "x",
    "HOOK_SECRET": "whsec_" + "QUFB" * 8,
}


@pytest.mark.parametrize("block", [text for kind, text in BLOCKS if kind == "yaml"])
def test_every_yaml_block_loads(block: str, tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(block)
    for name in re.findall(r"_file: (secrets/\w+)", block):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("redis://localhost")
    if re.search("^rules:\n", block, re.MULTILINE):
        rules = load([file], shipped())
        assert rules.rules
        assert lint(rules) == []
    else:
        config.load(file, notifiers.options_of, {"HOME": str(tmp_path)} | SECRETS)


@pytest.mark.parametrize(
    "command",
    [
        line
        for kind, text in BLOCKS
        if kind == "sh"
        for line in text.splitlines()
        if "monitor " in line and "run" not in line and "monitor feeds" not in line and "silence" not in line
    ],
)
def test_every_command_runs(command: str) -> None:
    result = monitor(*shlex.split(command, comments=True)[1:], cwd=REPOSITORY)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("key", sorted({*RuleSchema.model_fields, *Scope.model_fields, *RuleTest.model_fields}))
def test_every_key_of_a_rule_is_named(key: str) -> None:
    assert key in GUIDE


def test_every_setting_and_command_and_receiver_is_named() -> None:
    names = set(config.Config.model_fields) | set(config.FeedConfig.model_fields) | set(config.HttpConfig.model_fields)
    names |= set(config.PollConfig.model_fields) | set(main.commands["feeds"].commands)  # type: ignore[attr-defined]
    names |= set(main.commands) | {point.name for point in entry_points(group="monitor.notifiers")}
    assert {name for name in names if name not in README} == set()


def test_help_is_there_for_every_command() -> None:
    for command in main.commands.values():
        assert command.help
        assert [option.name for option in command.params if isinstance(option, Option) and not option.help] == []


def test_the_ci_runs_the_readme_command() -> None:
    assert "make test" in README
    assert "make test" in (REPOSITORY / ".ci/run").read_text()


def test_rule_files_and_seeds_are_enough_to_start_with() -> None:
    assert len(load([REPOSITORY / "rules"], shipped()).rules) >= 10
    expected = yaml.safe_load((REPOSITORY / "seeds/expect.yaml").read_text())
    assert sum(1 for rules in expected.values() if not rules) >= 4, "near misses"
