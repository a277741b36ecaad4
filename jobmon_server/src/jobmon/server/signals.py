"""News inside one server process: a long poll sleeps until something of its workflow changed.

Only a hint: a sleeper also looks by itself each second, because the news may be made by another process.
"""

import threading
from collections import defaultdict
from collections.abc import Iterable

LOOK_SECONDS = 1.0


class Signals:
    """A counter for each workflow that goes up with every change of it."""

    def __init__(self) -> None:
        """Nothing happened yet."""
        self._changed = threading.Condition()
        self._counts: defaultdict[int, int] = defaultdict(int)

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

    def wait(self, workflow_id: int, seen: int, seconds: float) -> None:
        """Sleep until the count is not `seen` any more, at most `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self._counts[workflow_id] != seen, min(seconds, LOOK_SECONDS))
