"""What is going to happen, and the time at which it does."""

import heapq
import itertools
from collections.abc import Callable
from typing import Any

from fakes.scheduler.clock import Clock


class Timeline:
    """Events in order of time; those of one moment in the order in which they were put."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._events: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._numbers = itertools.count()

    def at(self, when: float, act: Callable[..., object], *arguments: Any) -> None:
        heapq.heappush(self._events, (when, next(self._numbers), act, arguments))

    def seconds_to_next(self) -> float | None:
        """Real seconds until something is due; None: nothing is, or time stands still."""
        if not self._events or not self.clock.speed:
            return None
        return max(0.0, (self._events[0][0] - self.clock.now()) / self.clock.speed)

    def run_until(self, target: float, settle: Callable[[], object]) -> None:
        """Let everything happen that is due by then; `settle` follows each moment."""
        while self._events and self._events[0][0] <= target:
            moment = self._events[0][0]
            if not self.clock.speed and moment > self.clock.now():
                self.clock.advance(moment - self.clock.now())
            while self._events and self._events[0][0] == moment:
                _, _, act, arguments = heapq.heappop(self._events)
                act(*arguments)
            settle()
