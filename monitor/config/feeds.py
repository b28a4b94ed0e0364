"""The feeds of a configuration and of the list beside it, and when they are polled."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from monitor import yamlfile
from monitor.config.fields import SECRET, SECRET_URL, Cookies, Duration, Headers, HttpUrl, Strict
from monitor.errors import InputError, Problem
from monitor.models import Access, FullText
from monitor.secrecy import without_secrets


class AuthConfig(Strict):
    """Who asks, where a site wants to know (basic authentication)."""

    user: str
    password: Annotated[str, SECRET]


class FeedConfig(Strict):
    """One feed; a bare URL is one too."""

    url: HttpUrl
    name: str = ""
    every: Duration | None = Field(None, description="how often it is polled; absent: as often as it publishes")
    tags: tuple[str, ...] = ()
    language: str | None = Field(None, description="its language, where it does not say so itself")
    full_text: FullText = Field("auto", description="auto: the page, or else the feed's own text; always; never")
    headers: Headers = Field(default_factory=dict, description="sent to the feed's own site only")
    cookies: Cookies = Field(default_factory=dict, description="sent to the feed's own site only")
    auth: AuthConfig | None = Field(None, description="for the feed's own site only")
    proxy: Annotated[HttpUrl | None, SECRET_URL] = Field(None, description="an HTTP proxy for this feed and its pages")

    @model_validator(mode="before")
    @classmethod
    def _bare_url(cls, value: Any) -> Any:
        return {"url": value} if isinstance(value, str) else value

    @field_validator("every")
    @classmethod
    def _at_least_a_second(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value < timedelta(seconds=1):
            raise ValueError("a feed can be polled once a second at most; write 1s or more")
        return value

    @property
    def access(self) -> Access:
        """How its pages are asked for; what is secret in it goes to the feed's own site only."""
        auth = (self.auth.user, self.auth.password) if self.auth else None
        return Access(self.url, self.headers, self.cookies, auth, self.proxy or "")

    @property
    def address(self) -> str:
        """Its URL as logs and alerts show it: without a user and password in it, or a parameter that is secret."""
        return without_secrets(re.sub("(?<=//)[^/?#]*@", "", self.url))

    @property
    def title(self) -> str:
        return self.name or urlsplit(self.url).hostname or self.url


class PollConfig(Strict):
    """When feeds are polled that have no `every`, and how far back their first poll looks."""

    min: Duration = Field(timedelta(minutes=2), description="the shortest time between two polls of a feed")
    max: Duration = Field(timedelta(hours=12), description="the longest one, after failures too")
    max_age: Duration = Field(timedelta(hours=48), description="older entries raise no alert when first seen")

    @model_validator(mode="after")
    def _in_order(self) -> "PollConfig":
        if not timedelta(seconds=1) <= self.min <= self.max:
            raise ValueError("min has to be 1s at least, and max no shorter than min")
        return self


def read_feeds(path: Path) -> tuple[FeedConfig, ...]:
    """The feeds of a list that `monitor feeds` keeps; none where there is no such file. Raises InputError."""
    if not path.exists():
        return ()
    document = yamlfile.read(path)
    written = {"feeds": document.value}
    places = {("feeds", *place): where for place, where in document.places.items()}
    inner = yamlfile.Document(document.name, written, places, document.problems)
    return yamlfile.validate(_FeedList, inner).feeds


class _FeedList(Strict):
    feeds: tuple[FeedConfig, ...] = ()


def listed(file: Path, feeds: tuple[FeedConfig, ...], problems: list[Problem]) -> tuple[FeedConfig, ...]:
    """The feeds of a list, without those that the configuration itself has: what a user writes there counts."""
    try:
        found = read_feeds(file)
    except InputError as error:
        problems += error.problems
        return ()
    own = {feed.url for feed in feeds}
    return tuple({feed.url: feed for feed in found if feed.url not in own}.values())


def repeated(feeds: tuple[FeedConfig, ...], document: yamlfile.Document) -> list[Problem]:
    """Feeds that stand in the configuration twice."""
    first: dict[str, int] = {}
    return [
        document.problem(("feeds", index), f"this feed stands already at {document.place(('feeds', first[feed.url]))}")
        for index, feed in enumerate(feeds)
        if first.setdefault(feed.url, index) != index
    ]
