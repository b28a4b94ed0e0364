"""The list of feeds that `monitor feeds` keeps beside the configuration, in the form of the key `feeds`."""

from collections.abc import Iterable
from pathlib import Path

from monitor import yamlfile
from monitor.config import FeedConfig, read_feeds

_HEADING = "Written by `monitor feeds`. Feeds may be changed by hand; comments are lost when it is written again."


def add(path: Path, feeds: Iterable[FeedConfig], known: Iterable[str] = ()) -> list[FeedConfig]:
    """Add feeds to the list in a file; returns those that were neither in it nor `known`. Raises InputError."""
    listed = {feed.url: feed for feed in read_feeds(path)}
    new = {feed.url: feed for feed in feeds if feed.url not in {*listed, *known}}
    if new:
        _write(path, [*listed.values(), *new.values()])
    return list(new.values())


def remove(path: Path, url: str) -> bool:
    """Take a feed off the list in a file; False where it is not on it. Raises InputError."""
    listed = read_feeds(path)
    kept = [feed for feed in listed if feed.url != url]
    if len(kept) == len(listed):
        return False
    _write(path, kept)
    return True


def _write(path: Path, feeds: Iterable[FeedConfig]) -> None:
    written = []
    for feed in feeds:
        fields = feed.model_dump(mode="json", exclude_defaults=True, exclude={"every"})
        if feed.every is not None:
            fields["every"] = f"{feed.every.total_seconds():g}s"
        written.append(fields if len(fields) > 1 else feed.url)
    yamlfile.write(path, written, _HEADING)
