"""News inside one server process: a long poll sleeps until something of its workflow changed.

Only a hint: a sleeper also looks by itself each second, because the news may be made by another process.
"""

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator

LOOK_SECONDS = 1.0
POLL_SECONDS_MAX = 60.0


class Signals:
    """A counter for each workflow that goes up with every change of it."""

    def __init__(self, seats: int = 10_000) -> None:
        """Nothing happened yet. When `seats` polls sleep, further ones sleep for a moment only."""
        self._changed = threading.Condition()
        self._counts: defaultdict[int, int] = defaultdict(int)
        self._seats = seats
        self._taken = 0
        self.over = False  # this process ends: nobody sleeps any more
        self._ended = threading.Event()  # for those whom no news shall wake

    def count(self, workflow_id: int) -> int:
        """Read before looking at the database, so that nothing is missed in between."""
        with self._changed:
            return self._counts[workflow_id]

    def tell(self, workflow_ids: Iterable[int]) -> None:
        """Wake all who wait for one of these workflows."""
        with self._changed:
            for workflow_id in workflow_ids:
                self._counts[workflow_id] += 1
            self._changed.notify_all()

    @contextlib.contextmanager
    def poll(self, seconds: float) -> Iterator[float]:
        """Until when a long poll that wants so many seconds may sleep: the threads are there for others too."""
        with self._changed:
            crowded = self._taken >= self._seats
            self._taken += 1
        try:
            yield time.monotonic() + min(seconds, LOOK_SECONDS if crowded else POLL_SECONDS_MAX)
        finally:
            with self._changed:
                self._taken -= 1

    def wait(self, workflow_id: int, seen: int, seconds: float) -> None:
        """Sleep until the count is not `seen` any more, at most `seconds`."""
        with self._changed:
            self._changed.wait_for(
                lambda: self.over or self._counts[workflow_id] != seen, min(seconds, LOOK_SECONDS)
            )

    def pause(self, seconds: float) -> bool:
        """Sleep for so long, whatever the news; returns whether this process goes on."""
        return not self._ended.wait(seconds)

    def end(self) -> None:
        """Let every poll be answered with what there is, now and from now on."""
        with self._changed:
            self.over = True
            self._changed.notify_all()
        self._ended.set()
