"""What became of workflows and tasks, asked from anywhere by their ids."""

import getpass
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jobmon.client.connection import connect
from jobmon.client.table import Table, local_time
from jobmon.core.constants import TaskInstanceStatus, TaskStatus, WorkflowStatus
from jobmon.core.ids import TaskId, WorkflowId
from jobmon.core.quantities import format_runtime
from jobmon.core.routes import TASK_DETAILS, TASKS, WORKFLOWS
from jobmon.core.wire import (
    Attempt,
    Counts,
    TaskDetail,
    TaskDetailQuery,
    TaskQuery,
    TaskSummary,
    WorkflowQuery,
    WorkflowSummary,
)

WORKFLOW_COLUMNS = (
    "WF_ID", "WF_NAME", "WF_STATUS", "CREATED_DATE", "TASKS", "PENDING", "SCHEDULED", "RUNNING", "DONE", "FATAL",
    "RETRIES",
)  # fmt: skip
TASK_COLUMNS = ("TASK_ID", "TASK_NAME", "STATUS", "RETRIES")
ATTEMPT_COLUMNS = (
    "TASK_ID", "task_status", "TASK_INSTANCE_ID", "ATTEMPT", "CLUSTER", "DISTRIBUTOR_ID", "STATUS", "EXIT",
    "MEMORY", "RUNTIME", "NODE", "STDOUT", "STDERR", "ERROR_TRACE",
)  # fmt: skip


def workflow_status(
    workflow_id: int | Sequence[int] | None = None,
    user: str | Sequence[str] | None = None,
    json: bool = False,
    limit: int = 5,
) -> Table | str:
    """Workflows, newest first, with how many of their tasks are where.

    Without ids and users those of the present user. `limit` counts workflows; ids that are named are all
    shown. With `json` the text of `Table.to_json`. Raises NotFound for an id that does not exist.
    """
    ids = [WorkflowId(int(id)) for id in _many(workflow_id)]
    users = list(_many(user)) or ([] if ids else [getpass.getuser()])
    query = WorkflowQuery(workflow_id=ids, user=users, limit=max(limit, len(ids)))
    found = connect().server.call(WORKFLOWS, query).workflows
    return _result(Table(WORKFLOW_COLUMNS, map(_workflow_row, found)), json)


def workflow_tasks(
    workflow_id: int, status: str | Sequence[str] | None = None, json: bool = False, limit: int = 5
) -> Table | str:
    """Tasks of a workflow, newest first.

    `status` chooses by words (PENDING, SCHEDULED, RUNNING, DONE, FATAL) or letters. The columns ERROR (last
    line of the newest error) and WAITS_FOR are there when a listed task has one. Raises NotFound for the
    workflow, InvalidRequest for a status that does not exist.
    """
    query = TaskQuery(status=list(_many(status)), limit=limit)
    found = connect().server.call(TASKS, query, workflow_id=int(workflow_id))
    columns = [*TASK_COLUMNS]
    if any(task.message for task in found.tasks):
        columns.append("ERROR")
    if any(task.waits_for for task in found.tasks):
        columns.append("WAITS_FOR")
    rows = ({name: row[name] for name in columns} for row in map(_task_row, found.tasks))
    return _result(Table(columns, rows, found.matching), json)


def task_status(
    task_ids: int | Sequence[int], status: str | Sequence[str] | None = None, json: bool = False
) -> Table | str:
    """Each attempt at each of these tasks, oldest first; a task without attempts has one row.

    `status` chooses tasks as in `workflow_tasks`. Raises NotFound for ids that do not exist.
    """
    ids = [TaskId(int(id)) for id in _many(task_ids)]
    found = connect().server.call(TASK_DETAILS, TaskDetailQuery(task_id=ids, status=list(_many(status))))
    rows = [row for task in found.tasks for row in _attempt_rows(task)]
    return _result(Table(ATTEMPT_COLUMNS, rows), json)


def _many(values: Any) -> Sequence[Any]:
    if values is None:
        return ()
    return (values,) if isinstance(values, str) or not isinstance(values, Iterable) else tuple(values)


def _result(table: Table, json: bool) -> Table | str:
    return table.to_json() if json else table


def _name_of(statuses: type, letter: str) -> str:
    """What the constants call that letter."""
    names = (name for name, value in vars(statuses).items() if value == letter)
    return next(names, letter)


def _workflow_row(workflow: WorkflowSummary) -> dict[str, Any]:
    counts = workflow.counts
    return {
        "WF_ID": workflow.workflow_id,
        "WF_NAME": workflow.name,
        "WF_STATUS": _name_of(WorkflowStatus, workflow.status),
        "CREATED_DATE": local_time(workflow.created_at),
        "TASKS": counts.total,
        **{word.upper(): _share(counts, word) for word in ("pending", "scheduled", "running", "done", "fatal")},
        "RETRIES": counts.retries,
    }


def _share(counts: Counts, word: str) -> str:
    count: int = getattr(counts, word)
    return f"{count} ({100 * count / max(counts.total, 1):.1f}%)"


def _task_row(task: TaskSummary) -> dict[str, Any]:
    return {
        "TASK_ID": task.task_id,
        "TASK_NAME": task.name,
        "STATUS": TaskStatus.LABEL_DICT.get(task.status, task.status),
        "RETRIES": task.retries,
        "ERROR": task.message,
        "WAITS_FOR": task.waits_for,
    }


def _attempt_rows(task: TaskDetail) -> list[dict[str, Any]]:
    status = TaskStatus.LABEL_DICT.get(task.status, task.status)
    blank = dict.fromkeys(ATTEMPT_COLUMNS) | {"TASK_ID": task.task_id, "task_status": status}
    return [blank | _attempt_row(attempt) for attempt in task.attempts] or [blank]


def _attempt_row(attempt: Attempt) -> dict[str, Any]:
    asked = attempt.requested
    memory = _used_of(attempt.peak_memory_bytes, asked.memory_bytes, _size)
    runtime = _used_of(attempt.wall_seconds, asked.runtime_seconds, _duration)
    return {
        "TASK_INSTANCE_ID": attempt.task_instance_id,
        "ATTEMPT": attempt.number,
        "CLUSTER": attempt.cluster,
        "DISTRIBUTOR_ID": attempt.job_id,
        "STATUS": _name_of(TaskInstanceStatus, attempt.status),
        "EXIT": attempt.exit_code,
        "MEMORY": memory,
        "RUNTIME": runtime,
        "NODE": attempt.node,
        "STDOUT": attempt.stdout_path,
        "STDERR": attempt.stderr_path,
        "ERROR_TRACE": "\n".join(error.description for error in attempt.errors),
    }


def _used_of(used: float | None, asked: float | None, shown: Callable[[float], str]) -> str:
    """What was used of what was asked for, each as far as it is known: `410 MiB / 1 GiB`."""
    if used is None and asked is None:
        return ""
    return f"{'-' if used is None else shown(used)} / {'-' if asked is None else shown(asked)}"


def _size(size_bytes: float) -> str:
    """A size for people; `format_memory` is the exact one."""
    larger = ["TiB", "GiB", "MiB", "KiB"]
    unit = "B"
    while size_bytes >= 1024 and larger:
        size_bytes, unit = size_bytes / 1024, larger.pop()
    return f"{size_bytes:.4g} {unit}"


def _duration(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 60 else format_runtime(round(seconds))
