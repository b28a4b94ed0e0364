"""Folding and matching: one form for every spelling, and the way back to the original text."""

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import InputError
from monitor.matching.folding import RUN, fold, words_of
from monitor.matching.matcher import Matcher
from monitor.models import Article, Source
from monitor.rules.expression import parse
from monitor.rules.lexicon import Concept, Lexicon
from monitor.rules.schema import Rule

SPELLINGS = [
    "Café déjà",
    "CAFÉ DÉJÀ",
    unicodedata.normalize("NFD", "Café déjà"),
    "Ｃａｆé déjà",
    "Ca\u00adfé dé\u200bjà",
    "café\u00a0déjà",
    "café—déjà",
    "«Café», déjà!",
    "cafe deja",
    "Café\u202e déjà",
]


@pytest.mark.parametrize("text", SPELLINGS)
def test_every_spelling_of_a_headline_folds_to_one(text: str) -> None:
    assert fold(text).text.split() == ["cafe", "deja"]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Straße ﬁn ㎏", "strasse fin kg"),
        ("İstanbul ISPARTA ışık", "istanbul isparta isik"),
        ("صَوَارِيخُ وصـــواريخ", "صواريخ وصواريخ"),
        ("موشک‌های ایرانی", "موشكهاي ايراني"),
        ("إطلاق أول آخر", "اطلاق اول اخر"),
        ("шалом שָׁלוֹם", "шалом שלומ"),
        ("Ракета МИД война", "ракета мид война"),
        ("вои\u0306на", "война"),
        ("ёлка", "елка"),
        ("Αθήνα αθηνά ς", "αθηνα αθηνα σ"),
        ("북한이 각", "북한이 각"),
        ("\u1107\u116e\u11a8", "북"),
        ("ﾐｻｲﾙ か\u3099 ガ", "ミサイル が ガ"),
        ("ＮＡＴＯは UN의", "nato は un 의"),
        ("मिसाइल ३", "मिसाइल 3"),
        ("ขีปนาวุธ", "ขีปนาวุธ"),
        ("Đà Nẵng Łódź Øst", "da nang lodz ost"),
        ("\x00a\ud800b", "a b"),
        ("🚀 x🎉y", "x y"),
    ],
)
def test_folding(text: str, folded: str) -> None:
    assert fold(text).text.strip() == folded


def test_offsets_lead_back() -> None:
    text = "«Ca\u00adfé», ﬁn — 북\u1112\u1161\u11ab 北朝鮮が Straße"
    folded = fold(text)
    assert len(folded.offsets) == len(folded.text)
    for word in ("cafe", "fin", "北朝鮮が", "strasse"):
        start = folded.text.index(word)
        original = text[folded.offsets[start] : folded.offsets[start + len(word) - 1] + 1]
        assert fold(original).text.strip() in (word, word.removesuffix("s") + "s")


@settings(derandomize=True, database=None, deadline=None, max_examples=500)
@given(
    text=st.text(
        st.one_of(st.characters(), st.sampled_from("aéßﬁ½㎏NATO は北朝한의\u1107\u116e\u11a8и\u0306 \xad\u0301’ｶﾞ"))
    )
)
def test_the_words_of_a_text_are_those_of_its_folded_text(text: str) -> None:
    text = text.replace("\x01", " ")
    folded, written = fold(text).text.split(), words_of(text).split()
    assert len(written) == len(folded)
    if not set(text) & set("\u0306\u0308\u3099\u309a\uff9e\uff9f") and not re.search("[\u1100-\u11ff]", text):
        for word, known in zip(written, folded, strict=True):
            assert set(word) == {RUN} if word[0] == RUN else fold(word).text.strip() == known


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Straße, l’Été «ＮＡＴＯ»", "Straße l Été ＮＡＴＯ"),
        ("Ca\u00adfé x\u200by", "Café xy"),
        ("NATOは UN의 3월", f"NATO {RUN} UN 의 3 월"),
        ("½ Maß Строи\u0306", "1 2 Maß Строй"),
    ],
)
def test_words_are_kept_as_they_are_written(text: str, words: str) -> None:
    assert words_of(text).split() == words.split()


def rule(expression: str) -> Rule:
    return Rule(id=expression, title="", level="info", tags=(), node=parse(expression), place="")


LEXICON = Lexicon(
    [
        Concept(
            name="missile",
            aliases=("missiles",),
            terms={
                "en": ("missile",),
                "ru": ("ракета",),
                "ko": ("미사일", "*미사일"),
                "ja": ("ミサイル",),
                "de": ("Rakete", "Raketen*"),
            },
            exceptions={"en": ("missile of a shot",), "de": ("Trägerrakete",)},
        ),
        Concept(
            name="DPRK",
            aliases=("North Korea",),
            terms={"en": ("North Korean",), "ko": ("북한",), "ru": ("КНДР",)},
            names={"en": ("North Korea",), "id": ("Korea Utara",), "ja": ("北朝鮮",)},
        ),
        Concept(name="Mali", names={"en": ("Mali",), "id": ("Mali",)}),
        Concept(name="WHO", terms={"en": ("=WHO",)}),
    ]
)


def words(expression: str, text: str, language: str | None = None, title: str = "") -> list[str]:
    article = Article(id="a", source=Source("s"), text=text, title=title, language=language)
    matches = Matcher([rule(expression)], LEXICON).match(article)
    return [evidence.text for match in matches for evidence in match.evidence]


LONG = " This sentence only makes the text long enough to tell its language."


@pytest.mark.parametrize(
    ("expression", "language", "text", "found"),
    [
        ("missile", "en", "Two missiles were fired.", ["missiles"]),
        ("missile", "en", "A missile of a shot from thirty yards.", []),
        ("missile", "en", "A dismissile, a missilery.", []),
        ("missile", "ru", "Удар ракетами по городу, а не ракеткой по мячу.", ["ракетами"]),
        ("missile", "ko", "북한이 탄도미사일을 쐈다.", ["탄도미사일을"]),
        ("missile", "ja", "北朝鮮が弾道ミサイルを発射した。", ["ミサイル"]),
        (
            "missile",
            "de",
            "Die Kurzstreckenraketen trafen, der Raketenangriff endete.",
            ["Kurzstreckenraketen", "Raketenangriff"],
        ),
        ("missile", "de", "Die Trägerrakete hob ab.", []),
        ("missile", "fr", "Two missiles were fired.", []),
        ("DPRK", "fr", "Selon Korea Utara, rien.", ["Korea Utara"]),
        ("Mali", "id", "Pemerintah di Mali dan mali.", ["Mali"]),
        ("WHO", "en", "Who asked the WHO?", ["WHO"]),
        ("North-Korea + missiles", "en", "#NorthKorea fired missiles", ["NorthKorea", "missiles"]),
        ("DPRK + -missile", "ko", "북한군이 아니라 북한은", ["북한은"]),
        ('"two missiles"', "en", "Two missiles, two missile.", ["Two missiles"]),
        ("submarine", "en", "Submarines surfaced.", ["Submarines"]),
    ],
)
def test_matching(expression: str, language: str, text: str, found: list[str]) -> None:
    assert words(expression, text + LONG, language) == found


def test_evidence_says_where() -> None:
    article = Article(
        id="a", source=Source("s"), title="Missile test", text="\nFirst missile.\nThen a missile.", language="en"
    )
    [match] = Matcher([rule("missile")], LEXICON).match(article)
    assert [(e.field, e.start, e.end) for e in match.evidence] == [("title", 0, 7), ("lead", 7, 14), ("body", 23, 30)]
    for evidence in match.evidence:
        source = article.title if evidence.field == "title" else article.text
        assert source[evidence.start : evidence.end] == evidence.text


def test_no_phrase_crosses_from_the_title_into_the_text() -> None:
    assert words('"new missile"', "missile test", "en", title="New") == []


def test_a_name_is_found_however_it_is_written() -> None:
    for name in ("DPRK", "dprk", "North Korea", "north_korea", "North-Korea"):
        assert LEXICON.find(name) is LEXICON.concepts["DPRK"], name
    assert LEXICON.find("Atlantis") is None


def test_the_shipped_lexicon_can_be_read() -> None:
    from monitor.rules.lexicon import load, shipped

    try:
        fresh = load()
    except InputError as error:
        pytest.fail(str(error))
    kept = {name: concept.model_dump_json(warnings=False) for name, concept in shipped().concepts.items()}
    assert {name: concept.model_dump_json() for name, concept in fresh.concepts.items()} == kept
    assert "북한" in fresh.concepts["DPRK"].names["ko"]
