"""Can some rule be true of an article that is made of some of these words? Asked of all the words of a page.

The answer may be a needless yes, never a wrong no. What is not known before the article is extracted is taken for
granted: its language, so that words may be inflected as in any; its author; in which field a word will stand, and how
near to another; what a NOT, an exception or a regular expression will come to. Where elements meet, at an EDGE,
something may be left out: there a phrase may go on with any words.
"""

from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

from monitor.matching import programs
from monitor.matching.folding import RUN, fold, words_of
from monitor.matching.inflection import LANGUAGES_WITH_RULES
from monitor.matching.patterns import Phrase, Substring, Word
from monitor.matching.programs import Program
from monitor.matching.vocabulary import Candidate, Meaning, Use, View, Vocabulary
from monitor.models import EDGE, Article

_WORDS_KEPT = 100_000
_SIDES = ((-1, slice(1, None)), (1, slice(None, -1)))  # the first EDGE has nothing before it, the last nothing after


def atoms_in(text: str, view: "AnyView") -> set[int]:
    """The atoms that an article made of some of these words may have; those of regular expressions aside."""
    written = words_of(f"{EDGE} {text} {EDGE}")
    words = written.split()
    telling = view.look_up(words)
    found = {atom for _, meaning in telling for atom in meaning.atoms}
    edges = view.edges(words)
    for place, meaning in telling:
        if meaning.phrases:
            found.update(use.atom for use in view.uses_at(words, place, meaning, edges) if use.atom not in found)
    if RUN in written:
        folded = fold(text).text
        for uses, start, end in view.substrings(folded):
            for use in uses:
                if not use.against and isinstance(use.pattern, Substring) and use.pattern.stands(folded, start, end):
                    found.add(use.atom)
    return found


def possible(program: Program, atoms: Container[int], about: Article) -> bool:  # noqa: PLR0911 - one for each kind
    """Tell whether a program can be true where no other atoms than these may be found; `about` lacks the text."""
    match program:
        case programs.Atom(number):
            return number in atoms
        case programs.All(_, children):
            return all(possible(child, atoms, about) for child in children)
        case programs.Some(_, count, children):
            return sum(possible(child, atoms, about) for child in children) >= count
        case programs.Close(_, left, right):
            return possible(left, atoms, about) and possible(right, atoms, about)
        case programs.Scoped(_, _, child):
            return possible(child, atoms, about)
        case programs.Known(_, key, _):
            return key in ("lang", "author") or program.holds_of(about)
        case _:
            return True


class Edges(NamedTuple):
    """The folded words that end elements, and those that begin them; each between spaces."""

    before: str
    after: str


class _Everything:
    def __contains__(self, language: object) -> bool:
        return True


class AnyView(View):
    """What words may mean in texts of whatever language."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__(vocabulary, None)
        self._counts = _Everything()

    @property
    def is_full(self) -> bool:
        """Tell whether it remembers so many words that it had better begin anew."""
        return len(self._meanings) > _WORDS_KEPT

    def _accepts(self, word: Word, written: str, folded: str, *, compounds: bool = True) -> bool:
        languages = (word.language,) if word.language or word.form != "inflected" else LANGUAGES_WITH_RULES
        return any(word.accepts(written, folded, language, compounds=compounds) for language in languages)

    def edges(self, words: list[str]) -> Edges:
        """The words that stand before an EDGE, and those that stand after one."""
        places = [place for place, word in enumerate(words) if word == EDGE]
        before, after = ({words[place + step] for place in places[cut]} for step, cut in _SIDES)
        return Edges(*(f" {' '.join(self._folded.get(word, '') for word in some)} " for some in (before, after)))

    def uses_at(self, words: list[str], place: int, meaning: Meaning, edges: Edges) -> Iterator[Use]:
        """The uses of which a phrase may stand where the word at `place` is its head."""
        for step in (-1, 1):
            neighbour = words[place + step]
            known = meaning.before if step < 0 else meaning.after
            beside = known.get(neighbour)
            if beside is None:
                beside = known[neighbour] = self._beside(meaning, neighbour, step)
            for use, phrase in beside:
                if not use.against and self._may_stand(phrase, words, place, edges):
                    yield use

    def _beside(self, meaning: Meaning, neighbour: str, step: int) -> tuple[Candidate, ...]:
        if neighbour != EDGE:
            return super()._beside(meaning, neighbour, step)
        return tuple(found for (side, _), some in meaning.phrases.items() if side == step for found in some)

    def _may_stand(self, phrase: Phrase, words: list[str], place: int, edges: Edges) -> bool:
        before, after = phrase.words[: phrase.head][::-1], phrase.words[phrase.head + 1 :]
        left, right = words[max(0, place - len(before)) : place][::-1], words[place + 1 : place + 1 + len(after)]
        return self._agree(left, before, edges.before) and self._agree(right, after, edges.after)

    def _agree(self, written: list[str], wanted: Iterable[Word], beyond: str) -> bool:
        """Tell whether words are forms of a phrase's, one after the other; `beyond` is what may follow an EDGE."""
        for text, word in zip(written, wanted, strict=False):
            if text == EDGE:
                return (word.stem or f" {word.folded} ") in beyond
            if not self._is_form(text, word):
                return False
        return True
