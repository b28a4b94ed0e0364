"""One client for feeds, articles' pages and webhooks.

The address is checked on the connection itself, after the one resolution that it uses, so redirects and names that
change their address lead nowhere. Through a proxy that a feed names, it is the proxy that resolves names: then only
hosts written as addresses are checked here, and what else the proxy reaches is its own to guard.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from monitor.config import HttpConfig
from monitor.errors import FetchError
from monitor.http.body import read_body
from monitor.http.connections import FAILURES, Connections
from monitor.http.limits import CrowdedError, Limits
from monitor.http.lookups import Lookups, Resolve
from monitor.http.robots import Robots
from monitor.http.targets import headers_for, lowered, redirected, target_of
from monitor.models import Access, Page

MAX_REDIRECTS = 5
_ANSWER_KEPT = 100_000  # bytes: Slack sends a message back, and what it was given as its id with it
_PERMANENT = frozenset({301, 308})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered to a POST; `headers` by lower-case name, `body` its first part."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http:
    """An async context manager; `resolve` finds the addresses of names, by default as the operating system does."""

    def __init__(self, config: HttpConfig, resolve: Resolve | None = None) -> None:
        self._timeout = config.timeout.total_seconds()
        self._limits = Limits(config.per_host.concurrency, config.per_host.rate)
        self._robots = Robots(config.user_agent) if config.robots else None
        # The client of httpx would keep the cookies of every site, in one jar for all feeds.
        self._connections = Connections(config.allow_private, resolve or Lookups())
        self._headers = {
            "user-agent": config.user_agent,
            "accept": "*/*",
            "accept-encoding": "gzip",
            "connection": "close",
        }

    async def __aenter__(self) -> "Http":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._connections.aclose()

    async def get(self, url: str, *, etag: str = "", last_modified: str = "", access: Access | None = None) -> Page:
        """Fetch a feed; the page is `unchanged` where it is as `etag` and `last_modified` have it.

        Redirects are followed. Raises FetchError, also for any status besides 2xx and 304.
        """
        conditions = {"if-none-match": etag, "if-modified-since": last_modified}
        conditions = {name: value for name, value in conditions.items() if value}
        page = await self._follow(url, conditions, access or Access(url), robots=None)
        assert page is not None  # noqa: S101 - no robots.txt was asked
        return page

    async def page(self, url: str, access: Access | None = None) -> Page | None:
        """Fetch an article's page, or None where robots.txt forbids it, which is logged. Raises FetchError."""
        return await self._follow(url, {}, access or Access(url), robots=self._robots)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a body; redirects are answers like others. Raises FetchError where no answer comes."""
        request = httpx.Request("POST", target_of(url), headers=self._headers | lowered(headers), content=body)
        response, answer = await self._exchange(request, self._timeout)
        return Answer(response.status_code, dict(response.headers), answer[:_ANSWER_KEPT])

    async def _follow(
        self, url: str, conditions: Mapping[str, str], access: Access, *, robots: Robots | None
    ) -> Page | None:
        """Ask for a page and go where it leads. The deadline runs while we ask, not while we wait for our turn."""
        target, moved_to, permanent, left = target_of(url), None, True, self._timeout
        for _ in range(MAX_REDIRECTS + 1):
            if robots and not await self._allowed(robots, target, access):
                return None
            headers = {**self._headers, **conditions, **headers_for(target, access)}
            request = httpx.Request("GET", target, headers=headers, extensions={"proxy": access.proxy})
            async with self._place(target):
                began = asyncio.get_running_loop().time()
                response, body = await self._exchange(request, left)
                left -= asyncio.get_running_loop().time() - began
            if not response.has_redirect_location:
                return _page(response, body, moved_to)
            target = redirected(target, response.headers["location"])
            permanent = permanent and response.status_code in _PERMANENT
            moved_to = str(target) if permanent else moved_to
        raise FetchError(url, f"more than {MAX_REDIRECTS} redirects")

    async def _exchange(self, request: httpx.Request, seconds: float) -> tuple[httpx.Response, bytes]:
        """Send a request and read its answer; of a redirect to be followed there is nothing to read."""
        url = str(request.url)
        try:
            async with asyncio.timeout(seconds):
                response = await self._connections.handle_async_request(request)
                try:
                    if request.method == "GET" and response.has_redirect_location:
                        return response, b""
                    encoding = response.headers.get("content-encoding", "")
                    return response, await read_body(response.aiter_raw(), encoding, url)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise FetchError(url, f"no whole answer within {self._timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, *FAILURES) as error:
            raise FetchError(url, str(error) or type(error).__name__) from error

    @asynccontextmanager
    async def _place(self, target: httpx.URL) -> AsyncIterator[None]:
        try:
            async with self._limits.place(target.host):
                yield
        except CrowdedError:
            reason = f"no turn came within 5 minutes; http.per_host lets no more requests to {target.host}"
            raise FetchError(str(target), reason) from None

    async def _allowed(self, robots: Robots, target: httpx.URL, access: Access) -> bool:
        site = f"{target.scheme}://{target.netloc.decode()}"
        return await robots.allow(site, target.raw_path.decode(), lambda url: self.get(url, access=access))


def _page(response: httpx.Response, body: bytes, moved_to: str | None) -> Page:
    url, status, headers = str(response.url), response.status_code, dict(response.headers)
    if not response.is_success and status != httpx.codes.NOT_MODIFIED:
        raise FetchError(url, f"HTTP {status} {response.reason_phrase}".rstrip(), status=status, headers=headers)
    return Page(url, body, status, headers=headers, moved_to=moved_to)
