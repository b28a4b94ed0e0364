"""The expression language: what it means, and what is said of what it cannot read."""

import pytest

from monitor.rules.expression import ExpressionError, parse


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("DPRK", "DPRK"),
        ("military exercise", "military exercise"),
        ('"military exercise"', '"military exercise"'),
        ("a + b", "(a + b)"),
        ("a AND b", "(a + b)"),
        ("a | b", "(a | b)"),
        ("a OR b", "(a | b)"),
        ("a + -b", "(a + -b)"),
        ("a AND NOT b", "(a + -b)"),
        ("a - b", "(a + -b)"),
        ("a NOT b", "(a + -b)"),
        ("a + b | c + d", "((a + b) | (c + d))"),
        ("a + (b | c)", "(a + (b | c))"),
        ("a+b|c", "((a + b) | c)"),
        ("a + - - b", "(a + b)"),
        ("nord-coréen + OPEC", "(nord-coréen + OPEC)"),
        ("a + -(b | c)", "(a + -(b | c))"),
        ("北朝鮮 + ミサイル", "(北朝鮮 + ミサイル)"),
        ("Orland + Android", "(Orland + Android)"),
        ("and + or", "(and + or)"),
    ],
)
def test_expressions(text: str, tree: str) -> None:
    assert str(parse(text)) == tree


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("", "empty; write what to look for", 0),
        ("   ", "empty", 0),
        ("-a", "it only says what must not occur", 0),
        ("a | -b", "it only says what must not occur", 0),
        ("a +", "the expression ends where a word was expected", 3),
        ("a + | b", "| stands where a word was expected", 4),
        ("(a", "a parenthesis is never closed", 2),
        ("a)", "a closing parenthesis that was never opened", 1),
        ('a "b"', 'an operator is missing before "b"', 2),
        ("a (b)", "an operator is missing before (", 2),
        ('a + "b', "a quotation mark that is never closed", 4),
        ('a + ""', "no letter or digit between the quotation marks", 4),
        ("a + ***", "*** holds no letter or digit", 4),
        ("(" * 60 + "a", "nested over 50 deep", 50),
        ("a" * 30_000, "longer than 20,000 characters", 20_000),
    ],
)
def test_what_cannot_be_read(text: str, message: str, offset: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert caught.value.offset == offset
