"""Purge: workflows that ended long ago go away with everything that belongs to them.

A workflow is taken out of sight in one short transaction, which leaves a ticket that says what is still to be
removed; its rows follow in portions, so that nobody waits for the removal of a million tasks. A purge that is cut
off goes on with its tickets. What may still be of use to somebody is never taken: a run that is not over, an
attempt that may still run, a bind under way.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.transitions import final
from jobmon.server import tables
from jobmon.server.db import AnyRow, among, one_of
from jobmon.server.store.runs import LIVE

PORTION = 5000
PREFIX = "purge:"


class Ticket(NamedTuple):
    """A workflow that is out of sight, and the ids that were reserved for it."""

    workflow_id: int
    first_task_id: int
    task_count: int


def ended_before(connection: Connection, moment: float) -> Sequence[AnyRow]:
    """Workflows that ended before `moment` and may go, oldest first."""
    workflow = tables.workflow
    columns = ("id", "name", "owner", "status", "status_at", "first_task_id", "task_count")
    query = sa.select(*(workflow.c[name] for name in columns)).where(*_may_go(moment))
    return connection.execute(query.order_by(workflow.c.status_at, workflow.c.id)).all()


def _may_go(moment: float) -> Iterator[sa.ColumnElement[bool]]:
    workflow, run, attempt = tables.workflow, tables.workflow_run, tables.task_instance
    yield one_of(workflow.c.status, final("workflow"))
    yield workflow.c.status_at < moment
    yield workflow.c.deadline_at < moment  # a bind of it, even one that only changed its tasks, is as old
    yield ~sa.exists().where(run.c.workflow_id == workflow.c.id, one_of(run.c.status, LIVE))
    over = one_of(attempt.c.status, final("task_instance"))
    yield ~sa.exists().where(attempt.c.workflow_id == workflow.c.id, ~over)


def begin(connection: Connection, workflow_id: int, moment: float) -> Ticket | None:
    """Take a workflow out of sight; None when it may not go any more, because somebody took it up again."""
    workflow = tables.workflow
    own = workflow.c.id == workflow_id
    connection.execute(sa.select(workflow.c.id).where(own).with_for_update()).all()
    found = connection.execute(sa.select(workflow).where(own, *_may_go(moment))).one_or_none()
    if found is None:
        return None
    ticket = Ticket(found.id, found.first_task_id, found.task_count)
    leave(connection, ticket)
    connection.execute(sa.delete(workflow).where(own))
    return ticket


def leave(connection: Connection, ticket: Ticket) -> None:
    """Note that all rows of this workflow are to be removed."""
    value = f"{ticket.first_task_id} {ticket.task_count}"
    row = {"name": f"{PREFIX}{ticket.workflow_id}", "value": value}
    connection.execute(sa.insert(tables.server_state).values(row))


def tickets(connection: Connection) -> list[Ticket]:
    """The workflows whose rows are not all removed yet."""
    state = tables.server_state
    rows = connection.execute(sa.select(state).where(state.c.name.startswith(PREFIX)).order_by(state.c.name))
    return [Ticket(int(row.name.removeprefix(PREFIX)), *map(int, row.value.split())) for row in rows]


def remove(connection: Connection, ticket: Ticket) -> int:
    """Remove one portion of rows; returns how many, and 0 when all are gone and the ticket with them."""
    for portion in (_attempts, _tasks, _others):
        if removed := portion(connection, ticket):
            return removed
    state = tables.server_state
    connection.execute(sa.delete(state).where(state.c.name == f"{PREFIX}{ticket.workflow_id}"))
    return 0


def _attempts(connection: Connection, ticket: Ticket) -> int:
    """ix_instance_active finds them."""
    attempt, result = tables.task_instance, tables.attempt_result
    mine = sa.select(attempt.c.id).where(attempt.c.workflow_id == ticket.workflow_id).limit(PORTION)
    ids = connection.execute(mine).scalars().all()
    if ids:
        connection.execute(sa.delete(result).where(among(result.c.task_instance_id, ids)))
        connection.execute(sa.delete(attempt).where(among(attempt.c.id, ids)))
    return len(ids)


def _tasks(connection: Connection, ticket: Ticket) -> int:
    """By their ids: those of one workflow follow one another."""
    task, first = tables.task, ticket.first_task_id
    block = task.c.id.between(first, first + ticket.task_count - 1)
    ids = connection.execute(sa.select(task.c.id).where(block).order_by(task.c.id).limit(PORTION)).scalars().all()
    if ids:
        for table in (tables.gate_member, tables.task_attribute, tables.task_spec):
            connection.execute(sa.delete(table).where(table.c.task_id.between(ids[0], ids[-1])))
        connection.execute(sa.delete(task).where(task.c.id.between(ids[0], ids[-1])))
    return len(ids)


def _others(connection: Connection, ticket: Ticket) -> int:
    """What names the workflow, each by an index that begins with it."""
    for table in OF_WORKFLOW:
        mine = sa.select(table.c.id).where(table.c.workflow_id == ticket.workflow_id).limit(PORTION)
        if ids := connection.execute(mine).scalars().all():
            connection.execute(sa.delete(table).where(among(table.c.id, ids)))
            return len(ids)
    attribute = tables.workflow_attribute
    return connection.execute(sa.delete(attribute).where(attribute.c.workflow_id == ticket.workflow_id)).rowcount


OF_WORKFLOW = (
    *(tables.gate, tables.batch, tables.resources, tables.array, tables.error_log, tables.completion),
    *(tables.spare_place, tables.audit, tables.workflow_run),
)
