"""`monitor run` on a machine whose clock is wrong: python -m tests.skewed CONFIG FILE.

FILE says by how many seconds, and may be written anew: then the clock is set while the daemon runs. What nobody sets,
the clock that counts from the machine's start, stays as it is; so do the clocks of Redis and of worker processes.
"""

import sys
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import monitor.app  # noqa: F401 - what it imports is what is skewed
from monitor.cli import main

_real_time, _RealDatetime = time.time, datetime


class _Kind(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, _RealDatetime)


def skew(file: Path) -> None:
    """Let the time of this process be wrong by what stands in a file."""

    def seconds() -> float:
        return float(file.read_text() or 0)

    def now(zone: tzinfo | None = None) -> datetime:
        return _RealDatetime.now(zone) + timedelta(seconds=seconds())

    members: dict[str, Any] = {"now": staticmethod(now)}
    wrong = _Kind("datetime", (_RealDatetime,), members)
    time.time = lambda: _real_time() + seconds()
    for name, module in list(sys.modules.items()):
        if name.startswith(("monitor", "apscheduler")) and getattr(module, "datetime", None) is _RealDatetime:
            module.datetime = wrong  # type: ignore[attr-defined]


if __name__ == "__main__":
    skew(Path(sys.argv[2]))
    main(["run", "--config", sys.argv[1]])
