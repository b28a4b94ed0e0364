"""Every concept of the lexicon that an article speaks of, whatever the rules ask for.

The terms of all concepts in all languages take 5 s and 165 MB to make ready. So they are made ready for one language
at a time, when the first article in it comes.
"""

from monitor.matching.matcher import compile_concept
from monitor.matching.patterns import counts_in
from monitor.matching.regexes import Regexes
from monitor.matching.sight import Sight
from monitor.matching.vocabulary import Use, Vocabulary
from monitor.models import Article, Evidence
from monitor.rules.lexicon import ANY, Concept, Lexicon

_NO_REGEXES = Regexes({})


class Concepts:
    """Finds concepts; `places` are the names of those that are countries."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._names = list(lexicon.concepts)
        self._vocabularies: dict[str, Vocabulary] = {}
        self.places = frozenset(name for name, concept in lexicon.concepts.items() if concept.names)

    def of(self, article: Article) -> tuple[Evidence, ...]:
        """Say which concepts stand in an article and where: of each the first places, in the order of the text.

        Where the article's language is not known there are none: too many words mean something in some language.
        """
        if article.language is None:
            return ()
        if article.language not in self._vocabularies:
            self._vocabularies[article.language] = self._vocabulary(article.language)
        sight = Sight(article, self._vocabularies[article.language], _NO_REGEXES, self._names)
        return sight.evidence((atom, span) for atom in sight.atoms for span in sight.spans(atom))

    def _vocabulary(self, language: str) -> Vocabulary:
        vocabulary = Vocabulary()
        for number, concept in enumerate(self._lexicon.concepts.values()):
            for against, patterns in enumerate(compile_concept(_in_languages(concept, language))):
                for pattern in patterns:
                    vocabulary.add(Use(number, pattern, bool(against)))
        vocabulary.finish(self._names, ())
        return vocabulary


def _in_languages(concept: Concept, language: str) -> Concept:
    """A concept with the words alone that count in texts of one language."""
    kept = counts_in(language) | {ANY}
    groups = ("terms", "exceptions", "names")
    return concept.model_copy(
        update={group: {key: getattr(concept, group)[key] for key in getattr(concept, group) if key in kept}
                for group in groups}
    )  # fmt: skip
