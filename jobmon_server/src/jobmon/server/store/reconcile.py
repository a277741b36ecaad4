"""What the distributor tells of the cluster: batches taken or refused, attempts observed.

The cluster's word counts where the worker is silent. It never starts anything: it ends attempts, puts a
suspected one back in line, or leaves it suspected until there is proof.
"""

from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.constants import FailureClass
from jobmon.core.wire import Launched, Observed, Refused
from jobmon.server import tables
from jobmon.server.db import AnyRow, one_of
from jobmon.server.store.moves import Stamp, move
from jobmon.server.store.outcomes import End, apply, present

PENDING_SECONDS = 600.0  # a launched attempt is asked about when nobody spoke of it for so long
ASK_AGAIN_SECONDS = 30.0


def launched(connection: Connection, workflow_id: int, taken: Sequence[Launched], stamp: Stamp) -> None:
    """The cluster has these batches; attempts that did not start meanwhile are launched."""
    for one in taken:
        batch, instances = _waiting(connection, workflow_id, one.batch_id)
        if batch is None or batch.status != "I":
            continue
        connection.execute(
            sa.update(tables.batch).where(tables.batch.c.id == batch.id).values(status="O", job_id=one.job_id)
        )
        rows = [(row.id, "I") for row in instances if row.status == "I"]
        values = {"deadline_at": stamp.at + PENDING_SECONDS}
        move(connection, "task_instance", workflow_id, rows, "O", stamp, values)
        tasks = [(row.task_id, "I") for row in instances if row.status == "I" and row.task_status == "I"]
        move(connection, "task", workflow_id, tasks, "O", stamp)


def refused(connection: Connection, workflow_id: int, refusals: Sequence[Refused], stamp: Stamp) -> None:
    """The cluster did not take these batches: their attempts end without having been submitted (W)."""
    for one in refusals:
        batch, instances = _waiting(connection, workflow_id, one.batch_id)
        if batch is None or batch.status != "I":
            continue
        connection.execute(
            sa.update(tables.batch).where(tables.batch.c.id == batch.id).values(status="W", job_id="")
        )
        ids = [row.id for row in instances]
        fatal = one.failure_class == FailureClass.FATAL
        ends = [End(id, "F" if fatal else "W", one.failure_class, one.message) for id in ids]
        rows = present(connection, ids)
        apply(connection, _only_killed_as_such(ends, rows), rows, stamp)


def _only_killed_as_such(ends: Sequence[End], rows: dict[int, AnyRow]) -> list[End]:
    """`W` follows from I alone; an attempt that was launched or suspected before ends as X."""
    return [
        end._replace(status="X") if end.status == "W" and rows[end.instance_id].status in "ORT" else end
        for end in ends
    ]


def _waiting(connection: Connection, workflow_id: int, batch_id: int) -> tuple[AnyRow | None, Sequence[AnyRow]]:
    found = connection.execute(_BATCH, {"batch": batch_id, "of": workflow_id}).one_or_none()
    if found is None:
        return None, ()
    first = found.first_instance_id
    return found, connection.execute(_UNSTARTED, {"first": first, "last": first + found.size - 1}).all()


_BATCH = (
    sa.select(tables.batch)
    .where(tables.batch.c.id == sa.bindparam("batch"), tables.batch.c.workflow_id == sa.bindparam("of"))
    .with_for_update()
)
_UNSTARTED = (
    sa.select(
        tables.task_instance.c.id,
        tables.task_instance.c.task_id,
        tables.task_instance.c.status,
        tables.task.c.status.label("task_status"),
    )
    .join(tables.task, tables.task.c.id == tables.task_instance.c.task_id)
    .where(
        tables.task_instance.c.id.between(sa.bindparam("first"), sa.bindparam("last")),
        one_of(tables.task_instance.c.status, "IOTK"),
    )
    .order_by(tables.task_instance.c.id)
    .with_for_update()
)


def observed(connection: Connection, workflow_id: int, seen: Sequence[Observed], stamp: Stamp) -> None:
    """Believe the cluster about attempts that are not over."""
    rows = present(connection, [one.instance_id for one in seen])
    rows = {id: row for id, row in rows.items() if row.workflow_id == workflow_id}
    ends = [_end(one) for one in seen if one.state in ("over", "gone")]
    apply(connection, ends, rows, stamp)
    waiting: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for one in seen:
        row = rows.get(one.instance_id)
        if row is not None and row.status == "T":
            waiting[one.state].append((row.id, "T"))
    back = [pair for pair in waiting["pending"] if not rows[pair[0]].runner]
    move(connection, "task_instance", workflow_id, back, "O", stamp, {"deadline_at": stamp.at + PENDING_SECONDS})
    _ask_later(connection, [id for state in ("running", "unknown") for id, _ in waiting[state]], stamp.at)


def _end(one: Observed) -> End:
    status = one.status or "X"
    failure_class = one.failure_class or ("" if status in "DEZF" else FailureClass.INFRASTRUCTURE)
    usage = (one.exit_code, one.peak_memory_bytes, one.cpu_seconds, one.wall_seconds)
    return End(one.instance_id, status, failure_class, one.message, *usage)


def _ask_later(connection: Connection, ids: Sequence[int], at: float) -> None:
    table = tables.task_instance
    if ids:
        connection.execute(sa.update(table).where(table.c.id.in_(ids)).values(deadline_at=at + ASK_AGAIN_SECONDS))


def suspect(connection: Connection, workflow_id: int, stamp: Stamp) -> int:
    """Suspect the attempts that were silent past their deadline; returns how many."""
    silent = connection.execute(_SILENT, {"of": workflow_id, "at": stamp.at})
    rows = [(row.id, row.status) for row in silent]
    move(connection, "task_instance", workflow_id, rows, "T", stamp, {"deadline_at": stamp.at + ASK_AGAIN_SECONDS})
    return len(rows)


_SILENT = sa.select(tables.task_instance.c.id, tables.task_instance.c.status).where(  # ix_instance_active
    tables.task_instance.c.workflow_id == sa.bindparam("of"),
    one_of(tables.task_instance.c.status, "OR"),
    tables.task_instance.c.deadline_at < sa.bindparam("at"),
)
