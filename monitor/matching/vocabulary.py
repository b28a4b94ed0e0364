"""What the words of texts mean to the rules: worked out when a word is first met, and remembered.

News repeats its words: a few thousand make up nearly all of a language's texts. So a text is taken apart into words,
each is looked up, and only those not met before are taken to the automaton of stems and to the check whether they are
a form of a term's word. Scripts without spaces have no words to remember: their texts are scanned, letter by letter.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import itemgetter

import ahocorasick_rs

from monitor.matching.folding import RUN, fold_terms, unspaced
from monitor.matching.patterns import LONGEST_WORD, Pattern, Phrase, Substring, Word, compile_terms, counts_in, longest

_KEPT = 200_000  # words and pairs of words, of all languages together; each takes some 200 bytes


@dataclass(frozen=True, slots=True)
class Use:
    """A pattern's meaning: the atom that it speaks for, or with `against` the one that it takes a place from."""

    atom: int
    pattern: Pattern
    against: bool = False


Candidate = tuple[Use, Phrase]


@dataclass(frozen=True, slots=True, eq=False)
class Meaning:
    """What a word of a text means: the atoms that it makes true by itself, and the phrases of which it is the head.

    `phrases` are by where the next of their words stands, 1 after the head or -1 before it, where the head is the
    last, and by the letter that this word begins with: "" where it may be any, or where there is no other word.
    `after` and `before` remember which of them are left to look at, given the word that stands there.
    """

    atoms: tuple[int, ...]
    phrases: dict[tuple[int, str], list[Candidate]]
    after: dict[str, tuple[Candidate, ...]] = field(default_factory=dict)
    before: dict[str, tuple[Candidate, ...]] = field(default_factory=dict)


class Vocabulary:
    """All patterns of all rules, by what they are looked for by; immutable once `finish` was called."""

    def __init__(self) -> None:
        self._heads: dict[str, list[Use]] = defaultdict(list)  # by folded word
        self._stems: dict[str, list[Use]] = defaultdict(list)
        self._substrings: dict[str, list[Use]] = defaultdict(list)
        # Names of people and firms are many, and hardly one is met in a text: only its longest word is kept of each.
        self._literals: dict[str, int | tuple[int, ...]] = {}
        self._names: Sequence[str] = ()
        self._views: dict[str | None, View] = {}
        self._kept = 0

    def add(self, use: Use) -> None:
        pattern = use.pattern
        if isinstance(pattern, Substring):
            self._substrings[pattern.text].append(use)
            return
        head = pattern.words[pattern.head]
        if head.stem is None:
            self._heads[head.folded].append(use)
        else:
            self._stems[head.stem].append(use)

    def finish(self, names: Sequence[str], literals: Iterable[int]) -> None:
        """Take in the quoted words, numbers of atoms in `names`, and build the automatons."""
        self._names = names
        literals = list(literals)
        for atom, folded in zip(literals, fold_terms([names[atom] for atom in literals]), strict=True):
            words = folded.split()
            if any(unspaced(word[0]) for word in words):
                for pattern in compile_terms([names[atom]], None, literal=True):
                    self.add(Use(atom, pattern))
            elif words:
                head = words[longest(words)]
                known = self._literals.get(head, ())
                self._literals[head] = atom if known == () else (*_several(known), atom)
        self._stem_uses = list(self._stems.values())
        self._stem_automaton = _automaton(self._stems)
        self._substring_uses = list(self._substrings.values())
        self._substring_automaton = _automaton(self._substrings)
        del self._stems, self._substrings

    def view(self, language: str | None) -> "View":
        """What words mean in texts of a language, or of an unknown one; forgets all when too much is remembered."""
        if self._kept > _KEPT:
            self._views, self._kept = {}, 0
        if language not in self._views:
            self._views[language] = View(self, language)
        return self._views[language]

    def note(self, much: int) -> None:
        """Note that so much more is remembered."""
        self._kept += much

    def uses_of(self, folded: str) -> Iterator[Use]:
        """The uses whose heads are this folded word and nothing else."""
        yield from self._heads.get(folded, ())
        for atom in _several(self._literals.get(folded, ())):
            for pattern in compile_terms([self._names[atom]], None, literal=True):
                yield Use(atom, pattern)

    def stems_in(self, folded: str) -> set[int]:
        """The numbers of the stems that stand in a folded word."""
        if self._stem_automaton is None or len(folded) > LONGEST_WORD:
            return set()
        return {hit[0] for hit in self._stem_automaton.find_matches_as_indexes(f" {folded} ", overlapping=True)}

    def stem_uses(self, number: int) -> list[Use]:
        return self._stem_uses[number]

    def substring_hits(self, text: str) -> list[tuple[int, int, int]]:
        """Where substrings stand in a folded text, as (number, start, end)."""
        if self._substring_automaton is None:
            return []
        return self._substring_automaton.find_matches_as_indexes(text, overlapping=True)

    def substring_uses(self, number: int, languages: Container[str | None]) -> tuple[Use, ...]:
        return tuple(use for use in self._substring_uses[number] if use.pattern.language in languages)


def _several(atoms: int | tuple[int, ...]) -> tuple[int, ...]:
    return atoms if isinstance(atoms, tuple) else (atoms,)


def _automaton(needles: Iterable[str]) -> ahocorasick_rs.AhoCorasick | None:
    needles = list(needles)
    return ahocorasick_rs.AhoCorasick(needles) if needles else None


class _Meanings(dict[str, Meaning | None]):
    """By word, None for one that means nothing; words not met before are noted."""

    def __init__(self) -> None:
        super().__init__({"": None})
        self.unseen: set[str] = set()

    def __missing__(self, word: str) -> None:
        self.unseen.add(word)


class View:
    """What words mean in texts of one language."""

    def __init__(self, vocabulary: Vocabulary, language: str | None) -> None:
        self._vocabulary = vocabulary
        self._language = language
        self._counts: Container[str | None] = counts_in(language)
        self._meanings = _Meanings()
        self._folded: dict[str, str] = {}
        self._forms: dict[tuple[str, Word], bool] = {}
        self._substrings: dict[int, tuple[Use, ...]] = {}
        self._stems: dict[int, tuple[Candidate, ...]] = {}

    def look_up(self, words: list[str]) -> list[tuple[int, Meaning]]:
        """The words of a text that mean something, with their places in it."""
        # Of all ways to look up many keys the fastest; with one more of them, since of a single one it is no tuple.
        looked = itemgetter(*words, "")(self._meanings)
        found: list[tuple[int, Meaning]] = list(compress(enumerate(looked), looked))
        if self._meanings.unseen:
            learnt = self._learn()
            found += [(place, learnt[word]) for place, word in enumerate(words) if word in learnt]
        return found

    def substrings(self, text: str) -> list[tuple[tuple[Use, ...], int, int]]:
        """The uses of the substrings in a folded text, and where each stands with the spaces that it asks for."""
        found = []
        for number, start, end in self._vocabulary.substring_hits(text):
            uses = self._substrings.get(number)
            if uses is None:
                uses = self._substrings[number] = self._vocabulary.substring_uses(number, self._counts)
            if uses:
                found.append((uses, start, end))
        return found

    def phrases(self, words: list[str], place: int, meaning: Meaning) -> Iterator[Candidate]:
        """The phrases that stand where the word at `place` is their head."""
        before, after = words[place - 1] if place else "", words[place + 1] if place + 1 < len(words) else ""
        led = meaning.before.get(before)
        if led is None:
            led = meaning.before[before] = self._beside(meaning, before, -1)
        followed = meaning.after.get(after)
        if followed is None:
            followed = meaning.after[after] = self._beside(meaning, after, 1)
        for use, phrase in led + followed:
            if len(phrase.words) < 3 or self._stands(phrase, words, place):
                yield use, phrase

    def _beside(self, meaning: Meaning, neighbour: str, step: int) -> tuple[Candidate, ...]:
        """The phrases whose head has a form of its next word beside it."""
        self._vocabulary.note(1)
        likely = (
            *meaning.phrases.get((step, ""), ()),
            *meaning.phrases.get((step, self._folded.get(neighbour, "")[:1]), ()),
        )
        return tuple(
            (use, phrase)
            for use, phrase in dict.fromkeys(likely)
            if len(phrase.words) == 1 or self._is_form(neighbour, phrase.words[phrase.head + step])
        )

    def _stands(self, phrase: Phrase, words: list[str], place: int) -> bool:
        first = place - phrase.head
        return 0 <= first <= len(words) - len(phrase.words) and all(
            index == phrase.head or self._is_form(words[first + index], word) for index, word in enumerate(phrase.words)
        )

    def _is_form(self, written: str, word: Word) -> bool:
        """Tell whether a word of a text, looked up before, is a form of a term's word."""
        known = self._forms.get((written, word))
        if known is None:
            folded = self._folded.get(written, "")
            known = bool(folded) and self._accepts(word, written, folded, compounds=False)
            self._forms[written, word] = known
        return known

    def _accepts(self, word: Word, written: str, folded: str, *, compounds: bool = True) -> bool:
        return word.accepts(written, folded, self._language, compounds=compounds)

    def _learn(self) -> dict[str, Meaning]:
        """Work out what the words mean that were not met before; returns those that mean something."""
        unseen = list(self._meanings.unseen)
        self._meanings.unseen.clear()
        self._vocabulary.note(len(unseen))
        learnt = {}
        for written, folded in zip(unseen, fold_terms(unseen), strict=True):
            meaning = self._meaning(written, folded) if folded and written[0] != RUN else None
            self._folded[written] = written if written == folded else folded
            self._meanings[written] = meaning
            if meaning:
                learnt[written] = meaning
        return learnt

    def _meaning(self, written: str, folded: str) -> Meaning | None:
        atoms: dict[int, None] = {}
        phrases: dict[tuple[int, str], list[Candidate]] = {}
        for use, phrase in dict.fromkeys(self._candidates(folded)):
            if not self._accepts(phrase.words[phrase.head], written, folded):
                continue
            if use.against or len(phrase.words) > 1:
                phrases.setdefault(_next_word(phrase), []).append((use, phrase))
            else:
                atoms[use.atom] = None
        return Meaning(tuple(atoms), phrases) if atoms or phrases else None

    def _candidates(self, folded: str) -> Iterator[Candidate]:
        """The phrases of whose heads a folded word may be a form."""
        yield from _of_languages(self._vocabulary.uses_of(folded), self._counts)
        for number in self._vocabulary.stems_in(folded):
            known = self._stems.get(number)
            if known is None:
                known = self._stems[number] = tuple(_of_languages(self._vocabulary.stem_uses(number), self._counts))
            yield from known


def _of_languages(uses: Iterable[Use], languages: Container[str | None]) -> Iterator[Candidate]:
    for use in uses:
        if isinstance(use.pattern, Phrase) and use.pattern.language in languages:
            yield use, use.pattern


def _next_word(phrase: Phrase) -> tuple[int, str]:
    """Where the word stands that is looked at after a phrase's head, and what it begins with if that is certain."""
    if len(phrase.words) == 1:
        return 1, ""
    step = -1 if phrase.head == len(phrase.words) - 1 else 1
    return step, phrase.words[phrase.head + step].initial
