"""`monitor feeds`, as a user types it."""

import json
from pathlib import Path

import pytest
import yaml

from monitor.config import FeedConfig, read_feeds
from monitor.errors import InputError
from monitor.feedlist import add, remove
from tests.daemon import configure, monitor
from tests.site import Reply, Site, item, rss


@pytest.fixture
def config(tmp_path: Path, site: Site) -> Path:
    site.replies |= {
        "/feed": Reply(rss(item("1", "A missile"), item("2", "Rain"))),
        "/other": Reply(rss(item("1", "Weather"))),
        "/page": Reply(b'<html><head><link rel="alternate" type="application/rss+xml" href="/feed"></head></html>'),
        "/hook": Reply(),
    }
    return configure(tmp_path, site)


def test_a_feed_is_added_after_a_look_and_removed(config: Path, site: Site) -> None:
    result = monitor("feeds", "add", f"{site.url}/other", "--tag", "weather", "--every", "10m", "--config", config)
    assert result.returncode == 0, result.stderr
    [feed] = read_feeds(config.parent / "feeds.yaml")
    assert (feed.url, feed.title, feed.tags, str(feed.every)) == (
        f"{site.url}/other",
        "Test feed",
        ("weather",),
        "0:10:00",
    )
    again = monitor("feeds", "add", f"{site.url}/other", "--config", config)
    assert (again.returncode, again.stderr) == (2, f"{site.url}/other: is among the feeds already\n")
    assert monitor("run", "--once", "--config", config).returncode == 0
    assert len(site.asked("/other")) == 2, "once to look, once to poll"
    assert monitor("feeds", "remove", f"{site.url}/other", "--config", config).returncode == 0
    assert read_feeds(config.parent / "feeds.yaml") == ()
    own = monitor("feeds", "remove", f"{site.url}/feed", "--config", config)
    assert own.stderr == f"{site.url}/feed: stands in the configuration itself; remove it there\n"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("{site}/page", "{site}/page is a web page, not a feed; it links to: {site}/feed"),
        ("{site}/nothing", "{site}/nothing: HTTP 404 Not Found"),
        ("ftp://example.org/feed", "is no URL that can be fetched; it has to begin with http:// or https://"),
    ],
)
def test_what_is_no_feed_is_not_added(config: Path, site: Site, url: str, said: str) -> None:
    result = monitor("feeds", "add", url.format(site=site.url), "--config", config)
    assert result.returncode != 0
    assert said.format(site=site.url) in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (config.parent / "feeds.yaml").exists()


def test_check_says_what_is_there(config: Path, site: Site) -> None:
    result = monitor("feeds", "check", f"{site.url}/feed", "--config", config)
    assert result.returncode == 0
    assert "entries   2, 0 with a date" in result.stdout
    assert "  - A missile" in result.stdout


@pytest.mark.slow
def test_list_shows_every_feed_to_people_and_programs(config: Path, site: Site) -> None:
    before = monitor("feeds", "list", "--config", config)
    assert before.stdout.splitlines()[1].split()[:2] == ["new", "never"]
    assert monitor("run", "--once", "--config", config).returncode == 0
    site.replies["/feed"] = Reply(status=503)
    assert monitor("run", "--once", "--config", config).returncode == 0
    assert "HTTP 503" in monitor("feeds", "list", "--config", config).stdout
    [line] = monitor("feeds", "list", "--format", "ndjson", "--config", config).stdout.splitlines()
    told = json.loads(line)
    assert (told["url"], told["state"], told["failures"]) == (f"{site.url}/feed", "failing", 1)
    assert told["last_success"]
    assert told["due"] > told["last_success"]


@pytest.mark.slow
def test_a_paused_feed_is_left_alone_until_it_is_resumed(config: Path, site: Site) -> None:
    assert monitor("feeds", "pause", f"{site.url}/feed", "--config", config).stdout == "127.0.0.1 is paused\n"
    assert monitor("feeds", "pause", "127.0.0.1", "--config", config).stdout == "127.0.0.1 was paused already\n"
    assert monitor("run", "--once", "--config", config).returncode == 0
    assert site.asked("/feed") == []
    assert monitor("feeds", "list", "--config", config).stdout.splitlines()[1].startswith("paused")
    assert monitor("feeds", "resume", f"{site.url}/feed", "--config", config).returncode == 0
    assert monitor("run", "--once", "--config", config).returncode == 0
    assert len(site.asked("/feed")) == 1


@pytest.mark.slow
def test_a_feed_that_is_gone_is_polled_again_once_resumed(config: Path, site: Site) -> None:
    site.replies["/feed"] = Reply(status=410)
    for _ in range(5):
        assert monitor("run", "--once", "--config", config).returncode == 0
    assert len(site.asked("/feed")) == 3
    assert monitor("feeds", "list", "--config", config).stdout.splitlines()[1].startswith("gone")
    assert monitor("feeds", "resume", f"{site.url}/feed", "--config", config).returncode == 0
    assert monitor("run", "--once", "--config", config).returncode == 0
    assert len(site.asked("/feed")) == 4


def test_a_feed_that_nobody_has_is_said_with_a_hint(config: Path, site: Site) -> None:
    result = monitor("feeds", "pause", f"{site.url}/fed", "--config", config)
    assert result.returncode == 2
    assert result.stderr == f'{site.url}/fed: is none of the feeds; did you mean "{site.url}/feed"?\n'


def test_feeds_go_to_a_reader_and_come_back(config: Path, site: Site, tmp_path: Path) -> None:
    opml = tmp_path / "feeds.opml"
    exported = monitor("feeds", "export", "--config", config).stdout
    assert f'xmlUrl="{site.url}/feed"' in exported
    more = f'<outline text="Asia"><outline text="News" xmlUrl="{site.url}/other"/><outline text="x" xmlUrl="file:///x"/></outline>'
    opml.write_text(exported.replace("</body>", f"{more}</body>"))
    result = monitor("feeds", "import", opml, "--config", config)
    assert result.stdout == f"added 1 feeds to {tmp_path / 'feeds.yaml'}; 1 were there already\n"
    assert "'file:///x' is no http or https address; left out" in result.stderr
    assert yaml.safe_load((tmp_path / "feeds.yaml").read_text()) == [
        {"url": f"{site.url}/other", "name": "News", "tags": ["Asia"]}
    ]


def test_what_is_wrong_in_the_list_is_said_with_its_place(config: Path) -> None:
    (config.parent / "feeds.yaml").write_text("- http://a.example/feed\n- {url: http://b.example/feed, evry: 3m}\n")
    result = monitor("feeds", "list", "--config", config)
    assert result.returncode == 2
    assert result.stderr.endswith('feeds.yaml:2:32: unknown key "evry"; did you mean "every"?\n')


def test_the_list_keeps_all_that_a_feed_says(tmp_path: Path) -> None:
    file = tmp_path / "feeds.yaml"
    written = {"url": "https://a.example/f", "every": "90s", "language": "no", "auth": {"user": "u", "password": "p"}}
    feeds = [FeedConfig.model_validate(written), FeedConfig(url="https://b.example/f")]
    assert add(file, feeds) == feeds
    assert list(read_feeds(file)) == feeds
    assert add(file, feeds) == []
    assert remove(file, "https://a.example/f")
    assert not remove(file, "https://a.example/f")
    assert [feed.url for feed in read_feeds(file)] == ["https://b.example/f"]
    with pytest.raises(InputError, match="cannot be written"):
        add(tmp_path / "no/such/folder/feeds.yaml", feeds)
