"""What is probably not meant in rules that can be read: names that are no concepts, terms that never match, shadows."""

import re
from collections.abc import Iterable, Iterator

from monitor.errors import Problem
from monitor.matching.folding import fold_term, unspaced
from monitor.matching.patterns import family
from monitor.rules.expression import About, And, Node, Not, Or, Term, children_of, terms_of
from monitor.rules.lexicon import ANY, Concept, Lexicon
from monitor.rules.load import RuleSet
from monitor.rules.schema import Rule
from monitor.yamlfile import suggest


def lint(rules: RuleSet, feed_languages: Iterable[str] = ()) -> list[Problem]:
    """Every doubt about a rule set; `feed_languages` are those of the configured feeds."""
    languages = sorted(set(feed_languages))
    problems = [*_duplicates(rules.rules)]
    for rule in rules.rules:
        found = [
            *_names(rule, rules),
            *_never(rule),
            *_shadowed(rule, rules.lexicon),
            *_uncovered(rule, rules.lexicon, languages),
        ]
        problems += [Problem(rule.place, f"{rule.id}: {message}") for message in dict.fromkeys(found)]
    return problems + list(_concepts(rules))


def _duplicates(rules: Iterable[Rule]) -> Iterator[Problem]:
    first: dict[Node, Rule] = {}
    for rule in rules:
        original = first.setdefault(_ordered(rule.node), rule)
        if original is not rule:
            yield Problem(rule.place, f"{rule.id}: says the same as {original.id} at {original.place}")


def _ordered(node: Node) -> Node:
    """A tree in which the order of what is joined by AND or OR makes no difference."""
    if isinstance(node, And | Or):
        return type(node)(tuple(sorted(map(_ordered, node.children), key=str)))
    return Not(_ordered(node.child)) if isinstance(node, Not) else node


def _names(rule: Rule, rules: RuleSet) -> Iterator[str]:
    """Words that look like a mistyped concept, and characters too few to mean one thing."""
    tests = " ".join(fold_term(f"{test.title} {test.text or ''}") for test in rule.tests)
    for term in terms_of(rule.node):
        if rules.lexicon.find(term.text) and not term.literal:
            continue
        plain = not term.literal and not re.search(r"^=|\*", term.text)
        if plain and fold_term(term.text) not in tests:
            hint = suggest(term.text, rules.lexicon.all_names())
            if hint:
                yield f'"{term.text}" is no concept and occurs in no test text{hint} (in quotes it is taken as it is)'
        if not term.literal and re.search(r"(?i)\s(and|or|not|&)\s", f" {term.text} "):
            yield f'"{term.text}" is one phrase; operators are + | - or AND, OR, NOT in capitals'
        yield from _too_short(term.text)


def _too_short(text: str) -> Iterator[str]:
    folded = fold_term(text.strip("*="))
    if len(folded) == 1 and unspaced(folded):
        yield f'"{text}" is one character of a script without spaces: it stands inside countless other words'


def _never(rule: Rule) -> Iterator[str]:
    """Parts that contradict each other."""
    for node in _walk(rule.node):
        if not isinstance(node, And):
            continue
        denied = {_ordered(child.child) for child in node.children if isinstance(child, Not)}
        for child in node.children:
            if _ordered(child) in denied:
                yield f"can never match: it wants {child} and not {child}"
        languages = {child.value for child in node.children if isinstance(child, About) and child.key == "lang"}
        # zh and zh-Hans agree: the one holds the other.
        if any(
            not (a + "-").startswith(b + "-") and not (b + "-").startswith(a + "-")
            for a in languages
            for b in languages
        ):
            yield f"can never match: no article is in {' and in '.join(sorted(languages))}"


def _shadowed(rule: Rule, lexicon: Lexicon) -> Iterator[str]:
    """Terms that a NOT takes back wherever they are found."""
    for node in _walk(rule.node):
        if not isinstance(node, And):
            continue
        denied = [term for child in node.children if isinstance(child, Not) for term in _alternatives(child.child)]
        wanted = [term for child in node.children if not isinstance(child, Not) for term in terms_of(child)]
        for term in wanted:
            for other in denied:
                if other.text.startswith("=") or _says(term, lexicon) == _says(other, lexicon):
                    continue
                if _holds(_says(term, lexicon), _says(other, lexicon)):
                    yield f"{term} is never found: where it stands, -{other} stands as well"


def _alternatives(node: Node) -> list[Term]:
    """The terms of which each alone makes a node true."""
    if isinstance(node, Term):
        return [node]
    return [term for child in node.children for term in _alternatives(child)] if isinstance(node, Or) else []


def _says(term: Term, lexicon: Lexicon) -> str:
    concept = None if term.literal else lexicon.find(term.text)
    return f"@{concept.name}" if concept else f" {fold_term(term.text)} "


def _holds(longer: str, shorter: str) -> bool:
    return not longer.startswith("@") and not shorter.startswith("@") and shorter in longer


def _uncovered(rule: Rule, lexicon: Lexicon, languages: Iterable[str]) -> Iterator[str]:
    """Languages of the feeds, or of the rule's own scope, for which a concept has no term."""
    own = [about.value for about in _wanted(rule.node) if about.key == "lang"]
    for term in terms_of(rule.node):
        concept = None if term.literal else lexicon.find(term.text)
        if concept and (missing := [language for language in own or languages if not covers(concept, language)]):
            yield f"the concept {concept.name} has no term in {', '.join(missing)}"


def _wanted(node: Node) -> Iterator[About]:
    """What a tree wants to be known of an article, not what it denies."""
    if isinstance(node, About):
        yield node
    elif not isinstance(node, Not):
        for child in children_of(node):
            yield from _wanted(child)


def covers(concept: Concept, language: str) -> bool:
    """Tell whether a concept can be found in texts of a language."""
    if ANY in concept.terms:
        return True
    wanted = {language, *family(language), *(key for key in concept.terms if key.split("-")[0] == language)}
    return any(concept.terms.get(key) or concept.names.get(key) for key in wanted)


def _concepts(rules: RuleSet) -> Iterator[Problem]:
    """The user's own concepts: terms that are empty once folded, or too short."""
    for name, place in rules.concepts.items():
        concept = rules.lexicon.find(name)
        if concept is None:
            continue
        if not any(concept.terms.values()) and not concept.names:
            yield Problem(place, f"the concept {name} has no terms: it can never match")
        for term in (term for terms in concept.terms.values() for term in terms):
            for message in _too_short(term):
                yield Problem(place, f"the concept {name}: {message}")


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in children_of(node):
        yield from _walk(child)
