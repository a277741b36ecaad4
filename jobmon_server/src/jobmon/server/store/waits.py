"""Why a task does not start: one sentence for each listed task that has not."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from jobmon.core.constants import MAX_CONCURRENTLY_RUNNING
from jobmon.server import tables
from jobmon.server.db import chunked

FATAL_LOOKED_AT = 10_000
_UNDER_WAY = "QIOR"  # statuses of a workflow with a run


class Situation(NamedTuple):
    """What the reasons depend on besides the task itself."""

    under_way: bool
    workflow_id: int
    at: float
    slots: dict[int, str]  # array id -> what holds its queued tasks back
    fatal_upstreams: dict[int, str]  # gate id -> name of an upstream that failed


def reasons(
    connection: Connection, workflow: Row[*tuple[Any, ...]], tasks: Sequence[Row[*tuple[Any, ...]]], at: float
) -> dict[int, str]:
    """Reasons by task id. A row of `tasks` has id, status, array_id, gate_id, remaining, due_at."""
    statuses = {row.status for row in tasks}
    arrays = _arrays(connection, workflow.id) if statuses & {"G", "Q"} else []
    gates = sorted({row.gate_id for row in tasks if row.status == "G"})
    situation = Situation(
        under_way=workflow.status in _UNDER_WAY,
        workflow_id=workflow.id,
        at=at,
        slots=_slots(workflow, arrays),
        fatal_upstreams=_fatal_upstreams(connection, [row.id for row in arrays if row.fatal], gates),
    )
    return {row.id: reason for row in tasks if (reason := _reason(row, situation))}


def _reason(row: Row[*tuple[Any, ...]], situation: Situation) -> str:
    if row.status == "G":
        upstream = situation.fatal_upstreams.get(row.gate_id)
        if upstream:
            return f"upstream {upstream} is FATAL"
        if row.remaining:
            return f"waits for {row.remaining} upstream task{'s' if row.remaining > 1 else ''}"
    if row.status in "GQEA" and not situation.under_way:
        return f"no run is under way: jobmon workflow resume -w {situation.workflow_id}"
    if row.status == "Q":
        return situation.slots.get(row.array_id, "")
    if row.status == "E":
        return f"tries again in {max((row.due_at or 0) - situation.at, 0):.0f} s"
    return "waits for its resources" if row.status == "A" else ""


def _arrays(connection: Connection, workflow_id: int) -> Sequence[Row[*tuple[Any, ...]]]:
    array = tables.array
    return connection.execute(sa.select(array).where(array.c.workflow_id == workflow_id)).all()


def _slots(workflow: Row[*tuple[Any, ...]], arrays: Sequence[Row[*tuple[Any, ...]]]) -> dict[int, str]:
    """What holds back the queued tasks of each array: its own limit, the workflow's, or nothing but time."""
    limit = workflow.max_concurrently_running
    full = limit < MAX_CONCURRENTLY_RUNNING and sum(row.active for row in arrays) >= limit
    whole = f"waits for a slot (limit {limit} of the workflow)" if full else "waits for a slot"
    return {
        row.id: f"waits for a slot (limit {row.max_concurrently_running} of {row.name})"
        if row.active >= row.max_concurrently_running
        else whole
        for row in arrays
    }


def _fatal_upstreams(connection: Connection, array_ids: Sequence[int], gate_ids: Sequence[int]) -> dict[int, str]:
    """For each gate, one of its members that failed. ix_task_pick, then the key of gate_member.

    The oldest FATAL_LOOKED_AT failed tasks are looked at: what else waits is told its count of upstreams.
    """
    if not array_ids or not gate_ids:
        return {}
    task, member, spec = tables.task, tables.gate_member, tables.task_spec
    fatal = (
        sa.select(task.c.id)
        .where(task.c.array_id.in_(array_ids), task.c.status == "F")
        .order_by(task.c.id)
        .limit(FATAL_LOOKED_AT)
        .subquery()
    )
    found: dict[int, str] = {}
    for gates in chunked(gate_ids):
        rows = (
            sa.select(member.c.gate_id, spec.c.name)
            .join_from(fatal, member, member.c.task_id == fatal.c.id)
            .join(spec, spec.c.task_id == fatal.c.id)
            .where(member.c.gate_id.in_(gates))
        )
        found.update(connection.execute(rows).all())
    return found
