"""The rule language, clause by clause: what each means over an article, what is refused, and what is doubted."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from monitor.alerts.build import alerts_for, is_fresh
from monitor.alerts.routing import route
from monitor.config import Config, ReceiverConfig, RouteConfig
from monitor.errors import InputError
from monitor.matching.lint import lint
from monitor.matching.matcher import Matcher
from monitor.models import Alert, Article, Evidence, Source
from monitor.reading import Reader, no_pages
from monitor.rules.lexicon import Concept, Lexicon
from monitor.rules.load import RuleSet, load
from monitor.rules.schema import RuleSchema, rule_of
from monitor.ruletests import run_tests
from monitor.workers import Workers

LEXICON = Lexicon(
    [
        Concept(name="missile", terms={"en": ("missile",), "ko": ("미사일",), "zh-Hans": ("导弹",)}),
        Concept(
            name="DPRK",
            aliases=("North Korea",),
            terms={"en": ("North Korean",), "ko": ("북한",), "zh-Hans": ("朝鲜",)},
            names={"en": ("North Korea",), "fi": ("Pohjois-Korea",)},
        ),
        Concept(name="sanctions", terms={"en": ("sanctions",)}),
        Concept(name="WHO", terms={"en": ("=WHO",)}),
    ]
)
FILLER = "\nThis paragraph only makes the text long enough to tell its language."


def article(text: str, title: str = "", language: str | None = "en", **about: Any) -> Article:
    return Article(id="a", text=text, title=title, language=language, **{"source": Source("s")} | about)


def evidence(rule: Any, found_in: Article, lexicon: Lexicon = LEXICON) -> list[Evidence] | None:
    """The evidence of a rule (an expression, or its mapping) over an article; None where it does not match."""
    schema = RuleSchema.model_validate(rule)
    matches = Matcher([rule_of(schema, "here")], lexicon).match(found_in)
    return list(matches[0].evidence) if matches else None


def matches(rule: Any, text: str, title: str = "", language: str | None = "en", **about: Any) -> bool:
    return evidence(rule, article(text + FILLER, title, language, **about)) is not None


def write(folder: Path, text: str, name: str = "rules.yaml") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def loaded(folder: Path, text: str, receivers: list[str] | None = None, lexicon: Lexicon = LEXICON) -> RuleSet:
    return load([write(folder, text)], lexicon, receivers)


def refused(folder: Path, text: str, receivers: list[str] | None = None) -> list[str]:
    with pytest.raises(InputError) as caught:
        loaded(folder, text, receivers)
    return [line.replace(f"{folder}/", "") for line in str(caught.value).splitlines()]


def doubts(folder: Path, text: str, languages: tuple[str, ...] = ()) -> list[str]:
    return [str(problem).replace(f"{folder}/", "") for problem in lint(loaded(folder, text), languages)]


# Joining: each expression against all eight texts that hold or do not hold alpha, beta and gamma.

TRUTH: list[Any] = [
    ("alpha + beta", lambda a, b, c: a and b),
    ("alpha AND beta", lambda a, b, c: a and b),
    ("alpha | beta", lambda a, b, c: a or b),
    ("alpha OR beta", lambda a, b, c: a or b),
    ("alpha - beta", lambda a, b, c: a and not b),
    ("alpha -beta", lambda a, b, c: a and not b),
    ("alpha + -beta", lambda a, b, c: a and not b),
    ("alpha NOT beta", lambda a, b, c: a and not b),
    ("alpha AND NOT beta", lambda a, b, c: a and not b),
    ("-beta + alpha", lambda a, b, c: a and not b),
    ("alpha + - - beta", lambda a, b, c: a and b),
    ("alpha + NOT NOT NOT beta", lambda a, b, c: a and not b),
    # NOT before AND, AND before OR.
    ("alpha | beta + gamma", lambda a, b, c: a or (b and c)),
    ("alpha OR beta AND gamma", lambda a, b, c: a or (b and c)),
    ("alpha + beta | gamma", lambda a, b, c: (a and b) or c),
    ("(alpha | beta) + gamma", lambda a, b, c: (a or b) and c),
    ("alpha - beta | gamma", lambda a, b, c: (a and not b) or c),
    ("alpha NOT beta OR gamma", lambda a, b, c: (a and not b) or c),
    ("alpha - beta - gamma", lambda a, b, c: a and not b and not c),
    ("alpha - beta + gamma", lambda a, b, c: a and not b and c),
    ("alpha - (beta | gamma)", lambda a, b, c: a and not (b or c)),
    ("alpha - (beta + gamma)", lambda a, b, c: a and not (b and c)),
    ("alpha + (beta | -gamma)", lambda a, b, c: a and (b or not c)),
    ("alpha + -(beta - gamma)", lambda a, b, c: a and not (b and not c)),
    # So many of them.
    ("1 of (alpha, beta, gamma)", lambda a, b, c: a + b + c >= 1),
    ("2 of (alpha, beta, gamma)", lambda a, b, c: a + b + c >= 2),
    ("3 of (alpha, beta, gamma)", lambda a, b, c: a + b + c == 3),
    ("2 of (alpha | beta, gamma)", lambda a, b, c: (a or b) and c),
    ("gamma + -2 of (alpha, beta)", lambda a, b, c: c and not (a and b)),
    ("2 of (alpha, beta + gamma, gamma)", lambda a, b, c: a + (b and c) + c >= 2),
    # The structured form.
    ({"all": ["alpha", "beta"]}, lambda a, b, c: a and b),
    ({"any": ["alpha", "beta", "gamma"]}, lambda a, b, c: a or b or c),
    ({"all": "alpha", "none": ["beta", "gamma"]}, lambda a, b, c: a and not b and not c),
    ({"any": ["alpha", "beta"], "none": "gamma"}, lambda a, b, c: (a or b) and not c),
    ({"all": ["alpha"], "any": ["beta", "gamma"]}, lambda a, b, c: a and (b or c)),
    ({"all": ["alpha", "beta | gamma"]}, lambda a, b, c: a and (b or c)),
    ({"all": ["alpha", "-beta"]}, lambda a, b, c: a and not b),
    ({"all": ["alpha", "NOT beta"]}, lambda a, b, c: a and not b),
    ({"all": ["alpha", {"any": ["beta", {"none": ["gamma"]}]}]}, lambda a, b, c: a and (b or not c)),
    ({"any": ["alpha", {"all": ["beta", {"none": "gamma"}]}]}, lambda a, b, c: a or (b and not c)),
    ({"all": ["alpha"], "none": [{"all": ["beta", "gamma"]}]}, lambda a, b, c: a and not (b and c)),
    ({"any": [{"all": ["alpha", "beta"]}, "2 of (beta, gamma)"]}, lambda a, b, c: (a and b) or (b and c)),
    pytest.param(
        {"all": ["alpha", "-beta + gamma"]},
        lambda a, b, c: a and not b and c,
    ),
    pytest.param(
        {"all": ["alpha", "NOT beta OR gamma"]},
        lambda a, b, c: a and (not b or c),
    ),
    pytest.param(
        {"all": ["alpha", "NOT(beta | gamma)"]},
        lambda a, b, c: a and not (b or c),
    ),
]


@pytest.mark.parametrize(("match", "wanted"), TRUTH, ids=lambda value: "" if callable(value) else str(value))
def test_joining(match: Any, wanted: Callable[[bool, bool, bool], Any]) -> None:
    for a, b, c in product((False, True), repeat=3):
        text = ". ".join(word for word, there in (("alpha", a), ("beta", b), ("gamma", c)) if there)
        assert matches({"match": match}, text) == bool(wanted(a, b, c)), text


# Terms.


@pytest.mark.parametrize(
    ("expression", "text", "found"),
    [
        ("submarine", "Two submarines surfaced", ["submarines"]),
        ("military exercise", "A military exercise, no military or exercise", ["military exercise"]),
        ("cruise   control", "With cruise control", ["cruise control"]),
        ("cruise control", "A control of a cruise", None),
        ('"two cats"', "Two cats sat, two cat", ["Two cats"]),
        ('"two cat"', "Two cats sat", None),
        ("hydro*", "Hydrogen, hydro and dehydrogenase", ["Hydrogen", "hydro"]),
        ("*gate", "The Watergate affair, no gateway", ["Watergate"]),
        ("*gen*", "Hydrogens, oxygen", ["Hydrogens", "oxygen"]),
        ("heavy hydro*", "Heavy hydrogen", ["Heavy hydrogen"]),
        ('"hydro*"', "Hydrogen", None),
        ("=Apple", "apple, APPLE, Apple and Apples", ["Apple"]),
        ("=Apple + =Turkey", "Apple eats turkey", None),
        ("=Apple Watch", "An Apple Watch and an apple watch", ["Apple Watch"]),
        ("DPRK", "Pohjois-Korea and the North Korean army", ["Pohjois-Korea", "North Korean"]),
        ("@North-Korea", "The North Korean army", ["North Korean"]),
        ("@DPRK", "The letters DPRK are no term of this lexicon", None),
        ('"DPRK"', "The North Korean army", None),
        ('"DPRK"', "The DPRK", ["DPRK"]),
        ("北朝鮮", "昨日北朝鮮が", ["北朝鮮"]),
        pytest.param("=U.S.", "The U.S. said", ["U.S"]),
    ],
)
def test_terms(expression: str, text: str, found: list[str] | None) -> None:
    items = evidence(expression, article(text + FILLER))
    assert (None if items is None else [item.text for item in items]) == found


# Distance.


@pytest.mark.parametrize(
    ("expression", "left", "right", "words", "near"),
    [
        ("alpha ~10 beta", "alpha", "beta", 10, True),
        ("alpha ~10 beta", "alpha", "beta", 11, False),
        ("alpha ~ 10 beta", "alpha", "beta", 11, False),
        ("alpha ~10 beta", "beta", "alpha", 10, True),
        ("alpha ~10 beta", "beta", "alpha", 11, False),
        ("alpha NEAR/10 beta", "alpha", "beta", 10, True),
        ("alpha NEAR/10 beta", "alpha", "beta", 11, False),
        ("alpha NEAR/10 beta", "beta", "alpha", 10, True),
        ("alpha ONEAR/5 beta", "alpha", "beta", 5, True),
        ("alpha ONEAR/5 beta", "alpha", "beta", 6, False),
        ("alpha ONEAR/5 beta", "beta", "alpha", 0, False),
        ("alpha ~0 beta", "alpha", "beta", 0, True),
        ("alpha ~0 beta", "alpha", "beta", 1, False),
        ("missile ~3 DPRK", "missiles", "North Korea", 3, True),
        ("missile ~3 DPRK", "missiles", "North Korea", 4, False),
        ("(gamma | alpha) ~2 (beta | delta)", "alpha", "delta", 2, True),
        ("(gamma | alpha) ~2 (beta | delta)", "alpha", "delta", 3, False),
        ("(gamma | alpha) ~2 (beta | delta)", "alpha", "gamma", 0, False),
        ("/al.ha/ ~2 two beta", "alpha", "two beta", 2, True),
        ("alpha ~2 word ~2 beta", "alpha", "beta", 4, True),
        ("alpha ~2 other ~2 beta", "alpha", "beta", 2, False),
        ("title: (alpha ~5 beta)", "alpha", "beta", 0, False),
        ("lead: (alpha ~5 beta)", "alpha", "beta", 5, True),
    ],
)
def test_distance(expression: str, left: str, right: str, words: int, near: bool) -> None:
    between = ", ".join(["word"] * words)
    assert matches(expression, f"Well, {left} {between} {right} it is.") is near


@pytest.mark.parametrize(
    ("expression", "text", "near"),
    [
        ("导弹 ~2 发射", "导弹甲乙丙丁发射", True),
        ("导弹 ~2 发射", "导弹甲乙丙丁戊发射", False),
        ("导弹 ~2 发射", "发射甲乙丙丁导弹", True),
        ("导弹 ONEAR/2 发射", "发射甲乙丙丁导弹", False),
        ("朝鲜 ~0 导弹", "朝鲜导弹", True),
        ("朝鲜 ~0 导弹", "朝鲜的导弹", False),
        ("朝鲜 ~1 导弹", "朝鲜的导弹", True),
        ("朝鲜 ~2 导弹", "朝鲜 KN-23 导弹", True),
        ("朝鲜 ~1 导弹", "朝鲜 KN-23 导弹", False),
    ],
)
def test_distance_in_chinese_counts_two_characters_as_a_word(expression: str, text: str, near: bool) -> None:
    assert (evidence(expression, article(text, language="zh-Hans")) is not None) is near


def test_no_distance_crosses_from_the_title_into_the_text() -> None:
    for expression in ("alpha ~50 beta", "alpha NEAR/50 beta", "alpha ONEAR/50 beta"):
        assert not matches(expression, "beta", "alpha"), expression
        assert matches(expression, "nothing", "alpha beta"), expression
    assert matches("alpha + beta", "beta", "alpha")


def test_evidence_of_a_distance_is_what_stands_close() -> None:
    found = evidence("alpha ~1 beta", article(f"alpha one beta {'far ' * 20} alpha. {FILLER}"))
    assert found is not None
    assert [(item.text, item.start) for item in found] == [("alpha", 0), ("beta", 10)]


# Fields, and what is known of an article.

WHERE = {"title": "alpha in the title", "text": "beta in the lead\ngamma in the body\ndelta as well"}


@pytest.mark.parametrize(
    ("expression", "there"),
    [
        ("title: alpha", True),
        ("title: beta", False),
        ("title: gamma", False),
        ("lead: beta", True),
        ("lead: alpha", False),
        ("lead: gamma", False),
        ("body: gamma + body: delta", True),
        ("body: beta", False),
        ("body: alpha", False),
        ("title:alpha", True),
        ("title: (beta | alpha)", True),
        ("title: (alpha + beta)", False),
        ("title: alpha + beta", True),
        ("title: (alpha - beta)", True),
        ("alpha - lead: beta", False),
        ("alpha - title: beta", True),
        ("title: 2 of (alpha, title, beta)", True),
        ("lead: 2 of (alpha, title, beta)", False),
        ('title: "in the title"', True),
        ('lead: "in the title"', False),
        ("title: /^ALPHA/", True),
        ("lead: /alpha/", False),
        ("title: (lead: beta)", False),
    ],
)
def test_fields(expression: str, there: bool) -> None:
    assert (evidence(expression, article(**WHERE)) is not None) is there


ABOUT: dict[str, Any] = {
    "author": "Jane Doe",
    "url": "https://www.news.example/World/42?id=7",
    "source": Source("The Daily Post", "https://feeds.example/world.xml", ("asia", "wire")),
}


@pytest.mark.parametrize(
    ("test", "language", "holds"),
    [
        ("author: Jane Doe", "en", True),
        ("author: jane", "en", True),
        ("author: (John | Jane)", "en", True),
        ("author: John", "en", False),
        ("-author: John", "en", True),
        ("url: news.example/world", "en", True),
        ("url: https://www.news*", "en", True),
        ("url: news*", "en", False),
        ("url: other.example", "en", False),
        ("feed: daily post", "en", True),
        ('feed: "The Daily Post"', "en", True),
        ("feed: Times", "en", False),
        ("tag: asia", "en", True),
        ("tag: ASIA", "en", True),
        ("tag: as*", "en", True),
        ("tag: as", "en", False),
        ("tag: (europe | wire)", "en", True),
        ("-tag: wire", "en", False),
        ("lang: en", "en", True),
        ("lang: EN", "en", True),
        ("lang: ko", "en", False),
        ("lang: en", None, False),
        ("lang: zh", "zh-Hans", True),
        ("lang: zh", "zh-Hant", True),
        ("lang: zh-Hant", "zh-Hans", False),
        ("lang: zh-Hans", "zh-Hans", True),
        ("lang: z", "zh-Hans", False),
        ("lang: (ko | zh)", "zh-Hans", True),
        ("NOT lang: zh", "zh-Hans", False),
    ],
)
def test_what_is_known_of_an_article(test: str, language: str | None, holds: bool) -> None:
    assert matches(f"alpha + {test}", "alpha", language=language, **ABOUT) is holds
    assert matches(f"beta + {test}", "alpha", language=language, **ABOUT) is False


@pytest.mark.parametrize("expression", ["alpha | tag: asia", "tag: asia | alpha", "tag: asia", "lang: en"])
def test_a_rule_that_can_be_true_by_what_is_known_alone(expression: str) -> None:
    assert matches(expression, "alpha", **ABOUT)


# Regular expressions.

NOTHING = "Regexes.find raises TypeError where no regular expression matches: re2.Set.Match returns None"


@pytest.mark.parametrize(
    ("expression", "title", "text", "found"),
    [
        (r"/launch(ed|es)\b/", "", "It LAUNCHED and launches, launch", ["LAUNCHED", "launches"]),
        (r"/KN-\d+/ + test", "", "A test of the KN-23", ["test", "KN-23"]),
        pytest.param(r"/KN-\d+/ + test", "", "A test of the KN-x", None),
        pytest.param(r"/(?-i)WHO/", "", "who", None),
        (r"/a\/b/", "", "see a/b", ["a/b"]),
        (r"/a b|c, d/", "", "the c, d", ["c, d"]),
        ("test - /KN-[0-9]/", "", "A test of the KN-23", None),
        ("/평양|미사일/", "", "평양에서", ["평양"]),
        ("/up/", "Up", "up", ["Up", "up"]),
        pytest.param(r"/\$\d+/", "", "It costs $5 now", ["$5"]),
        pytest.param(r"/\?!/", "", "What ?! Now", ["?!"]),
        pytest.param("/first.*second/", "first", "second", None),
    ],
)
def test_regular_expressions(expression: str, title: str, text: str, found: list[str] | None) -> None:
    items = evidence(expression, article(text + FILLER, title))
    assert (None if items is None else [item.text for item in items]) == found
    assert all(item.start < item.end for item in items or ())


def test_regular_expressions_take_linear_time() -> None:
    assert evidence("/(a+)+$/", article("a" * 200_000 + "!")) is None


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        pytest.param("/!!/", "The end?!!"),
        pytest.param("/end/", "end \ud800"),
    ],
)
def test_no_text_makes_a_regular_expression_raise(expression: str, text: str) -> None:
    assert evidence(expression, article(text)) is not None


# Scope, receivers, enabled.


@pytest.mark.parametrize(
    ("scope", "about", "holds"),
    [
        ({}, {}, True),
        ({"languages": ["ko", "en"]}, {}, True),
        ({"languages": "en"}, {}, True),
        ({"languages": ["ko"]}, {}, False),
        ({"languages": ["en"]}, {"language": None}, False),
        ({"languages": ["zh"]}, {"language": "zh-Hans"}, True),
        ({"languages": ["zh-Hant"]}, {"language": "zh-Hans"}, False),
        ({"feeds": ["The Daily Post"]}, ABOUT, True),
        ({"feeds": ["Times", "daily post"]}, ABOUT, True),
        ({"feeds": "https://feeds.example/world.xml"}, ABOUT, True),
        ({"feeds": "https://feeds.example/*"}, ABOUT, True),
        ({"feeds": "*"}, ABOUT, True),
        ({"feeds": ["Times"]}, ABOUT, False),
        ({"tags": ["europe", "asia"]}, ABOUT, True),
        ({"tags": "europe"}, ABOUT, False),
        ({"tags": "asia"}, {}, False),
        ({"tags": "asia", "languages": "en", "feeds": "Daily"}, ABOUT, True),
        ({"tags": "asia", "languages": "ko", "feeds": "Daily"}, ABOUT, False),
        ({"fields": ["title"]}, {"title": "alpha"}, True),
        ({"fields": "title"}, {"title": "beta"}, False),
        ({"fields": ["title", "lead"]}, {"title": "beta"}, True),
        ({"fields": ["body"]}, {}, False),
        pytest.param({"feeds": "The * Post"}, ABOUT, True),
        pytest.param({"feeds": "https://*.example/world.xml"}, ABOUT, True),
        pytest.param({"feeds": "Daily*"}, ABOUT, False),
        pytest.param(
            {"languages": "zh-CN"},
            {"language": "zh-Hans"},
            True,
        ),
    ],
)
def test_scope(scope: dict[str, Any], about: dict[str, Any], holds: bool) -> None:
    assert matches({"match": "alpha", "scope": scope}, "alpha", **about) is holds


def alerts(rule: dict[str, Any], found_in: Article, now: datetime | None = None) -> list[Alert]:
    ready = rule_of(RuleSchema.model_validate(rule), "here")
    matcher = Matcher([ready], LEXICON)
    made = alerts_for(matcher.match(found_in), found_in, matcher.by_id, now)
    return [alert for alert in made if is_fresh(alert, matcher.by_id[alert.rule])]


@pytest.mark.parametrize(
    ("max_age", "age", "raised"),
    [
        ("2d", timedelta(days=2), True),
        ("2d", timedelta(days=2, seconds=1), False),
        ("1h30m", timedelta(minutes=91), False),
        ("1h30m", timedelta(minutes=89), True),
        ("2d", timedelta(hours=-1), True),
        (None, timedelta(days=400), True),
    ],
)
def test_max_age(max_age: str | None, age: timedelta, raised: bool) -> None:
    now = datetime(2026, 11, 1, 12, tzinfo=UTC)
    rule = {"match": "alpha", "scope": {"max_age": max_age} if max_age else {}}
    assert bool(alerts(rule, article("alpha", published=now - age), now)) is raised
    assert alerts(rule, article("alpha", published=now - age)), "without a now no age counts"
    assert alerts(rule, article("alpha"), now), "an article without a date has no age"


def test_a_rule_says_how_its_alerts_are_called_and_who_is_told() -> None:
    config = Config(
        receivers={name: ReceiverConfig(type="console") for name in ("desk", "night", "boss")},
        route=RouteConfig(receiver=("desk", "night")),
    )
    rule = {"id": "r", "title": "T", "level": "critical", "tags": ["x", "asia"], "match": "alpha"}
    [plain] = alerts(rule, article("alpha", **ABOUT))
    assert (plain.rule, plain.rule_title, plain.level, plain.tags) == ("r", "T", "critical", ("x", "asia", "wire"))
    assert route(plain, config) == ("desk", "night")
    [special] = alerts(rule | {"receivers": ["boss"]}, article("alpha"))
    assert route(special, config) == ("boss",)
    [one] = alerts(rule | {"receivers": "night"}, article("alpha"))
    assert route(one, config) == ("night",)
    [bare] = alerts({"match": "alpha + -beta"}, article("alpha"))
    assert (bare.level, bare.receivers) == ("medium", ())


def test_a_rule_file_with_everything(tmp_path: Path) -> None:
    rules = loaded(
        tmp_path,
        """
rules:
  - DPRK + missile
  - id: full.rule_1-a
    title: Everything
    description: All that a rule can say
    level: low
    tags: [a, b]
    enabled: false
    status: testing
    owner: desk
    references: [https://a.example]
    match: {all: [DPRK, missile], none: [drill]}
    scope: {languages: [en, ko], feeds: Post, tags: asia, fields: [title, lead], max_age: 2d}
    receivers: boss
    tests: [{text: A North Korean missile, title: T, language: en, expect: match}]
  - {id: off, match: alpha, enabled: no}
""",
        ["boss"],
    ).rules
    assert [rule.id for rule in rules] == ["DPRK + missile", "full.rule_1-a", "off"]
    assert (rules[0].expression, rules[0].title, rules[0].level) == ("DPRK + missile", "DPRK + missile", "medium")
    assert (rules[0].place, rules[1].place) == (f"{tmp_path}/rules.yaml:3:5", f"{tmp_path}/rules.yaml:4:5")
    full = rules[1]
    assert full.expression == "((DPRK + missile) + -drill)"
    assert (full.title, full.description, full.level, full.tags) == (
        "Everything",
        "All that a rule can say",
        "low",
        ("a", "b"),
    )
    assert (full.enabled, full.status, full.owner, full.references) == (
        False,
        "testing",
        "desk",
        ("https://a.example",),
    )
    assert (full.receivers, full.max_age, len(full.tests)) == (("boss",), timedelta(days=2), 1)


def test_a_disabled_rule_never_matches() -> None:
    for enabled, number in (("false", 0), ("no", 0), ("true", 1)):
        rule = {"id": "off", "match": "alpha", "enabled": enabled}
        assert len(alerts(rule, article("alpha"))) == number, enabled


# Concepts of the user's own.


@pytest.mark.parametrize(
    ("concepts", "match", "text", "language", "holds"),
    [
        ("unit: [Unit 61398, APT1]", "@unit", "The APT1 group", "en", True),
        ("unit: [Unit 61398, APT1]", "unit", "The APT1 group", "fi", True),
        ("unit: [Unit 61398, APT1]", "unit", "The unit", "en", False),
        ("unit: APT1", "@unit", "The APT1 group", "en", True),
        ("my unit: [APT1]", "My-Unit + group", "The APT1 group", "en", True),
        ("ship: {en: [frigate], fi: [fregatti]}", "ship", "Two frigates", "en", True),
        ("ship: {en: [frigate], fi: [fregatti]}", "ship", "Two frigates", "fi", False),
        ("ship: {en: [frigate], any: [F-16]}", "ship", "An F-16", "fi", True),
        ("ship: {en: [frigate], aliases: [vessel]}", "vessel", "A frigate", "en", True),
        ("ship: {en: [frigate], except: {en: [toy frigate]}}", "ship", "A toy frigate", "en", False),
        ("ship: {en: [frigate], except: {en: [toy frigate]}}", "ship", "A frigate", "en", True),
        ("arms: {en: [gun], include: [missile, DPRK]}", "arms", "A missile", "en", True),
        ("arms: {en: [gun], include: [missile, DPRK]}", "arms", "North Korea", "en", True),
        ("arms: {en: [gun], include: [missile, DPRK]}", "arms", "A gun", "en", True),
        ("arms: {en: [gun], include: [missile, DPRK]}", "missile", "A gun", "en", False),
        ("a: {en: [x], include: [b]}, b: {en: [y], include: [c]}, c: {en: [zebra]}", "a", "A zebra", "en", True),
        ("missile: {en: [firecracker]}", "missile", "A firecracker", "en", True),
        ("missile: {en: [firecracker]}", "missile", "A missile", "en", True),
        ("missile: [firecracker]", "missile", "A missile", "en", True),
        ("north_korea: {en: [Norkland]}", "DPRK", "In Norkland", "en", True),
        ("missile: {override: true, en: [firecracker]}", "missile", "A firecracker", "en", True),
        ("missile: {override: true, en: [firecracker]}", "missile", "A missile", "en", False),
        ("DPRK: {override: true, en: [Norkland]}", "North Korea", "In Norkland", "en", True),
        ("DPRK: {override: true, en: [Norkland]}", "North Korea", "In North Korea", "en", False),
        pytest.param(
            "DPRK: {override: true, en: [Norkland]}, mine: {en: [zebra], include: [DPRK]}",
            "mine",
            "A zebra",
            "en",
            True,
        ),
        pytest.param(
            "ship: {en: frigate}",
            "ship",
            "A frigate",
            "en",
            True,
        ),
    ],
)
def test_concepts(tmp_path: Path, concepts: str, match: str, text: str, language: str, holds: bool) -> None:
    rules = loaded(tmp_path, f"rules: [{{id: r, match: '{match}'}}]\nconcepts: {{{concepts}}}")
    found = Matcher(rules.rules, rules.lexicon).match(article(text + FILLER, language=language))
    assert bool(found) is holds


def test_the_lexicon_given_is_left_as_it_was(tmp_path: Path) -> None:
    before = {name: concept.model_dump() for name, concept in LEXICON.concepts.items()}
    rules = loaded(tmp_path, "concepts: {missile: {en: [firecracker]}, new: [x1]}")
    assert set(rules.concepts) == {"missile", "new"}
    assert rules.concepts["new"] == f"{tmp_path}/rules.yaml:1:42"
    assert {name: concept.model_dump() for name, concept in LEXICON.concepts.items()} == before


def test_files_in_a_folder_of_concepts_need_no_key(tmp_path: Path) -> None:
    write(tmp_path, "ship: {en: [frigate]}\nunit: [APT1]\n", "rules/concepts/navy.yaml")
    write(tmp_path, "concepts: {tank: {en: [Leopard]}}\n", "rules/concepts/army.yml")
    write(tmp_path, "rules: [ship + tank + unit]\n", "rules/all.yaml")
    rules = load([tmp_path / "rules"], LEXICON)
    assert {name: place.replace(f"{tmp_path}/rules/", "") for name, place in rules.concepts.items()} == {
        "tank": "concepts/army.yml:1:12",
        "ship": "concepts/navy.yaml:1:1",
        "unit": "concepts/navy.yaml:2:1",
    }
    assert Matcher(rules.rules, rules.lexicon).match(article("A frigate, a Leopard and APT1." + FILLER))
    write(tmp_path, "ship: {en: [frigate], oops: x}\n", "rules/concepts/navy.yaml")
    with pytest.raises(InputError, match=r'concepts/navy\.yaml:1:23: unknown key "oops"'):
        load([tmp_path / "rules"], LEXICON)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("concepts/asia/navy.yaml", "ship: [frigate]"),
        ("concepts/navy.yaml", "# nothing yet\n"),
        ("empty.yaml", ""),
    ],
)
def test_more_files_under_a_folder_of_concepts(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path, text, name)
    assert load([tmp_path], LEXICON).rules == []


# The tests that rules carry.


async def outcomes(rules: RuleSet) -> list[tuple[str, int, bool]]:
    async with Workers() as workers:
        found = run_tests(rules, Reader(no_pages, workers))
        return [(outcome.rule.id, outcome.number, outcome.passed) async for outcome in found]


async def test_rule_tests(tmp_path: Path) -> None:
    write(tmp_path, "---\ntitle: Launch\n---\nA North Korean missile fell into the sea.\n", "seeds/hit.txt")
    write(tmp_path, '{"text": "Nothing here."}\n{"text": "A North Korean missile fell."}\n', "seeds/second.jsonl")
    rules = loaded(
        tmp_path,
        """
rules:
  - id: r
    match: DPRK + missile
    tests:
      - {text: A North Korean missile, expect: match}
      - {text: A North Korean parade, expect: match}
      - {text: A North Korean missile, expect: no-match}
      - {text: A North Korean parade, expect: no-match}
      - {title: A North Korean missile, text: "", expect: match}
      - {text: "북한이 미사일을 발사했다.", language: ko, expect: match}
      - {text: "북한이 미사일을 발사했다고 한국 합참이 월요일에 밝혔다. 별다른 말은 없다", language: fi, expect: match}
      - {file: seeds/hit.txt, expect: match}
      - {file: seeds/hit.txt, expect: no-match}
      - {file: seeds/second.jsonl, expect: match}
  - {id: other, match: missile, tests: [{text: A parade, expect: no-match}]}
""",
    )
    assert await outcomes(rules) == [
        ("r", 1, True),
        ("r", 2, False),
        ("r", 3, False),
        ("r", 4, True),
        ("r", 5, True),
        ("r", 6, True),
        ("r", 7, False),
        ("r", 8, True),
        ("r", 9, False),
        ("r", 10, True),
        ("other", 1, True),
    ]
    with pytest.raises(InputError, match="no such file"):
        await outcomes(loaded(tmp_path, "rules: [{match: a1, tests: [{file: none.txt, expect: match}]}]"))


async def test_a_disabled_rule_can_be_tested(tmp_path: Path) -> None:
    rules = loaded(tmp_path, "rules: [{id: r, match: alpha, enabled: false, tests: [{text: alpha, expect: match}]}]")
    assert await outcomes(rules) == [("r", 1, True)]


# What is refused.

NO_MATCH = "match: an expression was expected, such as DPRK + missile, or a mapping with all, any or none"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("ruls: []", ['1:1: unknown key "ruls"; did you mean "rules"?']),
        (
            "rules:\n  - match: a1\n    levl: low",
            ['3:5: unknown key "levl"; did you mean "level"?'],
        ),
        (
            "rules:\n  - match: a1\n    scope: {langages: [ko]}",
            ['3:13: unknown key "langages"; did you mean "languages"?'],
        ),
        ("rules: [{match: a1, tests: [{txt: a, expect: match}]}]", None),
        (
            "rules: [{match: a1, level: urgent}]",
            ["1:21: level: should be 'info', 'low', 'medium', 'high' or 'critical', not \"urgent\""],
        ),
        (
            "rules: [{match: a1, status: new}]",
            ["1:21: status: should be 'draft', 'testing', 'stable' or 'deprecated', not \"new\""],
        ),
        ("rules: [{match: a1, id: a b}]", ['1:21: id: "a b" is no id; use letters, digits, and - _ . between them']),
        ("rules: [{match: a1, id: ''}]", ['1:21: id: "" is no id; use letters, digits, and - _ . between them']),
        ("rules: [{id: r}]", ['1:9: "match" is missing']),
        (
            "rules:\n  - ok\n  - {match: 'a /x(/'}",
            ["3:6: match: an operator is missing before /x(/; write + for and, | for or (character 3, at: a /x(/)"],
        ),
        ("rules:\n  - {match: 'a + /x(/'}", ["2:6: match: /x(/ is no regular expression of RE2: missing ): x("]),
        (
            r"rules: [{match: '/(a)\1/'}]",
            [r"1:10: match: /(a)\1/ is no regular expression of RE2: invalid escape sequence: \1"],
        ),
        ("rules: ['/x*/']", ["1:9: /x*/ also matches nothing at all, and so every text"]),
        (
            f"rules: [/{'x' * 1001}/]",
            ["1:9: a regular expression of over 1,000 characters"],
        ),
        (
            "rules: ['-missile']",
            ["1:9: it only says what must not occur; add something that must (character 1, at: -missile)"],
        ),
        (
            "rules: ['a | -b']",
            ["1:9: it only says what must not occur; add something that must (character 1, at: a | -b)"],
        ),
        (
            "rules: [{match: {none: [a, b]}}]",
            ["1:10: match: it only says what must not occur; add something that must"],
        ),
        (
            "rules: [{match: {any: [a, -b]}}]",
            ["1:10: match: it only says what must not occur; add something that must"],
        ),
        ("rules: [{match: {al: [a]}}]", [f"1:10: {NO_MATCH}"]),
        ("rules: [{match: {}}]", [f"1:10: {NO_MATCH}"]),
        ("rules: [{match: }]", ['1:10: "match" is missing']),
        ("rules: [{match: {all: []}}]", ["1:10: match: all: an empty list"]),
        ("rules: [{match: {all: [a, {any: []}]}}]", ["1:10: match: any: an empty list"]),
        (
            "rules: [{match: [a, b]}]",
            ["1:10: match: an expression was expected, or a mapping with all, any or none; a list alone says neither"],
        ),
        (
            "rules: [{match: {all: [a, 'b +']}}]",
            ["1:10: match: the expression ends where a word was expected (character 4, at: b +)"],
        ),
        (
            "rules: ['4 of (a, b)']",
            ["1:9: 4 of 2 can never be; the number has to be from 1 to 2 (character 1, at: 4 of (a, b))"],
        ),
        (
            "rules: ['0 of (a, b)']",
            ["1:9: 0 of 2 can never be; the number has to be from 1 to 2 (character 1, at: 0 of (a, b))"],
        ),
        (
            "rules: ['2 of (a, b']",
            ["1:9: a parenthesis is never closed; write 2 of (a, b, c) (character 11, at: 2 of (a, b)"],
        ),
        (
            "rules: ['a, b']",
            ["1:9: a comma outside of `2 of (a, b, c)`; write | for or (character 2, at: a, b)"],
        ),
        (
            "rules: [a ~ b]",
            ["1:9: the distance in words is missing; write a ~10 b or a NEAR/10 b (character 3, at: a ~ b)"],
        ),
        (
            "rules: [a NEAR b]",
            ["1:9: the distance in words is missing; write a ~10 b or a NEAR/10 b (character 3, at: a NEAR b)"],
        ),
        (
            "rules: [(a + b) ~5 c]",
            [
                "1:9: what stands beside ~ or NEAR has to be words, or alternatives of words such as (a | b) "
                "(character 9, at: (a + b) ~5 c)"
            ],
        ),
        (
            "rules: ['a + lang: (b + c)']",
            [
                "1:9: after lang: a word, or alternatives such as (a | b), was expected "
                "(character 5, at: a + lang: (b + c))"
            ],
        ),
        ("rules: ['a*b']", ["1:9: a*b: * may stand only before or after the whole term (character 1, at: a*b)"]),
        (
            "rules:\n  - ok\n  - {id: r, match: '@misile + a'}",
            ['3:5: "misile" is no concept; did you mean "missile"?'],
        ),
        ("rules: ['a - @qqqq']", ['1:9: "qqqq" is no concept']),
        (
            "rules:\n  - {match: a1, receivers: [desk, boss]}\n  - {match: b1, receivers: dsk}",
            ['2:5: no receiver is called "boss"', '3:5: no receiver is called "dsk"; did you mean "desk"?'],
        ),
        (
            "rules:\n  - {id: r, match: a1}\n  - {id: s, match: a1}\n  - {id: r, match: b1}",
            ['4:5: the rule id "r" stands already at rules.yaml:2:5'],
        ),
        ("rules: [a1, b1, a1]", ['1:17: the rule id "a1" stands already at rules.yaml:1:9']),
        (
            "rules: [{match: a1, tests: [{expect: match}]}]",
            ["1:29: either text or file was expected"],
        ),
        (
            "rules: [{match: a1, tests: [{text: a, file: b, expect: match}]}]",
            ["1:29: either text or file was expected"],
        ),
        (
            "rules: [{match: a1, tests: [{text: a, expect: maybe}]}]",
            ["1:39: expect: should be 'match' or 'no-match', not \"maybe\""],
        ),
        (
            "rules: [{match: a1, scope: {max_age: 2}}]",
            ['1:29: max_age: "2" is no duration; write a number and a unit, such as 30s, 5m, 12h or 2d'],
        ),
        (
            "rules: [{match: a1, scope: {fields: headline}}]",
            ["1:29: fields: should be 'title', 'lead' or 'body', not \"headline\""],
        ),
        ("concepts: {a: {englisch: [x]}}", ['1:16: unknown key "englisch"']),
        (
            "concepts:\n  a: {include: [misile]}\n",
            ['2:3: includes "misile", which is no concept; did you mean "missile"?'],
        ),
        ("concepts:\n  a: {include: [a]}\n", ["2:3: includes itself: a > a"]),
        ("rules: [", ["2:1: not YAML: did not find expected node content"]),
        ("rules: &a [x1]\nconcepts: *a", ["2:11: aliases (*name) are not allowed"]),
        ("rules: [x1]\nrules: [y1]", ['2:1: key "rules" is written twice']),
        pytest.param("rules: [{match: {all: [a, {}]}}]", None),
        pytest.param("rules: [_]", None),
        pytest.param("rules: [a1 | ـ]", None),
        pytest.param(r'rules: ["a \x01 b"]', None),
        pytest.param("rules: [a1]\nconcepts: {a: ['!!']}", None),
        pytest.param(f"rules: [a{' ~1 a' * 3_900}]", None),
        pytest.param(f"rules: ['{'title: ' * 2_800}a']", None),
        pytest.param(
            "concepts: {North Korea: {include: [misile]}}",
            None,
            marks=pytest.mark.timeout(20),
        ),
        pytest.param(
            "concepts: {Missile: {include: [misile]}}",
            None,
            marks=pytest.mark.timeout(20),
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_is_refused(tmp_path: Path, text: str, lines: list[str] | None) -> None:
    """Each line begins with the file; without lines any refusal will do."""
    found = refused(tmp_path, text, ["desk"])
    assert found
    assert lines is None or found == [f"rules.yaml:{line}" for line in lines]


def test_concepts_that_include_each_other_are_refused(tmp_path: Path) -> None:
    found = refused(tmp_path, "concepts:\n  ping: {en: [x1], include: [pong]}\n  pong: {en: [y1], include: [ping]}\n")
    assert "rules.yaml:2:3: includes itself: ping > pong > ping" in found


def test_mistakes_of_all_files_are_said_at_once(tmp_path: Path) -> None:
    write(tmp_path, "rules: [{id: r, match: a1}]\nconcepts: {navy: [x1]}", "a.yaml")
    write(tmp_path, "rules:\n  - {id: r, match: '@nvy'}\nconcepts: {navy: [y1]}", "b.yaml")
    write(tmp_path, "rules: [{match: a1, level: urgent}, '-a']", "sub/c.yaml")
    with pytest.raises(InputError) as caught:
        load([tmp_path, tmp_path / "absent"], LEXICON, [])
    found = str(caught.value).replace(f"{tmp_path}/", "").splitlines()
    assert found[0] == 'b.yaml:3:12: the concept "navy" stands already at a.yaml:2:12'
    assert found[1].startswith("sub/c.yaml:1:21: level: should be")
    assert found[2].startswith("sub/c.yaml:1:37: it only says what must not occur")
    assert "absent: no such file or folder; `rules:` has to name where the rules are" in found[3]
    assert found[4:] == [
        'b.yaml:2:5: the rule id "r" stands already at a.yaml:1:9',
        'b.yaml:2:5: "nvy" is no concept; did you mean "navy"?',
    ]


def test_a_folder_without_rules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no rule file \(\*\.yaml\)"):
        load([tmp_path], LEXICON)


# What is doubted.


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("rules: [DPRK + missile, sanctions, alpha - beta]", []),
        # The same rule twice, whatever the order and the spelling.
        (
            "rules: [DPRK + missile, {id: r, match: missile AND DPRK}]",
            ["1:25: r: says the same as DPRK + missile at rules.yaml:1:9"],
        ),
        (
            "rules: [{id: r, match: alpha - (b1 | c1)}, {id: s, match: {all: alpha, none: [c1, b1]}}]",
            ["1:44: s: says the same as r at rules.yaml:1:9"],
        ),
        ("rules: [{id: r, match: alpha}, {id: s, match: alpha, scope: {languages: en}}]", []),
        ("rules: [alpha + beta, alpha | beta, {id: r, match: alpha ~5 beta}]", []),
        # A name that is nearly a concept's.
        (
            "rules: [DPRK + misile]",
            [
                '1:9: DPRK + misile: "misile" is no concept and occurs in no test text; '
                'did you mean "missile"? (in quotes it is taken as it is)'
            ],
        ),
        ("rules: ['DPRK + \"misile\"']", []),
        ("rules: [{match: misile, tests: [{text: A misile!, expect: match}]}]", []),
        ("rules: [{match: misile, tests: [{title: MISILE, text: x, expect: match}]}]", []),
        # Operators that are none.
        (
            "rules: [alpha and beta]",
            ['1:9: alpha and beta: "alpha and beta" is one phrase; operators are + | - or AND, OR, NOT in capitals'],
        ),
        ("rules: ['\"alpha and beta\"', alpha AND beta]", []),
        # One character.
        (
            "rules: [北]",
            ['1:9: 北: "北" is one character of a script without spaces: it stands inside countless other words'],
        ),
        ("rules: [北朝, 북, x]", []),
        # A contradiction.
        ("rules: [alpha - alpha]", ["1:9: alpha - alpha: can never match: it wants alpha and not alpha"]),
        (
            "rules: [zeta | (alpha | beta) - (beta | alpha)]",
            [
                "1:9: zeta | (alpha | beta) - (beta | alpha): can never match: it wants (alpha | beta) and not "
                "(alpha | beta)"
            ],
        ),
        (
            "rules: ['alpha + lang: ko + lang: ja']",
            ["1:9: alpha + lang: ko + lang: ja: can never match: no article is in ja and in ko"],
        ),
        ("rules: ['alpha + lang: (ko | ja)']", []),
        # A term that a NOT takes back.
        (
            "rules: [alpha beta gamma - beta gamma]",
            [
                "1:9: alpha beta gamma - beta gamma: alpha beta gamma is never found: "
                "where it stands, -beta gamma stands as well"
            ],
        ),
        (
            "rules: [(zeta | alpha beta) - (eta | beta)]",
            [
                "1:9: (zeta | alpha beta) - (eta | beta): alpha beta is never found: "
                "where it stands, -beta stands as well"
            ],
        ),
        ("rules: [beta - alpha beta]", []),
        ("rules: [alphabeta - beta]", []),
        # Concepts of the user's own.
        (
            "concepts:\n  empty: {about: nothing}\n",
            ["2:3: the concept empty has no terms: it can never match"],
        ),
        (
            "concepts:\n  north: {ja: [北, 北部], ko: [북]}\n",
            [
                '2:3: the concept north: "北" is one character of a script without spaces: '
                "it stands inside countless other words"
            ],
        ),
        pytest.param("rules: [=WHO]", []),
        pytest.param("rules: ['missile*']", []),
        pytest.param("rules: ['alpha + lang: zh + lang: zh-Hans']", []),
        pytest.param("rules: ['sanctions - lang: fi']", []),
        pytest.param("rules: [alpha beta - =Beta]", []),
        pytest.param(
            "concepts:\n  empty: []\n",
            ["2:3: the concept empty has no terms: it can never match"],
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_is_doubted(tmp_path: Path, text: str, lines: list[str]) -> None:
    assert doubts(tmp_path, text) == [f"rules.yaml:{line}" for line in lines]


@pytest.mark.parametrize(
    ("rule", "languages", "missing"),
    [
        ("DPRK + sanctions", ("en", "ko", "fi"), {"sanctions": "fi, ko"}),
        ("DPRK + missile", ("en", "ko", "zh-Hans"), {}),
        ("DPRK", ("zh",), {}),
        ("DPRK", ("zh-Hant",), {}),
        ("DPRK - missile", ("fi",), {"missile": "fi"}),
        ("DPRK + missile", (), {}),
        ("'\"sanctions\" + nothing'", ("fi",), {}),
        ("{match: sanctions, scope: {languages: [ko, en]}}", ("fi",), {"sanctions": "ko"}),
        ("{match: sanctions, scope: {languages: [en]}}", ("fi",), {}),
        ("'sanctions + lang: ja'", (), {"sanctions": "ja"}),
        ("own + spread", ("fi", "ja"), {"own": "fi, ja"}),
    ],
)
def test_languages_of_the_feeds_without_a_term(
    tmp_path: Path, rule: str, languages: tuple[str, ...], missing: dict[str, str]
) -> None:
    found = doubts(tmp_path, f"concepts: {{own: {{en: [x1]}}, spread: [y1]}}\nrules:\n  - {rule}", languages)
    ends = [f": the concept {name} has no term in {tags}" for name, tags in missing.items()]
    assert len(found) == len(ends), found
    assert all(
        line.startswith("rules.yaml:3:5: ") and line.endswith(end) for line, end in zip(found, ends, strict=True)
    )


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"match": "missile"}, True),
        ({"match": " missile  "}, True),
        ({"match": "missile", "tests": ({"text": "A missile", "expect": "match"},)}, True),
        ({"match": "missile | rocket"}, False),
        ({"match": "missile", "level": "high"}, False),
        ({"match": "missile", "scope": {"max_age": "2d"}}, False),
        ({"match": "missile", "when": {"sources": 2}}, False),
    ],
)
def test_a_rule_has_another_version_whenever_it_says_something_else(other: dict[str, Any], same: bool) -> None:
    first, second = (
        rule_of(RuleSchema.model_validate({"id": "r"} | said), "r") for said in ({"match": "missile"}, other)
    )
    assert (first.version == second.version) is same
    assert first.version == "b09b4d05", "the same after every restart"
    article = Article("1", Source("one"), "A missile was fired.")
    [alert] = alerts_for(Matcher([first], Lexicon([])).match(article), article, {"r": first})
    assert alert.rule_version == first.version


def test_what_is_hidden_is_no_rule_file(tmp_path: Path) -> None:
    """A volume of Kubernetes: links to files in a folder that another replaces at once."""
    (tmp_path / "..2026_11_23").mkdir()
    (tmp_path / "..2026_11_23/rules.yaml").write_text("rules: [missile]")
    (tmp_path / "..data").symlink_to("..2026_11_23")
    (tmp_path / "rules.yaml").symlink_to("..data/rules.yaml")
    assert [rule.id for rule in load([tmp_path], LEXICON).rules] == ["missile"]
