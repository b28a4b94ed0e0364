"""Figures of the door to the web, against a local server in a process of its own, reached by 1,000 host names.

What is measured and its reference ask for the same paths in turns: a server that answers 304 to whoever sends an ETag.
"""

import asyncio
import ipaddress
import multiprocessing
import resource
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection

import httpx

from monitor.addresses import Address
from monitor.config import HttpConfig
from monitor.http import Http
from tests.bench import report

HOSTS = 1_000
AT_ONCE = 50
ROUNDS = 5
LATENCY = 0.03  # seconds, as of a server that is somewhere else
ETAG = '"1"'
ANSWER = b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nCache-Control: max-age=300\r\n'
SETTINGS = HttpConfig.model_validate(
    {"allow_private": ["127.0.0.0/8"], "per_host": {"concurrency": AT_ONCE, "rate": 1e6}}
)


class _Server(asyncio.Protocol):
    """Answers every request with the same 304, and closes where it is asked to."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            request, _, self._received = self._received.partition(b"\r\n\r\n")
            close = b"connection: close" in request.lower()
            after = LATENCY if request.startswith(b"GET /slow") else 0
            asyncio.get_running_loop().call_later(after, self._answer, close)

    def _answer(self, close: bool) -> None:
        self._transport.write(ANSWER + (b"Connection: close\r\n\r\n" if close else b"\r\n"))
        if close:
            self._transport.close()


def _serve(protocol: type[asyncio.Protocol], port_to: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(protocol, "0.0.0.0", 0, backlog=4096)
        port_to.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


@contextmanager
def serving(protocol: type[asyncio.Protocol]) -> Iterator[int]:
    """The port of a server in a process of its own, which answers at every address of this machine."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(protocol, theirs), daemon=True)
    server.start()
    try:
        yield ours.recv()
    finally:
        server.kill()
        server.join()


async def resolve(host: str) -> Sequence[Address]:
    """`h17.example` is 127.0.0.18: as many addresses as names, which a bare client reaches without any resolver."""
    return [address(int(host.removeprefix("h").removesuffix(".example")))]


def address(number: int) -> Address:
    return ipaddress.ip_address("127.0.0.1") + number


async def all_of(ask: Callable[[str], Awaitable[object]], urls: Sequence[str]) -> tuple[float, float]:
    """Ask for all, 50 at a time; returns the seconds on the clock and on the processor."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(url: str) -> None:
        async with places:
            await ask(url)

    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*map(one, urls))
    return time.perf_counter() - began, time.process_time() - used


async def bench_many_hosts(port: int) -> None:
    """One poll of each of 1,000 hosts; the reference is httpx as it comes, without looking anything up."""
    named = [f"http://h{number}.example:{port}/feed" for number in range(HOSTS)]
    bare = [f"http://{address(number)}:{port}/feed" for number in range(HOSTS)]
    pairs = []
    for _ in range(ROUNDS):
        async with Http(SETTINGS, resolve) as http:
            ours = await all_of(lambda url: http.get(url, etag=ETAG), named)
        async with httpx.AsyncClient() as client:
            theirs = await all_of(lambda url: client.get(url, headers={"If-None-Match": ETAG}), bare)
        pairs.append((ours, theirs))
    polls = HOSTS / statistics.median(ours[0] for ours, _ in pairs)
    ratio = statistics.median(theirs[0] / ours[0] for ours, theirs in pairs)
    report("polls of 1000 hosts", polls, "polls/s", "bare httpx loop, same requests", ratio, ">= 0.8")
    used = statistics.median(ours[1] for ours, _ in pairs) / HOSTS
    ratio = statistics.median(ours[1] / theirs[1] for ours, theirs in pairs)
    report("processor time of a poll", used * 1e6, "us", "bare httpx loop, same requests", ratio, "<= 1.25")


async def bench_one_host(port: int) -> None:
    """50 feeds on one host, polled at a time, 20 times over; the references are two clients of httpx.

    That which keeps all its connections alive shows what a pool costs; the default one keeps none while more than
    twenty are open, as they are here.
    """
    named = [f"http://h0.example:{port}/slow{number}" for number in range(AT_ONCE)]
    bare = [url.replace("h0.example", "127.0.0.1") for url in named]

    async def used_by(ask: Callable[[str], Awaitable[object]], urls: Sequence[str]) -> float:
        return sum([(await all_of(ask, urls))[1] for _ in range(20)])

    keeping = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    used, ratios = [], []
    async with (
        Http(SETTINGS, resolve) as http,
        httpx.AsyncClient() as default,
        httpx.AsyncClient(limits=keeping) as kept,
    ):
        for _ in range(ROUNDS):
            ours = await used_by(lambda url: http.get(url, etag=ETAG), named)
            theirs = [
                await used_by(partial(client.get, headers={"If-None-Match": ETAG}), bare) for client in (default, kept)
            ]
            used.append(ours / 20 / len(named))
            ratios.append([seconds / ours for seconds in theirs])
    shown = 1 / statistics.median(used)
    name, unit = "polls of 50 feeds on one host", "polls/s of processor time"
    by_default, by_kept = (statistics.median(column) for column in zip(*ratios, strict=True))
    report(name, shown, unit, "httpx's default client", by_default, ">= 5")
    report(name, shown, unit, "httpx client that keeps its connections", by_kept, ">= 5")


def main() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, most), most))
    with serving(_Server) as port:
        asyncio.run(bench_many_hosts(port))
        asyncio.run(bench_one_host(port))


if __name__ == "__main__":
    main()
