"""Connections: one for each request, and only to addresses that are public or opened by the user."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any

import httpcore
import httpx

from monitor.addresses import Address, Network, is_allowed
from monitor.http.lookups import Resolve, written_address

FAILURES = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
)  # what a request may raise besides httpx.HTTPError

_LOOKUP_WITHIN = 10.0  # seconds
_CONNECT_WITHIN = 5.0  # seconds, where another address is left to be tried
_ADDRESSES_TRIED = 4
_REMEDY = "is no public address; http.allow_private can open its network"


class Connections(httpx.AsyncBaseTransport):
    """A transport without a pool.

    That of httpx 0.28 is searched at every request, the longer the more connections are open, and feeds are polled
    too far apart for one to be worth keeping. `extensions={"proxy": URL}` sends a request through a proxy.
    """

    def __init__(self, opened: tuple[Network, ...], resolve: Resolve) -> None:
        self._opened = opened
        self._tls = ssl.create_default_context()
        self._direct = httpcore.AsyncConnectionPool(self._tls, network_backend=_Checked(opened, resolve))
        # A proxy is named by the user, which opens its address: what is checked then is only what can be seen here.
        self._anywhere = _Checked(None, resolve)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        asked = httpcore.Request(
            request.method,
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        connection = self._way_for(request).create_connection(asked.url.origin)
        try:
            answer = await connection.handle_async_request(asked)
        except BaseException:
            await connection.aclose()
            raise
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(answer, connection),
            extensions=answer.extensions,
            request=request,
        )

    def _way_for(self, request: httpx.Request) -> httpcore.AsyncConnectionPool:
        """What makes the connection: httpcore's pools know how, and hold none that they only make."""
        if not request.extensions.get("proxy"):
            return self._direct
        proxy = httpx.URL(request.extensions["proxy"])
        address = written_address(request.url.host)
        if address and not is_allowed(address, self._opened):
            raise httpcore.ConnectError(f"{request.url.host} {_REMEDY}")
        return httpcore.AsyncHTTPProxy(
            httpcore.URL(scheme=proxy.raw_scheme, host=proxy.raw_host, port=proxy.port, target=b"/"),
            proxy_auth=(proxy.username, proxy.password) if proxy.username else None,
            ssl_context=self._tls,
            proxy_ssl_context=self._tls if proxy.scheme == "https" else None,
            network_backend=self._anywhere,
        )


class _Body(httpx.AsyncByteStream):
    """The body of an answer, whose connection ends with it."""

    def __init__(self, answer: httpcore.Response, connection: Any) -> None:
        self._answer = answer
        self._connection = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._answer.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        await self._connection.aclose()


class _Checked(httpcore.AsyncNetworkBackend):
    """Connects to the first address of a host that answers, resolved once; `opened` None allows every address."""

    def __init__(self, opened: tuple[Network, ...] | None, resolve: Resolve) -> None:
        self._opened = opened
        self._resolve = resolve
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(  # noqa: PLR0917 - httpcore's signature
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        left = await self._allowed(host)
        while True:
            address = str(left.pop(0))
            try:
                return await self._backend.connect_tcp(address, port, _CONNECT_WITHIN if left else None)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                if not left:
                    raise httpcore.ConnectError(f"no connection to {host}:{port}: {_root(error)}") from error

    async def _allowed(self, host: str) -> list[Address]:
        """The addresses of a host that may be connected to, at least one; raises ConnectError."""
        addresses = await self._addresses(host)
        allowed = [one for one in addresses if self._opened is None or is_allowed(one, self._opened)]
        if not allowed:
            where = addresses[0] if str(addresses[0]) == host else f"{host} ({addresses[0]})"
            raise httpcore.ConnectError(f"{where} {_REMEDY}")
        return allowed[:_ADDRESSES_TRIED]

    async def _addresses(self, host: str) -> list[Address]:
        written = written_address(host)
        if written:
            return [written]
        try:
            async with asyncio.timeout(_LOOKUP_WITHIN):
                addresses = list(await self._resolve(host))
        except TimeoutError:
            raise httpcore.ConnectError(f"{host} cannot be resolved within {_LOOKUP_WITHIN:g} s") from None
        except OSError as error:
            raise httpcore.ConnectError(f"{host} cannot be resolved: {error.strerror or error}") from None
        if not addresses:
            raise httpcore.ConnectError(f"{host} cannot be resolved: it has no address")
        return addresses

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("unix sockets are not fetched from")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _root(error: BaseException) -> BaseException:
    """What an error came of in the first place: too many open files, for one, is no matter of the other side."""
    while error.__cause__:
        error = error.__cause__
    return error
