"""Brings a state to version 3 in a process of its own: python -m tests.migrating URL NAME N.

There are two migrations. The first moves the hash `old` to the hash `new` key by key, and kills its process with
SIGKILL after the N-th, with N = 0 never. Both count how often they were begun.
"""

import asyncio
import os
import signal
import sys
from datetime import timedelta

from monitor.store.redis import PREFIX, Store
from monitor.store.version import State

OLD, NEW, BEGUN = f"{PREFIX}old", f"{PREFIX}new", f"{PREFIX}begun"


async def move(store: Store) -> None:
    await store.client.rpush(BEGUN, "1")
    for number, (name, value) in enumerate(sorted((await store.client.hgetall(OLD)).items()), start=1):
        await store.client.hset(NEW, name, value * 2)
        await store.client.hdel(OLD, name)
        if number == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)


async def note(store: Store) -> None:
    await store.client.rpush(BEGUN, "2")


async def main() -> None:
    store = Store(sys.argv[1], sys.argv[2], timedelta(seconds=1))
    await State(store, [move, note]).bring_up_to_date()
    await store.close()


if __name__ == "__main__":
    asyncio.run(main())
