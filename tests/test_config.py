"""monitor.yaml: what it may say, and what is said of what is wrong with it."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor import config, notifiers
from monitor.config.route import Limit
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
        "monitor.yaml:8:1: receivers: should be a valid mapping, not a list",
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
        (
            "redis: {url: 'redis://u:hunter2@h:99999/0'}",
            "monitor.yaml:1:9: url: the host or the port is wrong; write redis://HOST:6379/0, a port up to 65535",
        ),
        ("redis: {url: 'redis://[::1/0'}", "monitor.yaml:1:9: url: the host or the port is wrong; "),
        ("redis: {lease: 0s}", "a process cannot show that it lives so often; write 500ms or more"),
        ("feeds: 3", 'monitor.yaml:1:1: feeds: should be a valid list, not "3"'),
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


def test_a_whole_tree_of_routes(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        """
receivers: {desk: {type: console}, log: {type: console}}
time_intervals:
  night: {times: "22:00-07:00", timezone: Europe/Berlin}
  free: [{weekdays: sat:sun}, {months: december, days_of_month: [25, 26], years: 2026}]
route:
  receiver: log
  limit: 20/h
  routes:
    - {matchers: level=critical, receiver: desk, continue: true, limit: "off"}
    - matchers: [level>=high, 'source=~"BBC .*"']
      receiver: [desk, log]
      group_by: [story]
      group_wait: 30s
      group_interval: 1h
      mute_times: [night, free]
      mute_except: rule=quake
      routes:
        - digest: {schedule: 0 8 * * mon-fri, timezone: Asia/Seoul}
          active_times: night
          mute_times: free
          group_by: []
inhibit_rules:
  - {source_matchers: level>=high, target_matchers: [level=low], equal: [story, language], for: 6h}
""",
    )
    first, second = loaded.route.routes
    assert loaded.route_to == ("log",)
    assert (loaded.route.limit, first.go_on, first.limit) == (Limit(20, timedelta(hours=1), "20/h"), True, None)
    assert [str(matcher) for matcher in second.matchers] == ["level>=high", 'source=~"BBC .*"']
    assert (second.group_by, second.group_wait, second.receiver) == (("story",), timedelta(seconds=30), ("desk", "log"))
    assert second.routes[0].digest
    assert str(second.routes[0].digest.timezone) == "Asia/Seoul"
    assert loaded.time_intervals["night"][0].times == ((22 * 60, 7 * 60),)
    assert loaded.time_intervals["free"][1].days_of_month == ((25, 25), (26, 26))
    assert loaded.inhibit_rules[0].lasting == timedelta(hours=6)


@pytest.mark.parametrize(
    ("written", "size"),
    [("500MB", 500_000_000), ("1.5 gb", 1_500_000_000), ("500000000", 500_000_000), ('"2000000"', 2_000_000)],
)
def test_a_size_has_a_unit_or_is_a_number_of_bytes(tmp_path: Path, written: str, size: int) -> None:
    loaded = load(tmp_path, f"archive: {{dir: a, max_size: {written}}}")
    assert loaded.archive
    assert loaded.archive.max_size == size


@pytest.mark.parametrize("written", ["-1", "5e8", "1.5", "500M", "5 000 000", "true", "", "\u0665"])
def test_what_is_no_size(tmp_path: Path, written: str) -> None:
    [said] = problems(tmp_path, f'archive: {{dir: a, max_size: "{written}"}}')
    assert f'max_size: "{written}" is no size; write a number and a unit, such as 500MB or 10GB' in said


NIGHT = 'time_intervals: {night: {times: "22:00-07:00"}, eve: {times: "18:00-23:00"}}\n\n'
ROUTE_MISTAKES = [
    ("route: {routes: [{receiver: b}]}", '1:19: route: no receiver is called "b"; known: console'),
    (
        "route: {mute_times: x}",
        '1:9: route: no time interval is called "x"; known: none; write them under time_intervals',
    ),
    (
        "time_intervals: {night: {}}\nroute: {active_times: [night, nigt]}",
        '2:31: route: no time interval is called "nigt"; did you mean "night"?; known: night',
    ),
    ("route: {matchers: tag=a}", "1:9: the first route takes every alert; put matchers into one of its routes"),
    ("route: {continue: true}", "1:9: the first route takes every alert; put continue into one of its routes"),
    (
        "route:\n  routes:\n    - matchers: tag=a\n    - matchers: [level=low, tag=a]",
        "4:7: no alert comes here: the route at monitor.yaml:3:7 takes them all; move this one before it, "
        "or write continue: true there",
    ),
    (
        "route:\n  routes:\n    - routes: [{continue: false}, {matchers: tag=a}]",
        "3:35: no alert comes here: the route at monitor.yaml:3:16 takes them all",
    ),
    ("route: {routes: [{matchers: [tga=x]}]}", '1:30: "tga" is no label; did you mean "tag"?'),
    ("route: {routes: [{matchers: level=hihg}]}", '1:19: matchers: "hihg" is no level; did you mean "high"?'),
    ("route: {routes: [{matchers: tag>=x}]}", '"tag>=x": only levels have an order; write = != =~ or !~'),
    ("route: {routes: [{matchers: tag}]}", '"tag" is no matcher; write a label, one of = != =~ !~ and a value'),
    ("route: {routes: [{matchers: 'tag=~\"(\"'}]}", "/(/ is no regular expression of RE2: missing ): ("),
    ("route: {group_by: storey}", "1:9: group_by: should be 'alert', 'story', 'rule', 'level', 'tag',"),
    ("route: {group_wait: 5}", '1:9: group_wait: "5" is no duration'),
    ("route: {limit: 20}", '1:9: limit: "20" is no limit; write how many messages in what time, such as 20/h or 5/30m'),
    ("route: {limit: 5/0s}", '1:9: limit: "5/0s" is no limit: no time at all'),
    ("route: {digest: {schedule: 8}}", '"8" is no cron expression: it has not five fields; write minute, hour'),
    ("route: {digest: {schedule: 61 8 * * *}}", '1:18: schedule: "61 8 * * *" is no cron expression: bad minute'),
    ("route: {digest: {schedule: 0 0 */20 * 1L}}", '"0 0 */20 * 1L" never comes'),
    (
        "route: {digest: {schedule: 0 8 * * *, timezone: Asia/Soul}}",
        '"Asia/Soul" is no time zone of IANA; did you mean',
    ),
    (
        f"{NIGHT}route: {{active_times: night, mute_times: [eve, night]}}",
        "3:9: route: nothing would ever be sent: active_times night and mute_times eve, night leave no time",
    ),
    (
        f"{NIGHT}route: {{mute_times: night, routes: [{{matchers: tag=b}}, {{matchers: tag=a, active_times: night}}]}}",
        "3:74: route: nothing would ever be sent: active_times night and mute_times night leave no time",
    ),
    (
        "time_intervals: {all: {}}\nroute: {mute_times: all}",
        "2:9: route: nothing would ever be sent: mute_times all leave no time; change one",
    ),
    (
        "time_intervals: {feb: {months: feb, days_of_month: 30}}\nroute: {active_times: feb}",
        "2:9: route: nothing would ever be sent: active_times feb leave no time",
    ),
    ("route: {mutetimes: x}", '1:9: unknown key "mutetimes"; did you mean "mute_times"?'),
    ("time_intervals: {n: {times: 22-7}}", '1:22: times: "22-7" is no time of day; write its begin and end'),
    ("time_intervals: {n: {times: '08:00-25:00'}}", '"08:00-25:00" is no time of day'),
    ("time_intervals: {n: {weekdays: 1:5}}", '"1:5": days of the week have names, such as monday:friday'),
    ("time_intervals: {n: {weekdays: fryday}}", '"fryday" was not understood; write one, or a first and a last'),
    ("time_intervals: {n: {days_of_month: 5:1}}", '"5:1" holds no day; write days from 1, or from the end with -1'),
    ("time_intervals: {n: {months: 13}}", '"13" was not understood; write one, or a first and a last'),
    ("time_intervals: {n: {years: 2028:2026}}", '"2028:2026" holds no year; write the first one first'),
    ("time_intervals: {n: {timezone: Europe}}", '"Europe" is no time zone of IANA'),
    ("inhibit_rules: [{source_matchers: tag=x}]", '1:17: "target_matchers" is missing'),
    (
        "inhibit_rules: [{source_matchers: tag=x, target_matchers: tag=y, for: 0s}]",
        "1:66: for: an alert that hides others for no time hides none; write a duration such as 6h",
    ),
]


@pytest.mark.parametrize(("text", "line"), ROUTE_MISTAKES)
def test_mistakes_in_routes(tmp_path: Path, text: str, line: str) -> None:
    found = problems(tmp_path, text)
    assert len(found) == 1, found
    assert line in found[0]


def test_a_route_that_goes_on_leaves_alerts_to_the_next(tmp_path: Path) -> None:
    assert load(tmp_path, "route: {routes: [{continue: true}, {matchers: tag=a}, {matchers: tag=b}]}").route.routes


@pytest.mark.parametrize("file", ["HOOK", "secrets_HOOK"])
def test_a_credential_of_systemd_stands_in_for_a_variable(file: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text("https://example.org/secret\n")
    written = tmp_path / "monitor.yaml"
    written.write_text("receivers: {hook: {type: webhook, url: '${HOOK}'}}")
    loaded = config.load(written, notifiers.options_of, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert loaded.receivers["hook"].options["url"] == "https://example.org/secret"
