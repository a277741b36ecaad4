"""Work: how whoever runs commands talks with the server."""

from jobmon.core.ids import BatchId, TaskId, TaskInstanceId, WorkflowId, WorkflowRunId
from jobmon.core.resources import Resources
from jobmon.core.wire.base import Answer, Class, Key, Request


class Claim(Request, frozen=True, kw_only=True):
    """Ask to start attempts `start .. start + count - 1` of a batch.

    `further`: any one that nobody has started yet, in the place of `start`, whose own attempt is over.
    """

    batch_id: BatchId
    start: int
    count: int = 1
    further: bool = False


class Outcome(Request, frozen=True, kw_only=True):
    """How an attempt ended, with its measured usage (None = not measured)."""

    instance_id: TaskInstanceId
    token: str
    status: str  # D, E, Z, U, X or F; T: the batch system ended it, and knows why
    failure_class: Class = ""
    exit_code: int | None = None
    message: str = ""
    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None
    wall_seconds: float | None = None


class WorkRequest(Request, frozen=True, kw_only=True):
    """A runner's talk with the server: outcomes first, then signs of life, then claims for new work.

    `runner` is a uuid made by the process that runs the commands; `sequence` grows with every request of it.
    """

    runner: Key
    node: str
    sequence: int
    outcomes: list[Outcome] = []
    alive: list[TaskInstanceId] = []
    claims: list[Claim] = []
    spooled: bool = False  # it was left on the shared disk, and somebody else hands it over


class Grant(Answer, frozen=True, kw_only=True):
    """Attempts that the runner shall start now; columns of one batch."""

    batch_id: BatchId
    workflow_id: WorkflowId
    workflow_run_id: WorkflowRunId
    resources: Resources
    stdout_dir: str
    stderr_dir: str
    index: list[int]
    instance_id: list[TaskInstanceId]
    task_id: list[TaskId]
    attempt: list[int]
    name: list[str]
    command: list[str]
    token: list[str]


class Denial(Answer, frozen=True, kw_only=True):
    """An attempt that must not be started: over, or being run elsewhere (then ask again later)."""

    batch_id: BatchId
    index: int
    instance_id: TaskInstanceId
    verdict: str  # "wait" or "gone"
    retry_after_seconds: float = 0


class WorkAnswer(Answer, frozen=True, kw_only=True):
    """What was granted and denied, and which running attempts must stop."""

    grants: list[Grant] = []
    denials: list[Denial] = []
    stop: list[TaskInstanceId] = []
    late: int = 0
    heartbeat_seconds: float = 90
