"""Gates: tasks that wait for the same upstreams share one counter.

A completion lowers the gates that the task is a member of. A gate at zero is open, and its tasks pass into
the queue in bounded portions, so that a gate of a million tasks never makes a step long.
"""

from collections import Counter
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.server.db import AnyRow, among, chunked
from jobmon.server.store.counters import Changes
from jobmon.server.store.moves import Stamp, move
from jobmon.server.tables import gate, gate_member, task


def lower(connection: Connection, done_ids: Sequence[int]) -> None:
    """Count these completions off all gates that wait for them, and open those that reach zero."""
    fewer: Counter[int] = Counter()
    for ids in chunked(sorted(done_ids)):
        members = (
            sa.select(gate_member.c.gate_id, sa.func.count())
            .where(among(gate_member.c.task_id, ids))
            .group_by(gate_member.c.gate_id)
        )
        for gate_id, count in connection.execute(members):
            fewer[gate_id] += count
    if not fewer:
        return
    by_count: dict[int, list[int]] = {}
    for gate_id, count in sorted(fewer.items()):
        by_count.setdefault(count, []).append(gate_id)
    for count, gate_ids in by_count.items():
        for ids in chunked(gate_ids):
            connection.execute(
                sa.update(gate).where(among(gate.c.id, ids)).values(remaining=gate.c.remaining - count)
            )
    for ids in chunked(sorted(fewer)):
        reached = among(gate.c.id, ids) & (gate.c.remaining == 0) & (gate.c.state == "S")
        connection.execute(sa.update(gate).where(reached).values(state="O"))


def pass_open(connection: Connection, workflow_id: int, at_most: int, changes: Changes, stamp: Stamp) -> bool:
    """Queue up to `at_most` tasks of open gates; returns whether some are left for the next step."""
    query = (  # ix_gate_state finds the gates, ix_task_gate their tasks in order
        sa.select(task.c.id, task.c.gate_id, task.c.array_id, task.c.status, task.c.deferred)
        .join(gate, gate.c.id == task.c.gate_id)
        .where(gate.c.workflow_id == workflow_id, gate.c.state == "O", task.c.id > gate.c.passed_upto)
        .order_by(gate.c.id, task.c.id)
        .limit(at_most)
    )
    rows = connection.execute(query).all()
    waiting = [row for row in rows if row.status == "G"]
    ready = [(row.id, "G") for row in waiting if not row.deferred]
    deferred = [(row.id, "G") for row in waiting if row.deferred]
    move(connection, "task", workflow_id, ready, "Q", stamp)
    move(connection, "task", workflow_id, deferred, "A", stamp)
    for row in waiting:
        if row.deferred:
            changes.add(row.array_id, delayed=1)
        else:
            changes.add(row.array_id, queued=1)
    _mark_passed(connection, workflow_id, rows, complete=len(rows) < at_most)
    return len(rows) == at_most


def _mark_passed(connection: Connection, workflow_id: int, rows: Sequence[AnyRow], *, complete: bool) -> None:
    is_open = (gate.c.workflow_id == workflow_id) & (gate.c.state == "O")
    if complete:
        connection.execute(sa.update(gate).where(is_open).values(state="P"))
        return
    last = rows[-1]
    connection.execute(sa.update(gate).where(is_open, gate.c.id < last.gate_id).values(state="P"))
    connection.execute(sa.update(gate).where(gate.c.id == last.gate_id).values(passed_upto=last.id))
