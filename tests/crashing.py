"""`monitor run --once` that kills itself with SIGKILL at its n-th step: python -m tests.crashing CONFIG N.

A step is the moment before or after anything that reaches the outside: a Redis command is sent, its answer has come, a
request is made, its answer has come. With N = 0 it runs to its end and prints how many steps there were.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from redis.asyncio import connection

from monitor import app, config, notifiers
from monitor.http import Http


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


def main() -> None:
    steps = Steps(int(sys.argv[2]))
    steps.around(connection.AbstractConnection, "send_packed_command")
    steps.around(connection.AbstractConnection, "read_response")
    steps.around(Http, "_exchange")
    status = app.run(config.load(Path(sys.argv[1]), notifiers.options_of), once=True)
    sys.stdout.write(f"{steps.count}\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
