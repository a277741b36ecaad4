"""The tasks that are on the cluster as far as we know, held against what the queue shows. Pure.

A task that the queue shows as over is ended. One that it does not show is ended when the next look does not show
it either: a controller that has just been started again may not know all it will know in a moment.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from jobmon.core.cluster import JobState
from jobmon.core.ids import BatchId
from jobmon.core.scheduler.shapes import Queued
from jobmon.core.scheduler.states import States
from jobmon.core.wire import Batch


class Task(NamedTuple):
    """One task of an array, as the newest look has shown it."""

    state: str
    reason: str
    nodes: str


@dataclass
class Watched:
    """One array. `open` are the indices not known to be over, `missing` those that the last look lacked."""

    batch: Batch
    job_id: str
    open: set[int]
    missing: set[int] = field(default_factory=set)
    stuck_since: dict[int, float] = field(default_factory=dict)


class Watch:
    """All arrays that are watched."""

    def __init__(self, states: States) -> None:
        """Nothing is watched."""
        self._states = states
        self._arrays: dict[BatchId, Watched] = {}
        self._shown: dict[tuple[str, str, int], Task] = {}  # (array id, name, index)
        self._others = 0
        self.reasons: Counter[str] = Counter()  # why tasks wait, as far as that is worth telling

    def __len__(self) -> int:
        """Tasks that are not known to be over."""
        return sum(len(array.open) for array in self._arrays.values())

    @property
    def others(self) -> int:
        """Jobs of the user that are not ours, at the last look."""
        return self._others

    def begin(self, batch: Batch, job_id: str) -> None:
        """Watch this array."""
        if batch.batch_id not in self._arrays:
            self._arrays[batch.batch_id] = Watched(batch, job_id, set(range(batch.size)))

    def job_id(self, batch_id: BatchId) -> str:
        """The array of a batch that is watched, else "" ."""
        array = self._arrays.get(batch_id)
        return array.job_id if array else ""

    def look(self, rows: Iterable[Queued]) -> list[tuple[Batch, int]]:
        """Take in all of the user's rows; returns the tasks that have ended since the last look.

        A row counts only when its name is ours: ids are given out again.
        """
        states = self._states
        ours = {(array.job_id, array.batch.name) for array in self._arrays.values()}
        self._shown, self._others = {}, 0
        reasons: Counter[str] = Counter()
        for row in rows:
            if (row.array_id, row.name) not in ours:
                self._others += max(1, len(row.indices)) if row.state in states.alive else 0
                continue
            task = Task(row.state, row.reason, row.nodes)
            self._shown.update(((row.array_id, row.name, index), task) for index in row.indices)
            if states.alive.get(row.state) == JobState.PENDING and row.reason not in states.usual:
                reasons[row.reason] += len(row.indices)
        self.reasons = reasons  # whole at once: other threads read it
        return [(array.batch, index) for array in list(self._arrays.values()) for index in self._ended(array)]

    def _ended(self, array: Watched) -> list[int]:
        shown = {index: self._show(array, index) for index in array.open}
        missing = {index for index, task in shown.items() if task is None}
        over = {index for index, task in shown.items() if task and task.state in self._states.over}
        ended = over | (missing & array.missing)
        array.missing = missing
        array.open -= ended
        if not array.open:
            del self._arrays[array.batch.batch_id]
        return sorted(ended)

    def _show(self, array: Watched, index: int) -> Task | None:
        return self._shown.get((array.job_id, array.batch.name, index))

    def impossible(self, now: float, grace_seconds: float) -> list[tuple[Batch, int, str]]:
        """Tasks that have waited for something impossible for so long, with the scheduler's reason."""
        found = []
        for array in self._arrays.values():
            stuck = {
                index: task.reason
                for index in array.open
                if (task := self._show(array, index)) and task.reason in self._states.impossible
            }
            array.stuck_since = {index: array.stuck_since.get(index, now) for index in stuck}
            overdue = [index for index, since in array.stuck_since.items() if now - since >= grace_seconds]
            found += [(array.batch, index, stuck[index]) for index in overdue]
        return found

    def give_up(self, tasks: Iterable[tuple[Batch, int]]) -> None:
        """Watch these no more."""
        for batch, index in tasks:
            if array := self._arrays.get(batch.batch_id):
                array.open.discard(index)
                if not array.open:
                    del self._arrays[batch.batch_id]
