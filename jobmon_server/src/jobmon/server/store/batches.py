"""Batches: waiting tasks get an attempt each and are grouped into what becomes one job array.

The batch and its unique name are in the database before anything is submitted. The name becomes the name of
the cluster's job, so that a submission whose answer was lost can be found again.
"""

import secrets
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.constants import FailureClass
from jobmon.core.resources import Resources
from jobmon.core.transitions import final
from jobmon.core.wire import Batch, Job, Pace
from jobmon.server.db import AnyRow, insert, insert_one, one_of, reserve
from jobmon.server.store.counters import Changes
from jobmon.server.store.moves import Stamp, move
from jobmon.server.store.outcomes import End, apply, present
from jobmon.server.tables import array, batch, resources, spare_place, task, task_instance, workflow

INTENT_SECONDS = 3600.0


class Cut:
    """How batches are cut for the cluster of some resources: its pace, and how many of its batches wait."""

    def __init__(self, connection: Connection, workflow_id: int, paces: Sequence[Pace]) -> None:
        """Good for one transaction. A cluster without a pace has the default one."""
        self._connection = connection
        self._paces = {pace.cluster: pace for pace in paces}
        rows = connection.execute(_WAITING, {"of": workflow_id}) if paces else ()
        self._waiting = Counter({row.cluster: row.waiting for row in rows})
        self._known: dict[int, tuple[str, str | None]] = {}
        self.refused = 0  # batches that ended at once

    def size(self, resources_id: int) -> int:
        """Attempts in the next batch with these resources; 0 when enough batches wait for the cluster."""
        cluster = self.cluster(resources_id)[0]
        pace = self._paces.get(cluster, Pace())
        return pace.max_batch if self._waiting[cluster] < pace.max_waiting else 0

    def cluster(self, resources_id: int) -> tuple[str, str | None]:
        """The cluster of these resources, and in whose words it will never take them."""
        if resources_id not in self._known:
            row = self._connection.execute(_CLUSTER, {"of": resources_id}).one()
            self._known[resources_id] = (row.cluster, row.refused)
        return self._known[resources_id]

    def made(self, resources_id: int) -> None:
        """Another batch waits."""
        self._waiting[self.cluster(resources_id)[0]] += 1


_CLUSTER = sa.select(resources.c.cluster, resources.c.refused).where(resources.c.id == sa.bindparam("of"))
_UNFINISHED = sa.exists().where(
    task_instance.c.id.between(batch.c.first_instance_id, batch.c.first_instance_id + batch.c.size - 1),
    ~one_of(task_instance.c.status, final("task_instance")),
)
# What nobody has said to be on its cluster. One whose attempts are all over is looked for by nobody any more.
IS_INTENDED = (one_of(batch.c.status, "I"), _UNFINISHED)  # ix_batch_status
_WAITING = (
    sa.select(resources.c.cluster, sa.func.count().label("waiting"))
    .join_from(batch, resources, resources.c.id == batch.c.resources_id)
    .where(batch.c.workflow_id == sa.bindparam("of"), *IS_INTENDED)
    .group_by(resources.c.cluster)
)


def claim(
    connection: Connection, run: AnyRow, shares: Mapping[int, int], cut: Cut, changes: Changes, stamp: Stamp
) -> int:
    """Create attempts for the next waiting tasks of each array; returns how many."""
    made = 0
    for array_id, count in shares.items():
        groups: defaultdict[int, list[AnyRow]] = defaultdict(list)
        for row in connection.execute(_QUEUED, {"of": array_id, "most": count}):
            groups[row.resources_id].append(row)
        for resources_id, rows in groups.items():
            while rows and (size := cut.size(resources_id)):
                part, rows = rows[:size], rows[size:]
                _create(connection, run, array_id, resources_id, part, cut, stamp)
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
    cut: Cut,
    stamp: Stamp,
) -> None:
    """The batch and its attempts; they end at once when no cluster will ever take them."""
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
    if words := cut.cluster(resources_id)[1]:
        refuse(connection, batch_id, range(first, first + len(rows)), FailureClass.FATAL, words, stamp)
        cut.refused += 1
    else:
        cut.made(resources_id)


def refuse(
    connection: Connection, batch_id: int, ids: Sequence[int], failure_class: str, words: str, stamp: Stamp
) -> None:
    """The cluster did not take this batch: its attempts end without having been submitted (W, for good F).

    `W` follows from I alone: an attempt that was launched or suspected before ends as X.
    """
    connection.execute(sa.update(batch).where(batch.c.id == batch_id).values(status="W", job_id=""))
    rows = present(connection, ids)
    status = "F" if failure_class == FailureClass.FATAL else "W"
    ends = [
        End(id, "X" if status == "W" and rows[id].status in "ORT" else status, failure_class, words) for id in ids
    ]
    apply(connection, ends, rows, stamp)


def to_submit(connection: Connection, run: AnyRow, in_hand: Sequence[int]) -> list[Batch]:
    """Batches that nobody has reported launched or refused, except those in the asker's hands.

    One that another holder of the lease intended may have reached the cluster: `look_first`. One whose attempts
    are all over has nothing left to start.
    """
    held = set(in_hand)
    return [
        _batch(row, look_first=(row.workflow_run_id, row.fence) != (run.id, run.fence))
        for row in connection.execute(_INTENDED, {"of": run.workflow_id})
        if row.id not in held
    ]


def launched(connection: Connection, workflow_id: int) -> list[Batch]:
    """Batches with a job id that have attempts which are not over."""
    return [_batch(row, look_first=False) for row in connection.execute(_LAUNCHED, {"of": workflow_id})]


def _batch(row: AnyRow, look_first: bool) -> Batch:
    return Batch(
        batch_id=row.id,
        name=row.name,
        workflow_id=row.workflow_id,
        array_name=row.array_name,
        cluster=row.cluster,
        resources=msgspec.json.decode(row.requested, type=Resources),
        size=row.size,
        first_instance_id=row.first_instance_id,
        run_dir=row.run_dir,
        job_id=row.job_id,
        look_first=look_first,
    )


_BATCHES = (
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
    .where(batch.c.workflow_id == sa.bindparam("of"))
    .order_by(batch.c.id)
)
_INTENDED = _BATCHES.where(*IS_INTENDED)
_LAUNCHED = _BATCHES.where(
    batch.c.job_id != "",
    batch.c.id.in_(  # ix_instance_active
        sa.select(task_instance.c.batch_id).where(
            task_instance.c.workflow_id == sa.bindparam("of"), one_of(task_instance.c.status, "IORTK")
        )
    ),
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
            index=(row.place or row.id) - row.first_instance_id,
            name=row.name,
            cluster=row.cluster,
            job_id=row.job_id,
            task_id=row.task_id,
            started=bool(row.runner),
            node=row.node,
        )
        for row in connection.execute(_JOBS, {"of": workflow_id, "in": status, "most": limit})
    ]


_PLACES = (
    sa.select(
        task_instance.c.id,
        task_instance.c.task_id,
        task_instance.c.runner,
        task_instance.c.node,
        task_instance.c.place,
        batch.c.id.label("batch_id"),
        batch.c.first_instance_id,
        batch.c.name,
        batch.c.job_id,
        resources.c.cluster,
    )
    .join(batch, batch.c.id == task_instance.c.batch_id)
    .join(resources, resources.c.id == batch.c.resources_id)
    .limit(sa.bindparam("most"))
)
_JOBS = _PLACES.where(  # ix_instance_active
    task_instance.c.workflow_id == sa.bindparam("of"), task_instance.c.status == sa.bindparam("in")
).order_by(task_instance.c.id)


class Spare(NamedTuple):
    """Places on the cluster that are not needed: told since `at` and up to `mark`."""

    jobs: list[Job]
    mark: int
    at: float


def spare(connection: Connection, workflow_id: int, heard: int, limit: int = 5000) -> Spare | None:
    """The places whose attempts were started in others, but for those `heard` of."""
    if heard:
        mine = spare_place.c.workflow_id == workflow_id
        connection.execute(sa.delete(spare_place).where(mine, spare_place.c.id <= heard))
    rows = connection.execute(_SPARE, {"of": workflow_id, "most": limit}).all()
    if not rows:
        return None
    jobs = [
        Job(
            instance_id=row.id,
            batch_id=row.batch_id,
            index=row.id - row.first_instance_id,
            name=row.name,
            cluster=row.cluster,
            job_id=row.job_id,
            task_id=row.task_id,
        )
        for row in rows
    ]
    return Spare(jobs, rows[-1].mark, rows[0].at)


_SPARE = (  # ix_spare_place_workflow
    _PLACES.add_columns(spare_place.c.id.label("mark"), spare_place.c.at)
    .join(spare_place, spare_place.c.task_instance_id == task_instance.c.id)
    .where(spare_place.c.workflow_id == sa.bindparam("of"))
    .order_by(spare_place.c.id)
)
