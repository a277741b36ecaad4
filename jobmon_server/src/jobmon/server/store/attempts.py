"""Tasks with all their attempts, and the errors of those that failed."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from jobmon.core.exceptions import NotFound
from jobmon.core.ids import TaskId, TaskInstanceId, WorkflowId, WorkflowRunId
from jobmon.core.transitions import final
from jobmon.core.wire import (
    Attempt,
    ErrorEntry,
    ErrorQuery,
    TaskDetail,
    TaskDetailQuery,
    TaskDetails,
    TaskErrors,
    WorkflowErrors,
)
from jobmon.server import tables
from jobmon.server.db import among, chunked
from jobmon.server.store.outputs import output_paths, read_resources
from jobmon.server.store.status import check_limit, find_workflow
from jobmon.server.store.tasks import letters


def task_details(connection: Connection, query: TaskDetailQuery) -> TaskDetails:
    """The tasks in the order of their ids; with `status`, only those that are in one of these.

    Raises NotFound for ids that do not exist, InvalidRequest for a status that does not exist.
    """
    wanted = letters(query.status)
    ids = sorted(set(query.task_id))
    rows = [row for some in chunked(ids) for row in _tasks(connection, some)]
    if unknown := sorted(set(ids) - {row.id for row in rows}):
        named = ", ".join(map(str, unknown))
        raise NotFound(f"there is no task {named}; `jobmon workflow tasks -w ID` lists the tasks of a workflow")
    chosen = [row for row in rows if not wanted or row.status in wanted]
    attempts: dict[int, list[Attempt]] = {row.id: [] for row in chosen}
    for some in chunked([row.id for row in chosen]):
        _add_attempts(connection, some, attempts)
    return TaskDetails(
        tasks=[
            TaskDetail(
                task_id=TaskId(row.id),
                workflow_id=WorkflowId(row.workflow_id),
                name=row.name,
                status=row.status,
                command=row.command,
                max_attempts=row.max_attempts,
                attempts=attempts[row.id],
            )
            for row in chosen
        ]
    )


def _tasks(connection: Connection, ids: Sequence[int]) -> Sequence[Row[*tuple[Any, ...]]]:
    task, spec = tables.task, tables.task_spec
    rows = (
        sa.select(task, spec.c.name, spec.c.command)
        .join_from(task, spec, spec.c.task_id == task.c.id)
        .where(among(task.c.id, ids))
        .order_by(task.c.id)
    )
    return connection.execute(rows).all()


def _add_attempts(connection: Connection, task_ids: Sequence[int], found: dict[int, list[Attempt]]) -> None:
    """Append the attempts of these tasks, oldest first. ix_instance_task."""
    instance, batch, result = tables.task_instance, tables.batch, tables.attempt_result
    resources, workflow, spec = tables.resources, tables.workflow, tables.task_spec
    rows = connection.execute(
        sa.select(
            instance,
            *(result.c[name] for name in result.c.keys() if name != "task_instance_id"),  # noqa: SIM118
            *(batch.c[name] for name in ("workflow_run_id", "job_id", "size", "first_instance_id", "created_at")),
            *(resources.c[name] for name in ("cluster", "requested")),
            workflow.c.run_dir,
            spec.c.name,
        )
        .join_from(instance, batch, batch.c.id == instance.c.batch_id)
        .join(resources, resources.c.id == batch.c.resources_id)
        .join(workflow, workflow.c.id == instance.c.workflow_id)
        .join(spec, spec.c.task_id == instance.c.task_id)
        .outerjoin(result, result.c.task_instance_id == instance.c.id)
        .where(among(instance.c.task_id, task_ids))
        .order_by(instance.c.id)
    ).all()
    errors = _errors(connection, [row.id for row in rows])
    for row in rows:
        found[row.task_id].append(_attempt(row, errors.get(row.id, [])))


def _attempt(row: Row[*tuple[Any, ...]], errors: list[ErrorEntry]) -> Attempt:
    requested = read_resources(row.requested)
    stdout, stderr = output_paths(row.run_dir, row.workflow_id, row.batch_id, requested, row.name, row.id)
    started_at, ended_at = _times(row)
    return Attempt(
        task_instance_id=TaskInstanceId(row.id),
        workflow_run_id=WorkflowRunId(row.workflow_run_id),
        number=row.attempt,
        status=row.status,
        failure_class=row.failure_class or "",
        exit_code=row.exit_code,
        cluster=row.cluster,
        job_id=_job_id(row),
        node=row.node,
        requested=requested,
        peak_memory_bytes=row.peak_memory_bytes,
        cpu_seconds=row.cpu_seconds,
        wall_seconds=row.wall_seconds,
        submitted_at=row.created_at,
        started_at=started_at,
        ended_at=ended_at,
        stdout_path=stdout,
        stderr_path=stderr,
        errors=errors,
    )


def _times(row: Row[*tuple[Any, ...]]) -> tuple[float | None, float | None]:
    """When the command started and ended, as far as the row can tell."""
    if row.status == "R":
        return row.status_at, None
    if row.status not in final("task_instance"):
        return None, None
    return row.status_at - row.wall_seconds if row.wall_seconds is not None else None, row.status_at


def _job_id(row: Row[*tuple[Any, ...]]) -> str:
    """The cluster's own id, with the place in the job array if there is one."""
    if row.size == 1 or not row.job_id:
        return str(row.job_id)
    return f"{row.job_id}_{row.id - row.first_instance_id}"


def errors(connection: Connection, workflow_id: WorkflowId, query: ErrorQuery) -> WorkflowErrors:
    """The newest failed attempt of each task that is not done, the newest failure first. Raises NotFound."""
    check_limit(query.limit)
    find_workflow(connection, workflow_id)
    error, task = tables.error_log, tables.task
    newest = sa.func.max(error.c.id)
    rows = connection.execute(  # ix_error_workflow
        sa.select(error.c.task_id, sa.func.max(error.c.task_instance_id).label("task_instance_id"))
        .join_from(error, task, task.c.id == error.c.task_id)
        .where(error.c.workflow_id == workflow_id, task.c.status != "D")
        .group_by(error.c.task_id)
        .order_by(newest.desc())
        .limit(query.limit)
    ).all()
    entries = _errors(connection, [row.task_instance_id for row in rows])
    return WorkflowErrors(
        tasks=[
            TaskErrors(
                task_id=TaskId(row.task_id),
                task_instance_id=TaskInstanceId(row.task_instance_id),
                errors=entries.get(row.task_instance_id, []),
            )
            for row in rows
        ]
    )


def _errors(connection: Connection, instance_ids: Sequence[int]) -> dict[int, list[ErrorEntry]]:
    """Errors by attempt, oldest first. ix_error_instance."""
    error = tables.error_log
    found: dict[int, list[ErrorEntry]] = {}
    for ids in chunked(instance_ids):
        rows = sa.select(error).where(among(error.c.task_instance_id, ids)).order_by(error.c.id)
        for row in connection.execute(rows):
            entry = ErrorEntry(
                task_instance_error_log_id=row.id, error_time=row.error_at, description=row.description
            )
            found.setdefault(row.task_instance_id, []).append(entry)
    return found
