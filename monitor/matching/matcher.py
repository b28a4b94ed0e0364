"""The matcher: all rules against one article, in one scan of its text.

Every term of every rule is in one automaton. What it hits gives the set of atoms (concepts, words) that the
article has; each rule stands under the rarest atom without which it cannot be true, so that only rules with a
chance are looked at. The shape is that of Lucene's monitor: a presearcher, then the query itself.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import ahocorasick_rs

from monitor.matching import programs
from monitor.matching.folding import FIELD_BREAK, fold
from monitor.matching.patterns import LONGEST_WORD, Pattern, Place, compile_terms, family
from monitor.matching.programs import Explanation, Program, Span
from monitor.matching.regexes import Regexes
from monitor.models import Article, Evidence, Field, Match
from monitor.rules.expression import About, And, AtLeast, In, Near, Node, Not, Or, Regex, Term
from monitor.rules.lexicon import ANY, LANGUAGES, Concept, Lexicon
from monitor.rules.schema import Rule

_SHORTEST_TELLING = 40  # letters: what is shorter tells its language badly, so terms of every language count
_EVIDENCE_PER_CONCEPT = 20
_JUDGEMENTS = 100_000  # kept for each language
_BREAK = FIELD_BREAK.strip()

Hit = tuple[int, int, int]  # a needle and where it starts and ends in a folded text


@dataclass(frozen=True, slots=True)
class _Use:
    """A needle's meaning: the atom that it speaks for, or with `against` the one that it takes a hit from."""

    atom: int
    pattern: Pattern
    against: bool = False


@dataclass(slots=True)
class _View:
    """What the needles mean in texts of one language, worked out for each needle when it is first hit."""

    certain: dict[int, tuple[int, ...]] = field(default_factory=dict)  # the atoms that a hit alone makes true
    checked: dict[int, tuple[_Use, ...]] = field(default_factory=dict)
    # What single words came to, by (needle, word, where in it the needle stands): news repeats its words.
    judged: dict[tuple[int, str, int], tuple[_Use, ...]] = field(default_factory=dict)


class Matcher:
    """Immutable once made: a changed set of rules is a new matcher."""

    def __init__(self, rules: Iterable[Rule], lexicon: Lexicon) -> None:
        self.rules = tuple(rule for rule in rules if rule.enabled)
        self.by_id = {rule.id: rule for rule in self.rules}
        self._lexicon = lexicon
        self.names: list[str] = []  # of the atoms
        self._numbers: dict[str, int] = {}
        self._needles: dict[str, list[_Use]] = defaultdict(list)
        self._patterns: dict[int, str] = {}
        self._programs = [self._program(rule.node) for rule in self.rules]
        self._required = [programs.required(program) for program in self._programs]
        self.regexes = Regexes(self._patterns)
        self._always: list[int] = []
        self._anchored = self._anchor()
        self._uses = list(self._needles.values())
        self.needles = list(self._needles)
        self._automaton = ahocorasick_rs.AhoCorasick(self.needles) if self._needles else None
        self._needles.clear()
        self._views: dict[str | None, _View] = defaultdict(_View)

    def match(self, article: Article) -> list[Match]:
        """Find the rules that an article satisfies, in the order of the rules, with the words that decided."""
        sight = _Sight(self, article)
        found = sight.atoms
        matching = {number for number in self._always if self._programs[number].holds(sight)}
        for atom in found:
            for number in self._anchored.get(atom, ()):
                # Most candidates are told apart by what they all need, at the price of one comparison of sets.
                if self._required[number] <= found and self._programs[number].holds(sight):
                    matching.add(number)
        return [Match(self.rules[number].id, self._evidence(number, sight)) for number in sorted(matching)]

    def changed(self, rules: Iterable[Rule], lexicon: Lexicon) -> "Matcher | Patched":
        """A matcher for other rules: where few have changed, this one with a small one for those beside it."""
        rules = [rule for rule in rules if rule.enabled]
        fresh = [rule for rule in rules if self.by_id.get(rule.id) != rule]
        if lexicon is not self._lexicon or len(fresh) > max(20, len(rules) // 20):
            return Matcher(rules, lexicon)
        return Patched(self, Matcher(fresh, lexicon), rules)

    def explain(self, rule_id: str, article: Article) -> tuple[Explanation, "_Sight"]:
        """Say of every branch of a rule whether it holds over an article; raises KeyError for no such rule."""
        number = self.rules.index(self.by_id[rule_id])
        sight = _Sight(self, article)
        return programs.explain(self._programs[number], sight), sight

    def _evidence(self, number: int, sight: "_Sight") -> tuple[Evidence, ...]:
        counted: Counter[int] = Counter()
        evidence = set()
        for atom, span in dict.fromkeys(self._programs[number].found(sight)):
            counted[atom] += 1
            if counted[atom] <= _EVIDENCE_PER_CONCEPT:
                evidence.add(sight.evidence(atom, span))
        return tuple(sorted(evidence, key=lambda e: (e.field != "title", e.start, e.end, e.concept)))

    # Looking.

    def hits(self, text: str) -> list[Hit]:
        """Where needles stand in a folded text, as (needle, start, end)."""
        if self._automaton is None:
            return []
        return self._automaton.find_matches_as_indexes(text, overlapping=True)

    def view(self, language: str | None) -> _View:
        return self._views[language]

    def learn(self, view: _View, needle: int, language: str | None) -> tuple[int, ...]:
        """Work out what a needle means in texts of a language; returns the atoms that it makes true by itself."""
        languages = family(language) if language else ()
        uses = [use for use in self._uses[needle] if _counts(use.pattern, languages)]
        certain = {use.atom for use in uses if use.pattern.certain and not use.against}
        view.certain[needle] = tuple(certain)
        # Once an atom is certain, a check of the same needle for it adds nothing.
        checked = [use for use in uses if use.against or use.atom not in certain]
        if checked:
            view.checked[needle] = tuple(dict.fromkeys(checked))
        return view.certain[needle]

    # Compiling.

    def _program(self, node: Node) -> Program:  # noqa: C901, PLR0911 - one line for each kind of node
        match node:
            case Term() | Regex():
                return programs.Atom(self._atom(node), node)
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

    def _atom(self, node: Term | Regex) -> int:
        concept = self._lexicon.find(node.text) if isinstance(node, Term) and not node.literal else None
        name = concept.name if concept else str(node)
        key = f"@{concept.name}" if concept else name
        if key not in self._numbers:
            number = self._numbers[key] = len(self.names)
            self.names.append(name.strip('"') if isinstance(node, Term) else name)
            if isinstance(node, Regex):
                self._patterns[number] = node.pattern
            else:
                self._add_needles(number, node, concept)
        return self._numbers[key]

    def _add_needles(self, number: int, term: Term, concept: Concept | None) -> None:
        if concept is None:
            for pattern in compile_terms([term.text], None, literal=term.literal):
                self._needles[pattern.needle].append(_Use(number, pattern))
            return
        compiled = self._lexicon.compiled.get(concept.name)
        if compiled is None:
            compiled = self._lexicon.compiled[concept.name] = compile_concept(concept)
        for against, patterns in enumerate(compiled):
            for pattern in patterns:
                self._needles[pattern.needle].append(_Use(number, pattern, bool(against)))

    def _anchor(self) -> dict[int, list[int]]:
        """Put each rule under atoms of which one has to be found for it to be true: those that fewest rules ask for."""
        popularity = Counter(atom for program in self._programs for atom in programs.atoms_of(program))
        anchored: dict[int, list[int]] = defaultdict(list)
        for number, program in enumerate(self._programs):
            chosen = programs.anchors(program, popularity.__getitem__)
            if chosen is None:
                self._always.append(number)  # a rule that asks for a feed or a language alone
            for atom in chosen or ():
                anchored[atom].append(number)
        return dict(anchored)


class Patched:
    """A matcher beside a small one for the rules that have changed since: quick to make, slower to match."""

    def __init__(self, base: Matcher, patch: Matcher, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self.by_id = {rule.id: rule for rule in self.rules}
        self._base = base
        self._patch = patch
        self._order = {rule.id: number for number, rule in enumerate(self.rules)}

    def match(self, article: Article) -> list[Match]:
        """As `Matcher.match`."""
        kept = [match for match in self._base.match(article) if self._is_unchanged(match.rule_id)]
        return sorted(kept + self._patch.match(article), key=lambda match: self._order[match.rule_id])

    def _is_unchanged(self, rule_id: str) -> bool:
        return rule_id in self.by_id and rule_id not in self._patch.by_id


def compile_concept(concept: Concept) -> tuple[tuple[Pattern, ...], tuple[Pattern, ...]]:
    """The patterns of a concept, and those of its exceptions; equal ones of several languages stay apart."""
    names = [p for language, words in concept.names.items() for p in compile_terms(words, language, name=True)]
    terms, exceptions = (
        [p for language, words in group.items() for p in compile_terms(words, None if language == ANY else language)]
        for group in (concept.terms, concept.exceptions)
    )
    return tuple(dict.fromkeys(terms + names)), tuple(dict.fromkeys(exceptions))


def _counts(pattern: Pattern, languages: tuple[str, ...]) -> bool:
    """Tell whether a pattern counts in texts of some languages; none stands for an unknown one."""
    if pattern.language is None or pattern.anywhere:
        return True
    return pattern.language in (languages or LANGUAGES)


class _Sight:
    """One article as the scan has seen it."""

    def __init__(self, matcher: Matcher, article: Article) -> None:
        self.article = article
        title, text = (part.replace(_BREAK, " ") for part in (article.title, article.text))
        original = f"{title}{FIELD_BREAK}{text}"
        folded = fold(original)
        self.text = folded.text
        self._matcher = matcher
        self._place = Place(folded, original, _telling_language(article))
        self._spans: dict[int, list[Span]] = {}
        self._uses: dict[int, list[tuple[Hit, _Use | None]]] | None = None
        self._hits = matcher.hits(self.text)
        self._view = matcher.view(self._place.language)
        self._regexes = matcher.regexes.find(original)
        self._exact: dict[Span, Span] = {}  # where the hits of regular expressions stand in the original
        self._break = -1
        self.atoms = self._find_atoms()

    def _find_atoms(self) -> set[int]:
        """The atoms that stand anywhere in the article."""
        certain, checked = self._view.certain, self._view.checked
        atoms = set(self._regexes)
        doubtful = []
        for hit in self._hits:
            needle = hit[0]
            known = certain.get(needle)
            if known is None:
                known = self._matcher.learn(self._view, needle, self._place.language)
            if known:
                atoms.update(known)
            if needle in checked:
                doubtful.append(hit)
        self._confirm(doubtful, atoms)
        return atoms

    def _confirm(self, doubtful: list[Hit], atoms: set[int]) -> None:
        """Add the atoms of which a hit proves true, and take away those whose every hit is an exception."""
        excepted: set[int] = set()
        for hit in doubtful:
            for use in self._judged(hit):
                # One hit is enough: of a word that stands a thousand times the others are not looked at.
                known = excepted if use.against else atoms
                if use.atom not in known and (use.pattern.alone or self._complete(use, hit)):
                    known.add(use.atom)
        if excepted:
            excepted &= atoms
            self._place_atoms(excepted)
            atoms.difference_update(atom for atom in excepted if not self._spans[atom])

    def _judged(self, hit: Hit) -> tuple[_Use, ...]:
        """The checked uses of a needle that admit the word which it hit."""
        needle = hit[0]
        inside, left, right = self._word(hit)
        if right < 0 or (left == 0 and inside >= LONGEST_WORD):
            # No word of any language: only what needs no word can stand in it.
            return tuple(use for use in self._view.checked[needle] if not use.pattern.words)
        raw = self._place.raw(left, right)
        judged = self._view.judged.get((needle, raw, inside - left))
        if judged is None:
            if len(self._view.judged) > _JUDGEMENTS:
                self._view.judged.clear()
            uses = self._view.checked[needle]
            judged = tuple(use for use in uses if use.pattern.admits(self._place, (left, right), inside))
            self._view.judged[needle, raw, inside - left] = judged
        return judged

    def _word(self, hit: Hit) -> tuple[int, int, int]:
        """Where a needle stands without its boundary; where the word around it starts and ends (-1: too far off)."""
        start, text = hit[1], self.text
        inside = start + (text[start] == " ")
        left = text.rfind(" ", max(0, inside - LONGEST_WORD), inside + 1) + 1
        return inside, left, text.find(" ", inside, inside + LONGEST_WORD)

    def _complete(self, use: _Use, hit: Hit) -> Span | None:
        _, left, right = self._word(hit)
        return use.pattern.complete(self._place, hit[1], hit[2], (left, right))

    def _place_atoms(self, atoms: set[int]) -> None:
        """Find where atoms really stand: by the checks of their words, and outside of their exceptions."""
        if self._uses is None:
            self._uses = self._index()
        for atom in atoms:
            found: set[Span] = set()
            against: list[Span] = []
            for hit, use in self._uses.get(atom, ()):
                if use is None:
                    _, start, end = hit
                    found.add((start + (self.text[start] == " "), end - (self.text[end - 1] == " ")))
                elif span := self._complete(use, hit):
                    (against.append if use.against else found.add)(span)
            self._spans[atom] = sorted(
                (start, end) for start, end in found if not any(a <= start and end <= b for a, b in against)
            )

    def _index(self) -> dict[int, list[tuple[Hit, _Use | None]]]:
        """The hits by the atom that they speak for, with the use that has to be checked, or None for a certain one."""
        index: dict[int, list[tuple[Hit, _Use | None]]] = defaultdict(list)
        for hit in self._hits:
            for atom in self._view.certain[hit[0]]:
                index[atom].append((hit, None))
            if hit[0] in self._view.checked:
                for use in self._judged(hit):
                    index[use.atom].append((hit, use))
        return index

    def has(self, atom: int) -> bool:
        return atom in self.atoms

    def spans(self, atom: int) -> list[Span]:
        if atom not in self._spans:
            if atom in self._regexes:
                self._spans[atom] = [self._folded(span) for span in self._regexes[atom]]
            else:
                self._place_atoms({atom})
        return self._spans[atom]

    def _folded(self, exact: Span) -> Span:
        """Where the hit of a regular expression stands in the folded text, as nearly as that has it."""
        offsets = self._place.folded.offsets
        start = min(int(offsets.searchsorted(exact[0])), len(offsets) - 1)
        span = start, max(int(offsets.searchsorted(exact[1])), start + 1)
        self._exact[span] = exact
        return span

    def field_of(self, span: Span) -> Field:
        if self._break < 0:
            self._break = self.text.index(_BREAK)
        if span[0] < self._break:
            return "title"
        return "lead" if self._original(span)[0] < self.article.lead_end else "body"

    def _original(self, span: Span) -> Span:
        """Where a span of the folded text stands in the title, or else in the article's text."""
        start, end = self._exact.get(span) or self._place.span(*span)
        skipped = len(self.article.title) + len(FIELD_BREAK)
        return (start, end) if start < skipped else (start - skipped, end - skipped)

    def evidence(self, atom: int, span: Span) -> Evidence:
        where = self.field_of(span)
        start, end = self._original(span)
        source = self.article.title if where == "title" else self.article.text
        return Evidence(
            concept=self._matcher.names[atom],
            text=source[start:end],
            field=where,
            start=start,
            end=end,
            sure=self._place.language is not None,
        )


def _telling_language(article: Article) -> str | None:
    """The language whose terms count: None, for all of them, where the text is too short to be sure."""
    return article.language if len(article.title) + len(article.text) >= _SHORTEST_TELLING else None
