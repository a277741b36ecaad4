"""What every handler has at hand: the database, the news, the rules."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from sqlalchemy.engine import Connection

from jobmon.server import db
from jobmon.server.admission import Admission
from jobmon.server.auth.caller import Caller
from jobmon.server.auth.doorkeeper import Site
from jobmon.server.metrics import Metrics
from jobmon.server.signals import Signals
from jobmon.server.store.work import Rules

Result = TypeVar("Result")


class Service(NamedTuple):
    """One server process. `instance` changes with every start.

    `token` opens everything, where there is no `site` with users of its own. `caller` is whoever makes the request
    that a handler was given this for.
    """

    database: db.Database
    signals: Signals
    rules: Rules
    token: str
    instance: str
    hosts: frozenset[str]
    metrics: Metrics
    admission: Admission
    metrics_token: str = ""  # opens /metrics and nothing else; empty: there is none
    site: Site | None = None
    caller: Caller = Caller()

    def write(self, unit: Callable[[Connection, float], Result]) -> Result:
        """Run `unit(connection, now)` in one write transaction."""
        return self.database.write(lambda connection: unit(connection, db.now(connection)))

    def read(self, unit: Callable[[Connection], Result]) -> Result:
        """Run `unit(connection)` on one consistent view."""
        return self.database.read(unit)
