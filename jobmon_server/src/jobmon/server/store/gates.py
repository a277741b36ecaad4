"""Gates: tasks that wait for the same upstreams share one counter.

A completion lowers the gates that the task is a member of. A gate at zero is open, and its tasks pass into
the queue in bounded portions, so that a gate of a million tasks never makes a step long.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.server.db import AnyRow, one_of, spans, within
from jobmon.server.store.counters import Changes
from jobmon.server.store.moves import Stamp, move
from jobmon.server.tables import gate, gate_member, task


def lower(connection: Connection, done_ids: Sequence[int]) -> None:
    """Count these completions off all gates that wait for them, and open those that reach zero."""
    fewer: Counter[int] = Counter()
    for size, _, where in spans(done_ids):
        for gate_id, count in connection.execute(_members(size), where):
            fewer[gate_id] += count
    if not fewer:
        return
    by_count: dict[int, list[int]] = {}
    for gate_id, count in sorted(fewer.items()):
        by_count.setdefault(count, []).append(gate_id)
    for count, gate_ids in by_count.items():
        for size, _, where in spans(gate_ids):
            connection.execute(_lower(size), where | {"done": count})
    for size, _, where in spans(sorted(fewer)):
        connection.execute(_open(size), where)


@lru_cache
def _members(size: int) -> sa.Select[Any]:
    members = sa.select(gate_member.c.gate_id, sa.func.count()).where(within(gate_member.c.task_id, size))
    return members.group_by(gate_member.c.gate_id)


@lru_cache
def _lower(size: int) -> sa.Update:
    lower = sa.update(gate).where(within(gate.c.id, size))
    return lower.values(remaining=gate.c.remaining - sa.bindparam("done"))


@lru_cache
def _open(size: int) -> sa.Update:
    return (
        sa.update(gate)
        .where(within(gate.c.id, size), gate.c.remaining == 0, one_of(gate.c.state, "S"))
        .values(state="O")
    )


def pass_open(connection: Connection, workflow_id: int, at_most: int, changes: Changes, stamp: Stamp) -> bool:
    """Queue up to `at_most` tasks of open gates; returns whether some are left for the next step."""
    rows = _behind_open(connection, workflow_id, at_most)
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
    return len(rows) == at_most


def _behind_open(connection: Connection, workflow_id: int, at_most: int) -> list[AnyRow]:
    """The next tasks behind open gates, which are marked as passed so far.

    The first gate is read by itself, for it may be large: databases sort all that is behind all gates before they
    give the first rows of a join. A gate of which a part has passed is the first; there is at most one.
    """
    gates = connection.execute(_FIRST_GATES, {"of": workflow_id}).all()
    rows = _behind(connection, gates[0], at_most) if gates else []
    if len(gates) > 1 and len(rows) < at_most:
        rows += _behind_many(connection, workflow_id, at_most - len(rows))
    return rows


def _behind(connection: Connection, one: AnyRow, at_most: int) -> list[AnyRow]:
    where = {"gate": one.id, "after": one.passed_upto, "most": at_most}
    rows = list(connection.execute(_BEHIND_ONE, where))
    marked = {"passed_upto": rows[-1].id} if len(rows) == at_most else {"state": "P"}
    connection.execute(sa.update(gate).where(gate.c.id == one.id).values(**marked))
    return rows


def _behind_many(connection: Connection, workflow_id: int, at_most: int) -> list[AnyRow]:
    rows = list(connection.execute(_BEHIND_OPEN, {"of": workflow_id, "most": at_most}))
    if len(rows) < at_most:
        connection.execute(_PASS_ALL, {"of": workflow_id})
        return rows
    last = rows[-1]
    connection.execute(_PASS_ALL.where(gate.c.id < last.gate_id), {"of": workflow_id})
    connection.execute(sa.update(gate).where(gate.c.id == last.gate_id).values(passed_upto=last.id))
    return rows


_TASK = (task.c.id, task.c.gate_id, task.c.array_id, task.c.status, task.c.deferred)
_IS_OPEN = (gate.c.workflow_id == sa.bindparam("of"), one_of(gate.c.state, "O"))  # ix_gate_state
_FIRST_GATES = (
    sa.select(gate.c.id, gate.c.passed_upto)
    .where(*_IS_OPEN)
    .order_by(gate.c.passed_upto.desc(), gate.c.id)
    .limit(2)
)
_BEHIND_ONE = (  # ix_task_gate
    sa.select(*_TASK)
    .where(task.c.gate_id == sa.bindparam("gate"), task.c.id > sa.bindparam("after"))
    .order_by(task.c.id)
    .limit(sa.bindparam("most"))
)
_BEHIND_OPEN = (
    sa.select(*_TASK)
    .join(gate, gate.c.id == task.c.gate_id)
    .where(*_IS_OPEN, task.c.id > gate.c.passed_upto)
    .order_by(gate.c.id, task.c.id)
    .limit(sa.bindparam("most"))
)
_PASS_ALL = sa.update(gate).where(*_IS_OPEN).values(state="P")
