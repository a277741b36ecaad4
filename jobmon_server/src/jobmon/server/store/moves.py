"""The only place that writes a status.

A move is compare-and-set: the rows are changed only from the status that they are said to have, out of which the
table of transitions allows it; the count of changed rows is checked, and the audit rows stand in the same
transaction. A row that changed in between means that another transaction was faster: the whole unit is undone
and run again.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.exceptions import InvalidStateTransition
from jobmon.core.transitions import Kind, is_legal
from jobmon.server import tables
from jobmon.server.db import insert, spans, within
from jobmon.server.db_errors import TryAgain

AUDIT_COLUMNS = ("kind", "entity_id", "workflow_id", "old", "new", "at", "actor", "why")


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
    by_old: defaultdict[str, list[int]] = defaultdict(list)
    for id, old in rows:
        by_old[old].append(id)
    for old, ids in sorted(by_old.items()):
        if not is_legal(kind, old, new):
            raise InvalidStateTransition(kind, ids[0], old, new)
        _change(connection, kind, ids, old, new, stamp.at, values or {})
        _note(connection, kind, ids, (workflow_id, old, new), stamp)


def _change(
    connection: Connection,
    kind: Kind,
    ids: Sequence[int],
    old: str,
    new: str,
    at: float,
    values: Mapping[str, Any],
) -> None:
    given = {"old": old, "to_status": new, **{f"to_{name}": value for name, value in values.items()}}
    if "status_at" in _KINDS[kind][0].c:
        given["to_status_at"] = at
    moved = 0
    for count, _, where in spans(ids):
        moved += connection.execute(
            _update(kind, tuple(sorted(given.keys() - {"old"})), count), given | where
        ).rowcount
    if moved != len(ids):
        raise TryAgain(f"{len(ids) - moved} of {len(ids)} {kind} rows are not in {old} any more")


@lru_cache(maxsize=1024)
def _update(kind: Kind, names: tuple[str, ...], count: int) -> sa.Update:
    table, _ = _KINDS[kind]
    changes: dict[str, Any] = {name.removeprefix("to_"): sa.bindparam(name) for name in names}
    return sa.update(table).where(within(table.c.id, count), table.c.status == sa.bindparam("old")).values(changes)


def _note(
    connection: Connection, kind: Kind, ids: Sequence[int], what: tuple[int, str, str], stamp: Stamp
) -> None:
    """Write the audit rows in the database itself, which is several times as fast as sending them there."""
    workflow_id, old, new = what
    given = {
        "of": workflow_id,
        "old": old,
        "to": new,
        "at": stamp.at,
        "actor": stamp.actor,
        "why": stamp.why[:255],
    }
    for count, _, where in spans(ids):
        connection.execute(_audit(kind, count), given | where)


@lru_cache(maxsize=128)
def _audit(kind: Kind, count: int) -> sa.Insert:
    table, letter = _KINDS[kind]
    audit = tables.audit.c
    entries = sa.select(
        sa.literal_column(f"'{letter}'"),
        table.c.id,
        sa.bindparam("of", type_=audit.workflow_id.type),
        *(sa.bindparam(name, type_=audit[column].type) for name, column in _NOTED),
    ).where(within(table.c.id, count))
    return sa.insert(tables.audit).from_select(AUDIT_COLUMNS, entries)


_NOTED = (("old", "old"), ("to", "new"), ("at", "at"), ("actor", "actor"), ("why", "why"))


def record(
    connection: Connection,
    letter: str,
    workflow_id: int,
    rows: Sequence[tuple[int, str]],
    new: str,
    stamp: Stamp,
) -> None:
    """Write the audit rows of rows that were made in the status `new`."""
    insert(
        connection,
        tables.audit,
        AUDIT_COLUMNS,
        [(letter, id, workflow_id, old, new, stamp.at, stamp.actor, stamp.why[:255]) for id, old in rows],
    )
