"""`monitor rules …` and `monitor match`, as a user runs them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.models import Alert
from tests.conftest import REPOSITORY
from tests.daemon import monitor

RULES = """\
rules:
  - id: strike
    title: A strike
    level: high
    tags: [x, y]
    match: DPRK + (missile | drone) - exercise
    tests:
      - {text: North Korea fired a missile into the sea., expect: match}
      - {text: North Korea fired a missile in an exercise., expect: no-match}
  - {id: quiet, enabled: false, match: "\\"Pukguksong\\""}
  - navy + "exercise"
concepts: {navy: {en: [frigate], about: ships of war}}
"""
DOUBTFUL = "rules: [DPRK + misile]\n"
LAUNCH = """\
---
title: Launch
url: https://a.example/1
published: 2026-11-01T12:00:00Z
---
North Korea fired two missiles on Monday, the South said.
"""
QUIET = "Nothing to see here at all today, so move along please.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {"rules.yaml": RULES, "doubtful.yaml": DOUBTFUL, "docs/a.txt": LAUNCH, "docs/b.txt": QUIET}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def run(folder: Path, *arguments: object, status: int = 0) -> tuple[str, str]:
    """What a command says, on standard output and on standard error."""
    result = monitor(*arguments, cwd=folder)
    assert "Traceback" not in result.stderr
    assert result.returncode == status, result.stderr
    return result.stdout, result.stderr


def test_check(folder: Path) -> None:
    out, err = run(folder, "rules", "check", "--strict", "--rules", "rules.yaml")
    assert out == ""
    assert err == "rules: 3, own concepts: 1, doubts: 0\n"
    doubt = (
        'doubtful.yaml:1:9: doubtful: DPRK + misile: "misile" is no concept and occurs in no test text; '
        'did you mean "missile"? (in quotes it is taken as it is)\n'
    )
    for strict, status in (((), 0), (("--strict",), 1)):
        out, err = run(folder, "rules", "check", *strict, "--rules", "doubtful.yaml", status=status)
        assert out == doubt
        assert err.startswith("rules: 1, own concepts: 0, doubts: 1")
    (folder / "broken.yaml").write_text("rules:\n  - {match: DPRK, levle: low}\n  - a +\n")
    out, err = run(folder, "rules", "check", "--rules", "broken.yaml", "--rules", "rules.yaml", status=2)
    assert out == ""
    assert err.splitlines() == [
        'broken.yaml:2:19: unknown key "levle"; did you mean "level"?',
        "broken.yaml:3:5: the expression ends where a word was expected (character 4, at: a +)",
    ]


def test_list_and_show(folder: Path) -> None:
    out, _ = run(folder, "rules", "list", "--rules", "rules.yaml")
    assert out.splitlines() == [
        "high     strike  A strike  [rules.yaml:2:5]",
        "medium   quiet (disabled)  [rules.yaml:10:5]",
        'medium   navy + "exercise"  [rules.yaml:11:5]',
    ]
    out, _ = run(folder, "rules", "list", "--rules", "rules.yaml", "--format", "ndjson")
    listed = [json.loads(line) for line in out.splitlines()]
    assert [rule["id"] for rule in listed] == ["strike", "quiet", 'navy + "exercise"']
    assert listed[0] == {
        "id": "strike",
        "title": "A strike",
        "description": "",
        "level": "high",
        "tags": ["x", "y"],
        "enabled": True,
        "status": "stable",
        "owner": "",
        "references": [],
        "expression": "DPRK + (missile | drone) - exercise",
        "when": None,
        "receivers": [],
        "place": "rules.yaml:2:5",
        "version": listed[0]["version"],
        "tests": 2,
    }
    assert re.fullmatch("[0-9a-f]{8}", listed[0]["version"])
    assert listed[1]["enabled"] is False
    out, _ = run(folder, "rules", "show", 'navy + "exercise"', "--rules", "rules.yaml")
    lines = out.splitlines()
    assert {'id: navy + "exercise"', "level: medium", 'expression: navy + "exercise"'} <= set(lines)
    assert lines[lines.index("navy - ships of war") + 1] == "  en: frigate"
    assert lines[-1] == "  en: frigate", "what stands in quotes is no concept"


def test_the_tests_that_rules_carry(folder: Path) -> None:
    out, err = run(folder, "rules", "test", "--rules", "rules.yaml")
    assert (out, err) == ("", "tests: 2, failed: 0\n")
    (folder / "failing.yaml").write_text(
        "rules:\n  - {id: r, match: DPRK, tests: [{text: Nothing, expect: match}, {file: docs/a.txt, expect: no-match},"
        " {file: docs/a.txt, expect: match}]}\n"
    )
    out, err = run(folder, "rules", "test", "--rules", "failing.yaml", status=1)
    assert out.splitlines() == [
        'failing.yaml:2:5: r: test 1: should match: "Nothing"',
        "failing.yaml:2:5: r: test 2: should not match: docs/a.txt",
    ]
    assert err == "tests: 3, failed: 2\n"


def test_explain(folder: Path) -> None:
    out, _ = run(folder, "rules", "explain", "strike", "docs/a.txt", "--rules", "rules.yaml")
    assert out.splitlines() == [
        "a.txt  language: en",
        "PASS  (DPRK + (missile | drone) + -exercise)",
        "  PASS  DPRK  <- North Korea",
        "  PASS  (missile | drone)",
        "    PASS  missile  <- missiles",
        "    FAIL  drone",
        "  PASS  -exercise",
        "    FAIL  exercise",
    ]
    text = "North Korea held a large exercise with several drones on Monday."
    out, _ = run(folder, "rules", "explain", "strike", "--text", text, "--rules", "rules.yaml")
    assert out.splitlines() == [
        "text  language: en",
        "FAIL  (DPRK + (missile | drone) + -exercise)",
        "  PASS  DPRK  <- North Korea",
        "  PASS  (missile | drone)",
        "    FAIL  missile",
        "    PASS  drone  <- drones",
        "  FAIL  -exercise",
        "    PASS  exercise  <- exercise",
    ]
    out, err = run(folder, "rules", "explain", "strik", "--text", text, "--rules", "rules.yaml", status=2)
    assert (out, err) == ("", 'strik: no such rule; did you mean "strike"?\n')


def errors(schema: dict[str, Any], value: Any, root: dict[str, Any], place: str = "") -> Iterator[str]:
    """Where a value is not what a JSON Schema asks for, as far as the schema of rule files uses the language."""
    if "$ref" in schema:
        yield from errors(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], value, root, place)
    elif "anyOf" in schema:
        tried = [list(errors(choice, value, root, place)) for choice in schema["anyOf"]]
        if all(tried):
            yield from tried[-1]
    elif not isinstance(value, kinds(schema)) or value not in schema.get("enum", [value]):
        yield f"{place}: {value!r} is no {schema.get('type')} {schema.get('enum', '')}"
    else:
        for key, inner, item in parts(schema, value):
            yield from errors(inner, item, root, f"{place}/{key}") if inner else [f'{place}: "{key}" is out of place']


def parts(schema: dict[str, Any], value: Any) -> Iterator[tuple[str, dict[str, Any] | None, Any]]:
    """Each part of a mapping or list with its key and schema; None for a key that is unknown, or missing."""
    anything = {"type": "anything"}
    if isinstance(value, list):
        yield from ((str(index), schema.get("items", anything), item) for index, item in enumerate(value))
    elif isinstance(value, dict):
        other = schema.get("additionalProperties", anything) or None
        known = schema.get("properties", {})
        yield from ((key, known.get(key, other), item) for key, item in value.items())
        yield from ((key, None, None) for key in schema.get("required", ()) if key not in value)


def kinds(schema: dict[str, Any]) -> tuple[type, ...]:
    names = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    return (names.get(schema.get("type", ""), object),)


def test_schema(folder: Path) -> None:
    out, _ = run(folder, "rules", "schema")
    schema = json.loads(out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    files = sorted((REPOSITORY / "rules").rglob("*.yaml"))
    assert files
    for file in files:
        assert list(errors(schema, yaml.safe_load(file.read_text()), schema)) == [], file
    assert list(errors(schema, yaml.safe_load(RULES), schema)) == []
    for good in (
        {"match": {"all": ["a", {"any": ["b", "c"]}], "none": "d"}, "tags": "x", "receivers": ["y"]},
        {"match": "a", "scope": {"languages": "ko", "feeds": ["x"], "fields": ["title"], "max_age": "2d"}},
    ):
        assert list(errors(schema, {"rules": [good]}, schema)) == [], good
    for bad in ({"match": {"al": ["a"]}}, {"match": "a", "levle": "low"}, {"match": "a", "level": "urgent"}, {}, 3):
        assert list(errors(schema, {"rules": [bad]}, schema)), bad
    assert list(errors(schema, {"ruls": []}, schema))


def test_shipped_rule_files_carry_the_modeline() -> None:
    for file in sorted((REPOSITORY / "rules").rglob("*.yaml")):
        assert "# yaml-language-server: $schema=" in file.read_text(), file


def test_match(folder: Path) -> None:
    expressions = ("--expr", "DPRK + missile", "--expr", "navy", "--expr", "title: launch")
    common = ("docs", *expressions, "--rules", "rules.yaml")
    out, _ = run(folder, "match", *common, "--format", "ndjson")
    found = [json.loads(line) for line in out.splitlines()]
    assert [(alert["document"], alert["rule"]) for alert in found] == [
        ("a.txt", "DPRK + missile"),
        ("a.txt", "title: launch"),
    ]
    text = LAUNCH.splitlines()[-1]
    assert [text[item["start"] : item["end"]] for item in found[0]["evidence"]] == ["North Korea", "missiles"]

    assert found[0]["snippet"] == {"text": text, "marks": [[0, 11], [22, 30]]}
    assert found[1]["published"] == "2026-11-01T12:00:00Z"
    assert [list(alert) for alert in found] == [list(Alert.model_fields)] * 2, "as in replay"
    assert [alert["receivers"] for alert in found] == [[], []], "nobody is told"
    assert run(folder, "match", "docs/b.txt", "--expr", "DPRK + missile", status=1) == ("", "")
    out, err = run(folder, "match", "docs", "--expr", "DPRK", "--expr", "DPRK + (missile", status=2)
    assert out == ""
    assert err == "--expr:1:1: a parenthesis is never closed (character 16, at: DPRK + (missile)\n"


def test_match_refuses_a_concept_that_is_none(folder: Path) -> None:
    _, err = run(folder, "match", "docs", "--expr", "@misile", status=2)
    assert 'is no concept; did you mean "missile"?' in err
