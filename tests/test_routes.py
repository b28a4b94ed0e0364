"""Who is told: labels, matchers, the tree, silences and inhibition."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts.matchers import labels, meets
from monitor.alerts.routing import nodes_of, routes_of
from monitor.alerts.silences import Silence, inhibited, silenced
from monitor.config.matchers import LABELS, Matcher, parse_matcher
from tests.routes import alert, at, config, tree

ALERT = alert(
    rule="dprk-missile", level="high", tags=("Asia", "military"), source="Yonhap", sources=("Yonhap", "BBC News"),
    language="zh-Hans", languages=("zh-Hans", "ko"), concepts=("missile", "DPRK"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("matcher", "met"),
    [
        ("rule=dprk-missile", True), ("rule=dprk", False), ("rule!=dprk", True), ('rule=~"dprk-.*"', True),
        ('rule=~"dprk"', False), ('rule!~"dprk-.*"', False), ("rule!~quake", True),
        ("level=high", True), ("level>=high", True), ("level>=medium", True), ("level>=critical", False),
        ('level=~"high|critical"', True), ("level!=high", False),
        ("tag=military", True), ("tag = asia", True), ("tag=sport", False), ("tag!=sport", True),
        ("tag!=military", False), ("tag=~mil.*", True), ("tag!~mil.*", False),
        ("feed=Yonhap", True), ('feed="BBC News"', False), ('source="BBC News"', True), ("source=Yonhap", True),
        ("language=ko", True), ("language=zh", True), ("language=zh-hans", True), ("language!=zh", False),
        ("language=ja", False), ("concept=dprk", True), ("concept=flood", False), ('tag=""', False), ('tag!=""', True),
    ],
)  # fmt: skip
def test_what_a_matcher_meets(matcher: str, met: bool) -> None:
    assert meets(labels(ALERT), [parse_matcher(matcher)]) is met


@pytest.mark.parametrize("label", ["tag", "language", "concept"])
def test_a_label_without_values(label: str) -> None:
    seen = labels(alert())
    for matcher, met in (('=""', True), ('!=""', False), ("=x", False), ("!=x", True), ("=~x", False), ("!~x", True)):
        assert meets(seen, [parse_matcher(f"{label}{matcher}")]) is met


def test_all_matchers_have_to_be_met() -> None:
    assert meets(labels(ALERT), [parse_matcher("level=high"), parse_matcher("tag=asia")])
    assert not meets(labels(ALERT), [parse_matcher("level=high"), parse_matcher("tag=sport")])
    assert meets(labels(ALERT), [])


def test_a_text_that_is_no_unicode_is_matched_too() -> None:
    assert meets(labels(alert(source="\ud800x")), [parse_matcher("source=~.x")])


@given(
    st.sampled_from(LABELS), st.sampled_from(["=", "!="]), st.text(st.characters(exclude_characters='"', codec="utf-8"))
)
def test_a_matcher_reads_what_it_writes(label: Any, sign: Any, value: str) -> None:
    if label != "level":
        matcher = Matcher(label, sign, value)
        assert parse_matcher(str(matcher)) == matcher


TREE = """
receiver: a
group_interval: 5m
routes:
  - {matchers: level=critical, receiver: b, continue: true, group_interval: 1m}
  - matchers: [tag=asia, level>=low]
    receiver: [b, c]
    digest: {schedule: 0 8 * * *}
    routes:
      - {matchers: rule=quake, digest: "off"}
      - {matchers: rule=flood, receiver: a, group_by: []}
  - {matchers: tag=asia, receiver: c, limit: 5/h}
  - {matchers: tag=asia, receiver: c}
""".replace("\n", "\n  ")


@pytest.mark.parametrize(
    ("said", "reached"),
    [
        ({}, [("route", "a")]),
        ({"level": "critical"}, [("route > level=critical", "b")]),
        ({"tags": ("asia",)}, [("route > level>=low, tag=asia", "b c")]),
        ({"tags": ("asia",), "level": "info"}, [("route > tag=asia", "c")]),
        ({"tags": ("asia",), "rule": "quake"}, [("route > level>=low, tag=asia > rule=quake", "b c")]),
        ({"tags": ("asia",), "rule": "flood"}, [("route > level>=low, tag=asia > rule=flood", "a")]),
        ({"rule": "flood"}, [("route", "a")]),
        (
            {"tags": ("asia",), "rule": "flood", "level": "critical"},
            [("route > level=critical", "b"), ("route > level>=low, tag=asia > rule=flood", "a")],
        ),
        ({"tags": ("asia",), "receivers": ("c",)}, [("route", "c")]),
        ({"tags": ("asia",), "level": "critical", "receivers": ("c", "a")}, [("route", "c a")]),
    ],
)
def test_which_routes_an_alert_comes_to(said: dict[str, Any], reached: list[tuple[str, str]]) -> None:
    found = routes_of(alert(**said), tree(f"route:{TREE}"))
    assert [(node.path, " ".join(node.receivers)) for node in found] == reached


def test_routes_have_the_timing_around_them_where_they_say_none() -> None:
    nodes = {node.path.rpartition("> ")[2]: node.timing for node in nodes_of(tree(f"route:{TREE}"))}
    assert nodes["route"].group_interval == nodes["rule=quake"].group_interval == timedelta(minutes=5)
    assert nodes["level=critical"].group_interval == timedelta(minutes=1)
    assert nodes["rule=quake"].digest is None
    assert nodes["rule=flood"].digest == nodes["level>=low, tag=asia"].digest
    assert nodes["rule=flood"].digest is not None
    assert (nodes["rule=flood"].group_by, nodes["rule=quake"].group_by) == ((), ("alert",))


def test_without_a_route_all_receivers_are_told_at_once() -> None:
    node = tree("")
    assert node.receivers == ("a", "b", "c")
    assert routes_of(alert(), node) == (node,)


def test_an_id_is_of_conditions_and_receivers_alone() -> None:
    nodes = nodes_of(tree(f"route:{TREE}"))
    ids = [node.id for node in nodes]
    assert len(set(ids)) == 7, "two routes with the same conditions are two, even so"
    changed = TREE.replace("group_interval: 5m", "limit: 1/h").replace(
        "[tag=asia, level>=low]", "[level>=low, tag=asia]"
    )
    changed = changed.replace("routes:\n", "routes:\n    - {matchers: rule=new}\n", 1)
    assert set(ids) < {node.id for node in nodes_of(tree(f"route:{changed}"))}
    other = nodes_of(tree(f"route:{TREE.replace('receiver: a', 'receiver: c', 1)}"))
    assert other[0].id not in ids
    assert [node.id for node in other[1:]] == ids[1:]
    assert ids[0] == "fdc643c16111fff50142b57e", "in every process"


def silence(*matchers: str, name: str = "s") -> Silence:
    return Silence.model_validate({"id": name, "matchers": matchers, "starts": at("08:00"), "ends": at("10:00")})


SILENCES = [
    (["level=high"], "08:00", True), (["level=high"], "07:59:59", False), (["level=high"], "09:59:59", True),
    (["level=high"], "10:00", False), (["level=low"], "09:00", False), (["level=high", "tag=sport"], "09:00", False),
    (['source=~"bbc.*"', "tag!=sport"], "09:00", True),
]  # fmt: skip


@pytest.mark.parametrize(("matchers", "time", "hidden"), SILENCES)
def test_what_a_silence_hides(matchers: list[str], time: str, hidden: bool) -> None:
    one = silence(*matchers)
    assert silenced(ALERT, [silence("rule=other"), one], at(time)) == (one if hidden else None)


def test_a_silence_is_the_same_read_from_its_json() -> None:
    one = silence('source=~"BBC .*"', "level>=high")
    assert Silence.model_validate_json(one.model_dump_json()) == one
    assert one.model_dump(mode="json")["matchers"] == ['source=~"BBC .*"', "level>=high"]


def test_a_silence_of_everything_is_none() -> None:
    with pytest.raises(ValueError, match="at least 1 item"):
        silence()


RULE = "{source_matchers: level>=high, target_matchers: level>=info"
BIG: dict[str, Any] = {"level": "critical", "story": "s", "last_seen": at("08:00")}
SMALL: dict[str, Any] = {"level": "low", "story": "s"}
INHIBITION: list[tuple[str, str, dict[str, Any], dict[str, Any], str, bool]] = [
    ("of one story", "", {}, {}, "09:00", True),
    ("of two stories", "", {"story": "t"}, {}, "09:00", False),
    ("of no story", "", {"story": ""}, {"story": ""}, "09:00", False),
    ("of any story", ", equal: []", {"story": "t"}, {}, "09:00", True),
    ("as long as a story lasts", "", {}, {}, "2026-11-26 07:59", True),
    ("no longer", "", {}, {}, "2026-11-26 08:00", False),
    ("as long as is said", ", for: 6h", {}, {}, "13:59", True),
    ("no longer than is said", ", for: 6h", {}, {}, "14:00", False),
    ("a source that has no time", "", {"last_seen": None}, {}, "09:00", False),
    ("a source that is none", "", {"level": "medium"}, {}, "09:00", False),
    ("a target that is a source", "", {}, {"level": "high"}, "09:00", False),
    ("sharing a tag", ", equal: tag", {"tags": ("x", "y")}, {"tags": ("y", "z")}, "09:00", True),
    ("sharing no tag", ", equal: tag", {"tags": ("x",)}, {"tags": ("y",)}, "09:00", False),
    ("both without tags", ", equal: tag", {}, {}, "09:00", False),
    ("sharing one of two labels", ", equal: [story, rule]", {"rule": "q"}, {}, "09:00", False),
    ("sharing both", ", equal: [story, rule]", {}, {}, "09:00", True),
    ("itself", "", {"id": "1"}, {}, "09:00", False),
]


@pytest.mark.parametrize("row", INHIBITION, ids=[row[0] for row in INHIBITION])
def test_what_another_alert_hides(row: tuple[str, str, dict[str, Any], dict[str, Any], str, bool]) -> None:
    _, rule, big, small, time, hidden = row
    rules = config(f"inhibit_rules: [{RULE}{rule}}}]").inhibit_rules
    source = alert("2", **(BIG | big))
    found = inhibited(alert("1", **(SMALL | small)), rules, [alert("3"), source], at(time))
    assert found == ((rules[0], source) if hidden else None)


def test_the_first_rule_that_hides_is_named() -> None:
    rules = config(f"inhibit_rules: [{RULE}, for: 1s}}, {RULE}}}, {RULE}, equal: []}}]").inhibit_rules
    found = inhibited(alert("1", **SMALL), rules, [alert("2", **BIG)], at("09:00"))
    assert found
    assert found[0] is rules[1]
