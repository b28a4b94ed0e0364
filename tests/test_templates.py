"""Titles and bodies as users write them: what they can say, and that none of it runs, hangs or grows."""

import time
from typing import Any

import pytest

from monitor.errors import PermanentError
from monitor.notifiers.slack_blocks import value
from monitor.notifiers.templates import compiled
from tests.notices import HOSTILE, a_notification, an_alert


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ alert.title }}", "북한, 탄도미사일 발사"),
        ("{{ alert.level|upper }} {{ alert.rule }}: {{ alert.concepts }}", "HIGH korea: missile"),
        ("{{ alert.origin }}", "2 sources: Yonhap, Antara · ko, id"),
        ("{{ alert.sources|join(' + ') }} ({{ alert.sources|length - 1 }} more)", "Yonhap + Antara (1 more)"),
        ("{{ alert.published|date }}", "2026-11-23 12:00 UTC"),
        ("{{ alert.published|date('%d.%m.%Y') }}{{ alert.last_seen|date }}", "23.11.2026"),
        ("{{ alert.words|join }} in {{ alert.snippet[:3] }}", "미사일 in 북한이"),
        ("{% for a in alerts %}{{ loop.index }}. {{ a.rule }}{% endfor %}", "1. korea"),
        ("{% if alert.level in ['high', 'critical'] %}!{% else %}?{% endif %}", "!"),
        ("{{ heading }} | {{ kind }} | {{ receiver }}", "HIGH · korea (Korean peninsula) | alert | desk"),
        ("{{ alert.url }} {{ alert.story or 'no story' }}", "https://news.example/1?a=1&b=2 no story"),
        ("{{ alert.first_seen }}|", "|"),
        ("{{ alert.title ~ '!' if alerts|length == 1 }}", "북한, 탄도미사일 발사!"),
        ("{{ alert.title|truncate(8, true, '…', 0) }}", "북한, 탄도미…"),
    ],
)
def test_what_a_template_can_say(template: str, expected: str) -> None:
    assert compiled(template)(a_notification()) == expected


FORBIDDEN = [
    ("{% for i in range(10**9) %}x{% endfor %}", "may not hold this (call)"),
    ("{{ 'x' * 10**10 }}", "may not hold this (mul)"),
    ("{{ 2 ** 10 ** 10 }}", "may not hold this (pow)"),
    ("{{ '%99999999d' % 1 }}", "may not hold this (mod)"),
    ("{{ 'x'.ljust(10**9) }}", "may not hold this (call)"),
    ("{{ '{:>999999999}'.format(1) }}", "may not hold this (call)"),
    ("{% set x = 'ab' %}{% set x = x ~ x %}", "may not hold this (assign)"),
    ("{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}", "may not hold this (macro)"),
    ("{% for a in alerts recursive %}{{ loop(alerts) }}{% endfor %}", "may not hold this (call)"),
    ("{% for a in alerts recursive %}{% endfor %}", "a loop goes over a value"),
    ("{% for a in [alert.title ~ alert.title] %}{% endfor %}", "a loop goes over a value"),
    ("{{ alert.title|center(10**9) }}", "may not hold this (pow)"),
    ("{{ alert.title|center(999999999) }}", "No filter named 'center'"),
    ("{{ alert.title|indent(999999999) }}", "No filter named 'indent'"),
    ("{{ alert.title|replace('', 'x') }}", "No filter named 'replace'"),
    ("{{ alert.published|date('%999999999d') }}", "is no form of a date"),
    ("{{ alert.title|join('x') }}", "join takes a list"),
    ("{% include '/etc/passwd' %}", "may not hold this (include)"),
    ("{% import 'os' as os %}", "may not hold this (import)"),
    ("{% extends 'x' %}", "may not hold this (extends)"),
    ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "may not hold this (call)"),
    ("{{ alert.__class__ }}", "unsafe"),
    ("{{ alert['__class__'] }}", "unsafe"),
    ("{{ alert|attr('__class__') }}", "No filter named 'attr'"),
    ("{{ self.__init__.__globals__ }}", "unsafe"),
    ("{{ cycler.__init__.__globals__.os.popen('id').read() }}", "may not hold this (call)"),
    ("{{ lipsum }}", "'lipsum' is undefined"),
    ("{{ config }}", "'config' is undefined"),
    ("{{ alert.titel }}", "no attribute 'titel'"),
    ("one\ntwo {{ alert.title }", "line 2 of the template: unexpected '}'"),
    ("{% if %}", "line 1 of the template"),
    ("x" * 10_001, "10000 characters at most"),
    ("{{ " + "(" * 4_000 + "1" + ")" * 4_000 + " }}", "nested too deep"),
    ("{% for a in alerts %}" * 60 + "{% endfor %}" * 60, "nested too deep"),
]


@pytest.mark.parametrize(("template", "reason"), FORBIDDEN, ids=range(len(FORBIDDEN)))
def test_what_a_template_cannot_do_is_said_at_once(template: str, reason: str) -> None:
    began = time.monotonic()
    with pytest.raises(ValueError, match=r"template|date|join|characters") as caught:
        compiled(template)
    assert reason in str(caught.value)
    assert time.monotonic() - began < 2


def test_loops_take_so_many_turns_and_no_more() -> None:
    nested = "{% for a in alerts %}" * 4 + "{% endfor %}" * 4
    render = compiled(nested)
    assert render(a_notification(*[an_alert()] * 5)) == ""
    began = time.monotonic()
    with pytest.raises(PermanentError, match="its loops take more than 5000 turns"):
        render(a_notification(*[an_alert()] * 500))
    assert time.monotonic() - began < 2


def test_a_long_output_is_cut() -> None:
    assert (
        len(compiled("{% for a in alerts %}{{ a.snippet }}{% endfor %}")(a_notification(*[an_alert()] * 3_000)))
        == 50_001
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_what_came_from_a_feed_is_never_a_template(text: str) -> None:
    assert compiled("{{ alert.title }}")(a_notification(an_alert(title=text))) == text


def test_values_are_escaped_and_the_users_own_words_are_not() -> None:
    render = compiled("*{{ alert.title }}* <!here> {{ alert.title ~ '*' }}{{ '_' }}", value)
    assert render(a_notification(an_alert(title="<a>"))) == "*&lt;a&gt;* <!here> &lt;a&gt;∗ˍ"


def test_each_render_has_turns_of_its_own() -> None:
    render: Any = compiled("{% for a in alerts %}x{% endfor %}")
    alerts = [an_alert()] * 4_000
    assert len(render(a_notification(*alerts))) == len(render(a_notification(*alerts))) == 4_000
