"""`monitor capture`: a page becomes a fixture, and what it must raise stands in the expect.yaml beside it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monitor import expectation, yamlfile
from monitor.capture import file_name
from monitor.errors import InputError
from tests.daemon import configure, monitor, received
from tests.site import Reply, Site, item, rss

pytestmark = pytest.mark.slow  # each starts processes of its own

PAGE = (
    "<html lang=ko><head><meta charset=utf-8><title>합참</title></head>"
    "<body><nav>NATO summit</nav><article><h1>발사</h1>"
    "<p>The army fired a missile into the sea on Monday morning, officials in the capital said – 미사일.</p>"
    "<p>It flew for about ten minutes. No damage was reported by ships in the area, they added.</p>"
    "</article></body></html>"
).encode()


@pytest.fixture
def config(tmp_path: Path, site: Site) -> Path:
    site.replies["/2026/launch-1.html"] = Reply(PAGE, headers={"Content-Type": "text/html"})
    return configure(tmp_path, site)


def capture(config: Path, what: str, *arguments: object, status: int = 0) -> str:
    """What the command says: on standard output, or where it fails on standard error."""
    result = monitor("capture", what, "--to", config.parent / "seeds", *arguments, "--config", config)
    assert result.returncode == status, result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout if status == 0 else result.stderr


def replayed(config: Path) -> tuple[int, str]:
    """What replay says of the captured fixtures and their expectations."""
    seeds = config.parent / "seeds"
    result = monitor("replay", seeds, "--expect", seeds / "expect.yaml", "--format", "ndjson", "--config", config)
    return result.returncode, result.stdout + result.stderr


def expectations(config: Path) -> Any:
    return yaml.safe_load((config.parent / "seeds/expect.yaml").read_text())


def test_a_page_is_kept_with_what_it_raises_now(config: Path, site: Site) -> None:
    said = capture(config, f"{site.url}/2026/launch-1.html")
    file = config.parent / "seeds/127.0.0.1-launch-1.html"
    assert said == f"{file}: raises missile, must raise missile\n"
    assert file.read_bytes() == PAGE
    assert expectations(config) == {"127.0.0.1-launch-1.html": ["missile"]}
    status, output = replayed(config)
    assert status == 0, output
    assert json.loads(output.splitlines()[0])["url"] == f"{site.url}/2026/launch-1.html"


@pytest.mark.parametrize(
    ("expect", "listed", "difference"),
    [
        (["nato"], ["nato"], "- 127.0.0.1-launch-1.html: nato"),
        (["nato", "missile"], ["nato", "missile"], "- 127.0.0.1-launch-1.html: nato"),
        (["none"], [], "+ 127.0.0.1-launch-1.html: missile"),
    ],
)
def test_what_was_missed_or_wrongly_raised_is_a_test_that_fails(
    config: Path, site: Site, expect: list[str], listed: list[str], difference: str
) -> None:
    arguments = [part for rule in expect for part in ("--expect", rule)]
    said = capture(config, f"{site.url}/2026/launch-1.html", *arguments)
    assert said.endswith(f": raises missile, must raise {', '.join(listed) or 'nothing'}\n")
    assert expectations(config) == {"127.0.0.1-launch-1.html": listed}
    status, output = replayed(config)
    assert status == 1
    assert difference in output


def test_a_rule_that_waits_for_another_source_is_not_raised_by_one_page(config: Path, site: Site) -> None:
    rules = "rules: [{id: missile, match: missile, when: {sources: 2}}, {id: launch, match: missile}]"
    (config.parent / "rules.yaml").write_text(rules)
    said = capture(config, f"{site.url}/2026/launch-1.html")
    assert said.endswith(": raises launch, must raise launch\n")
    status, output = replayed(config)
    assert status == 0, output


def test_an_alert_is_captured_by_its_id(config: Path, site: Site) -> None:
    items = [item("1", "Launch: <b>reported</b>", "Short.", f"{site.url}/2026/launch-1.html"), item("2", "A missile")]
    site.replies |= {"/feed": Reply(rss(*items)), "/hook": Reply()}
    assert monitor("run", "--once", "--config", config).returncode == 0
    alerts = {alert["document"]: alert for alert in received(site)}
    capture(config, alerts["1"]["id"], "--name", "launch")
    status, output = replayed(config)
    assert status == 0, output
    again = json.loads(output.splitlines()[0])
    for key in ("rule", "title", "url", "source", "published", "language", "snippet", "evidence"):
        assert again[key] == alerts["1"][key], key
    assert again["document"] == "launch.html"
    beside = yaml.safe_load((config.parent / "seeds/launch.html.yaml").read_text())
    assert beside["feed_url"] == f"{site.url}/feed"
    assert "the article of this alert has no URL" in capture(config, alerts["2"]["id"], status=2)
    assert capture(config, "0123456789ab", status=2).startswith("0123456789ab: no alert of the last 30 days")


def test_a_shared_redis_is_asked_too_and_no_password_is_kept(tmp_path: Path, site: Site, redis_url: str) -> None:
    site.replies |= {"/feed": Reply(rss(item("1", "A missile", "", f"{site.url}/page"))), "/hook": Reply()}
    site.replies["/page"] = Reply(PAGE, headers={"Content-Type": "text/html; charset=utf-8"})
    feed = {"url": f"{site.url}/feed".replace("//", "//me:s3cret@"), "tags": ["korea"], "cookies": {"key": "s3cret"}}
    config = configure(tmp_path, site, redis={"url": redis_url}, feeds=[feed])
    assert monitor("run", "--once", "--config", config).returncode == 0
    [alert] = received(site)
    capture(config, alert["id"])
    assert replayed(config)[0] == 0
    assert [request.headers.get("cookie") for request in site.asked("/page")] == ["key=s3cret"] * 2
    beside = (tmp_path / "seeds/127.0.0.1-page.html.yaml").read_text()
    assert "s3cret" not in beside
    told = yaml.safe_load(beside)
    assert (told["feed_url"], told["tags"]) == (f"{site.url}/feed", ["korea"])
    assert told["content_type"] == "text/html; charset=utf-8"


def test_nothing_is_overwritten_and_nothing_half_done(config: Path, site: Site) -> None:
    url, seeds = f"{site.url}/2026/launch-1.html", config.parent / "seeds"
    capture(config, url)
    before = {file.name: file.read_bytes() for file in seeds.iterdir()}
    said = capture(config, url, "--expect", "none", status=2)
    assert said == f"{seeds}/127.0.0.1-launch-1.html: is there already; choose another name with --name\n"
    assert {file.name: file.read_bytes() for file in seeds.iterdir()} == before
    (seeds / "second.html.yaml").write_text("")
    assert "second.html.yaml: is there already" in capture(config, url, "--name", "second", status=2)
    assert not (seeds / "second.html").exists()
    (seeds / "expect.yaml").write_text("third.html: []")
    assert '"third.html" stands there already' in capture(config, url, "--name", "third.html", status=2)
    assert not (seeds / "third.html").exists()
    assert (seeds / "expect.yaml").read_text() == "third.html: []"


@pytest.mark.parametrize(
    ("path", "arguments", "status", "said"),
    [
        ("/gone", [], 1, "/gone: HTTP 404 Not Found"),
        ("/empty", [], 2, "/empty: holds no article text"),
        (
            "/forbidden/page",
            [],
            1,
            "/forbidden/page: robots.txt forbids it, or cannot be had; http.robots: false asks nevertheless",
        ),
        ("/page", ["--expect", "misile"], 2, '--expect: no rule is called "misile"; did you mean "missile"?'),
        ("/page", ["--expect", "none", "--expect", "nato"], 2, "--expect: none stands alone"),
        ("/page", ["--name", "../x"], 2, '--name: "../x" is no plain name of a file'),
        ("/page", ["--name", ".x"], 2, '--name: ".x" is no plain name of a file'),
    ],
)
def test_what_cannot_be_captured(
    config: Path, site: Site, path: str, arguments: list[str], status: int, said: str
) -> None:
    site.replies |= {
        "/page": Reply(PAGE),
        "/empty": Reply(b"<html></html>"),
        "/forbidden/page": Reply(PAGE),
        "/robots.txt": Reply(b"User-agent: *\nDisallow: /forbidden/"),
    }
    assert said in capture(config, f"{site.url}{path}", *arguments, status=status)
    assert not (config.parent / "seeds").exists()


def test_a_private_address_is_refused(tmp_path: Path, site: Site) -> None:
    config = configure(tmp_path, site, http={})
    assert "is no public address; http.allow_private" in capture(config, f"{site.url}/2026/launch-1.html", status=1)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://www.yna.example/view/AEN2026?section=x", "yna.example-AEN2026.html"),
        ("https://a.example/", "a.example.html"),
        ("https://a.example/2026/11/%EB%B6%81%ED%95%9C/", "a.example-EB-B6-81-ED-95-9C.html"),
        ("https://a.example/../../etc/passwd", "a.example-passwd.html"),
        ("https://a.example/" + "x" * 200, f"a.example-{'x' * 70}.html"),
    ],
)
def test_how_a_page_is_called(url: str, name: str) -> None:
    assert file_name(url) == name


@given(st.text(min_size=1))
def test_any_text_is_one_scalar_of_yaml(text: str) -> None:
    assert yamlfile.parse(f"{expectation.scalar(text)}: [{expectation.scalar(text)}]", "x").value == {text: [text]}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, 'b.html: [r, "a + b"]\n'),
        ("", 'b.html: [r, "a + b"]\n'),
        ("# why\na.html: [x]  # so\n", '# why\na.html: [x]  # so\nb.html: [r, "a + b"]\n'),
        ("a.html: []", 'a.html: []\nb.html: [r, "a + b"]\n'),
        ("a.html:\n  - x", 'a.html:\n  - x\nb.html: [r, "a + b"]\n'),
    ],
)
def test_an_expectation_is_added_and_what_stands_there_kept(tmp_path: Path, before: str | None, after: str) -> None:
    file = tmp_path / "expect.yaml"
    if before is not None:
        file.write_text(before)
    expectation.add(file, "b.html", ["r", "a + b"])
    assert file.read_text() == after


@pytest.mark.parametrize("text", ["{a.html: []}", "- a", "[]", "a: [", "b.html: []", "--- \na: []\n..."])
def test_a_file_that_nothing_can_be_added_to_stays_as_it_is(tmp_path: Path, text: str) -> None:
    file = tmp_path / "expect.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        expectation.add(file, "b.html", [])
    assert str(caught.value).startswith(str(file))
    assert file.read_text() == text
