"""The background role: what is overdue and has no owner left comes to an end, or back to life."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.server.store.bind import discard
from jobmon.server.store.moves import Stamp, move
from jobmon.server.store.runs import LIVE
from jobmon.server.tables import server_state, task_instance, workflow, workflow_run

LONGEST_PAUSE_SECONDS = 60.0
GRACE_SECONDS = 60.0  # after the end of a lease: whoever watches the run may start another distributor


def reap(connection: Connection, at: float) -> bool:
    """One round. Returns whether some run has a living distributor, so that this server is needed."""
    _forgive_downtime(connection, at)
    half_bound = sa.select(workflow).where(workflow.c.bound_at.is_(None), workflow.c.deadline_at < at)
    for found in connection.execute(half_bound).all():
        discard(connection, found)
    end_lost_runs(connection, at)
    driven = sa.select(workflow_run.c.id).where(workflow_run.c.status.in_(LIVE), workflow_run.c.deadline_at > at)
    return connection.execute(driven.limit(1)).scalar() is not None


def _forgive_downtime(connection: Connection, at: float) -> None:
    """Put off all deadlines by the time in which no server was there to hear a sign of life."""
    query = sa.select(server_state.c.value).where(server_state.c.name == "last_round")
    last = connection.execute(query.with_for_update()).scalar()  # of several servers one at a time has its round
    if last is None:
        connection.execute(sa.insert(server_state).values(name="last_round", value=repr(at)))
        return
    away = at - float(last)
    if away > LONGEST_PAUSE_SECONDS:
        for table, waits in (
            (task_instance, task_instance.c.status.in_(("I", "O", "R", "T", "K"))),
            (workflow_run, workflow_run.c.status.in_(LIVE)),
            (workflow, workflow.c.bound_at.is_(None)),
        ):
            later = {"deadline_at": table.c.deadline_at + away}
            connection.execute(sa.update(table).where(waits).values(**later))
    connection.execute(sa.update(server_state).where(server_state.c.name == "last_round").values(value=repr(at)))


def end_lost_runs(connection: Connection, at: float) -> None:
    """End runs that nobody drives any more and halt their workflows: attempts go on, a resume adopts them."""
    lost = sa.select(workflow_run).where(
        workflow_run.c.status.in_(("B", "I", "O", "R")), workflow_run.c.deadline_at < at - GRACE_SECONDS
    )
    for run in connection.execute(lost).all():
        who = f"the distributor (pid {run.holder_pid} on {run.holder_host})" if run.holder else "a distributor"
        why = f"{who} was not heard of for {at - run.deadline_at:.0f} s beyond its lease; resume the workflow"
        stamp = Stamp(at, "reaper", why)
        move(connection, "workflow_run", run.workflow_id, [(run.id, run.status)], "E", stamp, {"reason": why})
        present = sa.select(workflow.c.status).where(workflow.c.id == run.workflow_id)
        status = connection.execute(present).scalar_one()
        move(connection, "workflow", run.workflow_id, [(run.workflow_id, status)], "H", stamp)
