"""The matcher against a plain evaluator, and the rule language, the matcher and the loader against hostile input."""

import gc
import random
import signal
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from monitor.errors import InputError
from monitor.matching.matcher import Matcher
from monitor.models import Article, Source
from monitor.rules.expression import And, AtLeast, ExpressionError, In, Near, Node, Not, Or, Term, parse
from monitor.rules.lexicon import Concept, Lexicon, shipped
from monitor.rules.load import load
from monitor.rules.schema import Rule, RuleSchema

EXAMPLES, RULES, TEXTS = 250, 10, 5  # 12,500 pairs of a rule and a text
WORDS = ("missile", "NATO", "café", "Straße", "ракета", "война", "Αθήνα", "צבא", "جيش", "북한", "ミサイル", "北朝鮮")
CASED = ("missile", "Missile", "NATO", "nato")
SPACELESS = ("ミサイル", "北朝鮮", "朝鮮", "北")
CONCEPTS = (
    Concept(name="c-army", terms={"any": ("צבא", "جيش", "=NATO")}, exceptions={"any": ("NATO missile", "جيش 북한")}),
    Concept(
        name="c-open", terms={"any": ("rak*", "ракет*", "miss*")}, exceptions={"any": ("missiles", "война ракета")}
    ),
    Concept(name="c-east", terms={"vi": ("북한", "朝鮮"), "sw": ("ミサイル", "café")}, exceptions={"vi": ("北朝鮮",)}),
)
LEXICON = Lexicon(CONCEPTS)


# The plain evaluator.


class Place(NamedTuple):
    """Where something stands in the folded title or text."""

    section: str
    start: int
    end: int


class Section:
    """The title or the text: folded, parted by single spaces, with the original's place of every letter."""

    def __init__(self, original: str) -> None:
        self.original = original
        self.folded = " "
        self.origin = [0]
        index = 0
        while index < len(original):
            end = index + 1
            while end < len(original) and unicodedata.category(original[end]) == "Mn":
                end += 1
            for letter in slow_fold(original[index:end]):
                if script(letter) and script(self.folded[-1]) not in (0, script(letter)):
                    self._add(" ", index)
                if letter != " " or self.folded[-1] != " ":
                    self._add(letter, index)
            index = end
        if self.folded[-1] != " ":
            self._add(" ", index)

    def _add(self, letter: str, index: int) -> None:
        self.folded += letter
        self.origin.append(index)


def slow_fold(cluster: str) -> str:
    """Fold one letter with its accents, a separator to a space."""
    if unicodedata.category(cluster[0]) == "Cf":
        return ""
    composed = unicodedata.normalize("NFKC", cluster).casefold()
    if composed not in ("й", "ガ", "が"):
        parts = unicodedata.normalize("NFD", composed)
        composed = unicodedata.normalize("NFC", "".join(p for p in parts if unicodedata.category(p) != "Mn"))
    return "".join(letter if letter.isalnum() or letter == "ー" else " " for letter in composed)


def script(letter: str) -> int:
    """0 for a space, 1 for a script with spaces, 2 for Han and kana, 3 for Hangul."""
    if letter == " ":
        return 0
    name = unicodedata.name(letter)
    return 2 if name.startswith(("CJK", "KATAKANA", "HIRAGANA")) else 3 if name.startswith("HANGUL") else 1


def find(written: str, name: str, section: Section) -> set[Place]:
    """Where a term's words stand: whole words, but anywhere within Han and kana."""
    wanted = Section(written).folded.strip()
    text = section.folded
    found = set()
    for start in range(1, len(text)):
        if not text.startswith(wanted, start) or (script(wanted[0]) != 2 and text[start - 1] != " "):
            continue
        end = start + len(wanted)
        if written.endswith("*"):
            end = text.index(" ", end)
        elif script(wanted[-1]) != 2 and text[end] != " ":
            continue
        original = section.original[section.origin[start] : section.origin[end - 1] + 1]
        visible = "".join(letter for letter in original if unicodedata.category(letter) != "Cf")
        if not written.startswith("=") or visible == written[1:]:
            found.add(Place(name, start, end))
    return found


class Plain:
    """What a tree says of an article, by its definition."""

    def __init__(self, article: Article) -> None:
        self.article = article
        self.sections = {"title": Section(article.title), "text": Section(article.text)}
        short = len(article.title) + len(article.text) < 40
        self.language = None if short else article.language

    def holds(self, node: Node, fields: frozenset[str]) -> bool:
        match node:
            case Not(child):
                return not self.holds(child, fields)
            case And(children):
                return all([self.holds(child, fields) for child in children])
            case Or(children):
                return any([self.holds(child, fields) for child in children])
            case AtLeast(count, children):
                return sum([self.holds(child, fields) for child in children]) >= count
            case In(field, child):
                return self.holds(child, fields & {field})
            case _:
                return bool(self.places(node, fields))

    def places(self, node: Node, fields: frozenset[str]) -> set[Place]:
        match node:
            case Term():
                return {place for place in self.term(node) if self.field(place) in fields}
            case Or(children):
                return {place for child in children for place in self.places(child, fields)}
            case In(field, child):
                return self.places(child, fields & {field})
            case Near(left, right):
                pairs = [(a, b) for a in self.places(left, fields) for b in self.places(right, fields)]
                close = [(a, b) for a, b in pairs if self.near(a, b, node)]
                return {Place(a.section, min(a.start, b.start), max(a.end, b.end)) for a, b in close}
            case _:
                raise AssertionError(node)

    def near(self, left: Place, right: Place, node: Near) -> bool:
        if left.section != right.section or (node.ordered and left.start > right.start):
            return False
        first, second = sorted((left, right), key=lambda place: place.start)
        between = self.sections[left.section].folded[first.end : second.start].split()
        return sum((len(word) + 1) // 2 if script(word[0]) == 2 else 1 for word in between) <= node.distance

    def field(self, place: Place) -> str:
        if place.section == "title":
            return "title"
        return "lead" if self.sections["text"].origin[place.start] < self.article.lead_end else "body"

    def term(self, term: Term) -> set[Place]:
        for concept in CONCEPTS:
            if concept.name == term.text:
                found, against = (self.any_of(terms) for terms in (concept.terms, concept.exceptions))
                return {
                    place
                    for place in found
                    if not any(
                        other.section == place.section and other.start <= place.start and place.end <= other.end
                        for other in against
                    )
                }
        return self.any_of({"any": (term.text,)})

    def any_of(self, terms: object) -> set[Place]:
        assert isinstance(terms, dict)
        return {
            place
            for language, written in terms.items()
            if self.language is None or language in ("any", self.language)
            for term in written
            for name, section in self.sections.items()
            for place in find(term, name, section)
        }


# Random rules and texts.


def a_term(rnd: random.Random) -> Term:
    kind = rnd.randrange(10)
    if kind < 5:
        return Term(" ".join(rnd.choices(WORDS + SPACELESS, k=rnd.choice((1, 1, 1, 2)))), literal=True)
    if kind < 6:
        return Term(f"={rnd.choice(CASED)}")
    if kind < 8:
        return Term(rnd.choice(("miss*", "caf*", "ракет*", "во*", "북*", "strass*", "αθ*")))
    return Term(rnd.choice(CONCEPTS).name)


def placed(rnd: random.Random) -> Node:
    """Something that a distance can be measured to."""
    kind = rnd.randrange(8)
    if kind < 5:
        return a_term(rnd)
    if kind < 6:
        return In(rnd.choice(("title", "lead", "body")), a_term(rnd))
    if kind < 7:
        return Near(a_term(rnd), a_term(rnd), rnd.randrange(4), rnd.random() < 0.5)
    return Or((a_term(rnd), a_term(rnd)))


def tree(rnd: random.Random, leaves: int) -> Node:
    """A random tree that holds only where something is found."""
    if leaves < 2:
        return a_term(rnd)
    kind = rnd.randrange(7)
    if kind == 0:
        return Near(placed(rnd), placed(rnd), rnd.randrange(6), rnd.random() < 0.5)
    if kind == 1:
        return In(rnd.choice(("title", "lead", "body")), tree(rnd, leaves - 1))
    if kind == 2:
        return And((tree(rnd, leaves // 2), Not(tree(rnd, leaves - leaves // 2))))
    count = rnd.randint(2, min(4, leaves))
    children = tuple(tree(rnd, leaves // count) for _ in range(count))
    if kind == 3:
        return AtLeast(rnd.randint(1, count), children)
    return (And if kind < 5 else Or)(children)


def spelt(rnd: random.Random, word: str) -> str:
    """A word in one of the many ways to write it."""
    word = rnd.choice((str, str, str.upper, str.lower, str.title))(word)
    if rnd.random() < 0.2:
        cut = rnd.randrange(len(word))
        word = word[:cut] + rnd.choice("\u00ad\u200b\u200d\u2060\ufeff") + word[cut:]
    if rnd.random() < 0.2 and word.isascii():
        word = "".join(chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in word)
    if rnd.random() < 0.3 and not any("가" <= letter <= "힣" for letter in word):
        word = unicodedata.normalize("NFD", word)
    return word


def passage(rnd: random.Random, most: int) -> str:
    text = ""
    for _ in range(rnd.randint(0, most)):
        word = rnd.choice((*WORDS, *SPACELESS, "missiles", "rakete", "войной", "그", "x"))
        joint = rnd.choice(
            (" ", " ", " ", ", ", "-", "\u00a0", " — ", "。", "’ «", "\n", "" if script(word[0]) > 1 else "/")
        )
        text += joint + spelt(rnd, word)
    return text


def rule(expression: str, number: int = 0) -> Rule:
    return Rule(id=f"r{number}", title="", level="info", tags=(), node=parse(expression), place="")


def article(text: str, title: str = "", language: str | None = None) -> Article:
    return Article(id="a", source=Source("s"), text=text, title=title, language=language)


@settings(derandomize=True, database=None, deadline=None, max_examples=EXAMPLES)
@given(seed=st.integers(0, 2**64))
@example(seed=24249)  # proximity whose sides begin together
@example(seed=84)
@example(seed=1840)  # one side reaching over the other
def test_the_index_finds_what_a_plain_evaluator_finds(seed: int) -> None:
    rnd = random.Random(seed)
    trees = [tree(rnd, rnd.randint(1, 12)) for _ in range(RULES)]
    rules = [rule(str(node), number) for number, node in enumerate(trees)]
    assert [made.node for made in rules] == trees
    matcher = Matcher(rules, LEXICON)
    for _ in range(TEXTS):
        read = article(passage(rnd, 20), passage(rnd, 5).replace("\n", " "), rnd.choice((None, "vi", "sw")))
        plain = Plain(read)
        matches = matcher.match(read)
        expected = [
            f"r{number}" for number, node in enumerate(trees) if plain.holds(node, frozenset({"title", "lead", "body"}))
        ]
        assert [match.rule_id for match in matches] == expected, (read, list(map(str, trees)))
        for evidence in (evidence for match in matches for evidence in match.evidence):
            source = read.title if evidence.field == "title" else read.text
            assert evidence.text == source[evidence.start : evidence.end] != ""


# Hostile input.


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Break off what keeps the processor busy for longer; the clock of the wall would blame a busy machine."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"over {seconds} s")

    before = signal.signal(signal.SIGPROF, stop)
    gc.disable()  # a collection goes through all that other tests have left in the process
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        gc.enable()


PIECES = (
    *'()|+-,~"/*@=:\\#_',
    *("OR", "AND", "NOT", "~5", "NEAR/3", "ONEAR/2", "NEAR", "title:", "lead:", "lang:", "feed:", "2 of (", "9 of("),
    *(
        "DPRK",
        "missile",
        "북한",
        "北朝鮮",
        '"a b"',
        "/a+b/",
        "/(a/",
        "=WHO",
        "raket*",
        " ",
        "\n",
        "\x00",
        "🚀",
        "\u0301",
    ),
)


@settings(derandomize=True, database=None, deadline=None, max_examples=500)
@given(text=st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join)))
def test_any_expression_is_read_or_refused(text: str) -> None:
    with within(1), suppress(ExpressionError):
        parse(text)
    encodable = text.encode("utf-8", "ignore").decode()  # no file holds lone surrogates
    with within(1), suppress(ValidationError):
        RuleSchema.model_validate({"id": "a", "match": encodable})


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000,
        "-" * 19_000 + "a",
        '"' * 9_999,
        "1 of (" * 3_000,
        pytest.param("9" * 5_000 + " of (a)"),
        "title:" * 3_000 + "a",
        "a" + " ~1 a" * 3_900,
        "/\\" * 9_000,
        " |" * 9_000,
    ],
    ids=lambda text: str(text)[:12],
)
def test_a_long_expression_is_read_or_refused(text: str) -> None:
    with within(1), suppress(ExpressionError):
        parse(text)
    with within(1), suppress(ValidationError):
        RuleSchema.model_validate({"id": "a", "match": text})


@pytest.fixture(scope="module")
def everything(cache_home: Path) -> Matcher:
    """Rules over every concept of the shipped lexicon."""
    assert cache_home
    lexicon = shipped()
    names = [f"@{name}" for name in lexicon.concepts if name.replace(" ", "").isalnum()]
    written = [*names, "@DPRK ~5 @missile", "title: (@DPRK | @missile)", "@war + -@DPRK"]
    return Matcher([rule(text, number) for number, text in enumerate(written)], lexicon)


def check(matcher: Matcher, read: Article) -> None:
    with within(2):
        matches = matcher.match(read)
    for evidence in (evidence for match in matches for evidence in match.evidence):
        source = read.title if evidence.field == "title" else read.text
        assert evidence.text == source[evidence.start : evidence.end] != ""


ANYTHING = st.text(st.characters(), max_size=60)


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(
    title=ANYTHING, parts=st.lists(st.one_of(ANYTHING, st.sampled_from(("DPRK missile", "북한", "\x00"))), max_size=6)
)
def test_any_article_is_matched(everything: Matcher, title: str, parts: list[str]) -> None:
    check(everything, article(" ".join(parts), title, "en"))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("\ud800\udfff" * 1_000 + " DPRK", "en"),
        ("\x00" * 100_000, "en"),
        ("a" + "\u0301" * 50_000, "en"),
        ("a" + "\u0308" * 50_000, "en"),
        pytest.param("か" + "\u0308\u3099" * 40_000, "ja"),
        ("x" * 200_000, "en"),
        pytest.param("rakete" * 33_000, "de"),
        pytest.param("טיל" * 66_000, "he"),
        pytest.param("صاروخ" * 40_000, "ar"),
        pytest.param("미사일" * 66_000, "ko"),
        ("北朝鮮" * 66_000, "ja"),
        ("\n" * 10_000, "en"),
        pytest.param("DPRK missile\n" * 10_000, "en"),
        pytest.param("DPRK " * 2_000 + "a b c d e f " + "missile " * 2_000, "en"),
    ],
    ids=lambda value: ascii(value[:7]),
)
def test_a_monstrous_article_is_matched_in_time(everything: Matcher, text: str, language: str) -> None:
    check(everything, article(text, "A title", language))


@pytest.mark.parametrize(
    ("expression", "text", "title", "found"),
    [
        ("/🚀/", "Go 🚀", "", ["lead: 🚀"]),
        ("=U.S.", "The U.S. and the u.s. of us", "", ["lead: U.S"]),
        pytest.param(
            '"葛城"',
            "葛\U000e0100城",
            "",
            ["lead: 葛\U000e0100城"],
        ),
        pytest.param('"missile"', "text", "a \x01 missile", ["title: missile"]),
        pytest.param('"missile"', "new\x01missile", "", ["lead: missile"]),
        pytest.param('"북한"', unicodedata.normalize("NFD", "x 북한"), "", ["lead: 북한"]),
        pytest.param('lead: "북한"', unicodedata.normalize("NFD", "북한"), "ab", ["lead: 북한"]),
    ],
)
def test_evidence_is_what_was_found(expression: str, text: str, title: str, found: list[str]) -> None:
    [match] = Matcher([rule(expression)], Lexicon([])).match(article(text, title))
    assert [unicodedata.normalize("NFC", f"{e.field}: {e.text}") for e in match.evidence] == found


@pytest.mark.parametrize(
    "written",
    [
        "rules: ['/(a/']",
        "rules: ['/(a)\\1/']",
        "rules: ['/(?=a)b/']",
        "rules: ['" + "(" * 10_000 + "']",
        "a: &a [x, x]\nb: &b [*a, *a]\nrules: [*b, *b]",
        "#" * 10_000_000,
        "rules: " + "[" * 10_000,
        "rules: " + "{a: " * 10_000,
        "- " * 10_000 + "a",
    ],
    ids=lambda text: str(text)[:20],
)
def test_a_hostile_rule_file_is_refused(tmp_path: Path, written: str) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(written)
    with within(1), pytest.raises(InputError) as caught:
        load([file], LEXICON)
    for problem in caught.value.problems:
        assert problem.place.startswith(f"{file}:")


def test_a_regular_expression_that_would_explode_elsewhere_does_not(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("rules: ['/(a+)+$/']")
    matcher = Matcher(load([file], LEXICON).rules, LEXICON)
    with within(1):
        assert matcher.match(article("a" * 100_000 + "!")) == []
