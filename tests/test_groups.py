"""When alerts go out: grouping, quiet times, digests and limits, played on a virtual clock."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alerts.groups import after, due, flush, hold, new_state, release, when
from monitor.alerts.matchers import labels, meets
from monitor.config.intervals import is_open
from monitor.models import Alert
from tests.routes import Clock, alert, at, tree

TIMES = """
time_intervals:
  night: {times: "22:00-07:00", timezone: Europe/Berlin}
  office: {times: "08:00-17:00", weekdays: mon:fri}
  mondays: {weekdays: monday}
  twice: {times: "02:00-03:00", timezone: Europe/Berlin}
  early: {times: "00:00-02:30", timezone: Europe/Berlin}
"""
# Each row: the route, what comes (time, alert, documents), what is sent. All times are UTC, Berlin is an hour ahead in
# winter and two in summer. 2026-11-23 is a Monday; clocks go forward on 2026-03-29 and back on 2026-10-25, at 01:00.
Row = tuple[str, str, list[str], list[str]]

GROUPING: list[Row] = [
    ("a new alert goes at once", "", ["08:00 x1"], ["23 08:00 alert xx1"]),
    ("each alert is its own message", "", ["08:00 x1", "08:00 y1"], ["23 08:00 alert xx1", "23 08:00 alert yx1"]),
    ("the same alert twice is sent once", "", ["08:00 x1", "08:01 x1", "09:00 x1"], ["23 08:00 alert xx1"]),
    ("an older state of an alert says nothing", "", ["08:00 x3", "08:01 x2"], ["23 08:00 alert xx3"]),
    ("an update soon after waits", "", ["08:00 x1", "08:03 x2"], ["23 08:00 alert xx1", "23 08:10 update xx2"]),
    ("an update long after goes at once", "", ["08:00 x1", "11:00 x2"], ["23 08:00 alert xx1", "23 11:00 update xx2"]),
    (
        "updates are gathered",
        "",
        ["08:00 x1", "08:03 x2", "08:04 x3", "08:09 x4", "08:11 x5"],
        ["23 08:00 alert xx1", "23 08:10 update xx4", "23 08:20 update xx5"],
    ),
    (
        "updates are gathered from one message of them to the next",
        "",
        ["08:00 x1", "11:00 x2", "11:01 x3", "11:09 x4", "11:11 x5"],
        ["23 08:00 alert xx1", "23 11:00 update xx2", "23 11:10 update xx4", "23 11:20 update xx5"],
    ),
    (
        "an interval of the user's",
        "group_interval: 1h",
        ["08:00 x1", "08:03 x2", "08:59 x3"],
        ["23 08:00 alert xx1", "23 09:00 update xx3"],
    ),
    (
        "no interval at all",
        "group_interval: 0s",
        ["08:00 x1", "08:00 x2"],
        ["23 08:00 alert xx1", "23 08:00 update xx2"],
    ),
    (
        "a wait gathers new alerts of a group",
        "group_by: rule\n  group_wait: 30s",
        ["08:00 x1", "08:00:20 y1", "08:00:40 z1"],
        ["23 08:00:30 alert xx1 yx1", "23 08:01:10 alert zx1"],
    ),
    (
        "an alert that grows while it waits is one alert",
        "group_wait: 30s",
        ["08:00 x1", "08:00:20 x2"],
        ["23 08:00:30 alert xx2"],
    ),
    (
        "a new alert does not wait for the updates of its group",
        "group_by: rule",
        ["08:00 x1", "08:03 x2", "08:04 y1"],
        ["23 08:00 alert xx1", "23 08:04 alert yx1", "23 08:10 update xx2"],
    ),
    (
        "updates of a group go together",
        "group_by: rule",
        ["08:00 x1", "08:05 y1", "08:06 x2", "08:07 y2", "08:12 x3"],
        ["23 08:00 alert xx1", "23 08:05 alert yx1", "23 08:10 update xx2 yx2", "23 08:20 update xx3"],
    ),
    (
        "new alerts do not put off the updates of their group",
        "group_by: rule",
        ["08:00 x1", "08:03 x2", "08:06 y1", "08:09 z1"],
        ["23 08:00 alert xx1", "23 08:06 alert yx1", "23 08:09 alert zx1", "23 08:10 update xx2"],
    ),
    (
        "one message of updates of a group at a time",
        "group_by: rule",
        ["08:00 x1", "08:01 y1", "08:02 x2", "08:16 y2"],
        ["23 08:00 alert xx1", "23 08:01 alert yx1", "23 08:10 update xx2", "23 08:20 update yx2"],
    ),
    (
        "alerts of two groups wait apart",
        "group_by: level\n  group_wait: 1m",
        ["08:00 x1", "08:00:30 y1 level=high"],
        ["23 08:01 alert xx1", "23 08:01:30 alert yx1"],
    ),
    (
        "one group for all",
        "group_by: []\n  group_wait: 1m",
        ["08:00 x1", "08:00:30 y1 level=high"],
        ["23 08:01 alert xx1 yx1"],
    ),
    (
        "alerts of one story",
        "group_by: story\n  group_wait: 1m",
        ["08:00 x1 story=s", "08:00 y1 story=s rule=q", "08:00 z1", "08:00 u1"],
        ["23 08:01 alert xx1 yx1", "23 08:01 alert zx1", "23 08:01 alert ux1"],
    ),
    (
        "a story has ended when its alert is forgotten",
        "",
        ["08:00 x1", "2026-11-27 08:00 y1", "2026-11-27 08:01 x1"],
        ["23 08:00 alert xx1", "27 08:00 alert yx1", "27 08:01 alert xx1"],
    ),
]
QUIET: list[Row] = [
    ("a quiet hour holds", "mute_times: night", ["22:30 x1"], ["24 06:00 alert xx1"]),
    ("its begin is in it", "mute_times: night", ["21:00 x1"], ["24 06:00 alert xx1"]),
    ("before it", "mute_times: night", ["20:59:59 x1"], ["23 20:59:59 alert xx1"]),
    ("its end is not in it", "mute_times: night", ["06:00 x1"], ["23 06:00 alert xx1"]),
    ("after midnight", "mute_times: night", ["01:00 x1"], ["23 06:00 alert xx1"]),
    (
        "what grows in it",
        "mute_times: night",
        ["22:30 x1", "23:30 x2", "03:00+1 x3"],
        ["24 06:00 alert xx3"],
    ),
    (
        "an update that begins to wait before it",
        "mute_times: night",
        ["20:55 x1", "20:56 x2", "23:00 x3"],
        ["23 20:55 alert xx1", "24 06:00 update xx3"],
    ),
    (
        "what critical alerts pass",
        "mute_times: night\n  mute_except: level=critical",
        ["22:30 x1", "22:40 y1 level=critical"],
        ["23 22:40 alert yx1", "24 06:00 alert xx1"],
    ),
    (
        "what passes leaves its group behind",
        "mute_times: night\n  mute_except: level=critical\n  group_by: rule",
        ["22:30 x1", "22:40 y1 level=critical", "22:41 y2 level=critical"],
        ["23 22:40 alert yx1", "23 22:50 update yx2", "24 06:00 alert xx1"],
    ),
    (
        "no active time",
        "active_times: office",
        ["07:30 x1", "17:00 y1"],
        ["23 08:00 alert xx1", "24 08:00 alert yx1"],
    ),
    ("over a weekend", "active_times: office", ["2026-11-27 17:00 x1"], ["30 08:00 alert xx1"]),
    ("the wait ends in the quiet hour", "mute_times: night\n  group_wait: 2m", ["20:59 x1"], ["24 06:00 alert xx1"]),
    (
        "it ends within the wait",
        "mute_times: night\n  group_wait: 2m",
        ["05:59 x1"],
        ["23 06:01 alert xx1"],
    ),
    (
        "an update waits longer than a story lasts",
        "active_times: mondays",
        ["08:00 x1", "2026-11-24 09:00 x2"],
        ["23 08:00 alert xx1", "30 00:00 update xx2"],
    ),
    ("both", "mute_times: night\n  active_times: office", ["05:00 x1"], ["23 08:00 alert xx1"]),
    ("a shorter night, clocks forward", "mute_times: night", ["2026-03-28 22:30 x1"], ["29 05:00 alert xx1"]),
    ("its begin the evening before", "mute_times: night", ["2026-03-28 21:00 x1"], ["29 05:00 alert xx1"]),
    ("a longer night, clocks back", "mute_times: night", ["2026-10-24 20:00 x1"], ["25 06:00 alert xx1"]),
    ("an hour that comes twice", "mute_times: twice", ["2026-10-25 00:10 x1"], ["25 02:00 alert xx1"]),
    ("and its second time", "mute_times: twice", ["2026-10-25 01:10 x1"], ["25 02:00 alert xx1"]),
    (
        "an hour that does not come",
        "mute_times: twice",
        ["2026-03-29 01:10 x1"],
        ["29 01:10 alert xx1"],
    ),
    ("quiet until a time that does not come", "mute_times: early", ["2026-03-29 00:30 x1"], ["29 01:00 alert xx1"]),
    ("quiet until a time that comes twice", "mute_times: early", ["2026-10-24 23:30 x1"], ["25 00:30 alert xx1"]),
]
DIGESTS: list[Row] = [
    ("a digest gathers", "digest: {schedule: 0 8 * * *}", ["23:00 x1", "23:30 y1"], ["24 08:00 digest xx1 yx1"]),
    ("what comes at its time is in the next", "digest: {schedule: 0 8 * * *}", ["08:00 x1"], ["24 08:00 digest xx1"]),
    ("no digest of nothing", "digest: {schedule: 0 8 * * *}", ["2026-11-20 09:00 x1"], ["21 08:00 digest xx1"]),
    (
        "an alert that grows comes again in the next",
        "digest: {schedule: \"0 8,18 * * *\"}",
        ["07:00 x1", "07:30 x2", "12:00 x3"],
        ["23 08:00 digest xx2", "23 18:00 digest xx3"],
    ),
    ("on weekdays", "digest: {schedule: 0 8 * * mon-fri}", ["2026-11-27 09:00 x1"], ["30 08:00 digest xx1"]),
    ("in a zone", "digest: {schedule: 0 8 * * *, timezone: Asia/Seoul}", ["12:00 x1"], ["23 23:00 digest xx1"]),
    (
        "a zone whose clocks are changed",
        "digest: {schedule: 0 8 * * *, timezone: Europe/Berlin}",
        ["2026-03-27 12:00 x1", "2026-03-28 12:00 y1"],
        ["28 07:00 digest xx1", "29 06:00 digest yx1"],
    ),
    (
        "half past two does not come",
        "digest: {schedule: 30 2 * * *, timezone: Europe/Berlin}",
        ["2026-03-28 12:00 x1", "2026-03-29 12:00 y1"],
        ["29 01:00 digest xx1", "30 00:30 digest yx1"],
    ),
    (
        "half past two comes twice",
        "digest: {schedule: 30 2 * * *, timezone: Europe/Berlin}",
        ["2026-10-24 12:00 x1", "2026-10-25 00:40 y1"],
        ["25 00:30 digest xx1", "26 01:30 digest yx1"],
    ),
    ("every hour, in the hour that comes twice", "digest: {schedule: 0 * * * *, timezone: Europe/Berlin}",
     ["2026-10-24 23:30 x1", "2026-10-25 00:30 y1", "2026-10-25 01:30 z1"],
     ["25 00:00 digest xx1", "25 01:00 digest yx1", "25 02:00 digest zx1"]),
    (
        "a digest in a quiet hour",
        "digest: {schedule: 0 5 * * *}\n  mute_times: night",
        ["22:30 x1", "05:30+1 y1"],
        ["24 06:00 digest xx1 yx1"],
    ),
    ("groups do not part a digest", "digest: {schedule: 0 8 * * *}\n  group_by: level",
     ["07:00 x1", "07:01 y1 level=high"], ["23 08:00 digest xx1 yx1"]),
]  # fmt: skip
LIMITS: list[Row] = [
    ("under the limit", "limit: 2/h", ["08:00 x1", "08:01 y1"], ["23 08:00 alert xx1", "23 08:01 alert yx1"]),
    (
        "what is more comes together, and one message says so",
        "limit: 2/h",
        ["08:00 x1", "08:01 y1", "08:02 z1", "08:02:30 u1", "08:20 v1"],
        [
            "23 08:00 alert xx1", "23 08:01 alert yx1", "23 08:03 notice 2 alerts wait",
            "23 09:00 digest zx1 ux1 vx1",
        ],
    ),
    (
        "updates count and wait, too",
        "limit: 2/h",
        ["08:00 x1", "08:15 x2", "08:20 x3", "08:25 y1"],
        ["23 08:00 alert xx1", "23 08:15 update xx2", "23 08:26 notice 2 alerts wait", "23 09:00 digest xx3 yx1"],
    ),
    (
        "it is reached again",
        "limit: 1/h",
        ["08:00 x1", "08:10 y1", "09:10 z1"],
        ["23 08:00 alert xx1", "23 08:11 notice 1 alert waits", "23 09:00 alert yx1", "23 09:11 notice 1 alert waits",
         "23 10:00 alert zx1"],
    ),
    ("soon over, it is not worth a message", "limit: 1/30s", ["08:00 x1", "08:00:10 y1"],
     ["23 08:00 alert xx1", "23 08:00:30 alert yx1"]),
    (
        "at once as many as it allows",
        "limit: 2/h\n  mute_times: night",
        ["22:00 x1", "22:01 y1", "22:02 z1"],
        ["24 06:00 alert xx1", "24 06:00 alert yx1", "24 06:01 notice 1 alert waits", "24 07:00 alert zx1"],
    ),
    (
        "a quiet hour begins before it allows more",
        "limit: 1/2h\n  mute_times: night",
        ["20:00 x1", "20:30 y1"],
        ["23 20:00 alert xx1", "23 20:31 notice 1 alert waits", "24 06:00 alert yx1"],
    ),
    (
        "first come, first sent",
        "limit: 1/h\n  mute_times: night",
        ["19:30 x1", "21:05 x2", "21:10 y1"],
        ["23 19:30 alert xx1", "24 06:00 update xx2", "24 06:01 notice 1 alert waits", "24 07:00 alert yx1"],
    ),
    (
        "a digest is one message",
        "limit: 1/h\n  digest: {schedule: 0 * * * *}",
        ["07:10 x1", "07:20 y1"],
        ["23 08:00 digest xx1 yx1"],
    ),
]  # fmt: skip
ROWS = [*GROUPING, *QUIET, *DIGESTS, *LIMITS]


def come(line: str) -> tuple[datetime, Alert]:
    """`[date] time[+day] alert documents [label=value ...]`, the alert's name and its documents in one word."""
    words = line.split()
    day = words.pop(0) if "-" in words[0] else "2026-11-23"
    clock, _, later = words[0].partition("+")
    said = dict(word.split("=") for word in words[2:])
    return at(clock, day) + timedelta(days=int(later or 0)), alert(words[1][0], int(words[1][1:]), **said)


@pytest.mark.parametrize(("route", "events", "sent"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_when_alerts_go_out(route: str, events: list[str], sent: list[str]) -> None:
    text = f"{TIMES}route:\n  receiver: a\n  {route}\n"
    assert Clock(tree(text)).play(map(come, events)).lines() == sent


def test_there_are_rows_enough() -> None:
    assert len(ROWS) >= 40
    assert len({row[0] for row in ROWS}) == len(ROWS)


def one_of(*lines: str) -> st.SearchStrategy[str]:
    return st.sampled_from(["", *lines])


ROUTES = st.tuples(
    one_of("group_by: rule", "group_by: [level, story]", "group_by: []"),
    one_of("group_wait: 30s", "group_wait: 2h"),
    one_of("group_interval: 0s", "group_interval: 3h"),
    one_of('digest: {schedule: "30 2 * * *", timezone: Europe/Berlin}', 'digest: {schedule: "*/20 * * * *"}'),
    one_of("mute_times: night", "mute_times: [twice, early]", "active_times: office"),
    one_of("mute_except: level=critical"),
    one_of("limit: 1/h", "limit: 3/20m", "limit: 2/d"),
)
STEPS = st.tuples(st.integers(0, 300), st.sampled_from("uvwxyz"), st.integers(1, 4))
STARTS = st.sampled_from([at("2026-11-23 05:00"), at("2026-03-28 20:00"), at("2026-10-24 19:00")])


@settings(max_examples=150, deadline=None)
@given(ROUTES, STARTS, st.lists(STEPS, max_size=14))
def test_nothing_is_lost_repeated_or_sent_in_a_quiet_time(
    route: tuple[str, ...], start: datetime, steps: list[tuple[int, str, int]]
) -> None:
    """Whatever comes: each alert is told of once as new and in the end with all its documents, and when it may be."""
    events, time = [], start
    for minutes, name, documents in steps:
        time += timedelta(minutes=minutes)
        level = "critical" if name in "uv" else "low"
        events.append((time, alert(name, documents, level=level, rule=(name < "x" and "r") or "q", story="s")))
    clock = Clock(tree("\n  ".join([f"{TIMES}route:", "receiver: a", *filter(None, route)])))
    clock.play(events, days=30)
    told: dict[str, list[int]] = {}
    for sending in clock.sent:
        timing = sending.node.timing
        free = sending.note.alerts and all(meets(labels(each), timing.mute_except) for each in sending.note.alerts)
        assert is_open(sending.time, timing.mute, timing.active) or (free and timing.mute_except)
        for each in sending.note.alerts:
            known = told.setdefault(each.id, [])
            assert sending.note.kind in ("digest", "update" if known else "alert")
            known.append(len(each.documents))
    wanted = {each.id: max(len(other.documents) for _, other in events if other.id == each.id) for _, each in events}
    assert {name: counts[-1] for name, counts in told.items()} == wanted
    assert all(counts == sorted(set(counts)) for counts in told.values()), "no state of an alert is told twice"
    assert len({sending.note.key for sending in clock.sent}) == len(clock.sent)
    for node in clock.nodes.values():
        assert not clock.state(node).waiting
        if limit := node.timing.limit:
            times = [sending.time for sending in clock.sent if sending.note.kind != "notice"]
            assert all(sum(one <= other < one + limit.per for other in times) <= limit.count for one in times)


HOLDS = [
    ("group_wait: 1m", "08:00 x1", "grouped", "08:01"),
    ("mute_times: night", "22:30 x1", "muted", "2026-11-24 06:00"),
    ("mute_times: night\n  mute_except: level=critical", "22:30 x1 level=critical", "at once", "22:30"),
    ('digest: {schedule: "0 8 * * *"}', "09:00 x1", "digest", "2026-11-24 08:00"),
    ('digest: {schedule: "0 5 * * *"}\n  mute_times: night', "23:00 x1", "muted", "2026-11-24 06:00"),
    ("", "08:00 x1", "at once", "08:00"),
]


@pytest.mark.parametrize(("route", "event", "why", "until"), HOLDS)
def test_it_is_said_why_an_alert_waits(route: str, event: str, why: str, until: str) -> None:
    time, came = come(event)
    told = when(came, tree(f"{TIMES}route:\n  receiver: [a, b]\n  {route}\n"), time)
    assert [(each.receiver, each.why, each.at) for each in told] == [("a", why, at(until)), ("b", why, at(until))]


def test_it_is_said_that_no_time_ever_comes() -> None:
    times = "time_intervals: {past: {years: 2020}}\nroute: {receiver: a, active_times: past}"
    assert [(each.why, each.at) for each in when(alert(), tree(times), at("08:00"))] == [("muted", None)]


def test_it_is_said_that_a_limit_holds() -> None:
    node = tree("route: {receiver: a, limit: 1/h}")
    state = new_state(node)
    for name, time in (("x", at("08:00")), ("y", at("08:10"))):
        state, sent = flush(after(state, alert(name), node, time), node, time)
        assert len(sent) == (name == "x")
    waits = hold(state, "y", node, at("08:10"))
    assert waits
    assert (waits.reason, waits.until) == ("limit", at("09:00"))
    assert hold(state, "x", node, at("08:10")) is None
    notice = flush(state, node, at("08:11"))[1][0]
    assert notice.text == (
        "1 alert waits: the limit 1/h of route is reached. What waits comes in one message at 2026-11-23 09:00 UTC "
        "or soon after; `monitor alerts list --waiting` shows it now."
    )


def test_a_configuration_that_changes_loses_nothing() -> None:
    """A route keeps what waits when its timing changes; of one that is gone, all goes out."""
    before = tree("route: {receiver: a, digest: {schedule: 0 8 * * *}}")
    state = after(after(new_state(before), alert("x"), before, at("08:00")), alert("y"), before, at("08:01"))
    now = tree("route: {receiver: a}")
    assert now.id == before.id
    assert due(state, now, at("08:02")) == at("08:02")
    assert [note.kind for note in flush(state, now, at("08:02"))[1]] == ["alert", "alert"]
    gone = release(state)
    assert [(note.kind, note.receiver, [each.id for each in note.alerts]) for note in gone] == [
        ("digest", "a", ["x", "y"])
    ]
    assert release(new_state(before)) == []


def test_a_smaller_limit_counts_at_once() -> None:
    large, small = tree("route: {receiver: a, limit: 9/h}"), tree("route: {receiver: a, limit: 1/h}")
    state = new_state(large)
    for name in "uvw":
        state, _ = flush(after(state, alert(name), large, at("08:00")), large, at("08:00"))
    for name in "xyz":
        state = after(state, alert(name), small, at("08:01"))
    state, sent = flush(state, small, at("08:01"))
    assert sent == []
    assert due(state, small, at("08:01")) == at("08:02"), "its notice"


def test_keys_tell_messages_apart_and_stay() -> None:
    node = tree("route: {receiver: [a, b]}")
    keys = [
        note.key
        for documents in (1, 1, 2)
        for note in flush(after(new_state(node), alert("x", documents), node, at("08:00")), node, at("08:00"))[1]
    ]
    assert keys[:2] == keys[2:4]
    assert len(set(keys)) == 4
    assert [key.rpartition(".")[2] for key in keys] == ["a", "b"] * 3
