"""How far a run is: what everybody who follows it sees.

Counts come from the counters of the array rows, which the engine keeps; nothing here looks at all tasks. What
the engine has not absorbed yet is still counted as active.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from jobmon.core.exceptions import NotFound
from jobmon.core.ids import ArrayId, TaskId, TaskInstanceId, WorkflowRunId
from jobmon.core.transitions import final
from jobmon.core.wire import ArrayProgress, Counts, FailedTask, WatchAnswer, WatchRequest
from jobmon.server import tables
from jobmon.server.db import now, one_of
from jobmon.server.store.outputs import last_line, output_paths, read_resources, tail_of

FAILURES_SHOWN = 20
DEFERRED_AT_ONCE = 1000


def watch(connection: Connection, run_id: WorkflowRunId, request: WatchRequest) -> WatchAnswer:
    """The run as it stands now; waiting for a change is the caller's business.

    Raises NotFound.
    """
    run = _find_run(connection, run_id)
    over = run.status in final("workflow_run")
    at = now(connection)
    arrays = progress_by_workflow(connection, [run.workflow_id]).get(run.workflow_id, [])
    counts = summed(arrays)
    settled = _settled_errors(connection, run.workflow_id)
    failures = _failures(connection, run, request.failures_after, settled) if counts.fatal else []
    answer = WatchAnswer(
        workflow_run_id=run_id,
        status=run.status,
        reason=run.reason,
        version="",
        counts=counts,
        arrays=arrays,
        failures=failures,
        failures_upto=max(settled, request.failures_after),
        notices=run.notice.splitlines(),
        deferred=[] if over else _deferred(connection, [array.array_id for array in arrays]),
        distributor_alive=not over and bool(run.holder) and run.deadline_at > at,
        distributor=f"{run.holder_host} pid {run.holder_pid}" if run.holder else "",
        elapsed_seconds=max((run.status_at if over else at) - run.created_at, 0),
    )
    return msgspec.structs.replace(answer, version=_version(answer, settled))


def _version(answer: WatchAnswer, settled: int) -> str:
    """The same for two answers exactly when they show the same, whatever time it is."""
    shown = msgspec.structs.replace(answer, failures=[], failures_upto=settled, elapsed_seconds=0)
    return hashlib.blake2b(msgspec.json.encode(shown), digest_size=12).hexdigest()


def _find_run(connection: Connection, run_id: WorkflowRunId) -> Row[*tuple[Any, ...]]:
    found = connection.execute(_RUN, {"of": run_id}).one_or_none()
    if found is None:
        raise NotFound(
            f"there is no workflow run {run_id}; `jobmon workflow status -u USER` lists the workflows of USER"
        )
    return found


_RUN = (
    sa.select(tables.workflow_run, tables.workflow.c.run_dir)
    .join_from(tables.workflow_run, tables.workflow, tables.workflow.c.id == tables.workflow_run.c.workflow_id)
    .where(tables.workflow_run.c.id == sa.bindparam("of"))
)


def progress_by_workflow(connection: Connection, workflow_ids: Sequence[int]) -> dict[int, list[ArrayProgress]]:
    """The templates of each workflow, in the order of their arrays, with their counts."""
    running = _running_by_array(connection, workflow_ids)
    found: dict[int, list[ArrayProgress]] = {}
    for row in connection.execute(_ARRAYS, {"of": workflow_ids}):
        counts = _counts(row, running.get(row.id, 0))
        progress = ArrayProgress(array_id=ArrayId(row.id), name=row.name, counts=counts)
        found.setdefault(row.workflow_id, []).append(progress)
    return found


_ARRAYS = (
    sa.select(tables.array)
    .where(tables.array.c.workflow_id.in_(sa.bindparam("of", expanding=True)))
    .order_by(tables.array.c.id)
)


def _running_by_array(connection: Connection, workflow_ids: Sequence[int]) -> Mapping[int, int]:
    return dict(connection.execute(_RUNNING, {"of": workflow_ids}).all())


_RUNNING = (  # ix_instance_active: as many rows as attempts run at this moment, however big the workflows are
    sa.select(tables.batch.c.array_id, sa.func.count())
    .join_from(tables.task_instance, tables.batch, tables.batch.c.id == tables.task_instance.c.batch_id)
    .where(
        tables.task_instance.c.workflow_id.in_(sa.bindparam("of", expanding=True)),
        one_of(tables.task_instance.c.status, "R"),
    )
    .group_by(tables.batch.c.array_id)
)


def _counts(row: Row[*tuple[Any, ...]], running: int) -> Counts:
    started = row.queued + row.delayed + row.active
    return Counts(
        total=row.total,
        pending=max(row.total - started - row.done - row.fatal, 0),
        scheduled=max(started - running, 0),
        running=running,
        done=row.done,
        fatal=row.fatal,
        retries=row.retries,
    )


def summed(arrays: Sequence[ArrayProgress]) -> Counts:
    """The counts of a workflow from those of its templates."""
    names = Counts.__struct_fields__
    return Counts(**{name: sum(getattr(array.counts, name) for array in arrays) for name in names})


def _deferred(connection: Connection, array_ids: Sequence[int]) -> list[TaskId]:
    """Tasks that wait for the client to compute their resources, which ends their `deferred`. ix_task_pick."""
    return [TaskId(id) for id in connection.execute(_WAITING, {"of": array_ids}).scalars()]


_WAITING = (
    sa.select(tables.task.c.id)
    .where(
        tables.task.c.array_id.in_(sa.bindparam("of", expanding=True)),
        one_of(tables.task.c.status, "A"),
        tables.task.c.deferred,
    )
    .order_by(tables.task.c.id)
    .limit(DEFERRED_AT_ONCE)
)


# --- failures -------------------------------------------------------------------------------------------
#
# A failure is told once: when it is between the caller's cursor and the newest *settled* error. An error is
# not settled while its completion waits for the engine, because only the engine decides whether the task
# failed for good; a cursor beyond it would lose it.


def _settled_errors(connection: Connection, workflow_id: int) -> int:
    """The newest error up to which the engine has decided all. ix_error_workflow, ix_completion_workflow."""
    first_waiting = connection.execute(_FIRST_UNSETTLED, {"of": workflow_id}).scalar()
    if first_waiting is not None:
        return int(first_waiting) - 1
    return int(connection.execute(_NEWEST_ERROR, {"of": workflow_id}).scalar() or 0)


_NEWEST_ERROR = sa.select(sa.func.max(tables.error_log.c.id)).where(
    tables.error_log.c.workflow_id == sa.bindparam("of")
)
_FIRST_UNSETTLED = (
    sa.select(sa.func.min(tables.error_log.c.id))
    .join_from(
        tables.completion,
        tables.error_log,
        tables.error_log.c.task_instance_id == tables.completion.c.task_instance_id,
    )
    .where(tables.completion.c.workflow_id == sa.bindparam("of"), ~one_of(tables.completion.c.status, "D"))
)


class _Tables(NamedTuple):
    """The tables of a failure, from its error outwards."""

    error: sa.Table = tables.error_log
    task: sa.Table = tables.task
    spec: sa.Table = tables.task_spec
    instance: sa.Table = tables.task_instance
    batch: sa.Table = tables.batch
    resources: sa.Table = tables.resources


def _failures(connection: Connection, run: Row[*tuple[Any, ...]], after: int, upto: int) -> list[FailedTask]:
    """Tasks that failed for good, newest first, each with its newest error."""
    t = _Tables()
    later = tables.task_instance.alias()
    has_later = sa.exists().where(later.c.task_id == t.error.c.task_id, later.c.id > t.error.c.task_instance_id)
    rows = (
        sa.select(
            t.error.c.task_id,
            t.error.c.task_instance_id,
            tail_of(t.error.c.description).label("description"),
            t.spec.c.name,
            t.batch.c.id.label("batch_id"),
            t.resources.c.requested,
        )
        .join_from(t.error, t.task, t.task.c.id == t.error.c.task_id)
        .join(t.spec, t.spec.c.task_id == t.task.c.id)
        .outerjoin(t.instance, t.instance.c.id == t.error.c.task_instance_id)
        .outerjoin(t.batch, t.batch.c.id == t.instance.c.batch_id)
        .outerjoin(t.resources, t.resources.c.id == t.batch.c.resources_id)
        .where(t.error.c.workflow_id == run.workflow_id, t.error.c.id > after, t.error.c.id <= upto)
        .where(t.task.c.status == "F", sa.or_(t.error.c.task_instance_id == 0, ~has_later))
        .order_by(t.error.c.id.desc())
        .limit(2 * FAILURES_SHOWN)  # an attempt may have several errors
    )
    newest: dict[int, FailedTask] = {}
    for row in connection.execute(rows):
        newest.setdefault(row.task_id, _failed(run, row))
    return list(newest.values())[:FAILURES_SHOWN]


def _failed(run: Row[*tuple[Any, ...]], row: Row[*tuple[Any, ...]]) -> FailedTask:
    stderr = ""
    if row.batch_id is not None:
        requested = read_resources(row.requested)
        _, stderr = output_paths(
            run.run_dir, run.workflow_id, row.batch_id, requested, row.name, row.task_instance_id
        )
    return FailedTask(
        task_id=TaskId(row.task_id),
        name=row.name,
        task_instance_id=TaskInstanceId(row.task_instance_id) if row.task_instance_id else None,
        message=last_line(row.description),
        stderr_path=stderr,
    )
