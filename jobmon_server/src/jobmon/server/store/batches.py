"""Batches: waiting tasks get an attempt each and are grouped into what becomes one job array.

The batch and its unique name are in the database before anything is submitted. The name becomes the name of
the cluster's job, so that a submission whose answer was lost can be found again.
"""

import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.resources import Resources
from jobmon.core.transitions import final
from jobmon.core.wire import Batch, Job
from jobmon.server.db import AnyRow, insert, insert_one, one_of, reserve
from jobmon.server.store.counters import Changes
from jobmon.server.store.moves import Stamp, move
from jobmon.server.tables import array, batch, resources, task, task_instance, workflow

INTENT_SECONDS = 3600.0


def claim(
    connection: Connection,
    run: AnyRow,
    shares: Mapping[int, int],
    batch_size: int,
    changes: Changes,
    stamp: Stamp,
) -> int:
    """Create attempts for the next waiting tasks of each array; returns how many."""
    made = 0
    for array_id, count in shares.items():
        groups: defaultdict[int, list[AnyRow]] = defaultdict(list)
        for row in connection.execute(_QUEUED, {"of": array_id, "most": count}):
            groups[row.resources_id].append(row)
        for resources_id, rows in groups.items():
            for begin in range(0, len(rows), batch_size):
                part = rows[begin : begin + batch_size]
                _create(connection, run, array_id, resources_id, part, stamp)
                changes.add(array_id, queued=-len(part), active=len(part))
                made += len(part)
    return made


_QUEUED = (  # ix_task_pick
    sa.select(task.c.id, task.c.resources_id, task.c.attempts)
    .where(task.c.array_id == sa.bindparam("of"), one_of(task.c.status, "Q"))
    .order_by(task.c.id)
    .limit(sa.bindparam("most"))
)


def _create(
    connection: Connection,
    run: AnyRow,
    array_id: int,
    resources_id: int,
    rows: Sequence[AnyRow],
    stamp: Stamp,
) -> None:
    first = reserve(connection, "task_instance", len(rows))
    row = {
        "workflow_id": run.workflow_id,
        "workflow_run_id": run.id,
        "array_id": array_id,
        "resources_id": resources_id,
        "name": f"jm-{run.workflow_id}-{first}-{secrets.token_hex(4)}",
        "status": "I",
        "size": len(rows),
        "first_instance_id": first,
        "fence": run.fence,
        "created_at": stamp.at,
    }
    batch_id = insert_one(connection, batch, row)
    deadline = stamp.at + INTENT_SECONDS
    insert(
        connection,
        task_instance,
        ("id", "task_id", "workflow_id", "batch_id", "attempt", "status", "status_at", "deadline_at"),
        [
            (first + i, one.id, run.workflow_id, batch_id, one.attempts + 1, "I", stamp.at, deadline)
            for i, one in enumerate(rows)
        ],
    )
    by_attempts: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for one in rows:
        by_attempts[one.attempts].append((one.id, "Q"))
    for attempts, tasks in by_attempts.items():
        move(connection, "task", run.workflow_id, tasks, "I", stamp, {"attempts": attempts + 1})


def to_submit(connection: Connection, run: AnyRow, in_hand: Sequence[int]) -> list[Batch]:
    """Batches that nobody has reported launched or refused, except those in the asker's hands.

    One that another holder of the lease intended may have reached the cluster: `look_first`. One whose attempts
    are all over has nothing left to start.
    """
    held = set(in_hand)
    return [
        Batch(
            batch_id=row.id,
            name=row.name,
            workflow_id=row.workflow_id,
            array_name=row.array_name,
            cluster=row.cluster,
            resources=msgspec.json.decode(row.requested, type=Resources),
            size=row.size,
            first_instance_id=row.first_instance_id,
            run_dir=row.run_dir,
            look_first=(row.workflow_run_id, row.fence) != (run.id, run.fence),
        )
        for row in connection.execute(_INTENDED, {"of": run.workflow_id})
        if row.id not in held
    ]


_UNFINISHED = sa.exists().where(
    task_instance.c.id.between(batch.c.first_instance_id, batch.c.first_instance_id + batch.c.size - 1),
    ~one_of(task_instance.c.status, final("task_instance")),
)
_INTENDED = (
    sa.select(
        batch,
        array.c.name.label("array_name"),
        resources.c.cluster,
        resources.c.requested,
        workflow.c.run_dir,
    )
    .join(array, array.c.id == batch.c.array_id)
    .join(resources, resources.c.id == batch.c.resources_id)
    .join(workflow, workflow.c.id == batch.c.workflow_id)
    .where(batch.c.workflow_id == sa.bindparam("of"), one_of(batch.c.status, "I"), _UNFINISHED)  # ix_batch_status
    .order_by(batch.c.id)
)


def jobs(connection: Connection, workflow_id: int, status: str, limit: int = 5000) -> list[Job]:
    """Attempts in `status` (K wanted gone, T suspected).

    Those of a batch that is not launched have no job id. A batch that was called refused may be here: when an
    attempt of it runs, the cluster took it after all.
    """
    return [
        Job(
            instance_id=row.id,
            batch_id=row.batch_id,
            index=row.id - row.first_instance_id,
            name=row.name,
            cluster=row.cluster,
            job_id=row.job_id,
        )
        for row in connection.execute(_JOBS, {"of": workflow_id, "in": status, "most": limit})
    ]


_JOBS = (  # ix_instance_active
    sa.select(
        task_instance.c.id,
        batch.c.id.label("batch_id"),
        batch.c.first_instance_id,
        batch.c.name,
        batch.c.job_id,
        resources.c.cluster,
    )
    .join(batch, batch.c.id == task_instance.c.batch_id)
    .join(resources, resources.c.id == batch.c.resources_id)
    .where(task_instance.c.workflow_id == sa.bindparam("of"), task_instance.c.status == sa.bindparam("in"))
    .order_by(task_instance.c.id)
    .limit(sa.bindparam("most"))
)
