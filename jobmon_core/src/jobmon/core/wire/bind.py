"""Bind: a workflow's graph goes to the server, and a run of it begins."""

from jobmon.core.constants import MAX_CONCURRENTLY_RUNNING
from jobmon.core.ids import ArrayId, GateId, ResourcesId, TaskId, ToolVersionId, WorkflowId, WorkflowRunId
from jobmon.core.resources import QueueLimits, Resources
from jobmon.core.wire.base import Answer, Key, Members, Name, Page, Request, Version


class ToolRequest(Request, frozen=True, kw_only=True):
    """Find or make a tool by name; `new_version` adds a version to it, one for each `request_id`."""

    name: Name
    new_version: bool = False
    request_id: Key = ""


class ToolAnswer(Answer, frozen=True, kw_only=True):
    """The tool and its versions, oldest first."""

    tool_id: int
    version_ids: list[ToolVersionId]


class Template(Request, frozen=True, kw_only=True):
    """A task template version: the command and which of its arguments are which."""

    name: Name
    command_template: str
    node_args: list[str]
    task_args: list[str]
    op_args: list[str]
    key: Key  # core.hashing.template_key of all the above


class Array(Request, frozen=True, kw_only=True):
    """The tasks of one template in this workflow."""

    template: int  # index in `BindRequest.templates`
    name: Name
    max_concurrently_running: int = MAX_CONCURRENTLY_RUNNING


class TaskResources(Request, frozen=True, kw_only=True):
    """One distinct set of resources; thousands of tasks share it."""

    cluster: Name
    requested: Resources
    scales: dict[str, float | list[int]] = {}
    fallback_queues: list[str] = []


class BindRequest(Request, frozen=True, kw_only=True):
    """Announce a workflow: everything except its tasks.

    identity_hash  over (node, task args, upstreams) of all tasks, whatever their order: what resume compares
    order_hash     over the nodes in the order of their ids: whether position i is still the same node
    spec_hash      over names, commands, resources, attempts: whether unfinished tasks must be told anew
    """

    request_id: Key
    tool_name: Name
    tool_version_id: ToolVersionId | None = None  # None: the newest
    name: Name
    args: str
    args_hash: Key
    description: str
    owner: Name
    attributes: dict[Name, Name | None]
    max_concurrently_running: int = MAX_CONCURRENTLY_RUNNING
    run_dir: str
    templates: list[Template]
    arrays: list[Array]
    resources: list[TaskResources]
    queues: dict[str, list[QueueLimits]] = {}  # of the clusters named in `resources`, as the client sees them
    task_count: Members
    gate_count: Members
    identity_hash: Key
    order_hash: Key
    spec_hash: Key
    resume: bool = False


class BindAnswer(Answer, frozen=True, kw_only=True):
    """Where the tasks go. Task i of the request's order has the id `first_task_id + i`; gates likewise.

    `send` says what the server still wants: "all" chunks from `next_chunk` on, "specs" (the tasks are known,
    their names and commands have changed) or "none".
    """

    workflow_id: WorkflowId
    first_task_id: TaskId
    first_gate_id: GateId
    array_ids: list[ArrayId]
    resources_ids: list[ResourcesId]
    send: str
    next_chunk: int = 0
    same_order: bool = True
    done_count: int = 0


class ChunkRequest(Request, frozen=True, kw_only=True):
    """Tasks `first .. first + n - 1` as columns, with the gates and memberships that came up with them.

    `array` and `resources` hold ids from `BindAnswer`; `gate` counts from `first_gate_id`.
    Members are pairs (task position, gate position): this task's completion lowers that gate.
    """

    index: int
    last: bool
    first: int
    array: list[int]
    gate: list[int]
    resources: list[int]
    max_attempts: list[int]
    name: list[Name]
    command: list[str]
    node_args: list[str]  # canonical JSON
    node_hash: str  # hex, 32 digits a task
    deferred: list[int] = []  # positions in this chunk whose resources the client computes when they are ready
    gate_first: int = 0
    gate_remaining: list[int] = []
    member_task: list[int] = []
    member_gate: list[int] = []
    attribute_task: list[int] = []
    attribute_name: list[Name] = []
    attribute_value: list[Name | None] = []


class TaskPage(Request, frozen=True, kw_only=True):
    """Ask for tasks by position, `limit` from `after` (an id) on."""

    after: int = 0
    limit: Page = 10_000


class TaskIdentities(Answer, frozen=True, kw_only=True):
    """Ids and node hashes of tasks, for a client whose tasks come in another order."""

    task_ids: list[TaskId]
    node_hashes: list[str]
    statuses: list[str]


class StartRunRequest(Request, frozen=True, kw_only=True):
    """Begin a run of a bound workflow. With `resume`, an older run gives way (cold: its jobs are killed)."""

    request_id: Key
    user: Name
    host: Name
    pid: int
    version: Version
    fail_fast: bool = False
    seconds_until_timeout: float = 36000
    resume: bool = False
    reset_running_jobs: bool = True


class StartRunAnswer(Answer, frozen=True, kw_only=True):
    """The new run and what it has before it."""

    workflow_run_id: WorkflowRunId
    previously_complete: int
    total: int


class DeferredResources(Request, frozen=True, kw_only=True):
    """Resources computed by the client for tasks that became ready; columns."""

    task_ids: list[TaskId]
    resources: list[TaskResources]
