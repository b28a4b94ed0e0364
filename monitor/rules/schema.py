"""A rule as a user writes it, checked."""

import json
import re
from datetime import timedelta
from hashlib import blake2b
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from monitor.config.fields import ONE_OR_MANY, Duration, Names, Strict
from monitor.models import Level, When
from monitor.regex import check_regex
from monitor.rules import expression
from monitor.rules.expression import About, And, ExpressionError, In, Node, Not, Or, Regex
from monitor.rules.lexicon import Concept


def _parse_match(value: Any, *, part: bool = False) -> Node:
    """Read `match`: an expression, or `all / any / none` of lists of them; raises ValueError."""
    if isinstance(value, str):
        try:
            node = expression.parse(value, part=part)
        except ExpressionError as error:
            shown = value[max(0, error.offset - 20) : error.offset + 20].strip()
            raise ValueError(f"{error} (character {error.offset + 1}, at: {shown})") from None
        _check_regexes(node)
        return node
    if isinstance(value, list):
        raise ValueError("an expression was expected, or a mapping with all, any or none; a list alone says neither")
    if not isinstance(value, dict) or not value or not value.keys() <= {"all", "any", "none"}:
        raise ValueError("an expression was expected, such as DPRK + missile, or a mapping with all, any or none")
    node = _structured(value)
    if not expression.has_positive(node):
        raise ValueError("it only says what must not occur; add something that must")
    return node


def _structured(value: dict[str, Any]) -> Node:
    parts: list[Node] = []
    for key, makes in (("all", And), ("any", Or), ("none", Or)):
        if key in value:
            items = value[key] if isinstance(value[key], list) else [value[key]]
            if not items:
                raise ValueError(f"{key}: an empty list")
            nodes = tuple(_inner(item) for item in items)
            node = nodes[0] if len(nodes) == 1 else makes(nodes)
            parts.append(Not(node) if key == "none" else node)
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _inner(value: Any) -> Node:
    """A part of a structured match; it may be negative, the whole may not."""
    if isinstance(value, dict) and value and value.keys() <= {"all", "any", "none"}:
        return _structured(value)
    return _parse_match(value, part=True)


def _check_regexes(node: Node) -> None:
    if isinstance(node, Regex):
        check_regex(node.pattern)
    for child in expression.children_of(node):
        _check_regexes(child)


Match = Annotated[Any, BeforeValidator(lambda value: _parse_match(value))]


class Scope(Strict):
    """To which articles a rule applies at all."""

    languages: Names = Field((), description="languages of the text, such as ko or zh")
    feeds: Names = Field((), description="names or addresses of feeds; * stands for anything")
    tags: Names = Field((), description="tags of the feed, of which one has to be there")
    fields: Annotated[tuple[Literal["title", "lead", "body"], ...], ONE_OR_MANY] = Field(
        (), description="where the words have to stand"
    )
    max_age: Duration | None = Field(None, description="how old an article may be, such as 2d")


class Corroboration(Strict):
    """How much has to speak for a story before its alert is raised."""

    sources: int = Field(1, ge=1, description="how many feeds tell it")
    languages: int = Field(1, ge=1, description="in how many languages it is told")
    within: Duration | None = Field(None, description="the time in which they all do, such as 2h")

    @model_validator(mode="after")
    def _asks_for_something(self) -> "Corroboration":
        if self.sources == self.languages == 1:
            raise ValueError("one article is always there; ask for sources or languages, such as sources: 3")
        return self


class RuleTest(Strict):
    """A text that a rule has to match, or must not."""

    text: str | None = None
    file: str | None = Field(None, description="a fixture, relative to the rule file")
    title: str = ""
    language: str | None = None
    expect: Literal["match", "no-match"]

    @model_validator(mode="after")
    def _one_of_two(self) -> "RuleTest":
        if (self.text is None) == (self.file is None):
            raise ValueError("either text or file was expected")
        return self


class RuleSchema(Strict):
    """One rule of a rule file; a bare expression is one too."""

    id: str = Field("", description="its name in alerts and commands; absent: the expression")
    title: str = Field("", description="one line for people; absent: the expression")
    description: str = ""
    level: Level = "medium"
    tags: Names = ()
    enabled: bool = True
    status: Literal["draft", "testing", "stable", "deprecated"] = "stable"
    owner: str = ""
    references: Names = ()
    match: Match = Field(description="an expression such as DPRK + missile, or all / any / none of lists of them")
    scope: Scope = Scope()
    when: Corroboration | None = Field(None, description="what has to confirm a story before it raises an alert")
    receivers: Names = Field((), description="who is told, instead of the route's receivers")
    tests: tuple[RuleTest, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _bare_expression(cls, value: Any) -> Any:
        return {"match": value} if isinstance(value, str) else value

    @field_validator("id")
    @classmethod
    def _plain_id(cls, value: str) -> str:
        if not re.fullmatch(r"[\w.-]+", value):
            raise ValueError(f'"{value}" is no id; use letters, digits, and - _ . between them')
        return value


class RuleFile(Strict):
    """A rule file: rules, and concepts of the user's own."""

    rules: tuple[RuleSchema, ...] = ()
    concepts: dict[str, Concept] = Field(default_factory=dict, description="names to terms, by language or not")


class Rule(BaseModel):
    """A rule that is ready to be matched: `node` is its tree with its scope, `expression` what its `match` says.

    `version` is another one whenever its file says something else of it, tests and layout aside.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    id: str
    title: str
    description: str = ""
    level: Level
    tags: tuple[str, ...]
    enabled: bool = True
    status: str = "stable"
    owner: str = ""
    references: tuple[str, ...] = ()
    node: Node
    expression: str = ""
    max_age: timedelta | None = None
    when: When | None = None
    receivers: tuple[str, ...] = ()
    tests: tuple[RuleTest, ...] = ()
    place: str = ""
    version: str = ""


def rule_of(schema: RuleSchema, place: str, written: str = "") -> Rule:
    """Make a rule of what its file says; `written` is its expression as it stands there."""
    text = " ".join(written.split()) or str(schema.match)
    same = {"description", "level", "tags", "enabled", "status", "owner", "references", "receivers", "tests"}
    return Rule(
        id=schema.id or text,
        title=schema.title or text,
        node=_scoped(schema.match, schema.scope),
        expression=text,
        max_age=schema.scope.max_age,
        when=When(**schema.when.model_dump()) if schema.when else None,
        place=place,
        version=_version(schema),
        **{name: getattr(schema, name) for name in same},
    )


def _version(schema: RuleSchema) -> str:
    """A digest of what is written: a key that a later release adds changes it for those rules alone that use it."""
    written = schema.model_dump(exclude={"match", "tests"}, exclude_unset=True)
    said = json.dumps([str(schema.match), written], sort_keys=True, default=str)
    return blake2b(said.encode(), digest_size=4).hexdigest()


def _scoped(node: Node, scope: Scope) -> Node:
    """The expression within its scope: what is said under `scope` could be said in the expression, too."""
    if scope.fields:
        node = In(" ".join(scope.fields), node)
    about = (("lang", scope.languages), ("feed", scope.feeds), ("tag", scope.tags))
    tests = [_either([About(key, value) for value in values]) for key, values in about if values]  # type: ignore[arg-type]
    return And((node, *tests)) if tests else node


def _either(nodes: list[Any]) -> Node:
    return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))
