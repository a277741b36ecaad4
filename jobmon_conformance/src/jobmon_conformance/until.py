"""Waiting for a condition that may be costly to look at."""

import time
from collections.abc import Callable
from typing import TypeVar

SECONDS = 120.0
Found = TypeVar("Found")


def until(
    condition: Callable[[], Found], what: str, seconds: float = SECONDS, pause_seconds: float = 0.05
) -> Found:
    """The condition's first true value; fails when it does not come."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(pause_seconds)
    return found
