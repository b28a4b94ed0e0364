"""What many tests need: a real Redis, a web server, a folder with a configuration."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from monitor.store.server import EmbeddedServer
from tests.daemon import own_redis
from tests.site import Site, serving

REPOSITORY = Path(__file__).parent.parent

# What a shell starts in the background ignores Ctrl-C, and so would every daemon that the tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that at the end no worker is left alone with it."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def cache_home() -> Path:
    """The lexicon's cache, shared by all tests of a run, so that none depends on whose home it is."""
    folder = Path(tempfile.gettempdir()) / f"monitor-test-cache-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ["XDG_CACHE_HOME"] = str(folder)
    return folder


@pytest.fixture(autouse=True)
def _own_cache(cache_home: Path) -> None:
    """Every test reads the lexicon from the cache of the tests."""


@pytest.fixture(autouse=True)
def _no_secret_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test's configuration holds is no secret to the next."""
    monkeypatch.setattr("monitor.secrecy._literals", [])


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    with own_redis() as server:
        yield server


@pytest.fixture
def redis_url(server: EmbeddedServer) -> str:
    """The URL of a real server, emptied."""
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    return server.url


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site
