"""What the distributor tells of the cluster: batches taken or refused, attempts observed.

The cluster's word counts where the worker is silent. It never starts anything: it ends attempts, puts a
suspected one back in line, or leaves it suspected until there is proof.
"""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.constants import FailureClass
from jobmon.core.wire import Launched, Observed, Refused
from jobmon.server import tables
from jobmon.server.db import AnyRow, among, chunked, one_of
from jobmon.server.store import batches
from jobmon.server.store.moves import Stamp, move
from jobmon.server.store.outcomes import End, apply, present

GRACE_SECONDS = 10.0  # beyond the time in which a sign of life was due
PENDING_SECONDS = 6 * 3600.0  # the plugin watches what waits; should it not, it is asked after so long
NO_WORD = "its job ended without a word of this attempt."
_LOST = FailureClass.INFRASTRUCTURE
REQUEUED = "the cluster ended it, and has put its job back into the queue"


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
        if one.failure_class == FailureClass.FATAL:  # no other batch with these resources need be tried
            these = tables.resources.c.id == batch.resources_id
            connection.execute(sa.update(tables.resources).where(these).values(refused=one.message))
        ids = [row.id for row in instances]
        batches.refuse(connection, batch.id, ids, one.failure_class, one.message, stamp)


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


def observed(
    connection: Connection, workflow_id: int, seen: Sequence[Observed], heartbeat_seconds: float, stamp: Stamp
) -> None:
    """Believe the cluster about attempts that are not over.

    When it holds an attempt for lost whose worker may be alive - the node is cut off, not dead - it is believed
    once the worker had the time for another sign of life: until then the attempt is only suspected.
    """
    rows = present(connection, [one.instance_id for one in seen])
    rows = {id: row for id, row in rows.items() if row.workflow_id == workflow_id}
    ends = [_end(one) for one in seen if one.state in ("over", "gone")]
    waiting = [rows[one.instance_id] for one in seen if one.state == "pending" and one.instance_id in rows]
    waiting = [row for row in waiting if row.status == "T"]
    ends += [End(row.id, "X", _LOST, REQUEUED) for row in waiting if row.runner]
    ends = [end for end in ends if _is_proof(end, rows, stamp.at)]
    apply(connection, [_of_a_guest(end) if rows[end.instance_id].place else end for end in ends], rows, stamp)
    back = [(row.id, "T") for row in waiting if not row.runner]
    move(connection, "task_instance", workflow_id, back, "O", stamp, {"deadline_at": stamp.at + PENDING_SECONDS})
    places = sorted({one.instance_id for one in seen if one.state == "ended"} & rows.keys())
    _doubt(connection, workflow_id, _those_in(connection, workflow_id, places, rows), heartbeat_seconds, stamp)


def _those_in(
    connection: Connection, workflow_id: int, places: Sequence[int], rows: Mapping[int, AnyRow]
) -> list[AnyRow]:
    """The attempts that were started in these places of the cluster, named by the attempts they were made for."""
    guests: list[int] = []
    for ids in chunked(places):
        guests += connection.execute(
            _GUESTS.where(among(tables.task_instance.c.place, ids)), {"of": workflow_id}
        ).scalars()
    hosts = [rows[id] for id in places if rows[id].place is None]
    return hosts + list(present(connection, guests).values())


_GUESTS = sa.select(tables.task_instance.c.id).where(  # ix_instance_active
    tables.task_instance.c.workflow_id == sa.bindparam("of"), one_of(tables.task_instance.c.status, "R")
)


def _of_a_guest(end: End) -> End:
    """The exit code of a job says nothing of an attempt that was started in its place later."""
    if end.status not in "DE":
        return end
    return End(end.instance_id, "X", _LOST, f"{NO_WORD} {end.message}".strip())


def _end(one: Observed) -> End:
    status = one.status or "X"
    failure_class = one.failure_class or ("" if status in "DEZF" else _LOST)
    usage = (one.exit_code, one.peak_memory_bytes, one.cpu_seconds, one.wall_seconds)
    return End(one.instance_id, status, failure_class, one.message, *usage)


def _is_proof(end: End, rows: Mapping[int, AnyRow], at: float) -> bool:
    """Of an attempt started in another's place only what was asked: the rest is said of its own place."""
    row = rows.get(end.instance_id)
    if row is None:
        return False
    if row.status == "T" and row.runner and row.deadline_at > at and end.failure_class == _LOST:
        return False
    return (
        row.place is None or row.status == "K" or (row.status == "T" and end.failure_class != FailureClass.FATAL)
    )


def _doubt(
    connection: Connection, workflow_id: int, rows: Sequence[AnyRow], heartbeat_seconds: float, stamp: Stamp
) -> None:
    """The cluster has these no more: those that nobody told the end of are suspected."""
    silent = [(row.id, row.status) for row in rows if row.status in "OR"]
    believed = {"deadline_at": stamp.at + heartbeat_seconds + GRACE_SECONDS}
    move(connection, "task_instance", workflow_id, silent, "T", stamp, believed)


def suspect(connection: Connection, workflow_id: int, stamp: Stamp) -> int:
    """Suspect the attempts that were silent past their deadline; returns how many."""
    silent = connection.execute(_SILENT, {"of": workflow_id, "at": stamp.at})
    rows = [(row.id, row.status) for row in silent]
    move(connection, "task_instance", workflow_id, rows, "T", stamp)
    return len(rows)


_SILENT = sa.select(tables.task_instance.c.id, tables.task_instance.c.status).where(  # ix_instance_active
    tables.task_instance.c.workflow_id == sa.bindparam("of"),
    one_of(tables.task_instance.c.status, "OR"),
    tables.task_instance.c.deadline_at < sa.bindparam("at"),
)
