"""The only place that writes a status.

A move is compare-and-set: the rows are changed only from a status out of which the table of transitions
allows it, the count of changed rows is checked, and the audit rows stand in the same transaction. A row that
changed in between means that another transaction was faster: the whole unit is undone and run again.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.exceptions import InvalidStateTransition
from jobmon.core.transitions import Kind, is_legal
from jobmon.server import tables
from jobmon.server.db import TryAgain, among, chunked, insert


class Stamp(NamedTuple):
    """When, by whom and why: the same for all moves of one step."""

    at: float
    actor: str
    why: str = ""


_KINDS: dict[Kind, tuple[sa.Table, str]] = {
    "task": (tables.task, "T"),
    "task_instance": (tables.task_instance, "I"),
    "workflow_run": (tables.workflow_run, "R"),
    "workflow": (tables.workflow, "W"),
}


def move(
    connection: Connection,
    kind: Kind,
    workflow_id: int,
    rows: Sequence[tuple[int, str]],
    new: str,
    stamp: Stamp,
    values: Mapping[str, Any] | None = None,
) -> None:
    """Move `rows` (id, present status) of one workflow to `new`, setting `values` beside.

    Raises InvalidStateTransition for a move that is not in the table (a mistake of the caller's), TryAgain
    when a row is not in its stated status any more.
    """
    if not rows:
        return
    table, letter = _KINDS[kind]
    olds = {old for _, old in rows}
    for old in olds:
        if not is_legal(kind, old, new):
            raise InvalidStateTransition(kind, next(id for id, at in rows if at == old), old, new)
    changes: dict[str, Any] = {"status": new, **(values or {})}
    if "status_at" in table.c:
        changes["status_at"] = stamp.at
    moved = 0
    for ids in chunked([id for id, _ in rows]):
        where = sa.and_(among(table.c.id, ids), table.c.status.in_(sorted(olds)))
        moved += connection.execute(sa.update(table).where(where).values(**changes)).rowcount
    if moved != len(rows):
        raise TryAgain(f"{len(rows) - moved} of {len(rows)} {kind} rows changed meanwhile")
    record(connection, letter, workflow_id, rows, new, stamp)


def record(
    connection: Connection,
    letter: str,
    workflow_id: int,
    rows: Sequence[tuple[int, str]],
    new: str,
    stamp: Stamp,
) -> None:
    """Write the audit rows of a move."""
    insert(
        connection,
        tables.audit,
        ("kind", "entity_id", "workflow_id", "old", "new", "at", "actor", "why"),
        [(letter, id, workflow_id, old, new, stamp.at, stamp.actor, stamp.why[:255]) for id, old in rows],
    )
