"""What every handler has at hand: the database, the news, the rules."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from sqlalchemy.engine import Connection

from jobmon.server import db
from jobmon.server.signals import Signals
from jobmon.server.store.work import Rules

Result = TypeVar("Result")


class Service(NamedTuple):
    """One server process. `token` opens everything; `instance` changes with every start."""

    database: db.Database
    signals: Signals
    rules: Rules
    token: str
    instance: str
    hosts: frozenset[str]

    def write(self, unit: Callable[[Connection, float], Result]) -> Result:
        """Run `unit(connection, now)` in one write transaction."""
        return self.database.write(lambda connection: unit(connection, db.now(connection)))

    def read(self, unit: Callable[[Connection], Result]) -> Result:
        """Run `unit(connection)` on one consistent view."""
        return self.database.read(unit)
