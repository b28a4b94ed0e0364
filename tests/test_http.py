"""The door to the web, against a real server: bombs, redirects, private addresses, slow answers."""

import asyncio
import gzip
import itertools
import json
import re
import socket
import subprocess
import sys
import threading
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from monitor.config import HttpConfig
from monitor.errors import FetchError
from monitor.http import MAX_BODY, Http
from monitor.http.targets import headers_for, target_of
from monitor.models import Access
from tests.conftest import REPOSITORY
from tests.site import Reply, Site, serving, speaking

OPEN = HttpConfig.model_validate(
    {
        "user_agent": "monitor-test/1",
        "timeout": "5s",
        "allow_private": ["127.0.0.1/32"],
        "per_host": {"concurrency": 50, "rate": 1000},
    }
)


def opened(**changes: Any) -> HttpConfig:
    """The settings of the tests with some of them changed, as a user writes them."""
    return HttpConfig.model_validate(OPEN.model_dump() | changes)


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http(OPEN) as http:
        yield http


async def test_a_page_with_its_validators(http: Http, site: Site) -> None:
    site.replies["/"] = Reply(
        gzip.compress(b"text"), headers={"Content-Encoding": "gzip", "ETag": '"1"', "Last-Modified": "x"}
    )
    page = await http.get(f"{site.url}/")
    assert (page.body, page.etag, page.last_modified) == (b"text", '"1"', "x")
    [request] = site.requests
    assert request.headers["user-agent"] == "monitor-test/1"
    assert request.headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(gzip.compress(bytes(MAX_BODY + 1)), headers={"Content-Encoding": "gzip"}), "larger than 15 MB"),
        (Reply(bytes(MAX_BODY + 1)), "larger than 15 MB"),
        (
            Reply(b"xx", headers={"Content-Encoding": "br"}),
            'answered in the encoding "br" though only gzip was asked for',
        ),
        (Reply(b"xx", headers={"Content-Encoding": "gzip, gzip"}), 'answered in the encoding "gzip, gzip"'),
        (Reply(b"no gzip", headers={"Content-Encoding": "gzip"}), "its gzip encoding is broken"),
        (Reply(status=302, headers={"Location": "/"}), "more than 5 redirects"),
        (
            Reply(status=302, headers={"Location": "http://169.254.169.254/meta"}),
            "169.254.169.254 is no public address",
        ),
        (Reply(status=302, headers={"Location": "http://127.0.0.1:1/"}), "no connection to 127.0.0.1:1"),
        (
            Reply(status=302, headers={"Location": "file:///etc/passwd"}),
            'redirected to "file:///etc/passwd"; only http:// and https:// are fetched',
        ),
        (Reply(status=404), "HTTP 404 Not Found"),
    ],
)
async def test_what_is_refused(http: Http, site: Site, reply: Reply, reason: str) -> None:
    site.replies["/"] = reply
    with pytest.raises(FetchError) as caught:
        await http.get(f"{site.url}/")
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    "host",
    ["[::1]", "0.0.0.0", "10.0.0.1", "2130706434", "0x7f.2", "[::ffff:10.0.0.1]", "[64:ff9b::7f00:1]", "192.0.0.192"],
)
async def test_private_addresses_are_not_connected_to(http: Http, host: str) -> None:
    with pytest.raises(FetchError, match=r"is no public address; http.allow_private can open its network"):
        await http.get(f"http://{host}:9/")


async def test_urls_on_which_programs_disagree(http: Http) -> None:
    with pytest.raises(FetchError, match="backslash"):
        await http.get("http://127.0.0.1\\@example.com/")


async def test_a_name_is_checked_after_it_is_resolved(site: Site) -> None:
    port = site.url.rpartition(":")[2]
    async with Http(HttpConfig()) as closed:
        with pytest.raises(FetchError, match=r"localhost \((127.0.0.1|::1)\) is no public address"):
            await closed.get(f"http://localhost:{port}/")
    assert site.requests == []


async def test_a_whole_answer_has_its_deadline(site: Site) -> None:
    release = threading.Event()
    site.replies["/"] = Reply(wait=lambda: (release.wait(10), None)[1])
    async with Http(opened(timeout="200ms")) as http:
        with pytest.raises(FetchError, match=r"no whole answer within 0.2 s"):
            await http.get(f"{site.url}/")
    release.set()


async def test_a_post_follows_no_redirect(http: Http, site: Site) -> None:
    site.replies["/"] = Reply(b"moved", status=307, headers={"Location": "/other"})
    answer = await http.post(f"{site.url}/", b"{}", {"X": "y"})
    assert (answer.status, answer.body) == (307, b"moved")
    assert site.requests[0].headers["x"] == "y"
    assert len(site.requests) == 1


# What a server that means ill may say; each is called again and again until nobody listens.


def _endless_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in itertools.count():
        connection.sendall(b"X-%d: %s\r\n" % (number, b"x" * 1000))


def _endless_line(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        connection.sendall(bytes(65_536).replace(b"\0", b"x"))


def _endless_interim_answers(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)


def _endless_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(bytes(65_536))


def _endless_crumbs(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1\r\nx\r\n" * 1000)


def _endless_gzip_of_nothing(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10])
    while True:
        connection.sendall(b"\0\0\0\xff\xff" * 10_000)  # deflate's stored blocks, each empty


def _gzip_bomb(connection: socket.socket) -> None:
    deflated = zlib.compressobj(wbits=31)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n")
    while True:
        connection.sendall(deflated.compress(bytes(1_000_000)))


def _bomb_in_members(connection: socket.socket) -> None:
    member = gzip.compress(bytes(10_000_000))
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + member * 50)


def _lying_length(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort")


def _lying_lengths(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nshort!")


def _huge_length(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n")
    _endless_body(connection)


def _a_byte_now_and_then(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        threading.Event().wait(0.05)


def _no_http(connection: socket.socket) -> None:
    connection.sendall(b"220 mail.example ESMTP\r\n")


@pytest.mark.parametrize(
    ("speak", "reason"),
    [
        (_endless_headers, "too long|too large|exceeded"),
        (_endless_line, "too long|too large|exceeded"),
        (_endless_body, "larger than 15 MB"),
        (_endless_crumbs, "comes in more than 50000 pieces"),
        (_endless_gzip_of_nothing, "larger than 15 MB"),
        (_gzip_bomb, "larger than 15 MB"),
        (_bomb_in_members, "larger than 15 MB"),
        (_huge_length, "larger than 15 MB"),
        (_lying_length, "without sending complete message body"),
        (_lying_lengths, "conflicting Content-Length"),
        (_no_http, "without sending a response"),
    ],
)
def test_what_means_ill_costs_little_memory(speak: Callable[[socket.socket], None], reason: str, site: Site) -> None:
    site.replies["/"] = Reply(gzip.compress(bytes(1000)), headers={"Content-Encoding": "gzip"})
    with speaking(speak) as url:
        command = [sys.executable, "-m", "tests.fetching", url, f"{site.url}/"]
        result = subprocess.run(command, capture_output=True, check=True, cwd=REPOSITORY, timeout=60)
    outcome = json.loads(result.stdout)
    assert re.search(reason, outcome["reason"])
    assert outcome["grown"] < 32_000_000


@pytest.mark.parametrize("speak", [_a_byte_now_and_then, _endless_interim_answers])
async def test_what_never_ends_is_ended(speak: Callable[[socket.socket], None], site: Site) -> None:
    """And meanwhile others are served."""
    site.replies["/"] = Reply(b"here")
    async with Http(opened(timeout="1s")) as http:
        with speaking(speak) as url:
            never = asyncio.ensure_future(http.get(url))
            while not never.done():
                assert (await http.get(f"{site.url}/")).body == b"here"
            with pytest.raises(FetchError, match="no whole answer within 1 s"):
                await never


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (gzip.compress(b"one ") + gzip.compress(b"two"), b"one two"),
        (gzip.compress(b"text") + b"\0\0padding", b"text"),
        (gzip.compress(b"long " * 100_000), b"long " * 100_000),
        (b"", b""),
    ],
    ids=["members", "padding", "long", "empty"],
)
async def test_gzip(http: Http, site: Site, body: bytes, read: bytes) -> None:
    site.replies["/"] = Reply(body, headers={"Content-Encoding": "gzip"})
    assert (await http.get(f"{site.url}/")).body == read


async def test_nothing_has_changed(http: Http, site: Site) -> None:
    site.replies["/"] = Reply(status=304, headers={"ETag": '"2"', "Cache-Control": "max-age=600", "Age": "5"})
    page = await http.get(f"{site.url}/", etag='"1"', last_modified="Mon, 23 Nov 2026 12:00:00 GMT")
    assert page.unchanged
    assert (page.etag, page.headers["cache-control"], page.headers["age"]) == ('"2"', "max-age=600", "5")
    [request] = site.requests
    assert request.headers["if-none-match"] == '"1"'
    assert request.headers["if-modified-since"] == "Mon, 23 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize("status", [410, 429, 503])
async def test_an_error_says_what_the_server_said(http: Http, site: Site, status: int) -> None:
    site.replies["/"] = Reply(status=status, headers={"Retry-After": "120"})
    with pytest.raises(FetchError) as caught:
        await http.get(f"{site.url}/")
    assert (caught.value.status, caught.value.headers["retry-after"]) == (status, "120")


@pytest.mark.parametrize(
    ("chain", "moved_to"),
    [
        ([], None),
        ([301], "/1"),
        ([308, 301], "/2"),
        ([301, 302, 301], "/1"),
        ([302, 301], None),
        ([307], None),
        ([303], None),
        ([301] * 5, "/5"),
    ],
)
async def test_where_a_feed_has_moved_for_good(http: Http, site: Site, chain: list[int], moved_to: str | None) -> None:
    for number, status in enumerate(chain):
        site.replies[f"/{number}"] = Reply(status=status, headers={"Location": f"/{number + 1}#part"})
    site.replies[f"/{len(chain)}"] = Reply(b"here")
    page = await http.get(f"{site.url}/0")
    assert page.url == f"{site.url}/{len(chain)}"
    assert page.moved_to == (moved_to and site.url + moved_to)


SECRETS = {"authorization", "cookie", "x-key"}


async def test_credentials_stay_at_their_origin(http: Http, site: Site) -> None:
    """Through four redirects: within the site, to another port, from there within it, and back."""
    with serving() as other:
        site.replies |= {
            "/feed": Reply(status=302, headers={"Location": "/2"}),
            "/2": Reply(status=307, headers={"Location": f"{other.url}/3", "Set-Cookie": "given=1"}),
            "/end": Reply(b"here"),
        }
        other.replies |= {
            "/3": Reply(status=301, headers={"Location": "/4", "Set-Cookie": "track=1"}),
            "/4": Reply(status=308, headers={"Location": f"{site.url}/end"}),
        }
        url = f"{site.url}/feed"
        access = Access(url, {"X-Key": "k", "User-Agent": "mine"}, {"a": "1", "b": "2"}, ("me", "sécret"))
        assert (await http.get(url, access=access)).body == b"here"
        assert (await http.page(f"{other.url}/4", access)) is not None
    for request in site.requests:
        if request.path != "/robots.txt":
            assert request.headers["authorization"] == f"Basic {b64encode('me:sécret'.encode()).decode()}"
            assert (request.headers["cookie"], request.headers["x-key"]) == ("a=1; b=2", "k")
            assert request.headers["user-agent"] == "mine"
    assert [request.path for request in other.requests] == ["/3", "/4", "/robots.txt", "/4"]
    for request in other.requests:
        assert not SECRETS & set(request.headers)
        assert request.headers["user-agent"] == "monitor-test/1"


@pytest.mark.parametrize(
    ("home", "target", "sent"),
    [
        ("https://a.example/feed", "https://a.example/x", True),
        ("https://a.example/feed", "https://a.example:443/x", True),
        ("https://A.example/feed", "https://a.example/x", True),
        ("https://a.example/feed", "http://a.example/x", False),
        ("http://a.example/feed", "https://a.example/x", False),
        ("https://a.example/feed", "https://a.example:8443/x", False),
        ("https://a.example/feed", "https://www.a.example/x", False),
        ("https://a.example/feed", "https://a.example.evil.example/x", False),
    ],
)
def test_what_an_origin_is(home: str, target: str, sent: bool) -> None:
    access = Access(home, {"X-Key": "k"})
    assert (headers_for(target_of(target), access) == {"x-key": "k"}) is sent


async def test_user_and_password_in_a_url(http: Http, site: Site) -> None:
    site.replies["/"] = Reply(b"here")
    page = await http.get(f"http://me:p%40ss@127.0.0.1:{site.port}/#part")
    assert page.url == f"{site.url}/"
    assert site.requests[0].headers["authorization"] == f"Basic {b64encode(b'me:p@ss').decode()}"


async def test_a_proxy_is_for_its_feed_alone(site: Site) -> None:
    """A private proxy is used because a user names it; it is told nothing that is meant for the feed's site alone."""
    site.replies["http://news.example/feed"] = Reply(status=302, headers={"Location": "http://pages.example/1"})
    site.replies["http://pages.example/1"] = Reply(b"through it")
    access = Access("http://news.example/feed", {"X-Key": "k"}, proxy=f"http://me:pass@127.0.0.1:{site.port}")
    async with Http(HttpConfig(robots=False)) as http:
        assert (await http.get("http://news.example/feed", access=access)).body == b"through it"
        assert (await http.page("http://pages.example/1", access)) is not None
        with pytest.raises(FetchError, match="is no public address"):
            await http.get(f"{site.url}/direct")
    assert [request.path for request in site.requests] == ["http://news.example/feed", *["http://pages.example/1"] * 2]
    assert all(request.headers["proxy-authorization"] for request in site.requests)
    assert ["x-key" in request.headers for request in site.requests] == [True, False, False]
