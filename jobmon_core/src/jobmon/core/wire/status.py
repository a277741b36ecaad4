"""Status: what people ask about workflows, tasks and clusters, and the few things they may change."""

from jobmon.core.ids import ArrayId, TaskId, TaskInstanceId, WorkflowId, WorkflowRunId
from jobmon.core.resources import Resources
from jobmon.core.wire.base import Answer, Name, Page, Request


class Counts(Answer, frozen=True, kw_only=True):
    """Tasks by what people call their status; `retries` counts attempts beyond each task's first."""

    total: int = 0
    pending: int = 0
    scheduled: int = 0
    running: int = 0
    done: int = 0
    fatal: int = 0
    retries: int = 0


class ArrayProgress(Answer, frozen=True, kw_only=True):
    """One template's share of a workflow."""

    array_id: ArrayId
    name: str
    counts: Counts


class FailedTask(Answer, frozen=True, kw_only=True):
    """A task that failed for good, with the last line it said."""

    task_id: TaskId
    name: str
    task_instance_id: TaskInstanceId | None
    message: str
    stderr_path: str


class WatchRequest(Request, frozen=True, kw_only=True):
    """Follow a run: answers when `version` is not the newest any more, or after `wait_seconds`.

    Changes within `rest_seconds` are told together, but the end of the run at once.
    """

    version: str = ""
    wait_seconds: float = 0
    rest_seconds: float = 0
    failures_after: int = 0  # completion order: only failures newer than this


class WatchAnswer(Answer, frozen=True, kw_only=True):
    """A run as it stands now. `notices` says why things wait, in the cluster's own words."""

    workflow_run_id: WorkflowRunId
    status: str
    reason: str
    version: str
    counts: Counts
    arrays: list[ArrayProgress]
    failures: list[FailedTask]
    failures_upto: int
    notices: list[str]
    deferred: list[TaskId]  # tasks whose resources the client must compute now
    distributor_alive: bool
    distributor: str  # host and pid
    elapsed_seconds: float


class EndRequest(Request, frozen=True, kw_only=True):
    """Stop a run: its running jobs are killed, unfinished tasks stay for a resume."""

    reason: str = "stopped by the user"


class LimitRequest(Request, frozen=True, kw_only=True):
    """Change a limit on a live workflow; without `array` the workflow's own."""

    max_concurrently_running: int
    array: Name = ""


class AttributesRequest(Request, frozen=True, kw_only=True):
    """Set attributes (name -> value)."""

    attributes: dict[Name, Name | None]


class WorkflowQuery(Request, frozen=True, kw_only=True):
    """Which workflows to list, newest first."""

    workflow_id: list[WorkflowId] = []
    user: list[str] = []
    limit: Page = 5


class WorkflowSummary(Answer, frozen=True, kw_only=True):
    """One row of `jobmon workflow status`."""

    workflow_id: WorkflowId
    name: str
    args: str
    tool: str
    owner: str
    status: str
    workflow_run_id: WorkflowRunId | None
    created_at: float
    counts: Counts


class WorkflowList(Answer, frozen=True, kw_only=True):
    """Rows of `jobmon workflow status`."""

    workflows: list[WorkflowSummary]


class TaskQuery(Request, frozen=True, kw_only=True):
    """Which tasks of a workflow to list, newest first. `status`: words (PENDING ...) or letters."""

    status: list[str] = []
    limit: Page = 5


class TaskSummary(Answer, frozen=True, kw_only=True):
    """One row of `jobmon workflow tasks`."""

    task_id: TaskId
    name: str
    status: str
    attempts: int
    retries: int
    message: str  # last line of the newest error
    waits_for: str = ""  # why it does not start


class TaskList(Answer, frozen=True, kw_only=True):
    """Rows of `jobmon workflow tasks`, and how many there are in all."""

    tasks: list[TaskSummary]
    matching: int


class TaskDetailQuery(Request, frozen=True, kw_only=True):
    """Tasks by id."""

    task_id: list[TaskId]
    status: list[str] = []


class ErrorEntry(Answer, frozen=True, kw_only=True):
    """One logged error of an attempt."""

    task_instance_error_log_id: int
    error_time: float
    description: str


class Attempt(Answer, frozen=True, kw_only=True):
    """One attempt at a task: what was asked for, what was used, how it ended."""

    task_instance_id: TaskInstanceId
    workflow_run_id: WorkflowRunId
    number: int
    status: str
    failure_class: str
    exit_code: int | None
    cluster: str
    job_id: str
    node: str
    requested: Resources
    peak_memory_bytes: int | None
    cpu_seconds: float | None
    wall_seconds: float | None
    submitted_at: float
    started_at: float | None
    ended_at: float | None
    stdout_path: str
    stderr_path: str
    errors: list[ErrorEntry]


class TaskDetail(Answer, frozen=True, kw_only=True):
    """A task with all its attempts, oldest first."""

    task_id: TaskId
    workflow_id: WorkflowId
    name: str
    status: str
    command: str
    max_attempts: int
    attempts: list[Attempt]


class TaskDetails(Answer, frozen=True, kw_only=True):
    """Tasks with their attempts."""

    tasks: list[TaskDetail]


class ErrorQuery(Request, frozen=True, kw_only=True):
    """The newest errors of a workflow's tasks."""

    limit: Page = 1000


class TaskErrors(Answer, frozen=True, kw_only=True):
    """The newest attempt of a task that failed, and its errors."""

    task_id: TaskId
    task_instance_id: TaskInstanceId
    errors: list[ErrorEntry]


class WorkflowErrors(Answer, frozen=True, kw_only=True):
    """Errors of a workflow, newest first."""

    tasks: list[TaskErrors]


class UsageQuery(Request, frozen=True, kw_only=True):
    """Measured usage of the successful attempts of a template version (by key or by id)."""

    template_version_key: str = ""
    template_version_id: int | None = None
    workflow_id: list[WorkflowId] = []


class UsageAnswer(Answer, frozen=True, kw_only=True):
    """One entry a task: canonical node args, bytes, seconds."""

    node_args: list[str]
    peak_memory_bytes: list[int | None]
    wall_seconds: list[float | None]
    requested_memory_bytes: list[int | None]
