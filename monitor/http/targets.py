"""Where a request goes, and what of the user's own it may carry there: pure functions over URLs."""

from base64 import b64encode
from collections.abc import Mapping

import httpx

from monitor.errors import FetchError
from monitor.models import Access

_LONGEST = 8_000  # characters


def target_of(url: str) -> httpx.URL:
    """Read a URL, without its fragment and without the user and password in it; raises FetchError."""
    return _checked(url, url, None)


def redirected(target: httpx.URL, location: str) -> httpx.URL:
    """Where a redirect from `target` leads; raises FetchError, with the reason, where that is not followed."""
    return _checked(str(target), location.strip(), target)


def origin_of(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port."""
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def headers_for(target: httpx.URL, access: Access) -> dict[str, str]:
    """The user's own headers, cookies and password, for the origin of `access.url`; for any other nothing.

    Names are in lower case, as all are that stand together in one request.
    """
    if not (access.headers or access.cookies or access.auth or "@" in access.url):
        return {}
    home = httpx.URL(access.url)
    if origin_of(home) != origin_of(target):
        return {}
    headers = lowered(access.headers)
    if access.cookies:
        headers["cookie"] = "; ".join(f"{name}={value}" for name, value in access.cookies.items())
    user, password = access.auth or (home.username, home.password)
    if user or password:
        headers["authorization"] = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
    return headers


def lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _checked(asked: str, written: str, base: httpx.URL | None) -> httpx.URL:
    """Read `written`, as seen from `base` if there is one; `asked` is the URL that an error names."""
    if "\\" in written:
        raise FetchError(asked, "a URL with a backslash is not fetched: programs disagree on where it leads")
    if len(written) > _LONGEST:
        raise FetchError(asked, f"a URL of more than {_LONGEST} characters is not fetched")
    try:
        target = base.join(written) if base else httpx.URL(written)
    except (httpx.InvalidURL, ValueError) as error:
        raise FetchError(asked, f'"{written[:200]}" is no URL: {error}') from None
    if target.scheme not in ("http", "https") or not target.host:
        leads = "it is" if asked == written else "redirected to"
        raise FetchError(asked, f'{leads} "{written[:200]}"; only http:// and https:// are fetched')
    return target.copy_with(userinfo=b"", fragment=None) if target.userinfo or target.fragment else target
