"""`monitor run --once` in a child process that kills itself with SIGKILL at its n-th step.

A step is the moment before or after anything that reaches the outside: a Redis command is sent, its answer has come, a
request is made, its answer has come.
"""

import multiprocessing
import os
import signal
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

from redis.asyncio import connection

from monitor import app, config, notifiers
from monitor.http import Http

# Children are forked from a process that has imported it all, so that hundreds of lives take seconds.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.mortal"])


class Steps:
    def __init__(self, last: int) -> None:
        self.last = last
        self.count = 0

    def step(self) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, name: str) -> None:
        original = getattr(owner, name)

        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.step()
            try:
                return await original(*args, **kwargs)
            finally:
                self.step()

        setattr(owner, name, wrapped)


def run_once(file: Path, last: int = 0) -> tuple[int, int]:
    """Run to the `last` step, or with 0 to the end; returns the exit code and how many steps there were at the end."""
    count = CONTEXT.Value("q", 0)
    process = CONTEXT.Process(target=_run_once, args=(file, last, count))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode, count.value


def _run_once(file: Path, last: int, count: "Synchronized[int]") -> None:
    steps = Steps(last)
    steps.around(connection.AbstractConnection, "send_packed_command")
    steps.around(connection.AbstractConnection, "read_response")
    steps.around(Http, "_exchange")
    status = app.run(config.load(file, notifiers.options_of), once=True)
    count.value = steps.count
    os._exit(status)
