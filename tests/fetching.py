"""Fetches a URL in a process of its own, and says what came of it: python -m tests.fetching URL WARMING-URL.

Prints {"reason": why it failed or "", "grown": bytes that the process needed more than before, at most}.
"""

import asyncio
import json
import sys
from pathlib import Path

from monitor.config import HttpConfig
from monitor.errors import FetchError
from monitor.http import Http

SETTINGS = HttpConfig.model_validate({"timeout": "8s", "allow_private": ["127.0.0.1/32"]})


async def main() -> None:
    url, warming = sys.argv[1:]
    async with Http(SETTINGS) as http:
        await http.get(warming)
        _count_anew()
        before, reason = _peak(), ""
        try:
            await http.get(url)
        except FetchError as error:
            reason = error.reason
        sys.stdout.write(json.dumps({"reason": reason, "grown": _peak() - before}))


def _count_anew() -> None:
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak becomes what is used now


def _peak() -> int:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    asyncio.run(main())
