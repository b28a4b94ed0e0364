"""Near-copies in 38 languages: texts of press sentences, their edited versions, and texts of other sentences.

Each language's sentences, of as many events, are dealt to two articles: the second is unrelated to the first, though
of its language and about the same kinds of things.
"""

import random
import subprocess
import sys
from collections.abc import Callable
from itertools import combinations

import pytest
import yaml

from monitor.matching.folding import unspaced
from monitor.stories.copies import bands, signature, similarity
from monitor.stories.join import NEAR_COPY
from tests.conftest import REPOSITORY

LANGUAGES = {
    path.stem: [case["text"] for case in yaml.safe_load(path.read_text())]
    for path in sorted((REPOSITORY / "tests" / "languages").glob("*.yaml"))
}
Sentences = list[str]


def words(text: str) -> list[str]:
    """Words, or in scripts without spaces pieces of three letters."""
    if unspaced(text[1]):
        return [text[start : start + 3] for start in range(0, len(text), 3)]
    return text.split(" ")


def with_another_lead(sentences: Sentences, others: Sentences, chance: random.Random) -> str:
    return " ".join([others[0], *sentences[1:]])


def shortened_and_reordered(sentences: Sentences, others: Sentences, chance: random.Random) -> str:
    kept = sentences[: len(sentences) - max(1, len(sentences) // 8)]
    return " ".join(chance.sample(kept, len(kept)))


def with_a_slug(sentences: Sentences, others: Sentences, chance: random.Random) -> str:
    return f"JAKARTA, Nov 18 (AGENCY) - {' '.join(sentences)} (Reporting by the bureau; editing by the desk)"


def with_typos(sentences: Sentences, others: Sentences, chance: random.Random) -> str:
    letters = list(" ".join(sentences))
    for place in chance.sample(range(len(letters) - 1), len(letters) // 50):
        letters[place], letters[place + 1] = letters[place + 1], letters[place]
    return "".join(letters)


def with_other_words(sentences: Sentences, others: Sentences, chance: random.Random) -> str:
    """12 % of the words dropped, or replaced by those of another article."""
    text, foreign = words(" ".join(sentences)), words(" ".join(others))
    for place in chance.sample(range(len(text)), len(text) * 12 // 100):
        text[place] = chance.choice(["", chance.choice(foreign)])
    return ("" if unspaced(sentences[0][1]) else " ").join(text)


EDITS: list[Callable[[Sentences, Sentences, random.Random], str]] = [
    with_another_lead, shortened_and_reordered, with_a_slug, with_typos, with_other_words,
]  # fmt: skip


def dealt(language: str, chance: random.Random) -> tuple[Sentences, Sentences]:
    shuffled = chance.sample(LANGUAGES[language], len(LANGUAGES[language]))
    return shuffled[::2], shuffled[1::2]


def alike(one: str, other: str) -> bool:
    """As near-copies are found: by a band, then by how similar they are."""
    ours, theirs = signature(one), signature(other)
    return bool({*bands(ours)} & {*bands(theirs)}) and similarity(ours, theirs) >= NEAR_COPY


def test_near_copies_are_found() -> None:
    chance = random.Random(1)
    missed, tried = [], 0
    for language in LANGUAGES:
        for _ in range(4):
            sentences, others = dealt(language, chance)
            for edit in EDITS:
                tried += 1
                if not alike(" ".join(sentences), edit(sentences, others, chance)):
                    missed.append((language, edit.__name__))
    assert tried >= 30 * len(EDITS)
    assert len(missed) <= 0.05 * tried, missed


def test_unrelated_texts_of_one_language_are_no_copies() -> None:
    chance = random.Random(2)
    pairs = [(language, *dealt(language, chance)) for language in LANGUAGES for _ in range(10)]
    joined = [language for language, one, other in pairs if alike(" ".join(one), " ".join(other))]
    assert len(pairs) >= 30
    assert len(joined) < 0.005 * len(pairs), joined


def test_unrelated_texts_of_two_languages_are_no_copies() -> None:
    texts = [" ".join(sentences) for sentences in LANGUAGES.values()]
    assert not [pair for pair in combinations(texts, 2) if alike(*pair)]


def test_similarity_estimates_what_texts_have_in_common() -> None:
    text = " ".join(LANGUAGES["en"])
    assert similarity(signature(text), signature(text)) == 1
    assert similarity(signature(text), signature(text.upper())) == 1
    letters = random.Random(3).choices("abcdefghijklmnopqrstuvwxyz ", k=4_000)
    whole, half = "".join(letters), "".join(letters[:2_000])
    grams = [{text[start : start + 3] for start in range(len(text) - 2)} for text in (whole, half)]
    expected = len(grams[0] & grams[1]) / len(grams[0] | grams[1])
    assert similarity(signature(whole), signature(half)) == pytest.approx(expected, abs=0.12)


@pytest.mark.parametrize("text", ["", " ", "a", "水", "A headline of words", "朝鲜发射导弹", "\ud800", "1" * 10_000])
def test_texts_too_short_to_tell_have_no_signature(text: str) -> None:
    assert signature(text) == b""
    assert bands(b"") == []
    assert similarity(b"", b"") == 0


def test_signatures_are_the_same_in_every_process() -> None:
    code = "from monitor.stories.copies import signature; print(signature('The quick brown fox. ' + str(3**99)).hex())"
    found = [subprocess.check_output([sys.executable, "-c", code], text=True).strip() for _ in range(2)]
    # Another version of rensa that signs otherwise shows itself here: stories of the last days would not be found.
    assert found[0] == found[1] == signature("The quick brown fox. " + str(3**99)).hex()
    assert found[0].startswith("634faf2ad2cd163ac0f16bbb9a938572")
