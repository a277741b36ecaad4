"""Absorb: the engine reads the outbox of ended attempts and draws the consequences for their tasks."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.server.db import AnyRow, among, chunked, one_of, spans, within
from jobmon.server.engine.retries import Spent, Verdict, decide
from jobmon.server.store import gates
from jobmon.server.store.counters import Changes
from jobmon.server.store.moves import Stamp, move
from jobmon.server.tables import array, completion, task

Scaler = Callable[[int], int]  # resources id -> id of the next larger ones


class _Again(NamedTuple):
    """Tasks that share all values of their next try."""

    failures: int
    system_failures: int
    resources_id: int
    due_at: float
    scaled: bool
    why: str


def absorb(
    connection: Connection,
    workflow_id: int,
    at_most: int,
    changes: Changes,
    scale: Scaler,
    stamp: Stamp,
) -> int:
    """Take up to `at_most` completions off the outbox; returns how many there were."""
    rows = connection.execute(_OUTBOX, {"of": workflow_id, "most": at_most}).all()
    done = [row for row in rows if row.ended == "D" and row.status == "D"]
    failed = [row for row in rows if row.ended != "D" and row.status == "E"]
    for row in done:
        changes.add(row.array_id, active=-1, done=1)
    gates.lower(connection, [row.id for row in done])
    _fail(connection, workflow_id, failed, changes, scale, stamp)
    for size, _, where in spans([row.completion_id for row in rows]):
        connection.execute(_take_out(size), where)
    return len(rows)


_OUTBOX = (  # ix_completion_workflow
    sa.select(
        completion.c.id.label("completion_id"),
        completion.c.failure_class,
        completion.c.status.label("ended"),
        task.c.id,
        task.c.status,
        task.c.array_id,
        task.c.resources_id,
        task.c.failures,
        task.c.system_failures,
        task.c.max_attempts,
    )
    .join(task, task.c.id == completion.c.task_id)
    .where(completion.c.workflow_id == sa.bindparam("of"))
    .order_by(completion.c.id)
    .limit(sa.bindparam("most"))
)


@lru_cache
def _take_out(size: int) -> sa.Delete:
    return sa.delete(completion).where(within(completion.c.id, size))


def _fail(
    connection: Connection,
    workflow_id: int,
    rows: Sequence[AnyRow],
    changes: Changes,
    scale: Scaler,
    stamp: Stamp,
) -> None:
    again: defaultdict[_Again, list[tuple[int, str]]] = defaultdict(list)
    fatal: defaultdict[Verdict, list[tuple[int, str]]] = defaultdict(list)
    for row in rows:
        verdict = decide(row.failure_class, Spent(row.failures, row.system_failures, row.max_attempts))
        if not verdict.again:
            fatal[verdict].append((row.id, "E"))
            changes.add(row.array_id, active=-1, fatal=1)
            continue
        resources_id = scale(row.resources_id) if verdict.scale else row.resources_id
        due_at = stamp.at + verdict.delay_seconds if verdict.delay_seconds else 0.0
        spent = (verdict.failures, verdict.system_failures)
        again[_Again(*spent, resources_id, due_at, verdict.scale, verdict.why)].append((row.id, "E"))
        place = "delayed" if due_at else "queued"
        changes.add(row.array_id, active=-1, retries=1, **{place: 1})
    for verdict, members in fatal.items():
        values = {"failures": verdict.failures, "system_failures": verdict.system_failures}
        move(connection, "task", workflow_id, members, "F", stamp._replace(why=verdict.why), values)
    for plan, members in again.items():
        _try_again(connection, workflow_id, members, plan, stamp._replace(why=plan.why))


def _try_again(
    connection: Connection, workflow_id: int, members: list[tuple[int, str]], plan: _Again, stamp: Stamp
) -> None:
    values = {
        "failures": plan.failures,
        "system_failures": plan.system_failures,
        "resources_id": plan.resources_id,
        "due_at": plan.due_at or None,
    }
    if plan.due_at:
        for ids in chunked([id for id, _ in members]):
            connection.execute(sa.update(task).where(among(task.c.id, ids)).values(**values))
        return
    if plan.scaled:
        move(connection, "task", workflow_id, members, "A", stamp)
        members = [(id, "A") for id, _ in members]
    move(connection, "task", workflow_id, members, "Q", stamp, values)


def wake(connection: Connection, workflow_id: int, changes: Changes, stamp: Stamp) -> float | None:
    """Queue the tasks whose back-off is over; returns when the next one will be, if any waits."""
    rows = connection.execute(_DUE, {"of": workflow_id, "at": stamp.at}).all()
    move(connection, "task", workflow_id, [(row.id, "E") for row in rows], "Q", stamp, {"due_at": None})
    for row in rows:
        changes.add(row.array_id, delayed=-1, queued=1)
    return connection.execute(_NEXT_DUE, {"of": workflow_id}).scalar()


_RESTING = (array.c.workflow_id == sa.bindparam("of")) & one_of(task.c.status, "E")  # ix_task_pick
_DUE = (
    sa.select(task.c.id, task.c.array_id)
    .join(array, array.c.id == task.c.array_id)
    .where(_RESTING, task.c.due_at <= sa.bindparam("at"))
)
_NEXT_DUE = (
    sa.select(sa.func.min(task.c.due_at)).join_from(task, array, array.c.id == task.c.array_id).where(_RESTING)
)
