"""robots.txt (RFC 9309): which pages a site asks programs like ours not to fetch."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from protego import Protego

from monitor.errors import FetchError
from monitor.models import Page

log = logging.getLogger(__name__)

_READ = 500 * 1024  # characters: RFC 9309 asks for no less
_KEPT = 2_000_000  # characters of all the robots.txt together
_GOOD_FOR = 24 * 3600.0  # seconds
_SILENCE_GOOD_FOR = 600.0  # seconds: how long a site that could not say is left alone
_AGENT = re.compile(r"^\s*user[- ]?agent[\s:]+([^#]*)", re.IGNORECASE)


@dataclass(slots=True)
class _Site:
    """What one origin said; `rules` is None where it could not say anything, which `failure` gives the reason of."""

    rules: Protego | None = None
    failure: str = ""
    until: float = 0.0
    size: int = 0
    said: bool = False
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Robots:
    """The robots.txt of the sites asked of last, each for a day."""

    def __init__(self, user_agent: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._name = user_agent.partition("/")[0].strip().lower()
        self._sites: dict[str, _Site] = {}

    async def allow(self, origin: str, target: str, fetch: Callable[[str], Awaitable[Page]]) -> bool:
        """Tell whether a page may be fetched; a refusal is logged, once for what a site said.

        `origin` is as in `https://news.example:8443`, `target` the URL's path and query.
        """
        site = self._sites.pop(origin, None) or _Site()
        self._sites[origin] = site  # the one asked of last stands last
        async with site.asking:
            if site.until <= self._clock():
                await self._ask(site, f"{origin}/robots.txt", fetch)
                self._forget()
        if site.rules is not None and site.rules.can_fetch(origin + target, self._name):
            return True
        if not site.said:
            site.said = True
            why = "forbids some of its pages to us" if site.rules else f"cannot be had ({site.failure})"
            log.warning("robots.txt of site=%s %s; the feed's own text is used, as for %s", origin, why, target)
        return False

    async def _ask(self, site: _Site, url: str, fetch: Callable[[str], Awaitable[Page]]) -> None:
        """Read what a site says: no robots.txt forbids nothing; one that cannot be had, for now, everything."""
        now = self._clock()
        try:
            text = (await fetch(url)).body[:_READ].decode("utf-8-sig", "replace")
        except FetchError as error:
            if error.status is None or error.status >= 500:
                # What it said before goes on to hold.
                site.until, site.failure = now + _SILENCE_GOOD_FOR, error.reason
                return
            text = ""
        if site.rules is None:
            site.said = False
        # Half a megabyte of rules takes most of a second, in which others have their turns.
        site.rules = await asyncio.to_thread(Protego.parse, relevant(text, self._name))
        site.until, site.size = now + _GOOD_FOR, len(text)

    def _forget(self) -> None:
        total = sum(site.size + 1000 for site in self._sites.values())
        for origin in list(self._sites):
            if total <= _KEPT:
                break
            total -= self._sites.pop(origin).size + 1000


def relevant(text: str, name: str) -> str:
    """A robots.txt in which all the programs that are not meant by `name` bear one name.

    The time that Protego takes grows with the rules times the names that they are for.
    """

    def line(written: str) -> str:
        agent = _AGENT.match(written)
        if agent is None:
            return written
        asked = agent[1].strip().lower()
        return written if asked == "*" or asked.replace("*", "") in name else "User-agent: another"

    return "\n".join(map(line, text.splitlines()))
