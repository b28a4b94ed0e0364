"""The language of a text: what its letters, its words and what is declared of it say together."""

from pathlib import Path

import pytest

from monitor import yamlfile
from monitor.articles.language import detect
from monitor.rules.lexicon import LANGUAGES
from tests.conftest import REPOSITORY


def sentences(language: str) -> list[str]:
    file: Path = REPOSITORY / f"tests/languages/{language}.yaml"
    return [row["text"] for row in yamlfile.read(file).value]


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_the_language_of_headlines_and_articles(language: str) -> None:
    """An article tells its language, even where its publisher declares another; so do nearly all headlines."""
    known = sentences(language)
    assert detect("\n".join(known)) == language
    assert detect("\n".join(known), "en", "de") == language
    alone = [sentence for sentence in known if detect(sentence) == language]
    assert len(alone) >= len(known) * 0.85
    declared = [sentence for sentence in known if detect(sentence, language) == language]
    assert len(declared) >= len(known) * 0.95


@pytest.mark.parametrize(
    ("text", "declared", "language"),
    [
        ("Polisi mengatakan bahwa korban tewas karena banjir.", (), "id"),
        ("Polis berkata bahawa mangsa maut kerana banjir.", (), "ms"),
        ("Banjir besar", ("ms",), "ms"),
        ("Predsednik je posle sednice saopštio da je bezbednost ugrožena.", (), "sr"),
        ("Predsjednik je nakon sjednice priopćio da je sigurnost ugrožena tijekom tjedna.", (), "hr"),
        ("Predsjednik je nakon sjednice u Sarajevu saopćio da će Bosna i Hercegovina idućih sedmica.", (), "bs"),
        ("Председник је саопштио да је безбедност угрожена.", (), "sr"),
        ("这个国家的总统说，会议将在今天举行。", (), "zh-Hans"),
        ("這個國家的總統說，會議將在今天舉行。", (), "zh-Hant"),
        ("這個國家的總統說，會議將在今天舉行。", ("zh-CN",), "zh-Hant"),
        ("中文", ("zh-TW",), "zh-Hant"),
        ("米韓合同演習開始", ("ja",), "ja"),
        ("ミサイル発射", (), "ja"),
        ("رئيس الوزراء يعلن وقف إطلاق النار في غزة", (), "ar"),
        ("رئیس جمهور ایران گفت که مذاکرات ادامه می‌یابد", (), "fa"),
        ("وزیر اعظم نے کہا ہے کہ مذاکرات جاری رہیں گے", (), "ur"),
        ("حملہ", ("ur", "ar"), "ur"),
        ("Reuters", ("xx", None, "fr"), "fr"),
        ("DPRK fires missile", (), None),
        ("", (), None),
        ("<p> & < > 12", (), None),
        ("북한", (), "ko"),
        ("Αθήνα", ("en",), "el"),
    ],
)
def test_languages_that_are_written_alike(text: str, declared: tuple[str | None, ...], language: str | None) -> None:
    assert detect(text, *declared) == language
