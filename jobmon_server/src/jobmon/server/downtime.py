"""Time in which no server was up is forgiven: nobody could hear a sign of life then, so it counts for nothing.

Every server process notes in each of its rounds that it is up, whatever role it has. So a role that changes hands
while another process serves forgives nothing, and the first process after a night without any forgives the night
- once, because the note is changed in the transaction that forgives.

A database's clock that is put forward looks the same, and does no harm for that. One that is put back would leave
every deadline far ahead, and the death of whoever has it unnoticed until then: they are brought nearer likewise.
What was renewed by the new clock before anybody noticed is left as it is.
"""

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.server.db import one_of
from jobmon.server.store.runs import LIVE
from jobmon.server.tables import server_state, task, task_instance, workflow, workflow_run

LONGEST_PAUSE_SECONDS = 60.0  # between two notes: a database that restarts, a process that is followed by another
SOON_SECONDS = 30.0  # after a clock was put back: in this time whoever lives renews what it has


def forgive(connection: Connection, at: float) -> None:
    """Note that a server is up; put off all deadlines by the time in which none was."""
    query = sa.select(server_state.c.value).where(server_state.c.name == "last_round")
    last = connection.execute(query.with_for_update()).scalar()  # of several servers one at a time
    if last is None:
        connection.execute(sa.insert(server_state).values(name="last_round", value=repr(at)))
        return
    away = at - float(last)
    if away > LONGEST_PAUSE_SECONDS:
        _shift(connection, lambda deadline: deadline + away)
    elif away < -LONGEST_PAUSE_SECONDS:
        _shift(connection, lambda deadline: _nearer(deadline, -away, at + SOON_SECONDS))
        resting = one_of(task.c.status, "E") & task.c.due_at.is_not(None)  # reads all tasks, once in years
        due_at = _nearer(task.c.due_at, -away, at + SOON_SECONDS)
        connection.execute(sa.update(task).where(resting).values(due_at=due_at))
    connection.execute(sa.update(server_state).where(server_state.c.name == "last_round").values(value=repr(at)))


def _shift(connection: Connection, moved: Callable[[sa.Column[float]], sa.ColumnElement[float]]) -> None:
    for table, waits, times in (
        (task_instance, one_of(task_instance.c.status, "IORTK"), ("deadline_at",)),
        (workflow_run, one_of(workflow_run.c.status, LIVE), ("deadline_at", "timeout_at")),
        (workflow, one_of(workflow.c.status, "G"), ("deadline_at",)),
    ):
        later = {time: moved(table.c[time]) for time in times}
        connection.execute(sa.update(table).where(waits).values(**later))


def _nearer(deadline: sa.Column[float], seconds: float, soon: float) -> sa.ColumnElement[float]:
    """By so many seconds, but not before `soon`; what ends before that anyway stays."""
    moved = deadline - seconds
    return sa.case((moved >= soon, moved), (deadline > soon, soon), else_=deadline)
