"""The purge as a whole: which workflows went, portion by portion, leaving time for everybody else."""

import datetime
import time
from collections.abc import Callable, Sequence

from jobmon.server import db
from jobmon.server.db import AnyRow
from jobmon.server.store import purge as store

REST_SECONDS_MAX = 1.0


def candidates(database: db.Database, older_than_seconds: float) -> Sequence[AnyRow]:
    """The workflows that ended so long ago, oldest first."""
    return database.read(lambda c: store.ended_before(c, db.now(c) - older_than_seconds))


def describe(found: AnyRow) -> str:
    """One line about a workflow."""
    ended = datetime.datetime.fromtimestamp(found.status_at, datetime.UTC).isoformat(timespec="seconds")
    return f"workflow {found.id} {found.name!r} of {found.owner}, {found.task_count} tasks, ended {ended}"


def purge(database: db.Database, older_than_seconds: float, say: Callable[[AnyRow], object]) -> int:
    """Remove the workflows that ended so long ago; returns how many rows. `say` is told each before it goes.

    Begins with what an earlier purge left.
    """
    removed = finish(database)
    moment = database.read(db.now) - older_than_seconds
    for found in database.read(lambda connection: store.ended_before(connection, moment)):
        say(found)
        ticket = database.write(lambda connection, of=found.id: store.begin(connection, of, moment))  # type: ignore[misc]
        if ticket is not None:
            removed += 1 + _remove(database, ticket)
    return removed


def finish(database: db.Database) -> int:
    """Remove what is left of workflows that are out of sight already; returns how many rows."""
    return sum(_remove(database, ticket) for ticket in database.read(store.tickets))


def _remove(database: db.Database, ticket: store.Ticket) -> int:
    removed = 0
    while True:
        began = time.monotonic()
        portion = database.write(lambda connection: store.remove(connection, ticket))
        if not portion:
            return removed
        removed += portion
        time.sleep(min(time.monotonic() - began, REST_SECONDS_MAX))  # others write as long as this did
