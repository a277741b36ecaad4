"""What Slurm knows: nodes, partitions, jobs with their tasks."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fakes.slurm.indices import Remaining
from fakes.slurm.states import OVER, PENDING


@dataclass
class Node:
    """A machine. `condition` is "" while it is well, else DOWN, DRAIN, NOT_RESPONDING ..."""

    name: str
    cpus: int = 16
    memory_mb: int = 64000
    features: str = ""
    gres: str = ""
    condition: str = ""
    reason: str = ""
    used_cpus: int = 0
    used_memory_mb: int = 0

    @property
    def state(self) -> str:
        """As scontrol writes it."""
        used = "IDLE" if not self.used_cpus else "ALLOCATED" if self.used_cpus >= self.cpus else "MIXED"
        if self.condition == "DOWN":
            return "DOWN"
        return f"{used}+{self.condition}" if self.condition else used


@dataclass
class Partition:
    """A queue. `nodes` empty: all of them; `max_minutes` 0: no limit."""

    name: str
    nodes: tuple[str, ...] = ()
    max_minutes: int = 0
    default_minutes: int = 0
    is_default: bool = False
    state: str = "UP"


@dataclass
class Association:
    """What a user may do under an account; None: no limit."""

    user: str
    account: str = "default"
    partition: str = ""
    qos: str = "normal"
    max_jobs: int | None = None
    max_submit: int | None = None


@dataclass(frozen=True)
class Submission:
    """What sbatch asks for."""

    name: str
    user: str
    user_id: int
    script: str
    arguments: tuple[str, ...] = ()
    command: str = ""
    folder: str = "/"
    output: str = ""
    error: str = ""
    partition: str = "all"
    account: str = "default"
    qos: str = "normal"
    minutes: int = 0
    cpus: int = 1
    memory_mb: int = 100
    nodes: int = 1
    constraint: str = ""
    comment: str = ""
    exclude: tuple[str, ...] = ()
    singleton: bool = False
    held: bool = False
    can_requeue: bool = True
    signal: str = ""
    array: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)  # as given, by long name


@dataclass(slots=True, eq=False)
class Part:
    """A task, or that which has not been split off an array yet (no index although it is an array)."""

    job: "Job"
    raw_id: int
    index: int | None = None
    state: str = PENDING
    reason: str = "None"
    submitted: float = 0
    split: float = 0  # when it got a record of its own
    started: float = 0
    ended: float = 0
    eligible: float = 0  # may not start before
    node: str = ""
    exit_code: str = "0:0"
    derived_exit_code: str = "0:0"
    cancelled_by: int | None = None
    restarts: int = 0
    completing: bool = False
    max_rss_kb: int = 0
    cpu_seconds: float = 0
    end_limit: float = 0
    execution: Any = None  # an Execution

    @property
    def over(self) -> bool:
        return self.state in OVER

    @property
    def reference(self) -> str:
        """As Slurm names it: 14, 14_3, 14_[4-9]."""
        if not self.job.is_array:
            return str(self.job.job_id)
        if self.index is None:
            return f"{self.job.job_id}_[{self.job.expression()}]"
        return f"{self.job.job_id}_{self.index}"


@dataclass(slots=True, eq=False)
class Job:
    """A batch job or an array of them; `rest` is the record with the array's own id."""

    job_id: int
    submission: Submission
    submitted: float
    is_array: bool = False
    throttle: int = 0
    size: int = 1
    lowest: int = 0
    highest: int = 0
    live: int = 1  # tasks that are not over
    running: int = 0
    block: str = ""  # reason for which nothing of it starts, as the test or a limit has it
    last_end: float = 0
    rest: Part | None = None
    remaining: Remaining = field(default_factory=lambda: Remaining(range(1)))
    parts: dict[int | None, Part] = field(default_factory=dict)
    returned: list[Part] = field(default_factory=list)  # pending again after a requeue
    past: list[Part] = field(default_factory=list)  # records of runs before a requeue

    @property
    def name(self) -> str:
        return self.submission.name

    def expression(self) -> str:
        return self.remaining.write() + (f"%{self.throttle}" if self.throttle else "")

    def records(self) -> Iterator[Part]:
        """What is not split off, then the tasks."""
        if self.rest and self.rest.index is None and self.is_array:
            yield self.rest
        yield from self.parts.values()

    def part(self, index: int | None) -> Part | None:
        """The record that a task is in."""
        found = self.parts.get(index)
        if found is None and self.rest and index is not None and index in self.remaining:
            return self.rest
        return found
