"""Statuses and codes as users and scripts import them."""

from enum import StrEnum

MAX_CONCURRENTLY_RUNNING = 2147483647


class TaskStatus:
    """One-letter statuses of a task; `LABEL_DICT` has the words people filter by."""

    REGISTERING = "G"
    QUEUED = "Q"
    INSTANTIATING = "I"
    LAUNCHED = "O"
    RUNNING = "R"
    DONE = "D"
    ERROR_RECOVERABLE = "E"
    ADJUSTING_RESOURCES = "A"
    ERROR_FATAL = "F"

    LABEL_DICT = {
        "G": "PENDING", "Q": "SCHEDULED", "I": "SCHEDULED", "O": "SCHEDULED", "A": "SCHEDULED",
        "E": "SCHEDULED", "R": "RUNNING", "D": "DONE", "F": "FATAL",
    }  # fmt: skip


class TaskInstanceStatus:
    """One-letter statuses of one attempt at a task."""

    QUEUED = "Q"
    INSTANTIATED = "I"
    LAUNCHED = "O"
    SUBMITTED_TO_BATCH_DISTRIBUTOR = "B"
    RUNNING = "R"
    DONE = "D"
    ERROR = "E"
    ERROR_FATAL = "F"
    KILL_SELF = "K"
    TRIAGING = "T"
    UNKNOWN_ERROR = "U"
    NO_DISTRIBUTOR_ID = "W"
    NO_HEARTBEAT = "X"
    RESOURCE_ERROR = "Z"


class WorkflowRunStatus:
    """One-letter statuses of one run of a workflow."""

    REGISTERED = "G"
    LINKING = "L"
    BOUND = "B"
    INSTANTIATED = "I"
    LAUNCHED = "O"
    RUNNING = "R"
    DONE = "D"
    ERROR = "E"
    STOPPED = "S"
    ABORTED = "A"
    COLD_RESUME = "C"
    HOT_RESUME = "H"
    TERMINATED = "T"


class WorkflowStatus:
    """One-letter statuses of a workflow over all its runs."""

    REGISTERING = "G"
    QUEUED = "Q"
    ABORTED = "A"
    INSTANTIATING = "I"
    LAUNCHED = "O"
    RUNNING = "R"
    DONE = "D"
    HALTED = "H"
    FAILED = "F"


class FailureClass(StrEnum):
    """Why an attempt failed, which decides what follows (see `transitions` and the engine's retries)."""

    USER = "user"  # non-zero exit: counts against max_attempts
    RESOURCE = "resource"  # memory or time limit: counts, and the resources are scaled
    INFRASTRUCTURE = "infrastructure"  # node, cluster or our own processes: a budget of its own
    POLICY = "policy"  # a limit of the site: wait and say so
    FATAL = "fatal"  # can never work: fail at once
    CANCELLED = "cancelled"  # somebody cancelled the job by hand: no retry
    KILLED = "killed"  # we wanted it gone (stop, cold resume): the task goes back into the queue


class ArgType:
    """Kinds of template arguments."""

    NODE_ARG = 1
    TASK_ARG = 2
    OP_ARG = 3


class TaskResourcesType:
    """Where a set of resources comes from."""

    ORIGINAL = "O"
    VALIDATED = "V"
    ADJUSTED = "A"


class Direction:
    """Which way to walk from a task."""

    UP = "up"
    DOWN = "down"


class SpecialChars:
    """Characters a task name may not hold."""

    ILLEGAL_SPECIAL_CHARACTERS = "/\\'\" "


class MaxConcurrentlyRunning:
    """The limit that means none."""

    MAXCONCURRENTLYRUNNING = MAX_CONCURRENTLY_RUNNING


class ReturnCodes:
    """Exit codes of the worker; otherwise it exits with the command's own code."""

    OK = 0
    NEVER_STARTED = 75
    WORKER_NODE_ENV_FAILURE = 198
    WORKER_NODE_CLI_FAILURE = 199
