"""The door to the web: one client for feeds, pages and webhooks, which connects to public addresses only.

The address is checked on the connection itself, after the one resolution that it uses, so redirects and
names that change their address lead nowhere. Answers are inflated by ourselves, under a cap.
"""

import asyncio
import ipaddress
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpcore
import httpx

from monitor.addresses import Address, Network, is_allowed
from monitor.errors import FetchError
from monitor.models import Page

MAX_BODY = 15_000_000
MAX_REDIRECTS = 5
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered to a POST; `headers` by lower-case name, `body` its first part."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http:
    """An async context manager; `timeout` is in seconds, for a whole exchange with all its redirects."""

    def __init__(self, user_agent: str, timeout: float = 30, opened: Iterable[Network] = ()) -> None:
        self._timeout = timeout
        transport = httpx.AsyncHTTPTransport(
            verify=ssl.create_default_context(),
            # Kept-alive connections make each request of httpx 0.28 slower; feeds are polled far apart anyway.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )
        transport._pool._network_backend = _PublicOnly(tuple(opened))
        self._client = httpx.AsyncClient(
            transport=transport,
            trust_env=False,
            follow_redirects=True,
            max_redirects=MAX_REDIRECTS,
            timeout=httpx.Timeout(None),
            headers={"User-Agent": user_agent, "Accept-Encoding": "gzip"},
        )

    async def __aenter__(self) -> "Http":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._client.aclose()

    async def get(self, url: str, *, etag: str = "", last_modified: str = "") -> Page | None:
        """Fetch a page; None where it has not changed since `etag` and `last_modified`. Raises FetchError."""
        headers = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        headers = {name: value for name, value in headers.items() if value}
        response, body = await self._exchange("GET", url, headers=headers)
        if response.status_code == httpx.codes.NOT_MODIFIED:
            return None
        if not response.is_success:
            reason = f"HTTP {response.status_code} {response.reason_phrase}".rstrip()
            raise FetchError(url, reason, status=response.status_code)
        return Page(
            url=str(response.url),
            body=body,
            content_type=response.headers.get("content-type", ""),
            etag=response.headers.get("etag", ""),
            last_modified=response.headers.get("last-modified", ""),
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a body; redirects are answers like others. Raises FetchError where no answer comes."""
        response, answer = await self._exchange("POST", url, headers=headers, content=body, follow_redirects=False)
        return Answer(response.status_code, dict(response.headers), answer[:1000])

    async def _exchange(self, method: str, url: str, **options: Any) -> tuple[httpx.Response, bytes]:
        if "\\" in url:
            raise FetchError(url, "a URL with a backslash is not fetched: programs disagree on where it leads")
        try:
            async with asyncio.timeout(self._timeout), self._client_stream(method, url, options) as response:
                return response, await _body(response, url)
        except TimeoutError:
            raise FetchError(url, f"no whole answer within {self._timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpcore.ConnectError, UnicodeError) as error:
            raise FetchError(url, _reason(error)) from error

    def _client_stream(self, method: str, url: str, options: dict[str, Any]) -> Any:
        follow = options.pop("follow_redirects", True)
        return self._client.stream(method, url, follow_redirects=follow, **options)


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.TooManyRedirects):
        return f"more than {MAX_REDIRECTS} redirects"
    return str(error) or type(error).__name__


async def _body(response: httpx.Response, url: str) -> bytes:
    """Read and inflate a body, never holding more of it than MAX_BODY and a chunk."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return await _gather(response.aiter_raw(_CHUNK), url)
    if encoding not in ("gzip", "x-gzip"):
        raise FetchError(url, f'answered in the encoding "{encoding}" though only gzip was asked for')
    return await _gather(_inflated(response.aiter_raw(_CHUNK), url), url)


async def _gather(chunks: AsyncIterator[bytes], url: str) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > MAX_BODY:
            raise FetchError(url, f"larger than {MAX_BODY // 1_000_000} MB")
    return bytes(body)


async def _inflated(chunks: AsyncIterator[bytes], url: str) -> AsyncIterator[bytes]:
    inflater = zlib.decompressobj(wbits=31)
    async for chunk in chunks:
        pending = chunk
        while pending and not inflater.eof:
            try:
                yield inflater.decompress(pending, _CHUNK)
            except zlib.error as error:
                raise FetchError(url, f"its gzip encoding is broken: {error}") from None
            pending = inflater.unconsumed_tail


class _PublicOnly(httpcore.AsyncNetworkBackend):
    """Connects to the first allowed address of a host, resolved once."""

    def __init__(self, opened: tuple[Network, ...]) -> None:
        self._opened = opened
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(  # noqa: PLR0917 - httpcore's signature
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._resolve(host, port)
        allowed = [address for address in addresses if is_allowed(address, self._opened)]
        if not allowed:
            where = addresses[0] if str(addresses[0]) == host else f"{host} ({addresses[0]})"
            raise httpcore.ConnectError(f"{where} is no public address; http.allow_private can open its network")
        error: Exception = OSError()
        for address in allowed:
            try:
                return await self._backend.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
        raise httpcore.ConnectError(f"no connection to {host}:{port}: {error.__cause__ or error}")

    async def _resolve(self, host: str, port: int) -> list[Address]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} cannot be resolved: {error.strerror}") from None
        return [ipaddress.ip_address(str(info[4][0]).partition("%")[0]) for info in found]

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("unix sockets are not fetched from")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
