"""The role of the reaper: what is overdue and has no owner left comes to an end."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.server.db import one_of
from jobmon.server.store.bind import discard
from jobmon.server.store.moves import Stamp, move
from jobmon.server.store.runs import LIVE
from jobmon.server.tables import workflow, workflow_run

GRACE_SECONDS = 60.0  # after the end of a lease: whoever watches the run may start another distributor
ENDS = {"G": "A", "C": "T", "H": "T"}  # what becomes of a run that is lost in these statuses; of others E


def reap(connection: Connection, at: float) -> None:
    """One round."""
    give_up_binds(connection, at)
    end_lost_runs(connection, at)


def is_driven(connection: Connection, at: float) -> bool:
    """Whether some run has a living distributor, so that a server is needed."""
    driven = sa.select(workflow_run.c.id).where(
        one_of(workflow_run.c.status, LIVE), workflow_run.c.deadline_at > at
    )
    return connection.execute(driven.limit(1)).scalar() is not None


def give_up_binds(connection: Connection, at: float) -> None:
    """Remove what was never bound completely; what was and is not run is aborted, and may still be run."""
    overdue = sa.select(workflow).where(one_of(workflow.c.status, "G"), workflow.c.deadline_at < at)
    for found in connection.execute(
        overdue.order_by(workflow.c.id).with_for_update(skip_locked=True)
    ).all():  # ix_workflow_status
        if found.bound_at is None:
            discard(connection, found)
        else:
            stamp = Stamp(at, "reaper", "bound, and not run since")
            move(connection, "workflow", found.id, [(found.id, "G")], "A", stamp)


def end_lost_runs(connection: Connection, at: float) -> None:
    """End runs that nobody drives any more and halt their workflows: attempts go on, a resume adopts them."""
    lost = sa.select(workflow_run).where(  # ix_workflow_run_status
        one_of(workflow_run.c.status, LIVE), workflow_run.c.deadline_at < at - GRACE_SECONDS
    )
    for run in connection.execute(
        lost.order_by(workflow_run.c.id).with_for_update(skip_locked=True)
    ).all():  # a locked one is being driven
        who = f"the distributor (pid {run.holder_pid} on {run.holder_host})" if run.holder else "a distributor"
        why = f"{who} was not heard of for {at - run.deadline_at:.0f} s beyond its lease; resume the workflow"
        stamp = Stamp(at, "reaper", why)
        end = ENDS.get(run.status, "E")
        move(connection, "workflow_run", run.workflow_id, [(run.id, run.status)], end, stamp, {"reason": why})
        halt(connection, run.workflow_id, stamp)


def halt(connection: Connection, workflow_id: int, stamp: Stamp) -> None:
    """A workflow whose run is over stands still until a resume."""
    status = connection.execute(sa.select(workflow.c.status).where(workflow.c.id == workflow_id)).scalar_one()
    if status in "QIOR":
        move(connection, "workflow", workflow_id, [(workflow_id, status)], "H", stamp)
