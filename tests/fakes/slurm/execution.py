"""A run of a task, as the controller handles it."""

import signal
from collections import deque
from collections.abc import Callable
from typing import Protocol

from fakes.slurm.plan import Simulated, Task
from fakes.slurm.records import Part


class Execution(Protocol):
    """A run of a task."""

    def stop(self) -> float | None:
        """Ask it to end: seconds until it does, None if nobody knows."""

    def kill(self) -> None:
        """End it."""

    def send(self, number: int, batch_only: bool) -> None:
        """Send a signal."""

    def ended(self, task: Task) -> None:
        """It is over for Slurm."""


class SimulatedRun:
    """A run of which there are only words."""

    __slots__ = ("plan", "_after")

    def __init__(self, plan: Simulated, after: deque[Callable[[], object]]) -> None:
        self.plan = plan
        self._after = after

    def stop(self) -> float:
        return self.plan.term_seconds

    def kill(self) -> None:
        pass

    def send(self, number: int, batch_only: bool) -> None:
        pass

    def ended(self, task: Task) -> None:
        on_end = self.plan.on_end
        if on_end:
            self._after.append(lambda: on_end(task))


def task_of(part: Part) -> Task:
    """The part as callbacks see it."""
    asked = part.job.submission
    argv = (asked.command, *asked.arguments)
    return Task(
        part.job.job_id, part.index, part.raw_id, part.job.name, part.node, part.restarts, argv, part.state
    )


def signal_number(name: str) -> int:
    """USR1, SIGUSR1 or 10."""
    return int(name) if name.isdigit() else signal.Signals[f"SIG{name.upper().removeprefix('SIG')}"]
