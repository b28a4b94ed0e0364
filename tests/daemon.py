"""`monitor` as a user runs it: a process of its own, with a configuration in a folder."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from monitor.store.redis import ALIVE
from monitor.store.server import EmbeddedServer
from tests.site import Site


def monitor(
    *arguments: object, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, "-m", "monitor", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=os.environ | (env or {}), capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def daemon(config: Path, *, log: Path, command: list[str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run `monitor run` in the background; its log goes to a file. Killed at the end if it still runs."""
    with log.open("ab") as file:
        arguments = command or [sys.executable, "-m", "monitor", "run", "--config", str(config)]
        process = subprocess.Popen(arguments, stdout=file, stderr=file)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()


def configure(folder: Path, site: Site, **changes: Any) -> Path:
    """Write a configuration that polls the site's /feed often, and sends alerts to its /hook."""
    (folder / "rules.yaml").write_text('rules: [{id: missile, match: missile}, {id: nato, match: "NATO"}]')
    settings: dict[str, Any] = {
        "state_dir": str(folder / "state"),
        "rules": ["rules.yaml"],
        "feeds": [{"url": f"{site.url}/feed", "every": "1s"}],
        "receivers": {"hook": {"type": "webhook", "url": f"{site.url}/hook"}},
        "http": {"allow_private": ["127.0.0.0/8"], "per_host": {"concurrency": 50, "rate": 1000}},
        "redis": {"lease": "1s"},
    }
    file = folder / "monitor.yaml"
    file.write_text(json.dumps(settings | changes))
    return file


def received(site: Site) -> list[dict[str, Any]]:
    """The alerts that the site's /hook has taken, in order."""
    return [alert for request in site.asked("/hook") for alert in json.loads(request.body)["alerts"]]


def end_leases(url: str) -> None:
    """Let the time pass until nobody holds anything more: all who did are dead."""
    with redis.Redis.from_url(url) as client:
        for name in client.scan_iter(f"{ALIVE}*"):
            client.delete(name)


@contextmanager
def own_redis() -> Iterator[EmbeddedServer]:
    """A server in a folder of its own, both of which are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="monitor-test-") as folder:
        with EmbeddedServer(Path(folder)) as server:
            yield server
        server.wait_until_stopped()  # nothing can be removed while it runs
