"""Doctor: what cannot be, if all is well, and what of it can safely be put right.

Each check is one question to the database, so that on a server that works meanwhile it sees one moment. What it
finds is looked at again under the locks that the engine takes before it is mended. What has more than one possible
explanation is named and left to people.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.transitions import final
from jobmon.server import tables
from jobmon.server.db import one_of
from jobmon.server.reaper import GRACE_SECONDS, end_lost_runs, halt
from jobmon.server.store import purge
from jobmon.server.store.batches import INTENT_SECONDS
from jobmon.server.store.counters import counted, recount
from jobmon.server.store.moves import Stamp
from jobmon.server.store.runs import LIVE


class Finding(NamedTuple):
    """Something that is wrong, in words with ids; `id` is what the check's `mend` needs to find it again."""

    id: int
    text: str


class Check(NamedTuple):
    """A kind of fault: how it is found, and what puts one such thing right, if that is safe."""

    name: str
    find: Callable[[Connection, float], list[Finding]]
    mend: Callable[[Connection, int, float], str] | None = None


def _lock(connection: Connection, workflow_id: int) -> None:
    """As a bind, a resume and a step of the engine do: the workflow, then its runs."""
    workflow, run = tables.workflow, tables.workflow_run
    connection.execute(sa.select(workflow.c.id).where(workflow.c.id == workflow_id).with_for_update()).all()
    runs = sa.select(run.c.id).where(run.c.workflow_id == workflow_id).order_by(run.c.id)
    connection.execute(runs.with_for_update()).all()


# --- counters -------------------------------------------------------------------------------------------


def _counters(connection: Connection, _at: float) -> list[Finding]:
    ids = connection.execute(sa.select(tables.workflow.c.id).order_by(tables.workflow.c.id)).scalars().all()
    return [Finding(id, text) for id in ids for text in _miscounted(connection, id)]


def _miscounted(connection: Connection, workflow_id: int) -> Iterator[str]:
    right = counted(connection, workflow_id)
    mine = sa.select(tables.array).where(tables.array.c.workflow_id == workflow_id)
    for row in connection.execute(mine).mappings():
        wrong = {name: n for name, n in right.get(row["id"], {}).items() if row[name] != n}
        said = ", ".join(f"{name} {row[name]} (it is {n})" for name, n in wrong.items())
        if wrong:
            yield f"array {row['id']} of workflow {workflow_id} counts {said}"


def _recount(connection: Connection, workflow_id: int, _at: float) -> str:
    _lock(connection, workflow_id)
    recount(connection, workflow_id)
    return "counted anew"


# --- gates ----------------------------------------------------------------------------------------------


def _gates(connection: Connection, _at: float) -> list[Finding]:
    return [
        Finding(row.id, f"gate {row.id} of workflow {row.workflow_id} ({row.state}) waits for {row.remaining} "
                f"tasks; {row.n} of its members are not done")
        for row in connection.execute(_wrong_gates())
    ]  # fmt: skip


def _wrong_gates() -> sa.Select[tuple[object, ...]]:
    gate, member, task, outbox = tables.gate, tables.gate_member, tables.task, tables.completion
    unheard = sa.exists().where(outbox.c.workflow_id == task.c.workflow_id, outbox.c.task_id == task.c.id)
    open_one = (task.c.id == member.c.task_id) & ((task.c.status != "D") | unheard)
    n = sa.func.count(task.c.id)
    columns = (gate.c.id, gate.c.workflow_id, gate.c.state, gate.c.remaining)
    return (
        sa.select(*columns, n.label("n"))
        .select_from(gate)
        .join(tables.workflow, tables.workflow.c.id == gate.c.workflow_id)
        .outerjoin(member, member.c.gate_id == gate.c.id)
        .outerjoin(task, open_one)
        .where(tables.workflow.c.bound_at.is_not(None))
        .group_by(*columns)
        .having(sa.or_(gate.c.remaining != n, sa.and_(n == 0, gate.c.state == "S")))
        .order_by(gate.c.id)
    )


def _set_gate(connection: Connection, gate_id: int, _at: float) -> str:
    """A shut gate gets its number, and opens at none. One that let tasks through already is people's business."""
    gate = tables.gate
    workflow_id = connection.execute(sa.select(gate.c.workflow_id).where(gate.c.id == gate_id)).scalar_one()
    _lock(connection, workflow_id)
    found = connection.execute(_wrong_gates().where(gate.c.id == gate_id)).one_or_none()
    if found is None or found.state != "S":
        return ""
    state = "S" if found.n else "O"
    connection.execute(sa.update(gate).where(gate.c.id == gate_id).values(remaining=found.n, state=state))
    return f"set to {found.n}" + ("" if found.n else " and opened")


# --- runs, attempts, tasks ------------------------------------------------------------------------------


def _lost_runs(connection: Connection, at: float) -> list[Finding]:
    run = tables.workflow_run
    lost = (
        sa.select(run).where(one_of(run.c.status, LIVE), run.c.deadline_at < at - GRACE_SECONDS).order_by(run.c.id)
    )
    return [
        Finding(row.id, f"run {row.id} of workflow {row.workflow_id} ({row.status}) had its last lease "
                f"{at - row.deadline_at:.0f} s ago")
        for row in connection.execute(lost)
    ]  # fmt: skip


def _end_run(connection: Connection, run_id: int, at: float) -> str:
    run = tables.workflow_run
    end_lost_runs(connection, at)
    status = connection.execute(sa.select(run.c.status).where(run.c.id == run_id)).scalar_one()
    return "" if status in LIVE else "ended; a resume goes on with it"


def _stray_runs(connection: Connection, _at: float) -> list[Finding]:
    run, workflow = tables.workflow_run, tables.workflow
    stray = (
        sa.select(run.c.id, run.c.workflow_id, run.c.status, workflow.c.current_run_id)
        .join(workflow, workflow.c.id == run.c.workflow_id)
        .where(one_of(run.c.status, LIVE), run.c.id != sa.func.coalesce(workflow.c.current_run_id, 0))
    )
    return [
        Finding(row.id, f"run {row.id} ({row.status}) is not over, and workflow {row.workflow_id} has run "
                f"{row.current_run_id} now")
        for row in connection.execute(stray)
    ]  # fmt: skip


def _unled(connection: Connection, _at: float) -> list[Finding]:
    workflow = tables.workflow
    rows = connection.execute(sa.select(workflow.c.id, workflow.c.status).where(*_UNLED).order_by(workflow.c.id))
    return [
        Finding(row.id, f"workflow {row.id} ({row.status}) has no run that is under way: nobody drives it")
        for row in rows
    ]


def _halt(connection: Connection, workflow_id: int, at: float) -> str:
    workflow = tables.workflow
    _lock(connection, workflow_id)
    if connection.execute(sa.select(workflow.c.id).where(workflow.c.id == workflow_id, *_UNLED)).first() is None:
        return ""
    halt(connection, workflow_id, Stamp(at, "doctor", "no run was under way"))
    return "halted; a resume goes on with it"


_UNLED = (  # ix_workflow_status
    one_of(tables.workflow.c.status, "QIOR"),
    ~sa.exists()
    .where(tables.workflow_run.c.workflow_id == tables.workflow.c.id, one_of(tables.workflow_run.c.status, LIVE))
    .correlate(tables.workflow),
)


def _unsubmitted(connection: Connection, at: float) -> list[Finding]:
    """A distributor that lives tries for as long as its cluster is away: named, and left to people."""
    attempt, batch, run = tables.task_instance, tables.batch, tables.workflow_run
    late = (
        sa.select(batch.c.id, batch.c.workflow_id, batch.c.created_at, sa.func.max(run.c.notice).label("notice"))
        .join(run, run.c.workflow_id == batch.c.workflow_id)
        .join(attempt, attempt.c.batch_id == batch.c.id)
        .where(
            one_of(run.c.status, LIVE),  # ix_workflow_run_status
            one_of(batch.c.status, "I"),  # ix_batch_status
            attempt.c.workflow_id == batch.c.workflow_id,
            one_of(attempt.c.status, "I"),  # ix_instance_active
            attempt.c.deadline_at < at,
        )
        .group_by(batch.c.id, batch.c.workflow_id, batch.c.created_at)
        .order_by(batch.c.id)
    )
    return [
        Finding(row.id, f"batch {row.id} of workflow {row.workflow_id} was given to its distributor "
                f"{at - row.created_at:.0f} s ago, which does not say what became of it"
                + (f" ({row.notice})" if row.notice else ""))
        for row in connection.execute(late)
    ]  # fmt: skip


def _timeless(connection: Connection, _at: float) -> list[Finding]:
    attempt = tables.task_instance
    over = one_of(attempt.c.status, final("task_instance"))
    found = sa.select(attempt).where(~over, sa.or_(attempt.c.deadline_at.is_(None), attempt.c.deadline_at <= 0))
    return [
        Finding(row.id, f"attempt {row.id} of task {row.task_id} ({row.status}) has no deadline")
        for row in connection.execute(found)
    ]


def _give_deadline(connection: Connection, instance_id: int, at: float) -> str:
    attempt = tables.task_instance
    mine = (attempt.c.id == instance_id) & sa.or_(attempt.c.deadline_at.is_(None), attempt.c.deadline_at <= 0)
    unsubmitted = connection.execute(sa.select(attempt.c.id).where(mine, attempt.c.status == "I")).first()
    connection.execute(sa.update(attempt).where(mine).values(deadline_at=at + INTENT_SECONDS * bool(unsubmitted)))
    return "its distributor has an hour to submit it" if unsubmitted else "due now: its cluster is asked about it"


def _ownerless(connection: Connection, _at: float) -> list[Finding]:
    task, attempt = tables.task, tables.task_instance
    n = sa.func.count(attempt.c.id)
    lives = (attempt.c.task_id == task.c.id) & ~one_of(attempt.c.status, final("task_instance"))
    wanted = sa.case((one_of(task.c.status, "IOR"), 1), else_=0)
    found = (
        sa.select(task.c.id, task.c.workflow_id, task.c.status, n.label("n"))
        .select_from(task)
        .outerjoin(attempt, lives)
        .group_by(task.c.id, task.c.workflow_id, task.c.status)
        .having(n != wanted)
    )
    return [
        Finding(row.id, f"task {row.id} of workflow {row.workflow_id} ({row.status}) has {row.n} attempts that "
                "are not over")
        for row in connection.execute(found)
    ]  # fmt: skip


def _forgotten(connection: Connection, _at: float) -> list[Finding]:
    return [
        Finding(row.id, f"task {row.id} of workflow {row.workflow_id} failed, and nothing will try it again")
        for row in connection.execute(sa.select(tables.task).where(*_NEVER_DUE))
    ]


def _make_due(connection: Connection, task_id: int, at: float) -> str:
    task = tables.task
    workflow_id = connection.execute(sa.select(task.c.workflow_id).where(task.c.id == task_id)).scalar_one()
    _lock(connection, workflow_id)
    connection.execute(sa.update(task).where(task.c.id == task_id, *_NEVER_DUE).values(due_at=at))
    return "due now"


_NEVER_DUE = (
    one_of(tables.task.c.status, "E"),
    tables.task.c.due_at.is_(None),
    ~sa.exists().where(tables.completion.c.task_id == tables.task.c.id).correlate(tables.task),
)


# --- orphans --------------------------------------------------------------------------------------------


def _orphans(connection: Connection, _at: float) -> list[Finding]:
    kinds: Sequence[sa.Table] = (*purge.OF_WORKFLOW, tables.task, tables.task_instance, tables.workflow_attribute)
    counts: dict[int, dict[str, int]] = {}
    for table in kinds:
        known = sa.exists().where(tables.workflow.c.id == table.c.workflow_id)
        rows = sa.select(table.c.workflow_id, sa.func.count()).where(~known).group_by(table.c.workflow_id)
        for workflow_id, n in connection.execute(rows):
            counts.setdefault(workflow_id, {})[table.name] = n
    left = {ticket.workflow_id for ticket in purge.tickets(connection)}
    return [
        Finding(id, f"workflow {id} is gone and left {', '.join(f'{n} {name}' for name, n in found.items())}"
                + (" (a purge was cut off)" if id in left else ""))
        for id, found in sorted(counts.items())
    ]  # fmt: skip


def _remove(connection: Connection, workflow_id: int, _at: float) -> str:
    task = tables.task
    exists = connection.execute(sa.select(tables.workflow.c.id).where(tables.workflow.c.id == workflow_id)).first()
    if exists is None and workflow_id not in {ticket.workflow_id for ticket in purge.tickets(connection)}:
        block = sa.select(sa.func.min(task.c.id), sa.func.max(task.c.id)).where(task.c.workflow_id == workflow_id)
        first, last = connection.execute(block).one()
        purge.leave(connection, purge.Ticket(workflow_id, first or 0, last - first + 1 if first else 0))
    return "what it left is removed"


CHECKS = (
    Check("counters", _counters, _recount),
    Check("gates", _gates, _set_gate),
    Check("lost runs", _lost_runs, _end_run),
    Check("stray runs", _stray_runs),
    Check("workflows without a run", _unled, _halt),
    Check("attempts without a deadline", _timeless, _give_deadline),
    Check("batches that nobody submits", _unsubmitted),
    Check("tasks without an owner", _ownerless),
    Check("tasks never due", _forgotten, _make_due),
    Check("orphans", _orphans, _remove),
)
