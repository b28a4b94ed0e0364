"""The expression language of rules: text to tree.

    expression := conjunction ( ("|" | "OR") conjunction )*
    conjunction := negation ( ("+" | "AND")? negation )*       the operator may be left out only before a NOT
    negation   := ("-" | "NOT") negation | "(" expression ")" | term
    term       := '"' literal '"' | word+                      consecutive words are one phrase or concept name

NOT binds before AND, AND before OR.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

MAX_LENGTH = 20_000
MAX_DEPTH = 50


class ExpressionError(ValueError):
    """An expression that cannot be read: what is wrong, and at which character (from 0)."""

    def __init__(self, message: str, offset: int) -> None:
        self.offset = offset
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Term:
    """Words to look for: a concept's name or a phrase, or with `literal` exactly these words."""

    text: str
    literal: bool = False

    def __str__(self) -> str:
        return f'"{self.text}"' if self.literal else self.text


@dataclass(frozen=True, slots=True)
class Not:
    child: "Node"

    def __str__(self) -> str:
        return f"-{self.child}"


@dataclass(frozen=True, slots=True)
class And:
    children: tuple["Node", ...]

    def __str__(self) -> str:
        return "(" + " + ".join(map(str, self.children)) + ")"


@dataclass(frozen=True, slots=True)
class Or:
    children: tuple["Node", ...]

    def __str__(self) -> str:
        return "(" + " | ".join(map(str, self.children)) + ")"


Node = Term | Not | And | Or

_TOKEN = re.compile(
    r"""\s*(?: (?P<literal>"[^"]*") | (?P<open>\() | (?P<close>\)) | (?P<or>\||\bOR\b) | (?P<and>\+|\bAND\b)
           | (?P<not>-|\bNOT\b) | (?P<word>[^\s()|+"]+) )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    offset: int


def parse(text: str) -> Node:
    """Read an expression; raises ExpressionError. An expression with nothing positive in it is refused."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"longer than {MAX_LENGTH:,} characters; make it several rules", MAX_LENGTH)
    node = _Parser(text).parse()
    if not has_positive(node):
        raise ExpressionError("it only says what must not occur; add something that must", 0)
    return node


def has_positive(node: Node) -> bool:
    """Tell whether a node can only be true of a text in which something is found."""
    if isinstance(node, Term):
        return True
    if isinstance(node, And):
        return any(map(has_positive, node.children))
    if isinstance(node, Or):
        return all(map(has_positive, node.children))
    return False


def _tokens(text: str) -> Iterator[_Token]:
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            offset = position + len(text[position:]) - len(text[position:].lstrip())
            raise ExpressionError('a quotation mark that is never closed; write "like this"', offset)
        kind = match.lastgroup or ""
        yield _Token(kind, match[kind], match.start(kind))
        position = match.end()
    yield _Token("end", "", end)


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.next = 0
        self.depth = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.next]

    def take(self, kind: str) -> bool:
        if self.token.kind != kind:
            return False
        self.next += 1
        return True

    def fail(self, message: str) -> NoReturn:
        raise ExpressionError(message, self.token.offset)

    def parse(self) -> Node:
        if self.token.kind == "end":
            self.fail("empty; write what to look for, such as DPRK + missile")
        node = self.disjunction()
        if self.token.kind == "close":
            self.fail("a closing parenthesis that was never opened")
        return node

    def disjunction(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"nested over {MAX_DEPTH} deep")
        children = [self.conjunction()]
        while self.take("or"):
            children.append(self.conjunction())
        self.depth -= 1
        return children[0] if len(children) == 1 else Or(tuple(children))

    def conjunction(self) -> Node:
        children = [self.negation()]
        while self.take("and") or self.token.kind == "not":
            children.append(self.negation())
        if self.token.kind in ("literal", "open", "word"):
            self.fail(f"an operator is missing before {self.token.text}; write + for and, | for or")
        return children[0] if len(children) == 1 else And(tuple(children))

    def negation(self) -> Node:
        negations = 0
        while self.take("not"):
            negations += 1
        node = self.primary()
        return Not(node) if negations % 2 else node

    def primary(self) -> Node:
        if self.take("open"):
            node = self.disjunction()
            if not self.take("close"):
                self.fail("a parenthesis is never closed")
            return node
        token = self.token
        if self.take("literal"):
            if not re.search(r"\w", token.text):
                raise ExpressionError("nothing between the quotation marks", token.offset)
            return Term(token.text[1:-1].strip(), literal=True)
        words = []
        while self.token.kind == "word":
            words.append(self.token.text)
            self.next += 1
        if not words:
            found = "the expression ends" if token.kind == "end" else f"{token.text} stands"
            self.fail(f"{found} where a word was expected")
        if not re.search(r"\w", " ".join(words)):
            raise ExpressionError(f"{' '.join(words)} holds no letter or digit", token.offset)
        return Term(" ".join(words))
