"""`monitor replay`: every form of fixture, deterministic, compared with what is expected."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.daemon import monitor

SHARED = REPOSITORY.parent / "shared/seeds"


def replay(*arguments: object, cwd: Path | None = None) -> list[dict[str, Any]]:
    result = monitor("replay", *arguments, "--format", "ndjson", cwd=cwd)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    file = tmp_path / "rules.yaml"
    file.write_text("rules: [DPRK + NATO, DPRK + weapon, military exercise + South Korea, DPRK + missile, sanctions]")
    return file


def test_the_shipped_seeds_raise_what_they_expect() -> None:
    seeds = REPOSITORY / "seeds"
    result = monitor("replay", seeds, "--rules", REPOSITORY / "rules", "--expect", seeds / "expect.yaml")
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real document is not beside this checkout")
def test_the_real_document_raises_three_and_not_the_other_two(rules: Path) -> None:
    alerts = replay(SHARED, "--rules", rules)
    assert [alert["rule"] for alert in alerts] == ["DPRK + NATO", "DPRK + weapon", "military exercise + South Korea"]
    text = next(SHARED.glob("*.txt")).read_text()
    for alert in alerts:
        assert alert["language"] == "id"
        assert alert["document"] == next(SHARED.glob("*.txt")).name
        assert alert["receivers"] == ["console"]
        for evidence in alert["evidence"]:
            assert text[evidence["start"] : evidence["end"]] == evidence["text"]


@pytest.mark.slow
def test_two_runs_are_byte_equal() -> None:
    runs = [
        monitor("replay", REPOSITORY / "seeds", "--rules", REPOSITORY / "rules", "--format", form)
        for form in ("ndjson", "ndjson", "text", "text")
    ]
    assert runs[0].stdout == runs[1].stdout != ""
    assert runs[2].stdout == runs[3].stdout != ""


def test_every_form_and_what_its_documents_are_called(tmp_path: Path, rules: Path) -> None:
    folder = tmp_path / "fixtures"
    (folder / "sub").mkdir(parents=True)
    (folder / "bare.txt").write_text("New sanctions were announced on Monday against three banks.\r\nMore text.")
    (folder / "front.txt").write_text(
        "---\ntitle: Neue Sanktionen\nurl: https://a.example/1\npublished: 2026-11-01T12:00:00+01:00\n"
        "language: de\nfeed: Zeitung\n---\nDie Sanktionen treten am Montag in Kraft.\n"
    )
    (folder / "sub/page.html").write_text(
        "<html><body><article><h1>Trade</h1><p>The council adopted new sanctions against the banks on Friday, "
        "after months of talks.</p><p>They take effect at once, a spokesman said.</p></article></body></html>"
    )
    (folder / "feed.xml").write_text(
        '<rss version="2.0"><channel><title>F</title><item><guid>g-1</guid><title>Sanctions lifted</title>'
        "</item><item><title>Sports</title></item></channel></rss>"
    )
    (folder / "feed.json").write_text(
        json.dumps(
            {"version": "https://jsonfeed.org/version/1", "title": "J", "items": [{"id": 7, "title": "Sanctions"}]}
        )
    )
    lines = [
        {"id": "x", "text": "Sanctions were announced on Monday by the government.", "title": "T", "other": 1},
        {"text": "Nothing to see."},
        {"html": "<html><body><article><p>Sanctions were announced by the council.</p></article></body></html>"},
    ]
    (folder / "lines.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "notes.md").write_text("sanctions")
    alerts = replay(folder, "--rules", rules)
    assert [(alert["document"], alert["source"], alert["language"]) for alert in alerts] == [
        ("bare.txt", "bare.txt", "en"),
        ("feed.json#7", "J", "en"),
        ("feed.xml#g-1", "F", "en"),
        ("front.txt", "Zeitung", "de"),
        ("lines.jsonl#x", "lines.jsonl#x", "en"),
        ("lines.jsonl#3", "lines.jsonl#3", "en"),
        ("sub/page.html", "sub/page.html", "en"),
    ]
    front = alerts[3]
    assert front["url"] == "https://a.example/1"
    assert front["published"] == "2026-11-01T11:00:00Z"
    assert front["evidence"][0] == {
        "concept": "sanctions",
        "text": "Sanktionen",
        "field": "title",
        "start": 5,
        "end": 15,
        "sure": True,
    }


def test_text_is_for_a_person(tmp_path: Path, rules: Path) -> None:
    (tmp_path / "a.txt").write_text("---\ntitle: Trade\nfeed: Daily\n---\nNew sanctions were announced. More follows.")
    result = monitor("replay", tmp_path / "a.txt", "--rules", rules)
    assert result.stdout == ("MEDIUM  sanctions\n  Trade\n  Daily · en\n  New [sanctions] were announced.\n\n")
    assert result.stderr.startswith("1 document, 1 alert, ")


def test_a_terminal_cannot_be_steered(tmp_path: Path, rules: Path) -> None:
    (tmp_path / "a.txt").write_text(
        "Sanctions \x1b[2J\x1b]0;owned\x07 were \u202eannounced on Monday by the government."
    )
    result = monitor("replay", tmp_path / "a.txt", "--rules", rules)
    assert "\x1b" not in result.stdout
    assert "\\u001b[2J" in result.stdout


@pytest.mark.parametrize("times", [("2026-11-18T06:00:00Z", ""), ("", "2026-11-18T06:00:00Z")])
def test_a_document_without_a_time_is_seen_with_the_one_beside_it(
    tmp_path: Path, rules: Path, times: tuple[str, str]
) -> None:
    rules.write_text("rules: [{id: two, match: sanctions, when: {sources: 2, within: 1h}}]")
    (tmp_path / "fixtures").mkdir()
    for name, time in zip("ab", times, strict=True):
        published = f"published: {time}\n" if time else ""
        (tmp_path / f"fixtures/{name}.txt").write_text(
            f"---\ntitle: New sanctions against three banks of Belarus\n{published}---\nThey were announced on Monday."
        )
    [alert] = replay(tmp_path / "fixtures", "--rules", rules)
    assert alert["documents"] == ["a.txt", "b.txt"]
    assert alert["first_seen"] == alert["last_seen"] == "2026-11-18T06:00:00Z"


@pytest.mark.parametrize(
    ("expected", "status", "difference"),
    [
        ("a.txt: [sanctions]", 0, ""),
        ("a.txt: [sanctions, DPRK + NATO]\nb.txt: []", 1, "- a.txt: DPRK + NATO"),
        ("a.txt: []", 1, "+ a.txt: sanctions"),
    ],
)
def test_expectations(tmp_path: Path, rules: Path, expected: str, status: int, difference: str) -> None:
    (tmp_path / "a.txt").write_text("New sanctions were announced on Monday.")
    (tmp_path / "expect.yaml").write_text(expected)
    result = monitor("replay", tmp_path / "a.txt", "--rules", rules, "--expect", tmp_path / "expect.yaml")
    assert result.returncode == status
    assert difference in result.stderr


def test_an_earlier_run_can_be_expected(tmp_path: Path, rules: Path) -> None:
    (tmp_path / "a.txt").write_text("New sanctions were announced on Monday.")
    golden = tmp_path / "golden.ndjson"
    golden.write_text(monitor("replay", tmp_path / "a.txt", "--rules", rules, "--format", "ndjson").stdout)
    again = ["replay", tmp_path / "a.txt", "--rules", rules, "--expect", golden]
    assert monitor(*again).returncode == 0
    golden.write_text(golden.read_text().replace('"medium"', '"high"'))
    result = monitor(*again)
    assert result.returncode == 1
    assert "! a.txt: sanctions: level is 'medium', expected 'high'" in result.stderr


@pytest.mark.parametrize(
    ("name", "body", "line"),
    [
        ("a.txt", b"---\ntitel: x\n---\ntext", 'a.txt:2:1: unknown key "titel"; did you mean "title"?'),
        ("a.txt", b"---\ntitle: x\n", "a.txt:1:1: front matter that is never closed; end it with a line of ---"),
        ("a.txt", b"---\npublished: soon\n---\n", "a.txt:2:1: published: should be a valid datetime"),
        ("a.txt", b"ok\n\xff", "a.txt:2:1: not UTF-8: invalid start byte"),
        ("a.jsonl", b'{"text": "x"}\n{"text": }', "a.jsonl:2:10: not JSON: Expecting value"),
        ("a.jsonl", b'{"title": "x"}', 'a.jsonl:1:1: either "text" or "html" was expected'),
        ("a.jsonl", b'{"text": "x", "tags": 1}', "a.jsonl:1:1: tags: should be"),
        ("a.jsonl", b'{"text": "x", "seen": "0001-01-01T00:00:00+14:00"}', "a.jsonl:1:1: seen: in UTC this is out of"),
        ("a.jsonl", b"[1]", 'a.jsonl:1:1: an object such as {"text": "..."} was expected'),
        ("a.xml", b"<html></html>", "a.xml: is a web page that links to no feed"),
        ("a.json", b"{", "a.json: is no JSON Feed"),
        ("a.html", b"<html></html>", "a.html: holds no article text"),
        ("a.md", b"text", "a.md: no kind of fixture; known: .atom"),
    ],
)
def test_malformed_fixtures_get_their_line(tmp_path: Path, rules: Path, name: str, body: bytes, line: str) -> None:
    (tmp_path / name).write_bytes(body)
    result = monitor("replay", name, "--rules", rules, cwd=tmp_path)
    assert result.returncode == 2
    assert line in result.stderr
    assert "Traceback" not in result.stderr


def test_a_link_out_of_the_folder_is_no_fixture(tmp_path: Path, rules: Path) -> None:
    (tmp_path / "secret.txt").write_text("sanctions")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside/link.txt").symlink_to(tmp_path / "secret.txt")
    result = monitor("replay", tmp_path / "inside", "--rules", rules)
    assert result.returncode == 2
    assert "holds no fixture" in result.stderr
