"""Nobody can make the door connect to this machine or its network: what a listener there counts stays 0."""

import asyncio
import itertools
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from monitor.addresses import Address, is_allowed
from monitor.config import HttpConfig
from monitor.errors import FetchError
from monitor.http import Http
from monitor.http.lookups import Lookups, addresses_of, written_address
from monitor.models import Access
from tests.conftest import REPOSITORY
from tests.mailing import certificate, needs_openssl
from tests.site import Reply, Site, serving

NAMES = {
    "loopback.example": "127.0.0.1", "loopback6.example": "::1", "mapped.example": "::ffff:127.0.0.1",
    "private.example": "10.1.2.3", "private172.example": "172.31.255.1", "router.example": "192.168.0.1",
    "metadata.example": "169.254.169.254", "ula.example": "fd00::1", "linklocal.example": "fe80::1",
    "nat64.example": "64:ff9b::7f00:1", "cgnat.example": "100.64.0.1", "any.example": "0.0.0.0",
    "any6.example": "::", "multicast.example": "224.0.0.1", "front.example": "127.0.0.2",
}  # fmt: skip

NO_ADDRESS = "is no public address; http.allow_private can open its network"
OTHER_SCHEME = "only http:// and https:// are fetched"
BACKSLASH = "backslash"
NO_URL = "is no URL"
NO_NAME = "cannot be resolved"

# `{port}` is where the listener waits.
URLS = [
    # loopback as it can be written
    ("http://127.0.0.1:{port}/", NO_ADDRESS), ("http://127.0.0.1.:{port}/", f"{NO_ADDRESS}|{NO_NAME}"),
    ("http://127.1:{port}/", NO_ADDRESS), ("http://127.0.1:{port}/", NO_ADDRESS),
    ("http://127.255.255.254:{port}/", NO_ADDRESS), ("http://2130706433:{port}/", NO_ADDRESS),
    ("http://0x7f000001:{port}/", NO_ADDRESS), ("http://0X7F000001:{port}/", NO_ADDRESS),
    ("http://0x7f.0x0.0x0.0x1:{port}/", NO_ADDRESS), ("http://0x7f.1:{port}/", NO_ADDRESS),
    ("http://017700000001:{port}/", NO_ADDRESS), ("http://0177.0.0.1:{port}/", NO_URL),
    ("http://0177.0.0.01:{port}/", NO_URL), ("http://00000177.0.0.1:{port}/", NO_URL),
    ("http://127.0.0.0x1:{port}/", NO_ADDRESS), ("http://127。0。0。1:{port}/", NO_ADDRESS),
    ("http://１２７.０.０.１:{port}/", f"{NO_ADDRESS}|{NO_URL}"),
    ("http://①②⑦.⓪.⓪.①:{port}/", f"{NO_ADDRESS}|{NO_URL}"),
    ("http://127｡0｡0｡1:{port}/", f"{NO_ADDRESS}|{NO_URL}"),
    ("http://%31%32%37.0.0.1:{port}/", f"{NO_ADDRESS}|{NO_NAME}"),
    ("http://4294967297:{port}/", f"{NO_ADDRESS}|{NO_NAME}"), ("http://localhost:{port}/", NO_ADDRESS),
    ("http://LOCALHOST:{port}/", NO_ADDRESS), ("http://localhost.:{port}/", f"{NO_ADDRESS}|{NO_NAME}"),
    ("http://ⓛocalhost:{port}/", f"{NO_ADDRESS}|{NO_URL}|{NO_NAME}"), ("https://127.0.0.1:{port}/", NO_ADDRESS),
    ("HTTP://127.0.0.1:{port}/", NO_ADDRESS), ("http://127.0.0.1:{port}#@news.example/", NO_ADDRESS),
    ("http://127.0.0.1:{port}?@news.example/", NO_ADDRESS),
    # IPv6, and IPv4 within it
    ("http://[::1]:{port}/", NO_ADDRESS), ("http://[0:0:0:0:0:0:0:1]:{port}/", NO_ADDRESS),
    ("http://[::]:{port}/", NO_ADDRESS), ("http://[::ffff:127.0.0.1]:{port}/", NO_ADDRESS),
    ("http://[::ffff:7f00:1]:{port}/", NO_ADDRESS), ("http://[::ffff:0:127.0.0.1]:{port}/", NO_ADDRESS),
    ("http://[::127.0.0.1]:{port}/", NO_ADDRESS), ("http://[64:ff9b::127.0.0.1]:{port}/", NO_ADDRESS),
    ("http://[64:ff9b::7f00:1]:{port}/", NO_ADDRESS), ("http://[64:ff9b:1::7f00:1]:{port}/", NO_ADDRESS),
    ("http://[2002:7f00:1::]:{port}/", NO_ADDRESS), ("http://[2001::1]:{port}/", NO_ADDRESS),
    ("http://[fc00::1]:{port}/", NO_ADDRESS), ("http://[fd12:3456:789a::1]:{port}/", NO_ADDRESS),
    ("http://[fe80::1]:{port}/", NO_ADDRESS), ("http://[fe80::1%25lo]:{port}/", f"{NO_ADDRESS}|{NO_NAME}"),
    ("http://[fec0::1]:{port}/", NO_ADDRESS), ("http://[ff02::1]:{port}/", NO_ADDRESS),
    ("http://[2001:db8::1]:{port}/", NO_ADDRESS), ("http://[100::1]:{port}/", NO_ADDRESS),
    # the rest of what is not public
    ("http://0.0.0.0:{port}/", NO_ADDRESS), ("http://0:{port}/", NO_ADDRESS), ("http://10.0.0.1:{port}/", NO_ADDRESS),
    ("http://172.16.0.1:{port}/", NO_ADDRESS), ("http://172.31.255.255:{port}/", NO_ADDRESS),
    ("http://192.168.1.1:{port}/", NO_ADDRESS), ("http://100.64.0.1:{port}/", NO_ADDRESS),
    ("http://192.0.2.1:{port}/", NO_ADDRESS), ("http://198.18.0.1:{port}/", NO_ADDRESS),
    ("http://224.0.0.1:{port}/", NO_ADDRESS), ("http://239.255.255.250:{port}/", NO_ADDRESS),
    ("http://240.0.0.1:{port}/", NO_ADDRESS), ("http://255.255.255.255:{port}/", NO_ADDRESS),
    # where clouds keep their secrets
    ("http://169.254.169.254/latest/meta-data/", NO_ADDRESS), ("http://2852039166/", NO_ADDRESS),
    ("http://0xa9fea9fe/", NO_ADDRESS), ("http://[::ffff:169.254.169.254]/", NO_ADDRESS),
    ("http://[fd00:ec2::254]/", NO_ADDRESS), ("http://100.100.100.200/", NO_ADDRESS),
    ("http://168.63.129.16/", NO_ADDRESS), ("http://192.0.0.192/", NO_ADDRESS),
    # on which programs disagree
    ("http://127.0.0.1:{port}\\@news.example/", BACKSLASH), ("http:\\\\127.0.0.1:{port}/", BACKSLASH),
    ("http://news.example\\@127.0.0.1:{port}/", BACKSLASH), ("http://news.example@127.0.0.1:{port}/", NO_ADDRESS),
    ("http://news.example:80@127.0.0.1:{port}/", NO_ADDRESS),
    ("http://a@b@127.0.0.1:{port}/", f"{NO_ADDRESS}|{NO_NAME}"),
    ("http://news.example%2f@127.0.0.1:{port}/", NO_ADDRESS), ("http:127.0.0.1:{port}/", OTHER_SCHEME),
    ("http:/127.0.0.1:{port}/", OTHER_SCHEME), ("http:///127.0.0.1:{port}/", OTHER_SCHEME),
    ("//127.0.0.1:{port}/", OTHER_SCHEME), ("http://127.0.0.1\t:{port}/", NO_URL),
    ("http://127.0.0.1\r\nHost: news.example:{port}/", NO_URL), ("http://127.0.0.1\x00.example:{port}/", NO_URL),
    # other schemes
    ("file:///etc/passwd", OTHER_SCHEME), ("gopher://127.0.0.1:{port}/_x", OTHER_SCHEME),
    ("data:text/xml,<rss/>", OTHER_SCHEME),
    ("ftp://127.0.0.1:{port}/", OTHER_SCHEME), ("dict://127.0.0.1:{port}/", OTHER_SCHEME),
    ("ws://127.0.0.1:{port}/", OTHER_SCHEME),
    ("unix:///var/run/x.sock", OTHER_SCHEME), ("jar:http://127.0.0.1:{port}/!/", OTHER_SCHEME), ("", OTHER_SCHEME),
    # names that lead there
    *((f"http://{name}:{{port}}/", NO_ADDRESS) for name in NAMES if name != "front.example"),
]  # fmt: skip

# Without those that a header cannot hold, and those that lead from a site to another place on it.
LOCATIONS = [
    (url, reason)
    for url, reason in URLS
    if url and url.isascii() and url.isprintable() and not (reason == OTHER_SCHEME and url.startswith(("http:", "//")))
]
LOCATIONS.append(("//127.0.0.1:{port}/", NO_ADDRESS))


class Listener:
    """Counts who connects to 127.0.0.1 and, where the machine has it, [::1]."""

    def __init__(self) -> None:
        self.connections = 0
        first = socket.create_server(("127.0.0.1", 0))
        self.port = first.getsockname()[1]
        self._sockets = [first]
        with suppress(OSError):
            self._sockets.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        for listening in self._sockets:
            threading.Thread(target=self._count, args=(listening,), daemon=True).start()

    def _count(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                self.connections += 1
                connection.close()

    def close(self) -> None:
        for listening in self._sockets:
            listening.shutdown(socket.SHUT_RDWR)
            listening.close()


async def resolve(host: str) -> Sequence[Address]:
    if host.startswith("localhost"):
        return addresses_of(host)
    if host not in NAMES:
        raise OSError(0, "no such name")
    address = written_address(NAMES[host])
    assert address
    return [address]


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    """A door for which 127.0.0.2 is the public web, and all else here is private."""
    settings = {"timeout": "5s", "allow_private": ["127.0.0.2/32"], "per_host": {"rate": 1e6, "concurrency": 100}}
    async with Http(HttpConfig.model_validate(settings), resolve) as http:
        yield http


@pytest.fixture
def front() -> Iterator[Site]:
    with serving("127.0.0.2") as front:
        yield front


def test_the_listener_counts() -> None:
    listener = Listener()
    socket.create_connection(("127.0.0.1", listener.port)).close()
    while not listener.connections:
        pass
    listener.close()


def test_the_table_is_long_enough() -> None:
    assert len({url for url, _ in URLS}) >= 60


@pytest.mark.parametrize(("url", "reason"), URLS)
async def test_urls_that_lead_inside(http: Http, listener: Listener, url: str, reason: str) -> None:
    with pytest.raises(FetchError, match=reason):
        await http.get(url.replace("{port}", str(listener.port)))
    assert listener.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("hops", [1, 3, 5])
async def test_redirects_that_lead_inside(http: Http, front: Site, listener: Listener, status: int, hops: int) -> None:
    """Each URL of the table at the end of a chain of up to five redirects, through a site that may be reached."""
    for hop in range(1, hops):
        front.replies[f"/{hop}"] = Reply(status=status, headers={"Location": f"/{hop + 1}"})
    for url, reason in LOCATIONS:
        location = url.replace("{port}", str(listener.port))
        front.replies[f"/{hops}"] = Reply(status=status, headers={"Location": location})
        with pytest.raises(FetchError, match=reason):
            await http.get(f"http://front.example:{front.port}/1")
    assert listener.connections == 0


async def test_a_name_that_changes_its_address(front: Site, listener: Listener) -> None:
    """Public at the first look-up and loopback at the next: each connection goes to an address that was checked."""
    turns = itertools.cycle(["127.0.0.2", "127.0.0.1"])

    async def rebinding(host: str) -> Sequence[Address]:
        address = written_address(next(turns))
        assert address
        return [address]

    settings = {"allow_private": ["127.0.0.2/32"], "per_host": {"rate": 1e6}}
    target = f"http://rebinding.example:{listener.port}/"
    front.replies["/"] = Reply(status=302, headers={"Location": target})
    async with Http(HttpConfig.model_validate(settings), rebinding) as http:
        for _ in range(500):
            with pytest.raises(FetchError, match=rf"rebinding.example \(127.0.0.1\) {NO_ADDRESS}"):
                await http.get(f"http://rebinding.example:{front.port}/")
    assert len(front.requests) == 500
    assert listener.connections == 0


async def test_of_several_addresses_only_those_are_tried_that_may_be(front: Site, listener: Listener) -> None:
    async def both(host: str) -> Sequence[Address]:
        return [address for one in ("127.0.0.1", "10.0.0.1", "127.0.0.2") if (address := written_address(one))]

    front.replies["/"] = Reply(b"public")
    async with Http(HttpConfig.model_validate({"allow_private": ["127.0.0.2/32"]}), both) as http:
        assert (await http.get(f"http://both.example:{front.port}/")).body == b"public"
        with pytest.raises(FetchError, match=r"no connection to both\.example"):
            await http.get(f"http://both.example:{listener.port}/")
    assert listener.connections == 0


async def test_opened_networks_and_no_others(listener: Listener, front: Site) -> None:
    front.replies["/"] = Reply(b"here")
    async with Http(HttpConfig.model_validate({"allow_private": ["127.0.0.2/31", "fd00::/8"]})) as http:
        assert (await http.get(f"{front.url}/")).body == b"here"
        with pytest.raises(FetchError, match=NO_ADDRESS):
            await http.get(f"http://127.0.0.1:{listener.port}/")
    assert listener.connections == 0


async def test_webhooks_and_robots_go_through_the_same_door(http: Http, listener: Listener) -> None:
    with pytest.raises(FetchError, match=NO_ADDRESS):
        await http.post(f"http://127.0.0.1:{listener.port}/", b"{}", {})
    assert await http.page(f"http://127.0.0.1:{listener.port}/") is None
    assert listener.connections == 0


@pytest.mark.parametrize(
    "url", [url for url, reason in URLS if reason == NO_ADDRESS and not re.search(r"\.example:|localhost", url, re.I)]
)
async def test_what_is_written_as_an_address_is_checked_before_a_proxy_too(
    http: Http, front: Site, listener: Listener, url: str
) -> None:
    target = url.replace("{port}", str(listener.port))
    with pytest.raises(FetchError, match=NO_ADDRESS):
        await http.get(target, access=Access(target, proxy=front.url))
    assert front.requests == []
    assert listener.connections == 0


@pytest.mark.parametrize(
    "address",
    ["3fff::1", "5f00::1", "4000::1", "::ffff:0:8.8.8.8", "192.88.99.1", "2001:20::1", "ff0e::1", "1fff::1"],
)
def test_addresses_that_are_public_to_some_versions_of_python(address: str) -> None:
    found = written_address(address)
    assert found
    assert not is_allowed(found)


async def test_a_blocked_look_up_holds_nobody_up(http: Http) -> None:
    release = threading.Event()

    def blocked(host: str) -> list[Address]:
        if host == "blocked.example":
            release.wait()
        return addresses_of("127.0.0.2")

    lookups = Lookups(blocked)
    waiting = [asyncio.ensure_future(lookups("blocked.example")) for _ in range(31)]
    assert [str(address) for address in await lookups("other.example")] == ["127.0.0.2"]
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    release.set()
    assert [str(address) for address in await lookups("blocked.example")] == ["127.0.0.2"]


async def test_look_ups_go_on_once_there_are_threads_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    lookups = Lookups(lambda host: addresses_of("127.0.0.2"))
    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", start)
        for _ in range(100):  # more than there are places
            with pytest.raises(OSError, match="can't start new thread"):
                await lookups("news.example")
    assert await lookups("news.example")


def test_the_end_of_the_process_waits_for_no_look_up() -> None:
    program = (
        "import asyncio, threading\n"
        "from monitor.http.lookups import Lookups\n"
        "async def main():\n"
        "    asyncio.ensure_future(Lookups(lambda host: threading.Event().wait())('blocked.example'))\n"
        "    await asyncio.sleep(0)\n"
        "asyncio.run(main())\n"
    )
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, cwd=REPOSITORY)
    assert time.monotonic() - began < 10


@pytest.mark.slow
async def test_a_name_server_that_does_not_answer() -> None:
    async def silent(host: str) -> Sequence[Address]:
        await asyncio.Event().wait()
        return []

    async with Http(HttpConfig(), silent) as http:
        with pytest.raises(FetchError, match=r"a\.example cannot be resolved within 10 s"):
            await http.get("http://a.example/")


@needs_openssl
async def test_a_certificate_is_for_the_name_and_not_for_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secured = certificate(tmp_path, "a.example")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere")
        await writer.drain()
        writer.close()

    async def loopback(host: str) -> Sequence[Address]:
        return addresses_of("127.0.0.1")

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=secured)
    port = server.sockets[0].getsockname()[1]
    settings = HttpConfig.model_validate({"allow_private": ["127.0.0.1/32"]})
    async with Http(settings, loopback) as http:
        with pytest.raises(FetchError, match="certificate verify failed"):
            await http.get(f"https://a.example:{port}/")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    async with Http(settings, loopback) as http:
        assert (await http.get(f"https://a.example:{port}/")).body == b"here"
        for other in ("b.example", "127.0.0.1"):
            with pytest.raises(FetchError, match="certificate verify failed"):
                await http.get(f"https://{other}:{port}/")
    server.close()
