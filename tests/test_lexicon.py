"""The lexicon, language by language: sentences as the press writes them, and traps."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor import yamlfile
from monitor.matching.lint import covers
from monitor.matching.matcher import Matcher
from monitor.models import Article, Source
from monitor.rules.expression import Term
from monitor.rules.lexicon import LANGUAGES, SHIPPED, load, shipped
from monitor.rules.schema import Rule
from tests.conftest import REPOSITORY

TABLES = REPOSITORY / "tests/languages"


def cases() -> Iterator[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    for file in sorted(TABLES.glob("*.yaml")):
        for row in yamlfile.read(file).value:
            yield file.stem, row["text"], tuple(row.get("match", ())), tuple(row.get("reject", ()))


CASES = list(cases())


@pytest.fixture(scope="session")
def matcher(cache_home: Path) -> Matcher:
    """One rule for each concept that any sentence names, called as the concept is."""
    lexicon = shipped()
    names = sorted({name for _, _, match, reject in CASES for name in (*match, *reject)})
    assert [name for name in names if lexicon.find(name) is None] == []
    return Matcher([Rule(id=name, title="", level="info", tags=(), node=Term(name)) for name in names], lexicon)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_sentences(matcher: Matcher, language: str) -> None:
    wrong = []
    for _, text, match, reject in (case for case in CASES if case[0] == language):
        article = Article(id="x", source=Source("s"), text=text, language=language)
        found = {item.rule_id: [evidence.text for evidence in item.evidence] for item in matcher.match(article)}
        wrong += [f"{name} is not found in: {text}" for name in match if name not in found]
        wrong += [f"{name} is found by {found[name]} in: {text}" for name in reject if name in found]
    assert wrong == []


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_language_has_its_table(language: str) -> None:
    own = [case for case in CASES if case[0] == language]
    assert sum(bool(match) for _, _, match, _ in own) >= 4
    assert sum(bool(reject) for _, _, _, reject in own) >= 2


def test_it_is_as_large_as_promised() -> None:
    lexicon = load()
    themes = [concept for concept in lexicon.concepts.values() if not concept.names]
    assert len(themes) >= 70
    assert len(LANGUAGES) >= 35
    missing = {
        (concept.name, language) for concept in themes for language in LANGUAGES if not covers(concept, language)
    }
    assert missing == set()
    assert len([concept for concept in lexicon.concepts.values() if concept.names]) > 200, "countries"


def test_each_file_says_what_its_concepts_mean() -> None:
    for file in SHIPPED.glob("*.yaml"):
        for name, concept in yamlfile.read(file).value.items():
            assert concept.get("about") or concept.get("territory"), f"{file.name}: {name}"


TRAPS = [
    ("ko", "태평양 연안에 비가 내렸다고 기상청이 전했다. 다른 소식은 없다.", "DPRK"),
    ("he", "בית המשפט החליט להטיל קנס על החברה בגין איחור בהגשת הדוחות.", "missile"),
    ("cs", "Na východě republiky se ozvala střelba, policie případ vyšetřuje na místě.", "missile"),
    ("fi", "Lakko pakottaa yhtiön perumaan lähes sata vuoroa maanantaina aamulla.", "sanctions"),
    ("en", "The council sanctioned the use of the hall for concerts this winter, it said.", "sanctions"),
    ("en", "It was a missile of a shot from thirty yards that won the match for the visitors.", "missile"),
    ("zh-Hans", "记者从朝阳区政府获悉，今年全区将新建三座公园，并改造二十公里绿道。", "DPRK"),
    ("de", "Die Trägerrakete hob am Morgen vom Weltraumbahnhof ab und brachte Satelliten ins All.", "missile"),
    ("en", "South Korea and Japan signed a trade pact in Seoul on Monday, officials said.", "DPRK"),
    ("fr", "La Corée du Sud et le Japon ont signé un accord commercial lundi à Séoul.", "DPRK"),
    ("de", "Südkorea und Japan haben am Montag in Seoul ein Handelsabkommen unterzeichnet.", "DPRK"),
    ("ru", "Южная Корея и Япония подписали в понедельник в Сеуле торговое соглашение.", "DPRK"),
    ("ar", "وقعت كوريا الجنوبية واليابان اتفاقا تجاريا يوم الاثنين في سول.", "DPRK"),
    ("zh-Hant", "南韓與日本週一在首爾簽署貿易協定，雙方官員出席了儀式。", "DPRK"),
    ("es", "Sin embargo, la obra se estrenará en Madrid la próxima semana, dijo el director.", "China"),
    ("en", "Man arrested after a fight outside a pub in the old town, the local paper reports.", "Isle of Man"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "text", "concept"), TRAPS)
def test_traps(language: str, text: str, concept: str) -> None:
    rule = Rule(id="r", title="", level="info", tags=(), node=Term(concept, concept=True))
    matches = Matcher([rule], shipped()).match(Article(id="x", source=Source("s"), text=text, language=language))
    assert [evidence.text for match in matches for evidence in match.evidence] == []


@pytest.mark.parametrize(
    ("language", "text", "word"),
    [
        ("ko", "정부는 대북 정책을 다시 검토하고 있다고 통일부가 월요일 밝혔다.", "대북"),
        ("ko", "북핵 문제를 둘러싼 협의가 다음 달 재개될 것으로 보인다.", "북핵"),
        ("id", "Korut kembali menembakkan rudal ke arah Laut Timur, kata militer Seoul.", "Korut"),
        ("en", "A statement tagged #NorthKorea was shared widely on Monday, the ministry said.", "NorthKorea"),
        ("fr", "Le dirigeant nord-coréen a assisté à une parade lundi soir, selon l'agence.", "nord-coréen"),
        ("vi", "Bắc Hàn phóng thêm hai quả đạn vào sáng thứ Hai, theo quân đội Hàn Quốc.", "Bắc Hàn"),
    ],
)
def test_press_forms(language: str, text: str, word: str) -> None:
    rule = Rule(id="r", title="", level="info", tags=(), node=Term("DPRK"))
    matches = Matcher([rule], shipped()).match(Article(id="x", source=Source("s"), text=text, language=language))
    assert word in [evidence.text for match in matches for evidence in match.evidence]
