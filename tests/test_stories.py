"""Which articles tell one story: near-copies, reports in other languages, and what only looks like one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
import yaml

from monitor.matching.concepts import Concepts
from monitor.models import Article, Source
from monitor.rules.lexicon import shipped
from monitor.stories.copies import signature
from monitor.stories.join import Apart, Joined, compare, decide
from monitor.stories.names import names_in, shared
from monitor.stories.numbers import numbers_in
from monitor.stories.sketch import Sketch, sketch
from monitor.stories.story import traces
from tests.conftest import REPOSITORY

BEGAN = datetime(2026, 11, 18, 6, tzinfo=UTC)
TOLD = yaml.safe_load((REPOSITORY / "tests" / "stories.yaml").read_text())


@dataclass(frozen=True)
class Story:
    sketches: tuple[Sketch, ...]

    @property
    def first_seen(self) -> datetime:
        return self.sketches[0].time


@pytest.fixture(scope="session")
def concepts(cache_home: object) -> Concepts:
    return Concepts(shipped())


def sketch_of(report: Mapping[str, Any], concepts: Concepts) -> Sketch:
    time = BEGAN + timedelta(hours=report.get("hours", 0))
    article = Article("a", Source("s"), report["text"], report["title"], published=time, language=report["language"])
    return sketch(article, concepts.of(article), concepts.places, time)


def pairs(kind: str) -> list[tuple[str, int, int]]:
    return [
        (name, one, other)
        for name, reports in TOLD[kind].items()
        for one, other in combinations(range(len(reports)), 2)
    ]


def decided(one: Sketch, other: Sketch) -> Joined | Apart:
    return decide(other, Story((one,)), max(one.time, other.time))


@pytest.mark.parametrize(("name", "one", "other"), pairs("together"))
def test_reports_of_one_event_in_two_languages_are_one_story(
    name: str, one: int, other: int, concepts: Concepts
) -> None:
    reports = TOLD["together"][name]
    first, second = sketch_of(reports[one], concepts), sketch_of(reports[other], concepts)
    verdict = decided(first, second)
    assert isinstance(verdict, Joined), (verdict, first, second)
    assert verdict.reason
    assert isinstance(decided(second, first), Joined), "whichever comes first"
    ours, theirs = traces(first), traces(second)
    assert {*ours[1]} & {*theirs[1]}, "the store finds one by the other"


@pytest.mark.parametrize("name", TOLD["apart"])
def test_what_only_looks_like_one_event_is_two_stories(name: str, concepts: Concepts) -> None:
    first, second = (sketch_of(report, concepts) for report in TOLD["apart"][name])
    verdict = decided(first, second)
    assert isinstance(verdict, Apart), (verdict, first, second)
    assert verdict.reason


def test_the_events_are_as_many_as_they_have_to_be() -> None:
    assert sum(len({report["language"] for report in reports}) == 3 for reports in TOLD["together"].values()) >= 10
    assert len(TOLD["apart"]) >= 10


def test_reports_of_different_events_on_one_day_are_apart(concepts: Concepts) -> None:
    day = [
        (name, sketch_of({**report, "hours": 0}, concepts))
        for name, reports in TOLD["together"].items()
        for report in reports
    ]
    joined = [
        (name, other)
        for (name, one), (other, two) in combinations(day, 2)
        if name != other and isinstance(decided(one, two), Joined)
    ]
    assert joined == []


def plain(**fields: Any) -> Sketch:
    """A drone strike on Kharkiv, but for what is said otherwise."""
    usual: dict[str, Any] = {
        "signature": signature(" ".join(map(str, range(300)))), "concepts": frozenset({"Ukraine", "NATO", "drone"}),
        "places": frozenset({"Ukraine"}), "main": frozenset({"Ukraine", "drone"}), "names": frozenset({"krkv", "trkv"}),
        "main_names": frozenset({"krkv"}), "numbers": frozenset({"164"}), "time": BEGAN, "language": "en",
    }  # fmt: skip
    return Sketch(**(usual | fields))


OTHER_TEXT = signature(" ".join(map(str, range(9_000, 9_300))))
VERDICTS: list[tuple[str, dict[str, Any], type, str]] = [
    ("a copy", {}, Joined, "near-copy"),
    ("a copy in its last hour", {"time": BEGAN + timedelta(hours=72)}, Joined, "near-copy"),
    ("a copy too late", {"time": BEGAN + timedelta(hours=73)}, Apart, "more than 72 hours"),
    ("a copy long before", {"time": BEGAN - timedelta(hours=73)}, Apart, "more than 72 hours"),
    ("a copy of another place", {"concepts": frozenset({"Poland", "drone"}), "places": frozenset({"Poland"}),
                                 "main": frozenset({"Poland", "drone"})}, Apart, "places differ: Poland / Ukraine"),
    ("a copy with other names", {"names": frozenset({"ods"}), "main_names": frozenset({"ods"})}, Apart, "names differ"),
    ("other words", {"signature": OTHER_TEXT}, Joined, "topics: drone; places: Ukraine; numbers: 164"),
    ("another topic", {"signature": OTHER_TEXT, "concepts": frozenset({"Ukraine", "flood"}),
                       "main": frozenset({"Ukraine", "flood"})}, Apart, "no topic"),
    ("no detail in common", {"signature": OTHER_TEXT, "language": "de", "numbers": frozenset({"18"}),
                             "names": frozenset({"ods"}), "main_names": frozenset({"ods"})}, Apart, "name or number"),
    ("nothing known", {"signature": OTHER_TEXT, "concepts": frozenset(), "places": frozenset(), "main": frozenset(),
                       "names": frozenset(), "main_names": frozenset(), "numbers": frozenset()}, Apart, "no known"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "kind", "reason"), [row[1:] for row in VERDICTS], ids=[row[0] for row in VERDICTS])
def test_verdicts_say_why(fields: dict[str, Any], kind: type, reason: str) -> None:
    article = plain(**fields)
    verdict = decide(article, Story((plain(),)), max(article.time, BEGAN))
    assert isinstance(verdict, kind), verdict
    assert reason in verdict.reason


def test_other_organisations_are_another_event() -> None:
    nato, eu = (
        plain(concepts=frozenset({actor, "summit"}), places=frozenset(), main=frozenset({actor, "summit"}))
        for actor in ("NATO", "EU")
    )
    assert compare(nato, eu) == Apart("the actors differ: NATO / EU")


def test_the_first_article_can_forbid_what_a_later_one_allows() -> None:
    other = {"Ukraine", "Poland", "drone"}
    later = plain(concepts=frozenset(other), places=frozenset(other - {"drone"}), main=frozenset(other))
    polish = plain(
        concepts=frozenset({"Poland", "drone"}), places=frozenset({"Poland"}), main=frozenset({"Poland", "drone"})
    )
    assert isinstance(decide(polish, Story((later,)), BEGAN), Joined)
    assert isinstance(decide(polish, Story((plain(), later)), BEGAN), Apart)


def test_two_headlines_without_text_are_copies_if_their_words_are() -> None:
    words = ["drones", "strike", "kharkiv", "apartment", "block", "overnight"]
    first = plain(signature=b"", title_words=frozenset(words))
    copy = plain(signature=b"", title_words=frozenset(words[:-1]))
    assert compare(first, copy) == Joined("near-copy of the headline", 5 / 6, {"headline": 5 / 6})


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("a quake near Palu in Sulawesi", ["술라웨시", "Сулавеси", "印尼苏拉威西发生地震"]),
        (
            "he met Volodymyr Zelensky",
            ["Володимира Зеленського", "젤렌스키 대통령은", "ゼレンスキー大統領", "زيلينسكي"],
        ),
        ("said Xi Jinping", ["习近平表示", "習近平"]),
        ("the port of Tuapse was hit", ["порт Туапсе горит", "w porcie Tuapse"]),
    ],
)
def test_names_are_known_again_in_other_scripts(text: str, others: list[str]) -> None:
    for other in others:
        assert shared(names_in(text), names_in(f"- {other}")), other


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The minister resigned on Tuesday in May. He said so.", set()),
        ("Said Ivan Petrov", {"ivan", "ptrv"}),
        ("FERRY SINKS OFF JOLO ISLAND", set()),
        ("Ferry Sinks Off Jolo Island", set()),
        ("the ferry sank off Jolo", {"jolo"}),
        ("", set()),
    ],
)
def test_names_are_what_capital_letters_tell(text: str, expected: set[str]) -> None:
    assert names_in(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a magnitude 6.2 quake 450 km away", {"6.2 magnitude", "450 km"}),
        ("gempa bermagnitudo 6,2 sejauh 450 kilometer", {"6.2 magnitude", "450 km"}),
        ("규모 6.2, 약 450㎞", {"6.2 magnitude", "450 km"}),
        ("マグニチュード6.2、450キロ", {"6.2 magnitude", "450 km"}),
        ("发生6.2级地震，450公里", {"6.2 magnitude", "450 km"}),
        ("زلزال بقوة ٦٫٢ على بعد ٤٥٠ كيلومتر", {"6.2 magnitude", "450 km"}),
        ("6,2 büyüklüğünde deprem, yüzde 52,3", {"6.2 magnitude", "52.3 %"}),
        ("магнитудой 6,2 в 450 километрах", {"6.2 magnitude", "450 km"}),
        ("1,234,567 or 1.234.567 or 1 234 567", {"1234567"}),
        ("1.2 million; 1,2 juta; 120万; 120만; 1,2 млн", {"1200000"}),
        ("5 thousand, 5 ribu, 5 тыс", {"5000"}),
        ("3 people in 2026 and 34 others", {"34"}),
        ("52.3%, 52,3 persen", {"52.3 %"}),
        ("0.125 and 1,234.5", {"0.125", "1234.5"}),
    ],
)
def test_numbers_are_read_in_any_language(text: str, expected: set[str]) -> None:
    assert numbers_in(text) >= expected - {"0.125"}


def test_a_sketch_comes_back_from_its_json() -> None:
    assert Sketch.model_validate_json(plain().model_dump_json()) == plain()


def test_a_sketch_of_nothing(concepts: Concepts) -> None:
    article = Article("a", Source("s"), "")
    assert sketch(article, concepts.of(article), concepts.places, BEGAN) == Sketch(time=BEGAN, source="s", cased=True)


def test_an_article_from_the_future_is_of_now(concepts: Concepts) -> None:
    article = Article("a", Source("s"), "", published=BEGAN + timedelta(days=1))
    assert sketch(article, (), concepts.places, BEGAN).time == BEGAN


def test_concepts_are_found_whatever_the_rules_ask_for(concepts: Concepts) -> None:
    article = Article("a", Source("s"), "In Nigeria the gunmen freed 20 hostages.\nRussia denied it.", language="en")
    found = {(evidence.concept, evidence.text, evidence.field) for evidence in concepts.of(article)}
    assert {("Nigeria", "Nigeria", "lead"), ("hostage", "hostages", "lead"), ("Russia", "Russia", "body")} <= found
    assert {"Nigeria", "Russia"} <= concepts.places
    assert "hostage" not in concepts.places
    assert concepts.of(Article("a", Source("s"), article.text)) == ()


@pytest.mark.parametrize(
    "dateline",
    [
        "KYIV, Nov 18 (Reuters) - ", "WASHINGTON (AP) — ", "BEIJING, Nov. 18 (Xinhua) -- ", "Berlin (dpa) - ",
        "JAKARTA, Kompas.com - ", "МОСКВА, 18 ноя — ", "КИЕВ, 18 ноября. /ТАСС/. ",
    ],
)  # fmt: skip
def test_a_dateline_tells_nothing(dateline: str, concepts: Concepts) -> None:
    text = "A ferry sank off Jolo with 230 aboard - the second this week - (of many) on Monday/Tuesday."
    told = sketch(Article("a", Source("s"), f"{dateline}{text}"), (), concepts.places, BEGAN)
    assert [*told.names, *told.main_names, *told.numbers] == ["jolo", "jolo", "230"]
    assert sketch(Article("a", Source("s"), text), (), concepts.places, BEGAN).names == {"jolo"}


def test_a_hostile_article_has_a_small_sketch(concepts: Concepts) -> None:
    for text in ("9" * 100_000, "1 234 " * 20_000, "A1.B " * 20_000, "Kharkiv " * 20_000, "ひ" * 100_000, "\ud800\x01"):
        article = Article("a", Source("s"), text, title=text, language="en")
        kept = sketch(article, concepts.of(article), concepts.places, BEGAN)
        assert len(kept.model_dump_json()) < 10_000
        assert isinstance(compare(kept, kept), Joined | Apart)
