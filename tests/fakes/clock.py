"""A time that belongs to the test."""

from dataclasses import dataclass


@dataclass
class Clock:
    """Seconds that pass when the test says so, or somebody sleeps."""

    now: float = 1000.0
    slept: float = 0

    def __call__(self) -> float:
        """What time it is."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let the time go by."""
        self.slept += seconds
        self.now += seconds
