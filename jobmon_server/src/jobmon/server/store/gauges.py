"""Gauges: what goes on at this moment, for whoever watches the server. Read from counters, never counted."""

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.server import db
from jobmon.server.db import one_of
from jobmon.server.store.batches import IS_INTENDED
from jobmon.server.store.roles import Holding, holdings
from jobmon.server.store.runs import LIVE
from jobmon.server.tables import array, batch, workflow_run

_STATUSES = ("queued", "delayed", "active", "done", "fatal")


class Gauges(NamedTuple):
    """Tasks of workflows with a live run by where they are, those runs, and who has which background role."""

    tasks: dict[str, int]
    runs: dict[str, int]
    held_up: int
    unknown_submits: int
    roles: list[Holding]


def gauges(connection: Connection) -> Gauges:
    """Read them all: a few statements over what is live, whatever the size of the database."""
    at = db.now(connection)
    tasks = connection.execute(_TASKS).one()
    named = {name: int(tasks._mapping[name]) for name in _STATUSES}
    runs = connection.execute(_RUNS, {"at": at}).one()
    return Gauges(
        tasks={"waiting": int(tasks.total) - sum(named.values()), **named},
        runs={"alive": int(runs.alive), "silent": int(runs.all) - int(runs.alive)},
        held_up=int(runs.held_up),
        unknown_submits=int(connection.execute(_UNKNOWN).scalar_one()),
        roles=holdings(connection, at),
    )


def _sum(what: sa.ColumnElement[int], name: str) -> sa.Label[int]:
    return sa.func.coalesce(sa.func.sum(what), 0).label(name)


def _if(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.case((condition, 1), else_=0)


_IS_LIVE = one_of(workflow_run.c.status, LIVE)  # ix_workflow_run_status
_LIVE_WORKFLOWS = sa.select(workflow_run.c.workflow_id).where(_IS_LIVE)
_TASKS = sa.select(_sum(array.c.total, "total"), *(_sum(array.c[name], name) for name in _STATUSES)).where(
    array.c.workflow_id.in_(_LIVE_WORKFLOWS)
)  # uq_array_name
_RUNS = sa.select(
    sa.func.count().label("all"),
    _sum(_if(workflow_run.c.deadline_at > sa.bindparam("at")), "alive"),
    _sum(_if(workflow_run.c.notice != ""), "held_up"),
).where(_IS_LIVE)
_UNKNOWN = (
    sa.select(sa.func.count())
    .select_from(batch)
    .join(workflow_run, workflow_run.c.workflow_id == batch.c.workflow_id)
    .where(
        _IS_LIVE,
        *IS_INTENDED,
        (batch.c.workflow_run_id != workflow_run.c.id) | (batch.c.fence != workflow_run.c.fence),
    )
)
