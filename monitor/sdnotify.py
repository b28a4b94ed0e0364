"""Tells systemd how the service is doing, by the protocol of sd_notify(3): one datagram to a unix socket.

Where no service manager listens, nothing is said.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping
from datetime import timedelta

log = logging.getLogger(__name__)


def notify(*lines: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send lines such as `READY=1`; returns whether somebody was told."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            # Whoever does not read his socket must not stop us.
            sender.settimeout(1)
            sender.sendto("\n".join(lines).encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)
    except OSError as error:
        log.warning("NOTIFY_SOCKET %s: %s", address, error)
        return False
    return True


def watchdog(environ: Mapping[str, str] = os.environ) -> timedelta | None:
    """How long the service manager waits for a ping before it restarts us; None where it does not."""
    microseconds = environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdigit() or environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return timedelta(microseconds=int(microseconds)) or None


async def ping(stuck: Callable[[], str], environ: Mapping[str, str] = os.environ) -> None:
    """Ping the watchdog until cancelled, four times in its interval; not while `stuck` names what makes no progress."""
    interval = watchdog(environ)
    named = ""
    while interval:
        before, named = named, stuck()
        if not named:
            notify("WATCHDOG=1", environ=environ)
        elif named != before:
            log.error("%s: no progress; the watchdog is not told that we are well", named)
        await asyncio.sleep(interval.total_seconds() / 4)
