"""Worker processes for what is slow, or can be made slow by a stranger: parsing feeds and extracting articles.

A worker that runs past its deadline or dies is replaced; only the piece of work that it had fails.
"""

import asyncio
import logging
import multiprocessing
import resource
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from monitor.errors import WorkerError

Result = TypeVar("Result")

_MEMORY = 2_000_000_000  # bytes of address space; what libraries map counts as well
_RECYCLE_AFTER = 1_000  # pieces of work: lxml's arena only ever grows
_PRELOADED = ["monitor.feeds.parse", "monitor.articles.extract"]


class Workers:
    """An async context manager; its processes start when they are first needed."""

    def __init__(self, count: int = 2) -> None:
        # Forked from a clean server process: a fork of the daemon would inherit its locks and threads.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOADED)
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._places = asyncio.Semaphore(count)
        self._threads = ThreadPoolExecutor(count, "workers")

    async def __aenter__(self) -> "Workers":
        return self

    async def __aexit__(self, *exc: object) -> None:
        with self._lock:
            self._closed = True
            for worker in self._all:
                worker.kill()
        self._threads.shutdown(wait=True)

    async def run(self, function: Callable[..., Result], *arguments: Any, deadline: float) -> Result:
        """Run a module's function in a worker; raises what it raises, or WorkerError after `deadline` seconds."""
        async with self._places:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, self._call, function, arguments, deadline
            )

    def _call(self, function: Callable[..., Result], arguments: tuple[Any, ...], deadline: float) -> Result:
        worker = self._idle.pop() if self._idle else self._start()
        try:
            done, result = worker.call(function, arguments, deadline)
        except WorkerError:
            self._retire(worker)
            raise
        if worker.calls >= _RECYCLE_AFTER:
            self._retire(worker)
        else:
            self._idle.append(worker)
        if not done:
            raise result
        return result  # type: ignore[no-any-return]

    def _start(self) -> "_Worker":
        with self._lock:
            if self._closed:
                raise WorkerError("given up: monitor is stopping")
            worker = _Worker(self._context)
            self._all.add(worker)
            return worker

    def _retire(self, worker: "_Worker") -> None:
        with self._lock:
            worker.kill()
            self._all.discard(worker)


class _Worker:
    """One process and our end of its pipe."""

    def __init__(self, context: multiprocessing.context.ForkServerContext) -> None:
        self.calls = 0
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], deadline: float) -> tuple[bool, Any]:
        self.calls += 1
        try:
            self._pipe.send((function, arguments))
            if not self._pipe.poll(deadline):
                raise WorkerError(f"given up after {deadline:g} s")
            return self._pipe.recv()  # type: ignore[no-any-return]
        except (EOFError, OSError):
            raise WorkerError("its worker process died, most likely of too much memory") from None

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


def _serve(pipe: Connection) -> None:
    """The life of a worker: do what comes down the pipe until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon, which lets the work end
    logging.disable()  # what libraries say of strangers' pages would come between the daemon's lines
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        pipe.send(_outcome(function, arguments))


def _outcome(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, function(*arguments)
    except MemoryError:
        return False, WorkerError("needs too much memory")
    except Exception as error:  # noqa: BLE001 - it is raised again on the other side of the pipe
        return False, error
