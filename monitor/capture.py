"""A page from the web becomes a fixture with its expectation, so that what was missed, or wrongly raised, is a test."""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from monitor import expectation, fixtures
from monitor.alerts.growth import step
from monitor.errors import FetchError, InputError, Problem
from monitor.fixtures import Fixture, FrontMatter
from monitor.matching.matcher import Matcher
from monitor.models import Access
from monitor.reading import PageSource, Reader
from monitor.replay import alerts_of, articles_of

EXPECTATIONS = "expect.yaml"
_LONGEST_NAME = 80


async def fetched(
    url: str, about: FrontMatter, pages: PageSource, *, name: str = "", access: Access | None = None
) -> Fixture:
    """Fetch a page as a fixture, called by `name` or else by its URL; raises FetchError."""
    page = await pages(url, access)
    if page is None:
        raise FetchError(url, "robots.txt forbids it, or cannot be had; http.robots: false asks nevertheless")
    document = name or file_name(page.url)
    told = {"url": page.url, "content_type": page.content_type if "charset" in page.content_type.lower() else ""}
    return Fixture(document, about.model_copy(update=told), html=page.body, path=page.url)


async def raised(fixture: Fixture, reader: Reader, matcher: Matcher) -> list[str]:
    """The rules that a fixture raises by itself, as `replay` would; raises InputError where it holds no article."""
    alerts = [alert for article in await articles_of(fixture, reader) for alert in alerts_of(article, matcher)]
    return [alert.rule for alert in alerts if step([alert]) != "waits"]


def keep(fixture: Fixture, folder: Path, expected: Sequence[str]) -> Path:
    """Write a page, what is known of it, and the rules that it must raise into a folder; returns the page's file.

    Nothing is overwritten, and nothing is left where one of them cannot be written. Raises InputError.
    """
    assert isinstance(fixture.html, bytes)  # noqa: S101 - `fetched` made it
    file, written = folder / fixture.document, list[Path]()
    beside = "".join(
        f"{key}: {expectation.scalar(value)}\n"
        for key, value in fixture.about.model_dump(mode="json", exclude_defaults=True, exclude={"tags"}).items()
    )
    if tags := ", ".join(map(expectation.scalar, fixture.about.tags)):
        beside += f"tags: [{tags}]\n"
    place = file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place, body in ((file, fixture.html), (fixtures.sidecar(file), beside.encode())):
            with place.open("xb") as opened:
                written.append(place)
                opened.write(body)
        place = folder / EXPECTATIONS
        expectation.add(place, fixture.document, expected)
    except (OSError, InputError) as error:
        for path in written:
            path.unlink()
        if isinstance(error, FileExistsError):
            raise InputError([Problem(str(place), "is there already; choose another name with --name")]) from None
        if isinstance(error, OSError):
            raise InputError([Problem(str(place), f"cannot be written: {error.strerror}")]) from None
        raise
    return file


def file_name(url: str) -> str:
    """A name for the page of a URL: its host and the last part of its path, in plain letters."""
    parts = urlsplit(url)
    last = parts.path.rstrip("/").rpartition("/")[2]
    stem = f"{(parts.hostname or '').removeprefix('www.')}-{re.sub(r'[.](html?|php|aspx?)$', '', last)}"
    return f"{re.sub('[^A-Za-z0-9._]+', '-', stem)[:_LONGEST_NAME].strip('-._') or 'page'}.html"
