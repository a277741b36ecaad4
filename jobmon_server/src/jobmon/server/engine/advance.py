"""Advance: one step of one run, in one short transaction.

The step takes what the distributor reports, absorbs what ended, opens gates, starts what the limits allow
and answers with what is to be done. It is idempotent: nothing in it depends on an answer having arrived.
Every part of it is bounded, so a workflow of a million tasks takes many short steps and no long one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.exceptions import LeaseLost, NotFound
from jobmon.core.ids import WorkflowRunId
from jobmon.core.wire import AdvanceAnswer, AdvanceRequest, Pace
from jobmon.server.db import AnyRow
from jobmon.server.engine.limits import Room, share
from jobmon.server.store import absorb, batches, gates, reconcile
from jobmon.server.store.counters import Changes, Totals, totals
from jobmon.server.store.moves import Stamp, move
from jobmon.server.store.runs import LEASE_SECONDS, kill_active
from jobmon.server.store.scaling import Ladder
from jobmon.server.tables import array, gate, workflow, workflow_run

ABSORB_AT_MOST = 5000
PASS_AT_MOST = 5000
START_AT_MOST = 2000
ACTIVE_AT_MOST = 20_000  # attempts handed out ahead of their start, whatever the limits allow
HEARTBEAT_SECONDS = 90.0
SPARE_SECONDS = 0.5  # so long spare places gather before the distributor is told of them
CHECK_SECONDS = 2.0  # how often something wanted gone or suspected is looked at again


class Step(NamedTuple):
    """The answer, whether it holds something to do, and when there will be something by itself."""

    answer: AdvanceAnswer
    urgent: bool
    wake_in_seconds: float
    workflow_id: int


def advance(
    connection: Connection,
    run_id: WorkflowRunId,
    request: AdvanceRequest,
    at: float,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
) -> Step:
    """Take one step. Workers give a sign of life every `heartbeat_seconds`.

    Raises LeaseLost when the fence is not the newest, which ends the asker.
    """
    run = _hold(connection, run_id, request, at)
    stamp = Stamp(at, f"run {run.id} fence {run.fence}")
    if run.status not in "BIOR":
        return _final(run)
    news = _hear(connection, run, request, heartbeat_seconds, stamp)
    changes = Changes()
    absorbed = absorb.absorb(connection, run.workflow_id, ABSORB_AT_MOST, changes, Ladder(connection), stamp)
    next_due = absorb.wake(connection, run.workflow_id, changes, stamp)
    more = absorbed == ABSORB_AT_MOST
    more |= gates.pass_open(connection, run.workflow_id, PASS_AT_MOST, changes, stamp)
    changes.write(connection)
    run = _judge(connection, run, at)
    if run.goal:
        news += kill_active(connection, run.workflow_id, stamp._replace(why=run.reason))
    else:
        more |= _start(connection, run, request.paces, stamp)
    status = _settle(connection, run, stamp, more)
    step = _answer(connection, run, status, request, more, next_due, at)
    return step._replace(urgent=step.urgent or news > 0)


def _hold(connection: Connection, run_id: WorkflowRunId, request: AdvanceRequest, at: float) -> AnyRow:
    """Lock the run, check the fence, renew the lease."""
    run = connection.execute(_LOCK_RUN, {"of": run_id}).one_or_none()
    if run is None:
        raise NotFound(f"there is no workflow run {run_id}")
    if request.fence != run.fence or not run.holder:
        raise LeaseLost(f"workflow run {run_id} has another holder or gave way to a newer run: {run.reason}")
    connection.execute(_RENEW, {"of": run_id, "until": at + LEASE_SECONDS, "told": request.notice})
    return run


_RUN = sa.select(workflow_run).where(workflow_run.c.id == sa.bindparam("of"))
_LOCK_RUN = _RUN.with_for_update()
_RENEW = (
    sa.update(workflow_run)
    .where(workflow_run.c.id == sa.bindparam("of"))
    .values(deadline_at=sa.bindparam("until"), notice=sa.bindparam("told"))
)


def _final(run: AnyRow) -> Step:
    return Step(AdvanceAnswer(status=run.status), True, 0.0, run.workflow_id)


def _hear(
    connection: Connection, run: AnyRow, request: AdvanceRequest, heartbeat_seconds: float, stamp: Stamp
) -> int:
    """Take the distributor's report; returns how many attempts are newly suspected."""
    reconcile.launched(connection, run.workflow_id, request.launched, stamp)
    reconcile.refused(connection, run.workflow_id, request.refused, stamp)
    reconcile.observed(connection, run.workflow_id, request.observed, heartbeat_seconds, stamp)
    if request.launched and run.status == "I":
        move(connection, "workflow_run", run.workflow_id, [(run.id, "I")], "O", stamp)
        move(connection, "workflow", run.workflow_id, [(run.workflow_id, "I")], "O", stamp)
    return reconcile.suspect(connection, run.workflow_id, stamp)


def _judge(connection: Connection, run: AnyRow, at: float) -> AnyRow:
    """Set the goal of a run that has to end before its tasks do: time is up, or fail_fast has a failure."""
    if not run.goal:
        reason = ""
        if at >= run.timeout_at:
            limit = run.timeout_at - run.created_at
            reason = f"timeout: seconds_until_timeout went by, {limit:.0f} s after the run began"
        elif run.fail_fast and totals(connection, run.workflow_id).fatal:
            reason = "fail_fast: a task failed for good"
        if reason:
            values = {"goal": "E", "reason": reason}
            connection.execute(sa.update(workflow_run).where(workflow_run.c.id == run.id).values(**values))
    return connection.execute(_RUN, {"of": run.id}).one()


def _start(connection: Connection, run: AnyRow, paces: Sequence[Pace], stamp: Stamp) -> bool:
    """Create attempts; returns whether another step has something to do at once."""
    rooms = [Room(*row) for row in connection.execute(_ROOMS, {"of": run.workflow_id})]
    allowed = min(connection.execute(_LIMIT, {"of": run.workflow_id}).scalar_one(), ACTIVE_AT_MOST)
    changes = Changes()
    cut = batches.Cut(connection, run.workflow_id, paces)
    started = batches.claim(connection, run, share(rooms, allowed, START_AT_MOST), cut, changes, stamp)
    changes.write(connection)
    return started == START_AT_MOST or cut.refused > 0


_LIMIT = sa.select(workflow.c.max_concurrently_running).where(workflow.c.id == sa.bindparam("of"))
_ROOMS = (
    sa.select(array.c.id, array.c.queued, array.c.active, array.c.max_concurrently_running)
    .where(array.c.workflow_id == sa.bindparam("of"))
    .order_by(array.c.id)
)


def _settle(connection: Connection, run: AnyRow, stamp: Stamp, more: bool) -> str:
    """The run's status after this step: final when nothing is left that can go on."""
    sums = totals(connection, run.workflow_id)
    status = str(run.status)
    if status in "BIO" and (sums.done or sums.fatal):
        move(connection, "workflow_run", run.workflow_id, [(run.id, status)], "R", stamp)
        present = connection.execute(
            sa.select(workflow.c.status).where(workflow.c.id == run.workflow_id)
        ).scalar_one()
        move(connection, "workflow", run.workflow_id, [(run.workflow_id, present)], "R", stamp)
        status = "R"
    if more or sums.active or not (run.goal or _is_spent(connection, run, sums)):
        return status
    end = "D" if sums.done == sums.total else run.goal or "E"
    reason = "" if end == "D" else run.reason or _reason(sums)
    move(connection, "workflow_run", run.workflow_id, [(run.id, status)], end, stamp, {"reason": reason})
    present = connection.execute(sa.select(workflow.c.status).where(workflow.c.id == run.workflow_id)).scalar_one()
    whole = "D" if end == "D" else "F"
    move(connection, "workflow", run.workflow_id, [(run.workflow_id, present)], whole, stamp)
    return end


def _is_spent(connection: Connection, run: AnyRow, sums: Totals) -> bool:
    """Whether no task can go on: none waits in the queue or for its back-off, and no gate is open."""
    if sums.queued or sums.delayed:
        return False
    open_gates = sa.select(gate.c.id).where(gate.c.workflow_id == run.workflow_id, gate.c.state == "O").limit(1)
    return connection.execute(open_gates).scalar() is None


def _reason(sums: Totals) -> str:
    stuck = sums.total - sums.done - sums.fatal
    return f"{sums.fatal} tasks failed for good" + (f", {stuck} wait for them" if stuck else "")


def _answer(
    connection: Connection,
    run: AnyRow,
    status: str,
    request: AdvanceRequest,
    more: bool,
    next_due: float | None,
    at: float,
) -> Step:
    submit = batches.to_submit(connection, run, request.in_hand)
    cancel = batches.jobs(connection, run.workflow_id, "K")
    suspects = batches.jobs(connection, run.workflow_id, "T")
    spare = batches.spare(connection, run.workflow_id, request.spare_mark)
    over = status not in "BIOR"
    answer = AdvanceAnswer(
        status=status,
        submit=submit,
        cancel=cancel,
        suspects=suspects,
        spare=spare.jobs if spare else [],
        spare_mark=spare.mark if spare else 0,
        active=totals(connection, run.workflow_id).active,
        more=more,
    )
    waits = [next_due - at] if next_due is not None else []
    if cancel or suspects:
        waits.append(CHECK_SECONDS)
    if spare:
        waits.append(spare.at + SPARE_SECONDS - at)
    if not run.goal:
        waits.append(run.timeout_at - at)
    wake_in_seconds = max(min(waits, default=LEASE_SECONDS), 0.0)
    tell = spare is not None and spare.at + SPARE_SECONDS <= at
    return Step(answer, bool(over or submit or more or tell), wake_in_seconds, run.workflow_id)
