"""Questions that are put again and again, with growing pauses in between."""

import math
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from jobmon.core.ids import BatchId, TaskInstanceId
from jobmon.core.wire import Job


class Pause(NamedTuple):
    """Seconds between two tries: `first`, then twice as long each time, `longest` at most."""

    first: float
    longest: float

    def after(self, last: float) -> float:
        """The pause that follows one of `last` seconds; 0 is none yet."""
        return min(self.longest, max(self.first, 2 * last))


@dataclass(frozen=True)
class Pauses:
    """How patient the distributor is with a cluster."""

    submit: Pause = Pause(1, 60)  # after a limit of the site or an unclear answer
    look_up: Pause = Pause(2, 30)
    observe: Pause = Pause(5, 60)
    cancel: Pause = Pause(2, 30)
    prune: Pause = Pause(1, 16)
    listen_seconds: float = 0.5


@dataclass
class Turn:
    """When something is due next, and how long the last pause was."""

    due_at: float
    pause_seconds: float = 0

    def put_off(self, pause: Pause, now: float) -> None:
        """It was tried now."""
        self.pause_seconds = pause.after(self.pause_seconds)
        self.due_at = now + self.pause_seconds


class Wanted:
    """Attempts that the cluster is asked about, or asked to end, until the server names them no more."""

    def __init__(self, pause: Pause) -> None:
        """`pause` lies between two questions about the same attempt."""
        self._pause = pause
        self._jobs: dict[TaskInstanceId, Job] = {}
        self._turns: dict[TaskInstanceId, Turn] = {}  # outlives the wish until due, should it come again

    def __contains__(self, instance_id: object) -> bool:
        """Whether the server names this attempt."""
        return instance_id in self._jobs

    def name(self, jobs: Iterable[Job], complete: bool, now: float) -> int:
        """Take note of what the server names, `complete` if it named all; returns how many are new."""
        if complete:
            self._jobs.clear()
        self._jobs.update((job.instance_id, job) for job in jobs)
        new = self._jobs.keys() - self._turns.keys()
        self._turns.update((instance_id, Turn(now)) for instance_id in new)
        for instance_id in [i for i, turn in self._turns.items() if turn.due_at <= now]:
            if instance_id not in self._jobs:
                del self._turns[instance_id]
        return len(new)

    def due(self, now: float, but: Container[BatchId]) -> list[Job]:
        """Those whose turn it is, without those of the batches in `but`."""
        return [job for i, job in self._jobs.items() if self._turns[i].due_at <= now and job.batch_id not in but]

    def next_at(self, but: Container[BatchId]) -> float:
        """When the next of them is due."""
        turns = (self._turns[i].due_at for i, job in self._jobs.items() if job.batch_id not in but)
        return min(turns, default=math.inf)

    def asked(self, jobs: Iterable[Job], now: float) -> None:
        """The cluster was asked about these."""
        for job in jobs:
            if turn := self._turns.get(job.instance_id):
                turn.put_off(self._pause, now)


def rest_seconds(quiet: int, repeats: bool) -> float:
    """How long to rest before the next question after `quiet` quick answers in a row that said nothing new.

    `repeats`: the last one repeated what is under way already. A few such answers are normal: each change
    of the run wakes the question that waits for it.
    """
    return 0.0 if quiet <= 3 else min(1.0 if repeats else 0.1, 0.002 * 2**quiet)
