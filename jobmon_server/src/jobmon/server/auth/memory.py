"""What was asked lately: a value for each key, for some seconds."""

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

MOST = 10_000


class Memory(Generic[Key, Value]):
    """Values that may be as old as `seconds`. Threads share it: at worst two ask for the same value at once."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Empty."""
        self._seconds = seconds
        self._clock = clock
        self._values: dict[Key, tuple[float, Value]] = {}

    def get(self, key: Key, ask: Callable[[], Value]) -> Value:
        """The value; `ask` gives it when it is not known or too old. What raises is not remembered."""
        known = self._values.get(key)
        if known is not None and known[0] > self._clock():
            return known[1]
        value = ask()
        if len(self._values) >= MOST:
            self._values.clear()
        self._values[key] = (self._clock() + self._seconds, value)
        return value

    def forget(self, key: Key) -> None:
        """Ask anew the next time."""
        self._values.pop(key, None)
