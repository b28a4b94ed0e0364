"""The clock that nobody sets."""

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # unlike others it goes on while a machine sleeps


def uptime() -> float:
    """Seconds since some moment, such as the machine's start."""
    return time.clock_gettime(_CLOCK)
