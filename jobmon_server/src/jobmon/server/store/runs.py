"""Runs: begin one, give way to a newer one, hold the lease, stop.

Attempts belong to the workflow, not to the run that started them: whoever holds the lease of the newest run
looks after all of them. So a resume takes effect in one transaction. The older run's lease is void at once
(its distributor learns so with its next question), running attempts are adopted (hot) or wanted gone (cold).
"""

import datetime
import os

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.exceptions import (
    Conflict,
    LeaseLost,
    NotFound,
    RunInProgress,
    WorkflowAlreadyComplete,
    WorkflowAlreadyExists,
    WorkflowRunStateError,
)
from jobmon.core.ids import WorkflowId, WorkflowRunId
from jobmon.core.processes import lives
from jobmon.core.transitions import final
from jobmon.core.wire import LeaseAnswer, LeaseRequest, StartRunAnswer, StartRunRequest
from jobmon.server import tables
from jobmon.server.db import AnyRow, insert_one
from jobmon.server.store import batches
from jobmon.server.store.counters import recount
from jobmon.server.store.made import made_by
from jobmon.server.store.moves import Stamp, move, record

STARTUP_SECONDS = 180.0
LEASE_SECONDS = 60.0
LIVE = tuple(status for status in "GBIORCH" if status not in final("workflow_run"))


def live_run(connection: Connection, workflow_id: int) -> AnyRow | None:
    """The run of the workflow that is not over, if there is one."""
    table = tables.workflow_run
    newest = (
        sa.select(table)
        .where(table.c.workflow_id == workflow_id, table.c.status.in_(LIVE))
        .order_by(table.c.id.desc())
        .limit(1)
    )
    return connection.execute(newest).one_or_none()


def workflow_of(connection: Connection, run_id: WorkflowRunId) -> int:
    """The workflow that the run belongs to."""
    found = connection.execute(_WORKFLOW, {"of": run_id}).scalar()
    if found is None:
        raise NotFound(f"there is no workflow run {run_id}")
    return int(found)


def status_of(connection: Connection, run_id: WorkflowRunId) -> str:
    """The run's status."""
    return str(connection.execute(_STATUS, {"of": run_id}).scalar_one())


_STATUS = sa.select(tables.workflow_run.c.status).where(tables.workflow_run.c.id == sa.bindparam("of"))
_WORKFLOW = sa.select(tables.workflow_run.c.workflow_id).where(tables.workflow_run.c.id == sa.bindparam("of"))


def describe_holder(run: AnyRow) -> str:
    """Who runs it, where and since when, in words for the user."""
    began = datetime.datetime.fromtimestamp(run.created_at, datetime.UTC).isoformat(timespec="seconds")
    return f"run {run.id} since {began} by {run.user}@{run.host} (pid {run.pid})"


def start(connection: Connection, workflow_id: WorkflowId, request: StartRunRequest, at: float) -> StartRunAnswer:
    """Begin a run.

    Raises InvalidRequest for the request_id of another workflow's run, Conflict while the bind is not complete,
    RunInProgress, WorkflowAlreadyExists or WorkflowAlreadyComplete when `resume` is not asked for or makes no
    sense.
    """
    table = tables.workflow
    query = sa.select(table).where(table.c.id == workflow_id).with_for_update()
    workflow = connection.execute(query).one_or_none()
    if workflow is None:
        raise NotFound(f"there is no workflow {workflow_id}")
    again = made_by(connection, tables.workflow_run, request.request_id, workflow_id=workflow_id)
    if again is not None:
        return _answer(again, workflow)
    _may_start(connection, workflow, request)
    stamp = Stamp(at, f"client {request.user}@{request.host}", "resume" if request.resume else "run")
    if (older := live_run(connection, workflow_id)) is not None:
        give_way(connection, workflow, older, cold=request.reset_running_jobs, stamp=stamp)
    if request.resume:
        reset_tasks(connection, workflow, cold=request.reset_running_jobs, stamp=stamp)
    done = recount(connection, workflow_id).done
    run = _insert(connection, workflow, request, done, at)
    record(connection, "R", workflow_id, [(run.id, "G")], "B", stamp)
    fresh = connection.execute(sa.select(table.c.status).where(table.c.id == workflow_id)).scalar_one()
    move(connection, "workflow", workflow_id, [(workflow_id, fresh)], "Q", stamp, {"current_run_id": run.id})
    return _answer(run, workflow)


def _answer(run: AnyRow, workflow: AnyRow) -> StartRunAnswer:
    return StartRunAnswer(
        workflow_run_id=WorkflowRunId(run.id),
        previously_complete=run.previously_complete,
        total=workflow.task_count,
    )


def _may_start(connection: Connection, workflow: AnyRow, request: StartRunRequest) -> None:
    if workflow.bound_at is None:
        raise Conflict(f"workflow {workflow.id} is not bound completely yet ({workflow.next_chunk} chunks came)")
    if workflow.status == "D":
        raise WorkflowAlreadyComplete(f"workflow {workflow.id} is done already")
    if request.resume:
        return
    run = live_run(connection, workflow.id)
    if run is not None:
        raise RunInProgress(
            f"workflow {workflow.id} is being run: {describe_holder(run)}. Resume to take it over."
        )
    if workflow.current_run_id is not None:
        raise WorkflowAlreadyExists(f"workflow {workflow.id} was run before. Use resume=True to go on with it.")


def _insert(connection: Connection, workflow: AnyRow, request: StartRunRequest, done: int, at: float) -> AnyRow:
    table = tables.workflow_run
    row = {
        "workflow_id": workflow.id,
        "request_id": request.request_id,
        "status": "B",
        "status_at": at,
        "created_at": at,
        "user": request.user,
        "host": request.host,
        "pid": request.pid,
        "client_version": request.version,
        "fail_fast": request.fail_fast,
        "timeout_at": at + request.seconds_until_timeout,
        "reason": "",
        "notice": "",
        "deadline_at": at + STARTUP_SECONDS,
        "previously_complete": done,
    }
    run_id = insert_one(connection, table, row)
    return connection.execute(sa.select(table).where(table.c.id == run_id)).one()


def give_way(connection: Connection, workflow: AnyRow, run: AnyRow, *, cold: bool, stamp: Stamp) -> None:
    """End a live run because another takes its place; its lease is void from here on."""
    if run.status == "G":
        move(connection, "workflow_run", workflow.id, [(run.id, "G")], "A", stamp)
    else:
        asked = run.status
        if asked not in "CH":
            asked = "C" if cold else "H"
            move(connection, "workflow_run", workflow.id, [(run.id, run.status)], asked, stamp)
        values = {"fence": run.fence + 1, "holder": "", "reason": stamp.why}
        move(connection, "workflow_run", workflow.id, [(run.id, asked)], "T", stamp, values)
    if workflow.status in "QIOR":
        move(connection, "workflow", workflow.id, [(workflow.id, workflow.status)], "H", stamp)


def reset_tasks(connection: Connection, workflow: AnyRow, *, cold: bool, stamp: Stamp) -> None:
    """Give every unfinished task its attempts back; queue those that had failed.

    A task in E whose failure the engine has not absorbed yet is left to the engine. With `cold`, running
    attempts are wanted gone; each task is queued again once its attempt is seen gone.
    """
    task = tables.task
    own = task.c.id.between(workflow.first_task_id, workflow.first_task_id + workflow.task_count - 1)
    for status, extra in (("F", sa.true()), ("E", task.c.due_at.is_not(None))):
        ids = connection.execute(sa.select(task.c.id).where(own, task.c.status == status, extra)).scalars()
        rows = [(id, status) for id in ids]
        move(connection, "task", workflow.id, rows, "Q", stamp, {"due_at": None})
    mine = tables.resources.c.workflow_id == workflow.id
    connection.execute(sa.update(tables.resources).where(mine).values(refused=None))
    spent = own & (task.c.failures + task.c.system_failures > 0) & (task.c.status != "D")
    connection.execute(sa.update(task).where(spent).values(failures=0, system_failures=0))
    if cold:
        kill_active(connection, workflow.id, stamp)


def kill_active(connection: Connection, workflow_id: int, stamp: Stamp) -> int:
    """Want every attempt gone that is not over; returns how many there are."""
    table = tables.task_instance
    query = sa.select(table.c.id, table.c.status).where(
        table.c.workflow_id == workflow_id, table.c.status.in_(("I", "O", "R", "T"))
    )
    rows = [(row.id, row.status) for row in connection.execute(query)]
    move(connection, "task_instance", workflow_id, rows, "K", stamp)
    return len(rows)


def take_lease(connection: Connection, run_id: WorkflowRunId, request: LeaseRequest, at: float) -> LeaseAnswer:
    """Give the right to drive the run to one distributor.

    A lease ends when it is not renewed in time, or when its holder is seen dead on this very machine.
    Raises LeaseLost while another holder has it, WorkflowRunStateError when the run is over.
    """
    table = tables.workflow_run
    run = connection.execute(sa.select(table).where(table.c.id == run_id).with_for_update()).one_or_none()
    if run is None:
        raise NotFound(f"there is no workflow run {run_id}")
    if run.status not in "BIOR":
        raise WorkflowRunStateError(f"workflow run {run_id} is over ({run.status}: {run.reason})")
    fence = run.fence
    if run.holder != request.holder:
        if run.holder and run.deadline_at > at and not _seen_dead(run):
            raise LeaseLost(
                f"workflow run {run_id} is driven by the distributor {run.holder_pid} on {run.holder_host}"
            )
        fence += 1
    values = {
        "fence": fence,
        "holder": request.holder,
        "holder_host": request.host,
        "holder_pid": request.pid,
        "deadline_at": at + LEASE_SECONDS,
    }
    stamp = Stamp(at, f"distributor {request.host}:{request.pid}", "lease")
    if run.status == "B":
        move(connection, "workflow_run", run.workflow_id, [(run.id, "B")], "I", stamp, values)
        move(connection, "workflow", run.workflow_id, [(run.workflow_id, "Q")], "I", stamp)
    else:
        connection.execute(sa.update(table).where(table.c.id == run_id).values(**values))
    return LeaseAnswer(
        workflow_id=WorkflowId(run.workflow_id),
        fence=fence,
        lease_seconds=LEASE_SECONDS,
        launched=batches.launched(connection, run.workflow_id),
    )


def _seen_dead(run: AnyRow) -> bool:
    return run.holder_host == os.uname().nodename and not lives(run.holder_pid)


def end(connection: Connection, run_id: WorkflowRunId, goal: str, reason: str) -> None:
    """Tell a live run which end to come to (S stopped, E error); its next step begins to carry it out."""
    table = tables.workflow_run
    live = (table.c.id == run_id) & table.c.status.in_(LIVE) & (table.c.goal == "")
    told = connection.execute(sa.update(table).where(live).values(goal=goal, reason=reason)).rowcount
    exists = told or connection.execute(sa.select(table.c.id).where(table.c.id == run_id)).scalar()
    if not exists:
        raise NotFound(f"there is no workflow run {run_id}")
