"""Why jobs wait or are in error, asked rarely: `qstat -j` tells all that there is to tell about a job."""

import time
from collections.abc import Callable, Iterable, Mapping

from jobmon.core.cluster import JobState
from jobmon.core.scheduler.shapes import Queued
from jobmon_drmaa.states import ALIVE, IN_ERROR
from jobmon_drmaa.text import Told

AT_ONCE = 20  # jobs in one question
FRESH_SECONDS = 300.0  # the reason for waiting is believed for so long


class Reasons:
    """What is known of the reasons of the user's jobs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is known."""
        self._clock = clock
        self._known: dict[str, tuple[Told, float]] = {}  # by job number, with when
        self._in_error: set[str] = set()

    def to_ask(self, rows: Iterable[Queued]) -> list[str]:
        """Jobs of these rows of which something is not known, those in error first. Forgets all others."""
        rows = [row for row in rows if _has_reason(row)]
        in_error = {row.array_id for row in rows if row.state in IN_ERROR}
        news = in_error - self._in_error  # what was told before was told of waiting
        there = {row.array_id for row in rows} - news
        self._known = {number: one for number, one in self._known.items() if number in there}
        self._in_error = in_error
        wanted = [row for row in rows if not self._is_known(row)]
        wanted.sort(key=lambda row: row.state not in IN_ERROR)
        return list(dict.fromkeys(row.array_id for row in wanted))[:AT_ONCE]

    def learn(self, asked: Iterable[str], told: Mapping[str, Told]) -> None:
        """What was told of the jobs that were asked about."""
        now = self._clock()
        self._known |= {number: (told.get(number, Told()), now) for number in asked}

    def of(self, row: Queued) -> str:
        """The reason of a row: a held one has told its own."""
        if not _has_reason(row):
            return row.reason
        told, _ = self._known.get(row.array_id, (Told(), 0.0))
        return told.error if row.state in IN_ERROR else told.waits

    def _is_known(self, row: Queued) -> bool:
        told, at = self._known.get(row.array_id, (Told(), -FRESH_SECONDS))
        return bool(row.state in IN_ERROR and told.error) or self._clock() - at < FRESH_SECONDS


def _has_reason(row: Queued) -> bool:
    return row.state in IN_ERROR or (ALIVE.get(row.state) is JobState.PENDING and not row.reason)
