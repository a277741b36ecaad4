"""What the states of a scheduler mean: a table that each plugin fills."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from jobmon.core.cluster import JobState
from jobmon.core.constants import FailureClass, TaskInstanceStatus


class Fate(StrEnum):
    """How a job that is over came to its end."""

    EXITED = "exited"  # the exit code says the rest
    OUT_OF_MEMORY = "out of memory"
    TIME_LIMIT = "time limit"
    CANCELLED = "cancelled"
    LOST = "lost"  # through no fault of its own


ENDS: dict[Fate, tuple[str, str]] = {
    Fate.OUT_OF_MEMORY: (TaskInstanceStatus.RESOURCE_ERROR, FailureClass.RESOURCE),
    Fate.TIME_LIMIT: (TaskInstanceStatus.RESOURCE_ERROR, FailureClass.RESOURCE),
    Fate.CANCELLED: (TaskInstanceStatus.ERROR_FATAL, FailureClass.KILLED),
    Fate.LOST: (TaskInstanceStatus.NO_HEARTBEAT, FailureClass.INFRASTRUCTURE),
}


@dataclass(frozen=True)
class States:
    """Every state that a row of the queue or a record can have; one that is not here is UNKNOWN.

    impossible  reasons of waiting jobs that can never start as they were asked for, each in plain words
    usual       reasons that nobody needs to be told
    lingering   states of jobs that are over for us, and stay in the queue until they are cancelled
    """

    alive: Mapping[str, JobState]
    over: Mapping[str, Fate]
    impossible: Mapping[str, str] = field(default_factory=dict)
    usual: Collection[str] = frozenset(("",))
    lingering: Collection[str] = frozenset()

    def in_queue(self, state: str) -> bool:
        """Whether a job that the queue shows so has to be cancelled to be rid of it."""
        return state not in self.over or state in self.lingering
