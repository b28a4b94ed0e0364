"""`monitor rules` and `monitor match`."""

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor.cli.options import config_option, configuration, format_option, rules_option, show

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.matching.matcher import Matcher
    from monitor.models import Article
    from monitor.rules.load import RuleSet


@click.group()
def rules() -> None:
    """Check, list, test and explain rules."""


@rules.command()
@rules_option
@config_option
@click.option("--strict", is_flag=True, help="Exit with 1 for doubts as well.")
def check(rules_paths: tuple[Path, ...], config_path: Path | None, strict: bool) -> None:
    """Say what is wrong with the rules (exit status 2), and what is doubtful."""
    from monitor.articles.language import normal
    from monitor.matching.lint import lint

    config, loaded = _load(config_path, rules_paths)
    doubts = lint(loaded, filter(None, (normal(feed.language) for feed in config.feeds)))
    for doubt in doubts:
        click.echo(f"{doubt.place}: doubtful: {doubt.message}")
    click.echo(f"rules: {len(loaded.rules)}, own concepts: {len(loaded.concepts)}, doubts: {len(doubts)}", err=True)
    sys.exit(1 if doubts and strict else 0)


@rules.command("list")
@rules_option
@config_option
@format_option
def list_rules(rules_paths: tuple[Path, ...], config_path: Path | None, form: str) -> None:
    """List the rules, a line each."""
    _, loaded = _load(config_path, rules_paths)
    for rule in loaded.rules:
        if form == "ndjson":
            click.echo(json.dumps(_as_object(rule), ensure_ascii=False))
        else:
            state = "" if rule.enabled else " (disabled)"
            title = "" if rule.title in (rule.id, rule.expression) else f"  {rule.title}"
            click.echo(f"{rule.level:<9}{rule.id}{state}{title}  [{rule.place}]")


@rules.command("show")
@click.argument("rule_id", metavar="RULE")
@rules_option
@config_option
def show_rule(rule_id: str, rules_paths: tuple[Path, ...], config_path: Path | None) -> None:
    """Show a rule, and what its concepts are called in each language."""
    _, loaded = _load(config_path, rules_paths)
    rule = _rule(loaded, rule_id)
    for key, value in _as_object(rule).items():
        if value not in ("", [], None, ()):
            click.echo(f"{key}: {', '.join(map(str, value)) if isinstance(value, list | tuple) else value}")
    for concept in _concepts(rule, loaded):
        click.echo(f"\n{concept.name}" + (f" - {concept.about}" if concept.about else ""))
        for language in sorted({*concept.terms, *concept.names}):
            terms = [*concept.names.get(language, ()), *concept.terms.get(language, ())]
            click.echo(f"  {language}: {', '.join(terms[:8])}{' ...' if len(terms) > 8 else ''}")


@rules.command()
@rules_option
@config_option
def test(rules_paths: tuple[Path, ...], config_path: Path | None) -> None:
    """Run the tests that rules carry with them; exit 1 if one fails."""
    from monitor.ruletests import Outcome, run_tests

    _, loaded = _load(config_path, rules_paths)

    async def outcomes() -> list[Outcome]:
        async with _reader() as reader:
            return [outcome async for outcome in run_tests(loaded, reader)]

    found = asyncio.run(outcomes())
    for outcome in found:
        if not outcome.passed:
            shown = outcome.test.file or f'"{(outcome.test.text or "")[:80]}"'
            wanted = "should match" if outcome.test.expect == "match" else "should not match"
            click.echo(f"{outcome.rule.place}: {outcome.rule.id}: test {outcome.number}: {wanted}: {shown}")
    failed = sum(not outcome.passed for outcome in found)
    click.echo(f"tests: {len(found)}, failed: {failed}", err=True)
    sys.exit(1 if failed else 0)


@rules.command()
@click.argument("rule_id", metavar="RULE")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--text", help="A text instead of a fixture.")
@click.option("--language", help="Its language, where it does not tell.")
@rules_option
@config_option
def explain(rule_id: str, path: Path | None, text: str | None, language: str | None, **options: Any) -> None:
    """Say of every branch of a rule whether a text satisfies it, and by which words.

    \b
    monitor rules explain dprk-missile seeds/ko-missile-launch.txt
    monitor rules explain "DPRK + missile" --text "북한이 미사일을 발사했다"
    """
    from monitor.errors import InputError, Problem
    from monitor.matching.matcher import Matcher
    from monitor.ruletests import article_of, explained

    _, loaded = _load(options["config_path"], options["rules_paths"])
    rule = _rule(loaded, rule_id)
    if (path is None) == (text is None):
        raise InputError([Problem("explain", "a fixture or --text was expected, one of the two")])
    matcher = Matcher([rule.model_copy(update={"enabled": True})], loaded.lexicon)
    articles = [article_of(text or "", language=language)] if path is None else asyncio.run(_articles([path]))
    for article in articles:
        explanation, sight = matcher.explain(rule.id, article)
        words = {item: sight.evidence_of(*item).text for branch in _branches(explanation) for item in branch.found}
        click.echo(f"{article.id}  language: {article.language or 'unknown'}")
        click.echo("\n".join(explained(explanation, words)))


@rules.command()
def schema() -> None:
    """Print the JSON Schema of rule files, for editors."""
    click.echo(json.dumps(rule_file_schema(), indent=2, ensure_ascii=False))


def rule_file_schema() -> dict[str, Any]:
    """The JSON Schema of rule files, with what bare strings and lists stand for."""
    from monitor.rules.schema import RuleFile

    document = RuleFile.model_json_schema()
    definitions = document["$defs"]
    expression = {"type": "string", "description": "an expression, such as DPRK + missile"}
    part = {"anyOf": [expression, {"$ref": "#/$defs/Structured"}]}
    parts = {"anyOf": [part, {"type": "array", "items": part}]}
    definitions["Structured"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"all": parts, "any": parts, "none": parts},
    }
    definitions["RuleSchema"]["properties"]["match"] = part
    document["properties"]["rules"]["items"] = {"anyOf": [expression, {"$ref": "#/$defs/RuleSchema"}]}
    terms = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    definitions["Concept"].pop("additionalProperties", None)
    definitions["Concept"]["patternProperties"] = {"^[a-z]{2,3}(-[A-Z][a-z]{3})?$": terms}
    document["properties"]["concepts"]["additionalProperties"] = {
        "anyOf": [*terms["anyOf"], {"$ref": "#/$defs/Concept"}]
    }
    definitions["Scope"]["properties"]["max_age"] = {"type": "string", "description": "such as 2d"}
    for definition in definitions.values():
        for name in ("tags", "references", "receivers", "languages", "feeds", "fields"):
            if name in definition.get("properties", {}):
                definition["properties"][name] = terms
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | document


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@rules_option
@click.option("--expr", "expressions", multiple=True, metavar="EXPRESSION", help="An expression instead of rules.")
@format_option
@config_option
def match(paths: tuple[Path, ...], expressions: tuple[str, ...], form: str, **options: Any) -> None:
    """Find the documents that rules match: grep for rules. Exit 1 if there is none.

    \b
    monitor match articles/ --expr "DPRK + missile"
    monitor match articles/ --rules rules --format ndjson
    """
    from monitor import fixtures
    from monitor.replay import alerts_of, articles_in

    matcher = matcher_for(expressions, options["config_path"], options["rules_paths"])

    async def search() -> int:
        found = 0
        async with _reader() as reader:
            async for _, articles in articles_in(fixtures.stream(paths), reader):
                for alert in (alert for article in articles for alert in alerts_of(article, matcher)):
                    found += 1
                    show(alert, (), form)
        return found

    sys.exit(0 if asyncio.run(search()) else 1)


def matcher_for(expressions: tuple[str, ...], config_path: Path | None, rules_paths: tuple[Path, ...]) -> "Matcher":
    """The rules of the files, or those given as expressions; the files' concepts serve both."""
    from monitor import yamlfile
    from monitor.errors import InputError
    from monitor.matching.matcher import Matcher
    from monitor.rules.lexicon import shipped
    from monitor.rules.load import RuleSet, unknown_concepts
    from monitor.rules.schema import RuleSchema, rule_of

    if not expressions:
        _, loaded = _load(config_path, rules_paths)
        return Matcher(loaded.rules, loaded.lexicon)
    try:
        _, loaded = _load(config_path, rules_paths)
    except InputError:
        if rules_paths or config_path:
            raise
        loaded = RuleSet(shipped())
    rules = []
    for expression in expressions:
        checked = yamlfile.validate(RuleSchema, yamlfile.Document("--expr"), expression)
        rules.append(rule_of(checked, f"--expr {expression}", expression))
    if problems := unknown_concepts(rules, loaded.lexicon):
        raise InputError(problems)
    return Matcher(rules, loaded.lexicon)


def _load(config_path: Path | None, rules_paths: tuple[Path, ...]) -> "tuple[Config, RuleSet]":
    from monitor.rules.lexicon import shipped
    from monitor.rules.load import load

    config = configuration(config_path, rules_paths)
    return config, load(config.rules, shipped(), config.receivers if config.feeds else None)


def _rule(loaded: "RuleSet", rule_id: str) -> Any:
    from monitor.errors import InputError, Problem
    from monitor.yamlfile import suggest

    for rule in loaded.rules:
        if rule.id == rule_id:
            return rule
    raise InputError([Problem(rule_id, f"no such rule{suggest(rule_id, [rule.id for rule in loaded.rules])}")])


def _as_object(rule: Any) -> dict[str, Any]:
    fields: dict[str, Any] = rule.model_dump(mode="json", exclude={"node", "tests", "max_age"})
    return fields | {"tests": len(rule.tests)}


def _concepts(rule: Any, loaded: "RuleSet") -> list[Any]:
    from monitor.rules.expression import terms_of

    found = (loaded.lexicon.find(term.text) for term in terms_of(rule.node) if not term.literal)
    return list({concept.name: concept for concept in found if concept}.values())


def _branches(explanation: Any) -> list[Any]:
    return [explanation, *(inner for branch in explanation.branches for inner in _branches(branch))]


def _reader() -> Any:
    from contextlib import asynccontextmanager

    from monitor.reading import Reader, no_pages
    from monitor.workers import Workers

    @asynccontextmanager
    async def open_reader() -> Any:
        async with Workers() as workers:
            yield Reader(no_pages, workers)

    return open_reader()


async def _articles(paths: Any) -> "list[Article]":
    from monitor import fixtures
    from monitor.replay import articles_of

    async with _reader() as reader:
        return [article for fixture in fixtures.read(paths) for article in await articles_of(fixture, reader)]
