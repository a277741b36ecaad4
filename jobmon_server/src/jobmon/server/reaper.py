"""The background role: what is overdue and has no owner left comes to an end, or back to life."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.server.store.bind import discard
from jobmon.server.store.runs import LIVE
from jobmon.server.tables import server_state, task_instance, workflow, workflow_run

LONGEST_PAUSE_SECONDS = 60.0


def reap(connection: Connection, at: float) -> bool:
    """One round. Returns whether some run has a living distributor, so that this server is needed."""
    _forgive_downtime(connection, at)
    half_bound = sa.select(workflow).where(workflow.c.bound_at.is_(None), workflow.c.deadline_at < at)
    for found in connection.execute(half_bound).all():
        discard(connection, found)
    driven = sa.select(workflow_run.c.id).where(workflow_run.c.status.in_(LIVE), workflow_run.c.deadline_at > at)
    return connection.execute(driven.limit(1)).scalar() is not None


def _forgive_downtime(connection: Connection, at: float) -> None:
    """Put off all deadlines by the time in which no server was there to hear a sign of life."""
    query = sa.select(server_state.c.value).where(server_state.c.name == "last_round")
    last = connection.execute(query).scalar()
    if last is None:
        connection.execute(sa.insert(server_state).values(name="last_round", value=repr(at)))
        return
    away = at - float(last)
    if away > LONGEST_PAUSE_SECONDS:
        later = {"deadline_at": task_instance.c.deadline_at + away}
        active = task_instance.c.status.in_(("I", "O", "R", "T", "K"))
        connection.execute(sa.update(task_instance).where(active).values(**later))
    connection.execute(sa.update(server_state).where(server_state.c.name == "last_round").values(value=repr(at)))
