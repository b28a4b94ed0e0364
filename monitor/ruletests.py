"""The tests that rules carry with them, and explanations, over texts and fixtures."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from monitor import fixtures
from monitor.articles.language import detect, normal
from monitor.matching.matcher import Matcher
from monitor.matching.programs import Explanation
from monitor.models import Article, Source
from monitor.reading import Reader
from monitor.replay import articles_of
from monitor.rules.load import RuleSet
from monitor.rules.schema import Rule, RuleTest


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule's test came to."""

    rule: Rule
    test: RuleTest
    number: int  # from 1
    passed: bool


def article_of(text: str, *, title: str = "", language: str | None = None) -> Article:
    """A text as an article, as `replay` would see it."""
    told = normal(language) or detect(f"{title}\n{text}")
    return Article(id="text", source=Source("text"), text=text, title=title, language=told)


async def run_tests(rules: RuleSet, reader: Reader) -> AsyncIterator[Outcome]:
    """Run every rule's tests, those of disabled rules as well; raises InputError for a file that cannot be read."""
    matcher = Matcher([rule.model_copy(update={"enabled": True}) for rule in rules.rules], rules.lexicon)
    for rule in rules.rules:
        for number, test in enumerate(rule.tests, 1):
            matched = False
            for article in await _articles(rule, test, reader):
                matched = matched or any(match.rule_id == rule.id for match in matcher.match(article))
            yield Outcome(rule, test, number, matched == (test.expect == "match"))


async def _articles(rule: Rule, test: RuleTest, reader: Reader) -> list[Article]:
    if test.file is None:
        return [article_of(test.text or "", title=test.title, language=test.language)]
    path = Path(rule.place.rsplit(":", 2)[0]).parent / test.file
    return [article for fixture in fixtures.read([path]) for article in await articles_of(fixture, reader)]


def explained(explanation: Explanation, words: "dict[tuple[int, tuple[int, int]], str]", depth: int = 0) -> list[str]:
    """An explanation as lines: PASS or FAIL, the branch, and the words that decided it."""
    verdict = "PASS" if explanation.holds else "FAIL"
    shown = list(dict.fromkeys(words[item] for item in explanation.found))
    more = f", and {len(shown) - 5} more" if len(shown) > 5 else ""
    found = f"  <- {', '.join(shown[:5])}{more}" if shown else ""
    line = f"{'  ' * depth}{verdict}  {explanation.label}{found}"
    return [line, *(inner for branch in explanation.branches for inner in explained(branch, words, depth + 1))]
