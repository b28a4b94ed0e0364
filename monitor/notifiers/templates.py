"""The door to jinja2: titles and bodies as users write them, and our own mail.

What users may write is a small part of the language: values, filters, conditions and loops. It has no calls, no
arithmetic that could grow without end and no assignments, so that a template is done in no time whatever it says. What
came from feeds is only ever a value.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from jinja2 import (
    Environment,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateSyntaxError,
    nodes,
    pass_context,
)
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import AfterValidator

from monitor.alerts.render import concepts_line, heading, news_of, pieces, sources_line
from monitor.errors import PermanentError
from monitor.models import Alert, Evidence, Notification, Snippet

Escape = Callable[[str], str]
Render = Callable[[Notification], str]

_LONGEST = 10_000  # characters of a template
_LONGEST_OUTPUT = 50_000
_LONGEST_VALUE = 2_000
_MOST_TURNS = 5_000  # of all its loops together
_FILTERS = ["capitalize", "default", "first", "last", "length", "lower", "title", "trim", "truncate", "upper"]
_ALLOWED = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Name, nodes.Const, nodes.Getattr),
    *(nodes.Getitem, nodes.Slice, nodes.List, nodes.Tuple, nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand),
    *(nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Concat, nodes.Sub, nodes.Keyword),
)
_ITERATED = (nodes.Name, nodes.Getattr, nodes.Getitem)
_FAILURES = (TemplateError, TypeError, ValueError, LookupError, ArithmeticError)
_UNREADABLE = (SyntaxError, RecursionError, MemoryError)  # what Python says of code nested too deep


class Url(str):
    """An alert's URL among the values of a template: escaping may have to treat it as one."""

    __slots__ = ()


def compiled(source: str, escape: Escape = str) -> Render:
    """Make a template a function of a notification with alerts; what values it puts out go through `escape`.

    The function raises PermanentError where the template fails. Raises ValueError for what cannot be read, is not
    allowed, or fails on one of two examples: an alert that has everything, and one that has only what each has.
    """
    environment = _environment(escape)
    try:
        template = environment.from_string(_checked(source, environment))
    except TemplateSyntaxError as error:
        raise ValueError(f"line {error.lineno} of the template: {error.message}") from None
    except _UNREADABLE:
        raise ValueError("the template is nested too deep") from None
    for example in _examples():
        try:
            _gathered(template.generate(values_of(example)))
        except _FAILURES as error:
            raise ValueError(f"the template fails on an example: {error}") from None

    def render(notification: Notification) -> str:
        try:
            return _gathered(template.generate(values_of(notification)))
        except _FAILURES as error:
            raise PermanentError(f"the template fails on this notification: {error}") from None

    return render


def values_of(notification: Notification) -> dict[str, Any]:
    """What a template can show: `alert` is the first of `alerts`."""
    alerts = [_alert_values(alert) for alert in news_of(notification)]
    return {
        "kind": notification.kind,
        "receiver": notification.receiver,
        "heading": heading(notification),
        "alerts": alerts,
        "alert": alerts[0],
        "turns": iter(range(_MOST_TURNS)),
    }


def _alert_values(alert: Alert) -> dict[str, Any]:
    shown = alert.model_dump(exclude={"snippet", "evidence", "when", "receivers"})
    shown |= {
        "snippet": alert.snippet.text,
        "words": [text for text, is_mark in pieces(alert.snippet) if is_mark],
        "concepts": concepts_line(alert),
        "origin": sources_line(alert),
    }
    short = {name: value[:_LONGEST_VALUE] if isinstance(value, str) else value for name, value in shown.items()}
    return short | {"url": Url(alert.url)}


def _checked(source: str, environment: Environment) -> nodes.Template:
    """The tree of a template that holds nothing but what is allowed; its loops count their turns."""
    if len(source) > _LONGEST:
        raise ValueError(f"a template has {_LONGEST} characters at most")
    tree = environment.parse(source)
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _ALLOWED):
            what = type(node).__name__.lower()
            raise ValueError(f"line {node.lineno} of the template: it may not hold this ({what})")
    for loop in tree.find_all(nodes.For):
        if loop.recursive or not isinstance(loop.iter, _ITERATED):
            raise ValueError(f"line {loop.lineno} of the template: a loop goes over a value, such as alerts")
        loop.iter = nodes.Filter(loop.iter, "counted", [], [], None, None, lineno=loop.lineno)
    return tree


def _environment(escape: Escape) -> Environment:
    def finalize(value: Any) -> Any:
        return escape(value) if isinstance(value, str) else "" if value is None else value

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, finalize=finalize)
    environment.globals.clear()
    environment.filters = {name: FILTERS[name] for name in _FILTERS}
    environment.filters |= {"join": _join, "date": _date, "counted": _counted}
    return environment


@pass_context
def _counted(context: Context, values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if next(context["turns"], None) is None:
            raise ValueError(f"its loops take more than {_MOST_TURNS} turns")
        yield value


def _join(values: Iterable[Any], between: str = ", ") -> str:
    """The values of a list as one text."""
    if isinstance(values, str) or len(between) > 20:
        raise ValueError("join takes a list, and puts 20 characters at most between two of its values")
    return between.join(map(str, values))[:_LONGEST_OUTPUT]


def _date(value: datetime | None, form: str = "%Y-%m-%d %H:%M UTC") -> str:
    """A time in UTC as `form` says (strftime), or nothing where it is not known."""
    if value is not None and (re.search("%[^a-zA-Z%-]", form) or len(form) > 100):
        raise ValueError(f'"{form}" is no form of a date; write one such as %d.%m.%Y')
    return value.astimezone(UTC).strftime(form) if value else ""


def _gathered(parts: Iterable[str]) -> str:
    """The text that a template puts out, cut where it does not end."""
    text = ""
    for part in parts:
        text += part
        if len(text) > _LONGEST_OUTPUT:
            return f"{text[:_LONGEST_OUTPUT]}…"
    return text


def _examples() -> Iterator[Notification]:
    bare = Alert(id="1", rule="r", level="high", document="d", title="T", snippet=Snippet(text="S"), evidence=())
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    full = bare.model_copy(
        update={
            "url": "https://example.org/1",
            "source": "A",
            "language": "en",
            "published": noon,
            "first_seen": noon,
            "last_seen": noon,
            "tags": ("t",),
            "documents": ("d",),
            "sources": ("A", "B"),
            "languages": ("en", "ko"),
            "snippet": Snippet(text="S", marks=((0, 1),)),
            "evidence": (Evidence(concept="c", text="S", field="body", start=0, end=1),),
        }
    )
    for kind, alerts in (("alert", (bare,)), ("update", (full,)), ("digest", (full, bare))):
        yield Notification.model_validate({"key": "k", "receiver": "r", "kind": kind, "alerts": alerts})


def _valid(source: str) -> str:
    compiled(source)
    return source


TemplateText = Annotated[str, AfterValidator(_valid)]


@cache
def own(name: str) -> Template:
    """A template of ours, in a file beside this one; what it puts out is escaped as HTML."""
    source = files(__package__).joinpath(name).read_text("utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
        source
    )
