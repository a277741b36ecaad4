"""What the cluster knows: requests, jobs with their tasks, lines of accounting."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """What somebody wants to be run."""

    name: str
    user: str
    user_id: int
    command: str
    arguments: tuple[str, ...] = ()
    folder: str = "/"
    output: str = ""
    error: str = ""
    merge: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    resources: dict[str, str] = field(default_factory=dict)
    queues: tuple[str, ...] = ()
    parallel: str = ""
    slots: int = 1
    project: str = ""
    account: str = "sge"
    priority: int = 0
    held: bool = False
    waits_for: tuple[str, ...] = ()
    at_once: int = 0
    notify: bool = False
    verifies: bool = True


@dataclass(eq=False)
class Task:
    """One task of a job."""

    job: "Job"
    index: int
    eligible: float
    held: bool = False
    error: str = ""  # the reason of its E
    error_at: float = 0
    error_pid: int = 0
    restarts: int = 0
    deleting: bool = False
    suspended: bool = False
    over: bool = False
    started: float = 0
    queue: str = ""
    failed: int = 0  # what it is going to be when its processes are gone; 0: what their exit says
    max_vmem: float = 0
    execution: Any = None

    @property
    def letters(self) -> str:
        """The state as qstat shows it."""
        deleting = "d" if self.deleting else ""
        if self.started:
            return f"{deleting}{'R' if self.restarts else ''}{'s' if self.suspended else 'r'}"
        return f"{deleting}{'E' if self.error else ''}{'h' if self.held else ''}{'Rq' if self.restarts else 'qw'}"

    @property
    def shown_index(self) -> str:
        """As SGE_TASK_ID has it."""
        return str(self.index) if self.job.is_array else "undefined"


@dataclass(eq=False)
class Job:
    """A job, array or not: then its one task has index 1."""

    number: int
    request: Request
    submitted: float
    session: str
    is_array: bool
    first: int
    last: int
    step: int
    tasks: dict[int, Task] = field(default_factory=dict)
    waits_for: list["Job"] = field(default_factory=list)
    ends: dict[int, "Entry"] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.request.name

    @property
    def live(self) -> list[Task]:
        return [task for task in self.tasks.values() if not task.over]


@dataclass(frozen=True)
class Entry:
    """A line of accounting."""

    task: Task
    failed: int
    exit_status: int
    started: float
    ended: float
    written: float
    max_rss_kb: int = 0
    cpu_seconds: float = 0
    max_vmem: float = 0
