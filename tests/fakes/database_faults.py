"""A database that fails by chance as real ones do: refused statements, lost connections, a COMMIT told wrongly.

A fault strikes inside the transactions of `Database` alone, whose whole unit is to run again then; what a test
asks by an engine of its own is answered. MariaDB and PostgreSQL say the errors themselves (they are asked
to, or the connection to them is really cut), so codes, classes and what becomes of the transaction are real.
"""

import contextlib
import os
import random
import socket
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.server.db import Database

IN_A_ROW = 5  # so many at most, of which the server promises to survive some more
SQLITE = ("SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_LOCKED")
MYSQL = {1213: "40001", 1205: "HY000", 1020: "HY000"}  # deadlock, lock wait timeout, changed since it was read
POSTGRES = ("40P01", "40001", "55P03", "57P01")  # deadlock, serialization, lock timeout, shutdown


class FaultyDatabase(Database):
    """`rate` is the share of statements that fail, COMMIT among them; `faults` counts those that did by kind."""

    def __init__(self, url: str, rate: float, seed: int = 0, **options: Any) -> None:
        super().__init__(url, **options)
        self.rate = rate
        self.faults: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._here = threading.local()
        self._kind = _KINDS[self.engine.dialect.name]()
        for name in ("do_execute", "do_executemany", "do_execute_no_params"):
            sa.event.listen(self.engine, name, self._listener(name))
        self._commit = self.engine.dialect.do_commit
        self.engine.dialect.do_commit = self._do_commit  # type: ignore[method-assign]

    def reseed(self, seed: int) -> None:
        """The same faults again, for the same statements."""
        self._chance = random.Random(seed)

    @contextlib.contextmanager
    def _begin(self) -> Iterator[Connection]:
        with self._armed(), super()._begin() as connection:
            yield connection

    @contextlib.contextmanager
    def _view(self) -> Iterator[Connection]:
        with self._armed(), super()._view() as connection:
            yield connection

    @contextlib.contextmanager
    def _armed(self) -> Iterator[None]:
        self._here.armed = True
        try:
            yield
            self._here.in_a_row = 0
        finally:
            self._here.armed = False

    def _strikes(self) -> bool:
        in_a_row = getattr(self._here, "in_a_row", 0)
        if not getattr(self._here, "armed", False) or in_a_row >= IN_A_ROW or self._chance.random() >= self.rate:
            return False
        self._here.in_a_row = in_a_row + 1
        return True

    def _listener(self, name: str) -> Callable[..., bool | None]:
        execute = getattr(self.engine.dialect, name)

        def run(cursor: Any, *statement: Any) -> bool | None:
            if not self._strikes():
                return None
            told, is_done = self._chance.choice(self._kind.refusals), self._chance.random() < 0.5
            self.faults[f"{told}{', though done' if is_done else ''}"] += 1
            self._here.armed = False  # what follows until the transaction is over goes well
            if is_done:
                execute(cursor, *statement)
            self._kind.refuse(cursor, told)
            raise AssertionError("unreachable")

        return run

    def _do_commit(self, connection: Any) -> None:
        if not self._strikes():
            self._commit(connection)
            return
        is_done = self._chance.random() < 0.5
        self.faults[f"COMMIT {'done and told failed' if is_done else 'lost'}"] += 1
        if is_done:
            self._commit(connection)
        self._kind.lose(connection)


class _Sqlite:
    refusals: tuple[str, ...] = SQLITE

    def refuse(self, cursor: Any, told: str) -> None:
        error = sqlite3.OperationalError(f"{told}, by a test")
        error.sqlite_errorcode = getattr(sqlite3, told)
        raise error

    def lose(self, connection: Any) -> None:
        self.refuse(None, "SQLITE_BUSY")


class _MySQL:
    refusals = (*map(str, MYSQL), "connection lost")

    def refuse(self, cursor: Any, told: str) -> None:
        if told == "connection lost":
            self.lose(cursor.connection)
        if told == "1213":
            cursor.connection.rollback()  # as the server does; 1205 leaves the transaction half done
        state = MYSQL[int(told)]
        cursor.execute(f"SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO = {told}, MESSAGE_TEXT = 'by a test'")

    def lose(self, connection: Any) -> None:
        raw = getattr(connection, "dbapi_connection", connection)
        raw._sock.shutdown(socket.SHUT_RDWR)
        raw.query("SELECT 1")


class _PostgreSQL:
    refusals = (*POSTGRES, "connection lost")

    def refuse(self, cursor: Any, told: str) -> None:
        if told == "connection lost":
            self.lose(cursor.connection)
        cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'by a test' USING ERRCODE = '{told}'; END $$")

    def lose(self, connection: Any) -> None:
        raw = getattr(connection, "dbapi_connection", connection)
        with socket.socket(fileno=os.dup(raw.fileno())) as way:
            way.shutdown(socket.SHUT_RDWR)
        raw.execute("SELECT 1")


_KINDS: dict[str, Callable[[], Any]] = {
    "sqlite": _Sqlite, "mysql": _MySQL, "mariadb": _MySQL, "postgresql": _PostgreSQL,
}  # fmt: skip
