"""monitor.yaml: what it may say, and what is said of what is wrong with it."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor import config, notifiers
from monitor.errors import InputError
from monitor.models import Access


def load(folder: Path, text: str, environ: dict[str, str] | None = None) -> config.Config:
    file = folder / "monitor.yaml"
    file.write_text(text, encoding="utf-8")
    return config.load(file, notifiers.options_of, environ or {"HOME": str(folder)})


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        load(folder, text)
    return [line.replace(f"{folder}/", "") for line in str(caught.value).splitlines()]


def test_everything_that_can_be_set(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        """
redis: {url: redis://localhost/0, lease: 5s}
state_dir: var
rules: [rules, more/rules.yaml]
feeds:
  - https://a.example/feed
  - {url: https://b.example/rss, name: B, every: 1m30s, tags: [x, no], language: nb, full_text: never}
  - url: https://c.example/rss
    headers: {X-Key: "${TOKEN}"}
    cookies: {session: abc}
    auth: {user: me, password: "${TOKEN}"}
    proxy: http://proxy.example:3128
receivers:
  desk: {type: file, path: out/alerts.ndjson}
  hook: {type: webhook, url: "https://h.example/in", headers: {Authorization: "Bearer ${TOKEN}"}}
route: {receiver: [desk, hook]}
http:
  user_agent: me
  timeout: 10s
  allow_private: [10.0.0.0/8, "::1/128"]
  per_host: {concurrency: 4, rate: 0.5}
  robots: false
""",
        {"TOKEN": "s3cret"},
    )
    assert loaded.redis.url == "redis://localhost/0"
    assert loaded.redis.lease == timedelta(seconds=5)
    assert loaded.state_dir == tmp_path / "var"
    assert loaded.rules == (tmp_path / "rules", tmp_path / "more/rules.yaml")
    assert [feed.title for feed in loaded.feeds] == ["a.example", "B", "c.example"]
    assert loaded.feeds[0].every is None
    assert loaded.feeds[1].tags == ("x", "no"), "a bare no is Norwegian, not false"
    assert loaded.feeds[1].every == timedelta(seconds=90)
    assert loaded.feeds[0].access == Access("https://a.example/feed")
    assert loaded.feeds[2].access == Access(
        "https://c.example/rss",
        {"X-Key": "s3cret"},
        {"session": "abc"},
        auth=("me", "s3cret"),
        proxy="http://proxy.example:3128",
    )
    assert (loaded.http.per_host.concurrency, loaded.http.per_host.rate, loaded.http.robots) == (4, 0.5, False)
    assert loaded.receivers["desk"].options["path"] == tmp_path / "out/alerts.ndjson"
    assert loaded.receivers["hook"].options["headers"] == {"Authorization": "Bearer s3cret"}
    assert loaded.route_to == ("desk", "hook")
    assert loaded.http.timeout == timedelta(seconds=10)
    assert [str(network) for network in loaded.http.allow_private] == ["10.0.0.0/8", "::1/128"]


def test_nothing_set_means_defaults(tmp_path: Path) -> None:
    loaded = load(tmp_path, "feeds: [https://a.example/feed]", {"XDG_STATE_HOME": "/s"})
    assert loaded.route_to == ("console",)
    assert loaded.rules == (tmp_path / "rules",)
    assert loaded.state_dir == Path("/s/monitor")
    assert loaded.redis.url is None


def test_the_environment_overrides_keys(tmp_path: Path) -> None:
    environ = {"MONITOR_REDIS__URL": "redis://other/1", "MONITOR_FEEDS": "[https://z.example/f]", "MONITOR_OTHER": "x"}
    loaded = load(tmp_path, "feeds: [https://a.example/feed]", environ)
    assert loaded.redis.url == "redis://other/1"
    assert [feed.url for feed in loaded.feeds] == ["https://z.example/f"]


def test_every_mistake_is_said_at_once_with_its_place(tmp_path: Path) -> None:
    assert problems(
        tmp_path,
        """\
redis: {url: http://localhost}
feeds:
  - ftp://a.example/feed
  - url: https://b.example/rss
    evry: 5m
    every: 300
    full_text: sometimes
receivers:
  - console
http: {timeout: 5, allow_private: [everything]}
""",
    ) == [
        'monitor.yaml:1:9: url: "http://localhost" is no Redis address; it has to begin with redis://, rediss:// or unix://',
        'monitor.yaml:3:5: "ftp://a.example/feed" is no URL that can be fetched; it has to begin with http:// or https://',
        'monitor.yaml:6:5: every: "300" is no duration; write a number and a unit, such as 30s, 5m, 12h or 2d',
        "monitor.yaml:7:5: full_text: should be 'auto', 'always' or 'never', not \"sometimes\"",
        'monitor.yaml:5:5: unknown key "evry"; did you mean "every"?',
        "monitor.yaml:8:1: receivers: should be a valid dictionary, not a list",
        'monitor.yaml:10:8: timeout: "5" is no duration; write a number and a unit, such as 30s, 5m, 12h or 2d',
        'monitor.yaml:10:36: "everything" is no network; write one such as 10.0.0.0/8 or ::1/128',
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("route: {receiver: []}", "monitor.yaml:1:9: receiver: nobody is named; write the name of a receiver"),
        ("http: {user_agent: Ünï}", "monitor.yaml:1:8: user_agent: a header may hold only plain ASCII characters"),
        ("feeds: ['http://h:99999/x']", '"http://h:99999/x" is no URL that can be fetched'),
        ("feeds: [{url: http://h/x, every: 9999999999d}]", "is longer than anybody will live"),
        ("redis: {lease: 0s}", "a process cannot show that it lives so often; write 500ms or more"),
        ("feds: []", 'monitor.yaml:1:1: unknown key "feds"; did you mean "feeds"?'),
        ("feeds: [{name: x}]", 'monitor.yaml:1:9: "url" is missing'),
        ("feeds: [\n", "monitor.yaml:2:1: not YAML: did not find expected node content"),
        ("feeds: []\nfeeds: []", 'monitor.yaml:2:1: key "feeds" is written twice'),
        ("a: &x [1]\nb: *x", "monitor.yaml:2:4: aliases (*name) are not allowed"),
        ("- a", "monitor.yaml:1:1: a mapping such as `feeds: [...]` was expected"),
        (f"feeds: {'[' * 10_000}", "monitor.yaml:1:47: nested over 40 deep"),
        ("receivers: {a: {type: consle}}", 'monitor.yaml:1:17: there is no notifier "consle"; did you mean "console"?'),
        ("receivers: {a: {type: file}}", 'monitor.yaml:1:13: "path" is missing'),
        ("receivers: {a: {type: console, colour: x}}", 'monitor.yaml:1:32: unknown key "colour"'),
        (
            "receivers: {a: {type: console}}\nroute: {receiver: b}",
            'monitor.yaml:2:9: route: no receiver is called "b"; known: a',
        ),
        ("redis: {url: '${NOPE}'}", "monitor.yaml:1:9: the environment has no variable NOPE; set it"),
        ("feeds: [http://a.b/c, http://a.b/c]", "monitor.yaml:1:23: this feed stands already at monitor.yaml:1:9"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, line: str) -> None:
    found = problems(tmp_path, text)
    assert any(line in problem for problem in found), found


def test_a_dollar_is_written_twice(tmp_path: Path) -> None:
    loaded = load(tmp_path, "receivers: {a: {type: webhook, url: 'http://h.example/$$x'}}")
    assert loaded.receivers["a"].options["url"] == "http://h.example/$x"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"feeds: [\xff]", "not UTF-8"),
        (b"a" * 5_000_000, "larger than 4 MB"),
        (None, "cannot be read: No such file"),
    ],
)
def test_unreadable_files(tmp_path: Path, body: bytes | None, words: str) -> None:
    file = tmp_path / "monitor.yaml"
    if body is not None:
        file.write_bytes(body)
    with pytest.raises(InputError, match=words):
        config.load(file, notifiers.options_of, {})


def test_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environ: dict[str, Any] = {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    if not os.path.exists("/etc/monitor/monitor.yaml"):
        with pytest.raises(InputError, match=r"none found; looked for monitor.yaml, .*name one with --config FILE"):
            config.find(environ)
    (tmp_path / "xdg/monitor").mkdir(parents=True)
    (tmp_path / "xdg/monitor/monitor.yaml").touch()
    assert config.find(environ) == tmp_path / "xdg/monitor/monitor.yaml"
    Path("monitor.yaml").touch()
    assert config.find(environ) == Path("monitor.yaml")


def test_what_is_sent_to_a_site_is_checked(tmp_path: Path) -> None:
    assert problems(
        tmp_path,
        """\
feeds:
  - url: https://a.example/feed
    headers: {X-Key: "two\\nlines"}
    cookies: {session: "a; b"}
    auth: {user: me}
    proxy: socks5://proxy.example
http: {per_host: {concurrency: 0, rate: 0}}
""",
    ) == [
        'monitor.yaml:3:5: headers: the header "X-Key" may hold only plain ASCII characters, on one line',
        'monitor.yaml:4:5: cookies: the cookie "session" may hold only plain ASCII characters, '
        "and no space or semicolon",
        'monitor.yaml:5:5: "password" is missing',
        'monitor.yaml:6:5: proxy: "socks5://proxy.example" is no URL that can be fetched; '
        "it has to begin with http:// or https://",
        'monitor.yaml:7:19: concurrency: should be greater than or equal to 1, not "0"',
        'monitor.yaml:7:35: rate: should be greater than 0, not "0"',
    ]


def test_a_password_in_an_address_is_not_shown() -> None:
    feed = config.FeedConfig(url="https://me:s3c@ret@a.example/feed?to=b@c")
    assert feed.address == "https://a.example/feed?to=b@c"
    assert feed.title == "a.example"
