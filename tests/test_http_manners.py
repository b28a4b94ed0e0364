"""A good guest: so much at a time of one host, so many a second, and no page that robots.txt forbids."""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from monitor.addresses import Address
from monitor.config import HttpConfig
from monitor.errors import FetchError
from monitor.http import Http
from monitor.http.limits import BURST, CrowdedError, Limits, turn
from monitor.http.robots import Robots, relevant
from monitor.models import Entry, Page, Source
from monitor.reading import Reader
from monitor.workers import Workers
from tests.daemon import configure, monitor
from tests.site import Reply, Request, Site, item, rss, serving, wait_until


async def resolve(host: str) -> Sequence[Address]:
    return [ip_address("127.0.0.1")]


def door(**changes: Any) -> Http:
    settings = {"allow_private": ["127.0.0.1/32"], "per_host": {"concurrency": 50, "rate": 1000}}
    return Http(HttpConfig.model_validate(settings | changes), resolve)


def test_turns() -> None:
    """Ten at once after a rest, then one an interval, and one more for each interval of rest."""
    due, waits = 0.0, []
    for _ in range(BURST + 3):
        wait, due = turn(due, 100.0, 2.0)
        waits.append(wait)
    assert waits == [0.0] * BURST + [2.0, 4.0, 6.0]
    assert turn(due, 106.0, 2.0)[0] == 2.0
    assert turn(due, 110.0, 2.0)[0] == 0.0
    assert turn(due, 10_000.0, 2.0) == (0.0, 10_002.0)


async def test_so_many_at_a_time_of_one_host(site: Site) -> None:
    lock, release = threading.Lock(), threading.Event()
    now = {"a.example": 0, "b.example": 0}
    most = dict(now)

    def reply(request: Request) -> Reply:
        host = request.headers["host"].partition(":")[0]
        with lock:
            now[host] += 1
            most[host] = max(most[host], now[host])
        release.wait(10)
        with lock:
            now[host] -= 1
        return Reply(b"here")

    site.replies["/"] = reply
    async with door(per_host={"concurrency": 2, "rate": 1000}) as http:
        asked = [http.get(f"http://{host}:{site.port}/") for host in now for _ in range(6)]
        waiting = asyncio.gather(*asked)
        await asyncio.to_thread(wait_until, lambda: now == {"a.example": 2, "b.example": 2})
        release.set()
        assert len(await waiting) == 12
    assert most == {"a.example": 2, "b.example": 2}


async def test_so_many_a_second_and_waiting_is_no_slowness(site: Site) -> None:
    """Ten at once, eight at 5 a second; the last waits longer than a whole answer may take."""
    site.replies["/"] = Reply(b"here")
    async with door(timeout="1s", per_host={"concurrency": 50, "rate": 5}) as http:
        began = time.monotonic()
        await asyncio.gather(*(http.get(f"http://a.example:{site.port}/") for _ in range(BURST + 8)))
        assert 1.6 <= time.monotonic() - began < 10


async def test_a_turn_that_never_comes() -> None:
    limits = Limits(1, 1000)
    async with limits.place("a.example"):
        with pytest.raises(CrowdedError):
            async with limits.place("a.example", patience=0.01):
                pytest.fail("there was no place")
        async with limits.place("b.example", patience=0.01):
            pass
    async with limits.place("a.example", patience=0.01):
        pass


async def test_hosts_at_rest_are_forgotten() -> None:
    limits = Limits(2, 1e9)
    async with limits.place("first.example"):
        for number in range(20_000):
            async with limits.place(f"{number}.example"):
                pass
        assert len(limits._hosts) <= 4096
        assert "first.example" in limits._hosts


ROBOTS = [
    ("", "/a", True),
    ("User-agent: *\nDisallow: /", "/a", False),
    ("User-agent: *\nDisallow: /private", "/a", True),
    ("User-agent: *\nDisallow: /private", "/private/x", False),
    ("User-agent: *\nDisallow: /*.pdf$", "/x.pdf", False),
    ("User-agent: *\nDisallow: /a\nAllow: /a/public", "/a/public/1", True),
    ("User-agent: *\nDisallow: /?id=", "/?id=5", False),
    ("User-agent: monitor\nDisallow: /\n\nUser-agent: *\nAllow: /", "/a", False),
    ("User-agent: Monitor\nAllow: /\n\nUser-agent: *\nDisallow: /", "/a", True),
    ("user-agent: googlebot\ndisallow: /", "/a", True),
    ("User-agent: googlebot\nUser-agent: *\nDisallow: /", "/a", False),
    ("\ufeffUser-agent: *\r\nDisallow: / # all", "/a", False),
    ("<html>not found</html>", "/a", True),
    ("\x00\xff" * 100, "/a", True),
]


@pytest.mark.parametrize(("text", "path", "allowed"), ROBOTS)
async def test_what_robots_txt_forbids(site: Site, text: str, path: str, allowed: bool) -> None:
    site.replies |= {"/robots.txt": Reply(text.encode()), path: Reply(b"here")}
    async with door() as http:
        url = f"http://a.example:{site.port}{path}"
        assert (await http.page(url) is not None) is allowed
        assert (await http.get(url)).body == b"here", "feeds are not subject to it"
    async with door(robots=False) as http:
        assert await http.page(url)


@pytest.mark.parametrize(
    ("status", "allowed"), [(404, True), (401, True), (403, True), (429, True), (500, False), (503, False)]
)
async def test_where_robots_txt_is_no_answer(
    site: Site, status: int, allowed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    site.replies |= {"/robots.txt": Reply(status=status), "/a": Reply(b"here")}
    async with door() as http:
        assert (await http.page(f"{site.url}/a") is not None) is allowed
    assert (f"robots.txt of site={site.url} cannot be had (HTTP {status}" in caplog.text) is not allowed


async def test_robots_txt_is_asked_for_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.replies["/robots.txt"] = Reply(b"User-agent: *\nDisallow: /")
    async with door() as http:
        with caplog.at_level(logging.WARNING):
            pages = await asyncio.gather(*(http.page(f"{site.url}/{number}") for number in range(10)))
    assert pages == [None] * 10
    assert [request.path for request in site.requests] == ["/robots.txt"]
    [said] = caplog.messages
    assert f"robots.txt of site={site.url} forbids some of its pages to us; the feed's own text is used" in said


async def test_robots_txt_of_where_a_page_leads(site: Site) -> None:
    site.replies |= {
        "/robots.txt": lambda request: Reply(
            b"User-agent: *\nDisallow: /" if "b.ex" in request.headers["host"] else b""
        ),
        "/a": Reply(status=302, headers={"Location": f"http://b.example:{site.port}/b"}),
        "/b": Reply(b"here"),
    }
    async with door() as http:
        assert await http.page(f"http://a.example:{site.port}/a") is None
    assert not site.asked("/b")


async def test_the_feeds_own_text_is_used_instead(site: Site) -> None:
    site.replies |= {"/robots.txt": Reply(b"User-agent: *\nDisallow: /"), "/a": Reply(b"<p>The page's text.</p>")}
    async with door() as http, Workers(1) as workers:
        entry = Entry("1", f"{site.url}/a", "Title", content="The feed's text.")
        article = await Reader(http.page, workers).article(entry, Source("s"))
    assert article.text == "The feed's text."


class Web:
    """What answers a Robots: a text, or a status that it fails with; `hours` is the clock."""

    def __init__(self) -> None:
        self.answer: str | int | None = ""
        self.asked = 0
        self.hours = 0.0

    async def fetch(self, url: str) -> Page:
        self.asked += 1
        if isinstance(self.answer, str):
            return Page(url, self.answer.encode())
        raise FetchError(url, "no", status=self.answer)


async def test_how_long_an_answer_holds() -> None:
    web = Web()
    robots = Robots("monitor/1", clock=lambda: web.hours * 3600)
    forbidding = "User-agent: *\nDisallow: /"
    timeline: list[tuple[float, str | int | None, bool, int]] = [
        (0.0, 503, False, 1),  # it could not be asked: nothing is fetched for ten minutes
        (0.1, "", False, 1),
        (0.2, "", True, 2),
        (24.1, forbidding, True, 2),
        (24.3, forbidding, False, 3),
        (48.4, None, False, 4),  # no answer: what it said before goes on to hold
        (48.6, 404, True, 5),
    ]
    for hours, answer, allowed, asked in timeline:
        web.hours, web.answer = hours, answer
        assert await robots.allow("http://a.example", "/x", web.fetch) is allowed, hours
        assert web.asked == asked, hours


async def test_what_robots_keeps_has_a_bound() -> None:
    web = Web()
    web.answer = "# " + "x" * 100_000
    robots = Robots("monitor/1")
    for number in range(60):
        assert await robots.allow(f"http://{number}.example", "/x", web.fetch)
    assert len(robots._sites) < 25
    assert await robots.allow("http://59.example", "/x", web.fetch)
    assert web.asked == 60
    web.answer = None
    for number in range(3_000):
        assert not await robots.allow(f"http://dead{number}.example", "/x", web.fetch)
    assert len(robots._sites) <= 2_000


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"User-agent: bot{number}" for number in range(20_000)) + "\nDisallow: /x*y*z$" * 10_000,
        "".join(f"User-agent: bot{number}\nDisallow: /{number}\n" for number in range(12_000)),
        "User-agent: *\n" + "".join(f"Disallow: /{number}*a*b*c$\n" for number in range(20_000)),
        "User-agent: *\nDisallow: /" + "*a" * 200_000 + "$",
    ],
    ids=["agents times rules", "groups", "wildcards", "one long pattern"],
)
async def test_a_robots_txt_that_means_ill(text: str) -> None:
    web = Web()
    web.answer = text
    began = time.process_time()
    await Robots("monitor/1").allow("http://a.example", "/" + "a" * 7000, web.fetch)
    assert time.process_time() - began < 8


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("User-agent: *", True),
        ("user-agent: Monitor", True),
        ("User-Agent: mon*", True),
        ("User agent monitor # us", True),
        ("User-agent: bingbot", False),
        ("Disallow: /user-agent: x", True),
        ("# User-agent: bingbot", True),
    ],
)
def test_whose_rules_are_read(line: str, kept: bool) -> None:
    assert (relevant(line, "monitor") == line) is kept


def test_a_feed_and_its_pages_are_asked_for_as_the_user_says(tmp_path: Path, site: Site) -> None:
    """Its secrets go to its own site; the pages it has elsewhere are fetched without them."""
    with serving() as other:
        site.replies |= {
            "/feed": Reply(rss(item("1", "One", "", f"{site.url}/1"), item("2", "Two", "", f"{other.url}/2"))),
            "/1": Reply(b"<p>A page</p>"),
        }
        other.replies["/2"] = Reply(b"<p>Another page</p>")
        secret = {"headers": {"X-Key": "k"}, "cookies": {"c": "1"}, "auth": {"user": "me", "password": "p"}}
        config = configure(tmp_path, site, feeds=[{"url": f"{site.url}/feed", **secret}])
        result = monitor("run", "--config", config, "--once")
        assert result.returncode == 0, result.stderr
        for path in ("/feed", "/1", "/robots.txt"):
            [request] = site.asked(path)
            assert request.headers["x-key"] == "k"
            assert request.headers["cookie"] == "c=1"
            assert request.headers["authorization"] == "Basic bWU6cA=="
        [request] = other.asked("/2")
    assert not {"x-key", "cookie", "authorization"} & set(request.headers)
