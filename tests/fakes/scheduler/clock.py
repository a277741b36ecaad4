"""Time as a fake cluster has it: the test's own, or real time at a chosen speed."""

import time


class Clock:
    """Seconds since the epoch. A speed of 0 stands still unless it is advanced."""

    def __init__(self, speed: float = 1.0, start: float | None = None) -> None:
        self.speed = speed
        self._start = time.time() if start is None else start
        self._begin = time.monotonic()

    def now(self) -> float:
        return self._start + self.speed * (time.monotonic() - self._begin)

    def advance(self, seconds: float) -> None:
        self._start += seconds
