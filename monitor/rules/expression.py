"""The expression language of rules: text to tree.

    expression  := conjunction ( ("|" | "OR") conjunction )*
    conjunction := negation ( ("+" | "AND")? negation )*        the operator may be left out only before a NOT
    negation    := ("-" | "NOT") negation | proximity
    proximity   := primary ( ("~10" | "NEAR/10" | "ONEAR/10") primary )*
    primary     := "(" expression ")" | field ":" primary | number "of" "(" expression ("," expression)* ")"
                 | "/" regular expression "/" | term
    term        := '"' literal '"' | word+                       consecutive words are one phrase or concept name

NOT binds before AND, AND before OR. A term `@name` has to be a concept, `=Word` is case-sensitive, `word*` may go on.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NoReturn

MAX_LENGTH = 20_000
MAX_DEPTH = 50
FIELDS = ("title", "lead", "body")
ABOUT = ("author", "url", "feed", "tag", "lang")


class ExpressionError(ValueError):
    """An expression that cannot be read: what is wrong, and at which character (from 0)."""

    def __init__(self, message: str, offset: int) -> None:
        self.offset = offset
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Term:
    """Words to look for: a concept's name or a phrase; with `literal` exactly these words, with `concept` a concept."""

    text: str
    literal: bool = False
    concept: bool = False

    def __str__(self) -> str:
        return f'"{self.text}"' if self.literal else f"@{self.text}" if self.concept else self.text


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression over the original text."""

    pattern: str

    def __str__(self) -> str:
        return f"/{self.pattern}/"


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


@dataclass(frozen=True, slots=True)
class AtLeast:
    """At least `count` of the children."""

    count: int
    children: tuple["Node", ...]

    def __str__(self) -> str:
        return f"{self.count} of ({', '.join(map(str, self.children))})"


@dataclass(frozen=True, slots=True)
class Near:
    """Two things, both in the title or both in the text, at most `distance` words apart; `ordered`, left one first."""

    left: "Node"
    right: "Node"
    distance: int
    ordered: bool

    def __str__(self) -> str:
        return f"({self.left} {'ONEAR/' if self.ordered else '~'}{self.distance} {self.right})"


@dataclass(frozen=True, slots=True)
class In:
    """The child, looked for in one field of the article only, or in several, parted by spaces."""

    field: str
    child: "Node"

    def __str__(self) -> str:
        return f"{self.field}: {self.child}"


@dataclass(frozen=True, slots=True)
class About:
    """What is known of the article besides its text: `lang: ko`, `feed: reuters*`; `*` stands for anything."""

    key: Literal["author", "url", "feed", "tag", "lang"]
    value: str

    def __str__(self) -> str:
        return f"{self.key}: {self.value}"


Node = Term | Regex | Not | And | Or | AtLeast | Near | In | About


def terms_of(node: Node) -> Iterator[Term]:
    """Every term of a tree, also those under a NOT."""
    if isinstance(node, Term):
        yield node
    for child in children_of(node):
        yield from terms_of(child)


def children_of(node: Node) -> tuple[Node, ...]:
    """The branches of a tree's node."""
    inner = (getattr(node, name) for name in ("child", "left", "right") if hasattr(node, name))
    return (*getattr(node, "children", ()), *inner)


_TOKEN = re.compile(
    rf"""\s*(?: (?P<literal>"[^"]*") | (?P<regex>(?<![^\s(:+|,-])/(?:[^/\\]|\\.)+/)
           | (?P<open>\() | (?P<close>\)) | (?P<comma>,)
           | (?P<or>\||\bOR\b) | (?P<and>\+|\bAND\b) | (?P<not>-|\bNOT\b)
           | (?P<near>~\s*\d*|\bO?NEAR(?:/\d*)?(?!\S)) | (?P<field>(?:{"|".join(FIELDS + ABOUT)}):)
           | (?P<of>\d+\s+of(?=\s*\())
           | (?P<word>[^\s()|+",~]+) )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    offset: int


def parse(text: str, *, part: bool = False) -> Node:
    """Read an expression; raises ExpressionError. One with nothing positive in it is refused, unless it is a `part`."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"longer than {MAX_LENGTH:,} characters; make it several rules", MAX_LENGTH)
    node = _Parser(text).parse()
    if not part and not has_positive(node):
        raise ExpressionError("it only says what must not occur; add something that must", 0)
    return node


def holds_a_word(text: str) -> bool:
    """Tell whether a text has a letter or digit that can be looked for, and no control character."""
    return any(c.isalnum() and c != "\u0640" for c in text) and not re.search("[\x00-\x08\x0e-\x1f]", text)


def has_positive(node: Node) -> bool:
    """Tell whether a node can only be true of an article in which something is found."""
    match node:
        case Not():
            return False
        case And(children):
            return any(map(has_positive, children))
        case Or(children):
            return all(map(has_positive, children))
        case AtLeast(count, children):
            return sum(not has_positive(child) for child in children) < count
        case In(_, child):
            return has_positive(child)
        case _:
            return True


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
        if self.token.kind == "comma":
            self.fail("a comma outside of `2 of (a, b, c)`; write | for or")
        return node

    def disjunction(self) -> Node:
        children = [self.nested(self.conjunction)]
        while self.take("or"):
            children.append(self.nested(self.conjunction))
        return children[0] if len(children) == 1 else Or(tuple(children))

    def conjunction(self) -> Node:
        children = [self.negation()]
        while self.take("and") or self.token.kind == "not":
            children.append(self.negation())
        if self.token.kind in ("literal", "regex", "open", "field", "of", "word"):
            self.fail(f"an operator is missing before {self.token.text}; write + for and, | for or")
        return children[0] if len(children) == 1 else And(tuple(children))

    def negation(self) -> Node:
        negations = 0
        while self.take("not"):
            negations += 1
        node = self.proximity()
        return Not(node) if negations % 2 else node

    def proximity(self) -> Node:
        node, depth = self.primary(), self.depth
        while self.token.kind == "near":
            self.depth += 1
            operator = self.token
            distance = re.sub(r"\D", "", operator.text)
            if not distance or len(distance) > 4:
                self.fail("the distance in words is missing; write a ~10 b or a NEAR/10 b")
            self.next += 1
            right = self.nested(self.primary)
            for side in (node, right):
                if not _has_place(side):
                    message = "what stands beside ~ or NEAR has to be words, or alternatives of words such as (a | b)"
                    raise ExpressionError(message, operator.offset)
            node = Near(node, right, int(distance), operator.text.startswith("O"))
        self.depth = depth
        return node

    def nested(self, read: Callable[[], Node]) -> Node:
        """Read something a step deeper; raises ExpressionError where that is too deep."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"nested over {MAX_DEPTH} deep")
        node = read()
        self.depth -= 1
        return node

    def primary(self) -> Node:
        token = self.token
        if self.take("open"):
            node = self.disjunction()
            if not self.take("close"):
                self.fail("a parenthesis is never closed")
            return node
        if self.take("field"):
            return self.scoped(token)
        if self.take("of"):
            return self.at_least(token)
        if self.take("regex"):
            return Regex(token.text[1:-1])
        if self.take("literal"):
            if not holds_a_word(token.text):
                raise ExpressionError("no letter or digit between the quotation marks", token.offset)
            return Term(token.text[1:-1].strip(), literal=True)
        return self.words()

    def scoped(self, token: _Token) -> Node:
        field = token.text.rstrip(":")
        if field in FIELDS:
            return In(field, self.nested(self.primary))
        node = self.nested(self.primary)
        values = node.children if isinstance(node, Or) else (node,)
        if not all(isinstance(value, Term) for value in values):
            raise ExpressionError(f"after {field}: a word, or alternatives such as (a | b), was expected", token.offset)
        tests = tuple(About(field, value.text) for value in values if isinstance(value, Term))  # type: ignore[arg-type]
        return tests[0] if len(tests) == 1 else Or(tests)

    def at_least(self, token: _Token) -> Node:
        digits = token.text.split()[0]
        if len(digits) > 3:
            raise ExpressionError(f"{digits[:3]}… of: a smaller number was expected", token.offset)
        count = int(digits)
        self.take("open")
        children = [self.disjunction()]
        while self.take("comma"):
            children.append(self.disjunction())
        if not self.take("close"):
            self.fail("a parenthesis is never closed; write 2 of (a, b, c)")
        if not 1 <= count <= len(children):
            message = f"{count} of {len(children)} can never be; the number has to be from 1 to {len(children)}"
            raise ExpressionError(message, token.offset)
        return AtLeast(count, tuple(children))

    def words(self) -> Node:
        token = self.token
        words = []
        while self.token.kind == "word":
            words.append(self.token.text)
            self.next += 1
        if not words:
            found = "the expression ends" if token.kind == "end" else f"{token.text} stands"
            self.fail(f"{found} where a word was expected")
        text = " ".join(words)
        if not holds_a_word(text):
            raise ExpressionError(f"{text} holds no letter or digit", token.offset)
        if any("*" in word.strip("*") for word in words) or "*" in " ".join(words[:-1]).removeprefix("*"):
            raise ExpressionError(f"{text}: * may stand only before or after the whole term", token.offset)
        return Term(text.removeprefix("@"), concept=text.startswith("@"))


def _has_place(node: Node) -> bool:
    """Tell whether a node is found somewhere in a text, so that a distance to it can be measured."""
    match node:
        case Or(children):
            return all(map(_has_place, children))
        case In(_, child):
            return _has_place(child)
        case Term() | Regex() | Near():
            return True
        case _:
            return False
