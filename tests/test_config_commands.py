"""`monitor config show` and `monitor config schema`, and the completion of commands in shells."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from monitor import config, notifiers
from monitor.alerts.routing import tree_of
from monitor.cli.config import options_of_all
from monitor.config.fields import parse_duration
from monitor.config.json_schema import schema
from monitor.config.shown import duration
from monitor.secrecy import HIDDEN, without_secrets
from tests.daemon import monitor
from tests.test_documentation import BLOCKS

FULL = """
redis: {url: "redis://me:sesame@localhost:6379/1", lease: 90s}
state_dir: state
feeds:
  - https://u:sesame@example.org/a?x=1&api_key=sesame
  - {url: "https://example.org/b", every: 90m, headers: {X-Key: sesame}, cookies: {id: sesame}}
  - {url: "https://example.org/${PLACE}", auth: {user: desk, password: "${TOKEN}"}}
  - {url: "https://example.org/d?token=${TOKEN}", proxy: "http://u:${TOKEN}@proxy.example:3128"}
receivers:
  desk: {type: slack, token: "${TOKEN}", channel: C1}
  mail: {type: email, host: mx, user: x, password: sesame, from: a@b.example, to: c@d.example}
  hook: {type: webhook, url: "https://example.org/h", headers: {Authorization: "Bearer ${TOKEN}", X: sesame}}
  log: {type: file, path: alerts.ndjson}
time_intervals: {night: {times: "22:00-07:00", weekdays: mon:fri, timezone: Europe/Berlin}}
inhibit_rules: [{source_matchers: level=high, target_matchers: level<low, for: 6h}]
route:
  receiver: desk
  mute_times: night
  limit: 20/h
  routes:
    - {matchers: [level=low, 'source=~"BBC.*"'], continue: true, digest: {schedule: 0 8 * * *, timezone: Asia/Seoul}}
    - {matchers: level=high, limit: "off", receiver: [mail, log], mute_times: []}
http: {allow_private: 10.0.0.0/8, timeout: 5s}
archive: {dir: archive, max_size: 500MB}
stories: {window: 36h}
""".replace("level<low", "level=low").replace("allow_private: 10.0.0.0/8", "allow_private: [10.0.0.0/8]")
ENVIRON = {"TOKEN": "xoxb-sesame", "PLACE": "somewhere"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "monitor.yaml").write_text(FULL)
    (tmp_path / "feeds.yaml").write_text("[{url: https://example.org/listed}]")
    return tmp_path / "monitor.yaml"


def test_what_is_shown_holds_no_secret_and_every_default(file: Path) -> None:
    shown = monitor("config", "show", "--config", file, env=ENVIRON)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "sesame" not in shown.stdout
    fields = yaml.safe_load(shown.stdout)
    assert fields["poll"] == {"min": "2m", "max": "12h", "max_age": "2d"}
    assert [feed["url"] for feed in fields["feeds"]] == [
        f"https://{HIDDEN}@example.org/a?x=1&api_key={HIDDEN}",
        "https://example.org/b",
        "https://example.org/${PLACE}",
        "https://example.org/d?token=${TOKEN}",
        "https://example.org/listed",
    ]
    assert fields["receivers"]["desk"]["token"] == "${TOKEN}"
    assert fields["receivers"]["hook"]["headers"] == {"Authorization": "Bearer ${TOKEN}", "X": HIDDEN}
    assert fields["receivers"]["log"]["path"] == str(file.parent / "alerts.ndjson")
    as_json = monitor("config", "show", "--format", "ndjson", "--config", file, env=ENVIRON).stdout
    assert json.loads(as_json).keys() == fields.keys()


def test_what_is_shown_is_what_was_loaded(file: Path) -> None:
    again = file.parent / "shown/monitor.yaml"
    again.parent.mkdir()
    again.write_text(monitor("config", "show", "--config", file, env=ENVIRON).stdout)
    assert monitor("config", "show", "--config", again, env=ENVIRON).stdout.replace("shown/", "") == (
        again.read_text()
    ), "shown twice, it is the same"
    loaded, reloaded = (config.load(each, notifiers.options_of, ENVIRON) for each in (file, again))
    for name in set(config.Config.model_fields) - {"feeds", "redis", "receivers", "feeds_file"}:
        assert getattr(loaded, name) == getattr(reloaded, name)
    assert [tree_of(each).routes for each in (loaded, reloaded)] == [tree_of(loaded).routes] * 2


def test_what_the_environment_sets_is_shown_without_its_secret(file: Path) -> None:
    shown = monitor(
        "config", "show", "--config", file, env={**ENVIRON, "MONITOR_REDIS__URL": "redis://:sesame@far.example:1"}
    )
    assert yaml.safe_load(shown.stdout)["redis"]["url"] == f"redis://{HIDDEN}@far.example:1"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://example.org/a?b=c", "https://example.org/a?b=c"),
        ("https://u@example.org/", f"https://{HIDDEN}@example.org/"),
        ("redis://:p@ss@host", f"redis://{HIDDEN}@host"),
        ("https://example.org/a?x-amz-signature=12&monkey=1", f"https://example.org/a?x-amz-signature={HIDDEN}&monkey=1"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("mail a@b.example", "mail a@b.example"),
    ],
)  # fmt: skip
def test_secrets_of_urls(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


@pytest.mark.parametrize("written", ["0s", "500ms", "90s", "2m", "36h", "7d", "1h30m"])
def test_durations_are_shown_as_they_are_read(written: str) -> None:
    assert parse_duration(duration(parse_duration(written)).replace("0.5s", "500ms")) == parse_duration(written)


class Core(yaml.SafeLoader):
    """Reads YAML as editors do: in YAML 1.2 `off` is a word."""


Core.yaml_implicit_resolvers = {
    first: [each for each in resolvers if first in "tTfF" or each[0] != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.fixture(scope="module")
def validator() -> Any:
    made = schema(options_of_all())
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


@pytest.mark.parametrize("text", [FULL, *(text for kind, text in BLOCKS if kind == "yaml")])
def test_the_schema_takes_what_the_documentation_shows(validator: Any, text: str) -> None:
    value = yaml.load(text, Core)
    if isinstance(value, dict) and not {"concepts", "tests"} & set(value) and not isinstance(value.get("rules"), list):
        assert [error.message for error in validator.iter_errors(value)] == []


@pytest.mark.parametrize(
    "text",
    [
        "fedes: []",
        "poll: {min: soon}",
        "receivers: {a: {type: telegraph}}",
        "receivers: {a: {type: file, paht: x}}",
        "receivers: {a: {type: file}}",
        "http: {robots: perhaps}",
        "feeds: [{every: 1m}]",
        "route: {routes: [{group_by: weather}]}",
    ],
)
def test_the_schema_refuses_what_loading_refuses(validator: Any, text: str, tmp_path: Path) -> None:
    assert list(validator.iter_errors(yaml.safe_load(text)))
    (tmp_path / "monitor.yaml").write_text(text)
    assert monitor("config", "show", "--config", tmp_path / "monitor.yaml").returncode == 2


def test_the_schema_is_printed() -> None:
    printed = json.loads(monitor("config", "schema").stdout)
    assert set(printed["properties"]) == set(config.Config.model_fields)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands(shell: str) -> None:
    program = Path(sys.executable).parent / "monitor"

    def asked(**variables: str) -> str:
        done = subprocess.run([program], env=os.environ | variables, capture_output=True, text=True, check=False)
        return done.stdout

    assert "_MONITOR_COMPLETE" in asked(_MONITOR_COMPLETE=f"{shell}_source")
    words = {"COMP_WORDS": "monitor feeds ", "COMP_CWORD": "" if shell == "fish" else "2"}
    offered = asked(_MONITOR_COMPLETE=f"{shell}_complete", **words)
    assert {"list", "add", "import"} <= {word for line in offered.split() for word in line.split(",")}
