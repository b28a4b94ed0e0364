"""The matcher: all rules against one article, in one look at its words.

Every term of every rule is in one vocabulary. What an article's words mean gives the set of atoms (concepts, words)
that it has; each rule stands under the rarest atom without which it cannot be true, so that only rules with a
chance are looked at. The shape is that of Lucene's monitor: a presearcher, then the query itself.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from monitor.matching import programs
from monitor.matching.glance import AnyView, atoms_in, possible
from monitor.matching.patterns import Pattern, compile_terms, word
from monitor.matching.programs import Explanation, Program
from monitor.matching.regexes import Regexes
from monitor.matching.sight import Sight
from monitor.matching.vocabulary import Use, Vocabulary
from monitor.models import FIELD_BREAK, Article, Match
from monitor.rules.expression import About, And, AtLeast, In, Near, Node, Not, Or, Regex, Term
from monitor.rules.lexicon import ANY, Concept, Lexicon
from monitor.rules.schema import Rule

_CROWD = 20  # rules under one atom


class Matcher:
    """Immutable once made: a changed set of rules is a new matcher."""

    def __init__(self, rules: Iterable[Rule], lexicon: Lexicon) -> None:
        self.rules = tuple(rule for rule in rules if rule.enabled)
        self.by_id = {rule.id: rule for rule in self.rules}
        self.lexicon = lexicon
        self._names: list[str] = []  # of the atoms
        self._atoms: dict[str | Node, programs.Atom] = {}  # by the name of a concept, or a term's node
        self._literals: list[int] = []
        self._patterns: dict[int, str] = {}
        self._vocabulary = Vocabulary()
        self._programs = [self._program(rule.node) for rule in self.rules]
        self._vocabulary.finish(self._names, self._literals)
        self._regexes = Regexes(self._patterns)
        self._any_view = AnyView(self._vocabulary)
        self._regex_atoms = frozenset(self._patterns)
        self._always: list[int] = []
        self._anchored: dict[int, tuple[int, ...]] = {}
        self._guarded: dict[int, dict[int, list[int]]] = {}
        self._anchor()
        # What only the compiling needed.
        word.cache_clear()
        del self._atoms, self._literals, self._patterns

    def match(self, article: Article) -> list[Match]:
        """Find the rules that an article satisfies, in the order of the rules, with the words that decided."""
        sight = self._sight(article)
        matching = {number for number in self._candidates(sight.atoms) if self._programs[number].holds(sight)}
        return [
            Match(self.rules[number].id, sight.evidence(self._programs[number].found(sight)))
            for number in sorted(matching)
        ]

    def could_match(self, page: Article) -> bool:
        """Tell whether a rule may be true of an article that is made of some of this one's words.

        It is asked before the article is extracted from its page: the text is all the words of the page and of the
        feed's entry, with an EDGE wherever elements meet. A no is certain.
        """
        if self._any_view.is_full:
            self._any_view = AnyView(self._vocabulary)
        atoms = atoms_in(f"{page.title} {FIELD_BREAK} {page.text}", self._any_view) | self._regex_atoms
        return any(possible(self._programs[number], atoms, page) for number in self._candidates(atoms))

    def _candidates(self, found: set[int]) -> Iterator[int]:
        """The rules that can be true of an article with these atoms; some of them twice."""
        yield from self._always
        for atom in found:
            yield from self._anchored.get(atom, ())
            guarded = self._guarded.get(atom, {})
            for guard in found & guarded.keys():
                yield from guarded[guard]

    def explain(self, rule_id: str, article: Article) -> tuple[Explanation, Sight]:
        """Say of every branch of a rule whether it holds over an article; raises KeyError for no such rule."""
        number = self.rules.index(self.by_id[rule_id])
        sight = self._sight(article)
        return programs.explain(self._programs[number], sight), sight

    def _sight(self, article: Article) -> Sight:
        return Sight(article, self._vocabulary, self._regexes, self._names)

    # Compiling.

    def _program(self, node: Node) -> Program:  # noqa: C901, PLR0911 - one line for each kind of node
        match node:
            case Term() | Regex():
                return self._atom(node)
            case Not(child):
                return programs.No(node, self._program(child))
            case And(children):
                return programs.All(node, tuple(map(self._program, children)))
            case Or(children):
                return programs.Some(node, 1, tuple(map(self._program, children)))
            case AtLeast(count, children):
                return programs.Some(node, count, tuple(map(self._program, children)))
            case Near(left, right, distance, ordered):
                return programs.Close(node, self._program(left), self._program(right), distance, ordered)
            case In(where, child):
                return programs.Scoped(node, where, self._program(child))
            case About(key, value):
                return programs.Known(node, key, value)

    def _atom(self, node: Term | Regex) -> programs.Atom:
        concept = self.lexicon.find(node.text) if isinstance(node, Term) and not node.literal else None
        key = concept.name if concept else node
        known = self._atoms.get(key)
        if known is None:
            known = self._atoms[key] = programs.Atom(len(self._names), node)
            if concept:
                self._names.append(concept.name)
                self._add_concept(known.number, concept)
            elif isinstance(node, Regex):
                self._names.append(str(node))
                self._patterns[known.number] = node.pattern
            else:
                self._names.append(node.text)
                self._add_term(known.number, node)
        return known if known.label == node else programs.Atom(known.number, node)

    def _add_term(self, number: int, term: Term) -> None:
        if term.literal:
            self._literals.append(number)
            return
        for pattern in compile_terms([term.text], None):
            self._vocabulary.add(Use(number, pattern))

    def _add_concept(self, number: int, concept: Concept) -> None:
        compiled = self.lexicon.compiled.get(concept.name)
        if compiled is None:
            compiled = self.lexicon.compiled[concept.name] = compile_concept(concept)
        for against, patterns in enumerate(compiled):
            for pattern in patterns:
                self._vocabulary.add(Use(number, pattern, bool(against)))

    def _anchor(self) -> None:
        """Put each rule under atoms of which one has to be found for it to be true: those that fewest rules ask for.

        Where an atom would have many rules under it, they are parted by a second atom that each of them needs.
        """
        popularity = Counter(atom for program in self._programs for atom in programs.atoms_of(program))
        anchored: dict[int, list[int]] = defaultdict(list)
        for number, program in enumerate(self._programs):
            chosen = programs.anchors(program, popularity.__getitem__)
            if chosen is None:
                self._always.append(number)  # a rule that asks for a feed or a language alone
            for atom in chosen or ():
                anchored[atom].append(number)
        for atom, numbers in anchored.items():
            guards: dict[int, list[int]] = defaultdict(list)
            for number in numbers if len(numbers) >= _CROWD else ():
                needed = programs.required(self._programs[number]) - {atom}
                guards[min(needed, key=popularity.__getitem__, default=atom)].append(number)
            if guards:
                self._guarded[atom] = dict(guards)
            else:
                self._anchored[atom] = tuple(numbers)


def compile_concept(concept: Concept) -> tuple[tuple[Pattern, ...], tuple[Pattern, ...]]:
    """The patterns of a concept, and those of its exceptions; equal ones of several languages stay apart."""
    names = [p for language, words in concept.names.items() for p in compile_terms(words, language, name=True)]
    terms, exceptions = (
        [p for language, words in group.items() for p in compile_terms(words, None if language == ANY else language)]
        for group in (concept.terms, concept.exceptions)
    )
    word.cache_clear()
    return tuple(dict.fromkeys(terms + names)), tuple(dict.fromkeys(exceptions))
