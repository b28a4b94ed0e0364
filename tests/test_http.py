"""The door to the web, against a real server: bombs, redirects, private addresses, slow answers."""

import gzip
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from monitor.config import HttpConfig
from monitor.errors import FetchError
from monitor.http import MAX_BODY, Http
from tests.site import Reply, Site

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
