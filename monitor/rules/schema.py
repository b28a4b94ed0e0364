"""A rule as a user writes it, checked."""

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from monitor.models import Level
from monitor.rules import expression
from monitor.rules.expression import ExpressionError, Node


class RuleSchema(BaseModel):
    """One rule of a rule file; a bare expression is one too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field("", description="its name in alerts and commands; absent: the expression")
    title: str = Field("", description="one line for people; absent: the expression")
    level: Level = "medium"
    tags: tuple[str, ...] = ()
    match: str = Field(description="the expression, such as DPRK + missile")

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

    @field_validator("match")
    @classmethod
    def _readable(cls, value: str) -> str:
        try:
            expression.parse(value)
        except ExpressionError as error:
            shown = value[max(0, error.offset - 20) : error.offset + 20].strip()
            raise ValueError(f"{error} (character {error.offset + 1}, at: {shown})") from None
        return value


class RuleFile(BaseModel):
    """A rule file: the key `rules` holds a list of rules."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[RuleSchema, ...] = ()


class Rule(BaseModel):
    """A rule that is ready to be matched: `node` is its expression's tree, `place` where it is written."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    id: str
    title: str
    level: Level
    tags: tuple[str, ...]
    node: Node
    place: str


def rule_of(schema: RuleSchema, place: str) -> Rule:
    """Make a rule of what its file says."""
    return Rule(
        id=schema.id or " ".join(schema.match.split()),
        title=schema.title or schema.match,
        level=schema.level,
        tags=schema.tags,
        node=expression.parse(schema.match),
        place=place,
    )
