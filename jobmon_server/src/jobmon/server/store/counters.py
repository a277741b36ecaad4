"""The counters of `array`: where the tasks of each template are, kept so that nobody has to count them.

Only `advance` and a resume change them, under the run's or workflow's row lock. A task counts as active
until the completion of its attempt is absorbed.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.server import tables

_PLACES = {"Q": "queued", "E": "delayed", "A": "delayed", "I": "active", "O": "active", "R": "active"}
_PLACES |= {"D": "done", "F": "fatal"}
NAMES = ("queued", "delayed", "active", "done", "fatal", "retries")


class Totals(NamedTuple):
    """A workflow's counters added up over its arrays."""

    total: int
    queued: int
    delayed: int
    active: int
    done: int
    fatal: int


class Changes:
    """Differences to the counters, collected over one step and written once."""

    def __init__(self) -> None:
        """Nothing changed yet."""
        self._by_array: defaultdict[int, dict[str, int]] = defaultdict(lambda: dict.fromkeys(NAMES, 0))

    def add(self, array_id: int, **changes: int) -> None:
        """Note changes such as `queued=-1, active=1`."""
        row = self._by_array[array_id]
        for name, change in changes.items():
            row[name] += change

    def write(self, connection: Connection) -> None:
        """Apply what was collected."""
        rows = [
            {"key": array_id, **{f"d_{name}": change for name, change in row.items()}}
            for array_id, row in sorted(self._by_array.items())
            if any(row.values())
        ]
        if rows:
            connection.execute(_ADD, rows)
        self._by_array.clear()


_ADD = (
    sa.update(tables.array)
    .where(tables.array.c.id == sa.bindparam("key"))
    .values({name: tables.array.c[name] + sa.bindparam(f"d_{name}") for name in NAMES})
)


def totals(connection: Connection, workflow_id: int) -> Totals:
    """The workflow's counters."""
    row = connection.execute(_TOTALS, {"of": workflow_id}).one()
    return Totals(*(int(value) for value in row))


_TOTALS = sa.select(*(sa.func.coalesce(sa.func.sum(tables.array.c[name]), 0) for name in Totals._fields)).where(
    tables.array.c.workflow_id == sa.bindparam("of")
)


def counted(connection: Connection, workflow_id: int) -> Mapping[int, Mapping[str, int]]:
    """What the counters should be, by counting: {array id: {queued, delayed, active, done, fatal}}.

    One statement: workers report meanwhile, and two would see two moments in READ COMMITTED.
    """
    task, outbox = tables.task, tables.completion
    arrays = sa.select(tables.array.c.id).where(tables.array.c.workflow_id == workflow_id)
    found: dict[int, dict[str, int]] = {
        id: dict.fromkeys(NAMES[:-1], 0) for id in connection.execute(arrays).scalars()
    }
    place = (task.c.array_id, task.c.status)
    by_status = (  # ix_task_pick
        sa.select(*place, sa.literal(False).label("unheard"), sa.func.count())
        .where(task.c.array_id.in_(found), task.c.status != "G")
        .group_by(*place)
    )
    unheard = (  # ix_completion_workflow
        sa.select(*place, sa.literal(True), sa.func.count())
        .join(outbox, outbox.c.task_id == task.c.id)
        .where(outbox.c.workflow_id == workflow_id)
        .group_by(*place)
    )
    for array_id, status, waits, count in connection.execute(sa.union_all(by_status, unheard)):
        if waits:  # counted above where its attempt left it
            found[array_id][_PLACES[status]] -= count
            found[array_id]["active"] += count
        else:
            found[array_id][_PLACES[status]] += count
    return found


def recount(connection: Connection, workflow_id: int) -> Totals:
    """Set the counters by counting, as a resume does after moving tasks about."""
    table = tables.array
    for array_id, row in counted(connection, workflow_id).items():
        connection.execute(sa.update(table).where(table.c.id == array_id).values(**row))
    return totals(connection, workflow_id)
