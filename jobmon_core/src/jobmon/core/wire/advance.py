"""Advance: what the distributor asks again and again, and what it is told to do."""

from jobmon.core.ids import BatchId, TaskId, TaskInstanceId, WorkflowId
from jobmon.core.resources import Resources
from jobmon.core.wire.base import Answer, Class, Key, Name, Request, Size


class LeaseRequest(Request, frozen=True, kw_only=True):
    """Ask for the right to drive a run. A holder may repeat this."""

    holder: Key
    host: Name
    pid: int
    version: str


class Pace(Request, frozen=True, kw_only=True):
    """How batches for a cluster are to be cut: attempts in one, and how many may wait to be submitted.

    Where submitting is slow or costly, few may wait: what becomes ready meanwhile goes into the next one.
    """

    cluster: str = ""
    max_batch: Size = 1000
    max_waiting: Size = 1_000_000


class LeaseAnswer(Answer, frozen=True, kw_only=True):
    """Granted. Every later question carries the fence; a higher one makes it void."""

    workflow_id: WorkflowId
    fence: int
    lease_seconds: float
    launched: list["Batch"] = []  # with attempts that are not over: they are to be watched


class Launched(Request, frozen=True, kw_only=True):
    """The cluster took this batch."""

    batch_id: BatchId
    job_id: Name


class Refused(Request, frozen=True, kw_only=True):
    """The cluster did not take this batch."""

    batch_id: BatchId
    failure_class: Class
    message: str


class Observed(Request, frozen=True, kw_only=True):
    """What the cluster says of an attempt: a state of core.cluster.JobState and, when over, how it ended."""

    instance_id: TaskInstanceId
    state: str
    status: str = ""  # the letter of the attempt when it is over
    failure_class: Class = ""
    exit_code: int | None = None
    message: str = ""
    node: str = ""
    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None
    wall_seconds: float | None = None


class AdvanceRequest(Request, frozen=True, kw_only=True):
    """Take one step of the run and say what to do now; waits up to `wait_seconds` for something to do."""

    fence: int
    in_hand: list[BatchId] = []  # batches the asker is submitting at this moment
    launched: list[Launched] = []
    refused: list[Refused] = []
    observed: list[Observed] = []
    paces: list[Pace] = []  # of clusters that have one
    notice: str = ""  # why the cluster makes us wait, in its own words
    spare_mark: int = 0  # of the newest answer with spare places: these need not be told again
    wait_seconds: float = 0


class Batch(Answer, frozen=True, kw_only=True):
    """Attempts to hand to a cluster as one job array: instances first_instance_id .. + size - 1."""

    batch_id: BatchId
    name: str
    workflow_id: WorkflowId
    array_name: str
    cluster: str
    resources: Resources
    size: int
    first_instance_id: TaskInstanceId
    run_dir: str
    job_id: str = ""
    look_first: bool = False  # another process may have submitted it: find it by name before anything else


class Job(Answer, frozen=True, kw_only=True):
    """One attempt as the cluster knows it. `started`: a worker was granted it, on `node`.

    `index` is the place in the array: another attempt's, when a worker with time left has taken this one too.
    """

    instance_id: TaskInstanceId
    batch_id: BatchId
    index: int
    name: str
    cluster: str
    job_id: str
    task_id: TaskId = TaskId(0)
    started: bool = False
    node: str = ""


class AdvanceAnswer(Answer, frozen=True, kw_only=True):
    """What to do now."""

    status: str  # of the workflow run
    submit: list[Batch] = []
    cancel: list[Job] = []  # wanted gone; repeated until reported gone
    suspects: list[Job] = []  # silent past their deadline: ask the cluster
    spare: list[Job] = []  # places whose attempts were started in others: best cancelled before they start
    spare_mark: int = 0
    active: int = 0
    more: bool = False  # ask again at once
