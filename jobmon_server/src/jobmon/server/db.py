"""Connections, transactions, and the few places where databases differ.

A write on SQLite begins with BEGIN IMMEDIATE behind a lock of this process: two writers that upgrade a read
would fail at once, and SQLite's own waiting sleeps in steps that cost a dependency level its milliseconds.
MariaDB and PostgreSQL run in READ COMMITTED. Any database error undoes the whole unit; those that say
"try again" (by code, never by text) are repeated from the start by `Database`.
"""

import contextlib
import itertools
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from jobmon.core.exceptions import InvalidRequest, ServerBusy, ServerError, StorageFull
from jobmon.core.quantities import format_memory
from jobmon.server import tables
from jobmon.server.db_errors import Away, TryAgain, is_away, is_broken, is_conflict, is_full, is_slow
from jobmon.server.engines import STATEMENT_SECONDS, make_engine

Result = TypeVar("Result")
AnyId = TypeVar("AnyId", bound=int)
AnyRow: TypeAlias = Row[*tuple[Any, ...]]

TRIES = 8
RACES = 2
AWAY_SECONDS = 30.0  # so long a request waits for a database that restarts
RANGES_AT_MOST = 16  # beyond that a list of ids is the shorter way to say which
_NOW = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "mysql": "UNIX_TIMESTAMP(NOW(6))",
    "mariadb": "UNIX_TIMESTAMP(NOW(6))",
    "postgresql": "EXTRACT(EPOCH FROM clock_timestamp())",
}


class Database:
    """An engine with this product's transactions on it."""

    def __init__(
        self,
        url: str,
        synchronous: str = "FULL",
        statement_seconds: int = STATEMENT_SECONDS,
    ) -> None:
        """`synchronous` is SQLite's: FULL survives a power cut, NORMAL a killed process.

        `on_broken` may be set: it is called when the disk under SQLite failed. A server ends itself then, because
        pages that it believes written may not be.
        """
        self.url = url
        self.engine = make_engine(url, synchronous, statement_seconds)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self.on_broken: Callable[[], object] = lambda: None
        self._writer = threading.Lock()  # of the one connection of SQLite that writes
        self._kept: Connection | None = None

    def create(self) -> None:
        """Make the tables that are missing."""
        tables.metadata.create_all(self.engine)

    def read(self, unit: Callable[[Connection], Result]) -> Result:
        """Run `unit` on one consistent view; a connection that is lost meanwhile runs it again."""
        return self._repeated(unit, self._view)

    def write(self, unit: Callable[[Connection], Result]) -> Result:
        """Run `unit` in one transaction; a conflict with another transaction runs it again from the start."""
        return self._repeated(unit, self._begin)

    def _repeated(
        self,
        unit: Callable[[Connection], Result],
        transaction: Callable[[], contextlib.AbstractContextManager[Connection]],
    ) -> Result:
        """Raises ServerBusy when it still fails after TRIES, StorageFull when the disk is full."""
        until = time.monotonic() + AWAY_SECONDS
        refusals = races = 0
        for attempt in itertools.count():
            try:
                with self._naming_failures(), transaction() as connection:
                    return unit(connection)
            except sa.exc.IntegrityError as raced:  # another one made the same row first, or a mistake of ours
                if races == RACES:
                    raise
                reason, races = str(raced.orig), races + 1
            except Away as away:
                reason, refusals = str(away), refusals if time.monotonic() < until else TRIES
            except TryAgain as again:
                reason, refusals = str(again), refusals + 1
            if refusals >= TRIES:
                raise ServerBusy(
                    f"the database {self} kept refusing a transaction ({reason}); try again in a moment"
                )
            time.sleep(random.uniform(0, min(0.004 * 2**attempt, 1.0)))
        raise AssertionError("unreachable")

    @contextlib.contextmanager
    def _view(self) -> Iterator[Connection]:
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def _begin(self) -> Iterator[Connection]:
        if self.is_sqlite:
            with self._writer:
                connection = self._keep()
                try:
                    with connection.begin():
                        yield connection
                except sa.exc.DBAPIError:  # what state it is in is not known, nor which of its cursors are open
                    connection.invalidate()
                    connection.close()
                    raise
        else:
            with self.engine.connect() as connection, connection.begin():
                yield connection

    def _keep(self) -> Connection:
        """The connection that writes; taking one out of the pool each time would cost a tenth of a small write."""
        if self._kept is None or self._kept.closed or self._kept.invalidated:
            self._kept = self.engine.connect().execution_options(writes=True)
        return self._kept

    @contextlib.contextmanager
    def _naming_failures(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            if (named := self._named(error)) is None:
                raise
            raise named from error
        except sa.exc.TimeoutError as error:
            raise ServerBusy("all connections to the database are in use; try again in a moment") from error
        except OverflowError as error:  # SQLite's driver refuses what has more than 64 bits
            raise InvalidRequest(f"a number is too large: {error}") from error

    def _named(self, error: sa.exc.DBAPIError) -> Exception | None:
        """The same failure in words of ours, if there are any."""
        if is_full(error.orig):
            return StorageFull(
                f"the disk of the database is full: {self._place()}; nothing was changed. Make room there: "
                "writing resumes by itself."
            )
        if is_broken(error.orig):
            self.on_broken()
            return ServerError(
                f"the disk of the database {self} failed ({error.orig}); nothing was changed. Look at the disk; "
                "`jobmon-server db check` says whether the file is whole."
            )
        if is_away(error):
            return Away(str(error.orig))
        if is_conflict(error.orig):
            return TryAgain(str(error.orig))
        if is_slow(error.orig):
            return ServerBusy(f"a statement took too long ({error.orig}); nothing was changed")
        if isinstance(error, sa.exc.DataError):  # too large, too long, or a character that it cannot hold
            return InvalidRequest(f"the database cannot hold a value of the request: {error.orig}")
        return None

    def _place(self) -> str:
        """Host, path and what is free where that is known: of SQLite's file."""
        if not self.is_sqlite or not self.engine.url.database:
            return str(self)
        file = Path(self.engine.url.database)
        free = shutil.disk_usage(file.parent).free
        return f"{os.uname().nodename}:{file}, {format_memory(free)} free"

    def __str__(self) -> str:
        """Its address without the password."""
        return self.engine.url.render_as_string()

    def dispose(self) -> None:
        """Close all connections."""
        if self._kept is not None:
            self._kept.close()
        self.engine.dispose()


def now(connection: Connection) -> float:
    """Seconds since 1970 by the database's clock: the only clock that decides anything."""
    return float(connection.exec_driver_sql(f"SELECT {_NOW[connection.dialect.name]}").scalar_one())


def insert(
    connection: Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """Insert many rows given as tuples, the cheapest way a driver has."""
    rows = list(rows)
    if rows:
        connection.exec_driver_sql(_insert_sql(table, tuple(columns), connection.dialect), rows)


def insert_one(connection: Connection, table: sa.Table, row: Mapping[str, Any]) -> int:
    """Insert one row and return the id that the database gave it."""
    key = connection.execute(sa.insert(table), dict(row)).inserted_primary_key
    return int(key[0]) if key else 0


@lru_cache(maxsize=256)
def _insert_sql(table: sa.Table, columns: tuple[str, ...], dialect: sa.Dialect) -> str:
    statement = sa.insert(table).values({name: sa.bindparam(name) for name in columns})
    compiled = statement.compile(dialect=dialect, column_keys=columns)
    mark = "?" if dialect.paramstyle == "qmark" else "%s"
    head = str(compiled).split(" VALUES ")[0]
    names = ", ".join(dialect.identifier_preparer.quote(name) for name in columns)
    target = head[: head.index("(")].strip()
    return f"{target} ({names}) VALUES ({', '.join([mark] * len(columns))})"


def among(column: sa.ColumnElement[Any], ids: Sequence[int]) -> sa.ColumnElement[bool]:
    """`column IN ids`, said as ranges where ids follow one another, which they mostly do here."""
    ranges = _ranges(sorted(ids))
    if len(ranges) > RANGES_AT_MOST:
        return column.in_(sa.bindparam(None, ids, expanding=True, literal_execute=True))
    return sa.or_(sa.false(), *(column.between(low, high) for low, high in ranges))


def within(column: sa.ColumnElement[Any], count: int) -> sa.ColumnElement[bool]:
    """`among` for a statement that is built once: the values come from `spans`, with their count."""
    if not count:
        return column.in_(sa.bindparam("ids", expanding=True, literal_execute=True))
    return sa.or_(*(column.between(sa.bindparam(f"low_{i}"), sa.bindparam(f"high_{i}")) for i in range(count)))


def spans(ids: Sequence[int]) -> Iterator[tuple[int, Sequence[int], dict[str, Any]]]:
    """`ids` in pieces that a statement can hold: the count for `within`, the ids of the piece, the values."""
    ranges = _ranges(sorted(ids))
    if len(ranges) > RANGES_AT_MOST:
        for piece in chunked(ids):
            yield 0, piece, {"ids": piece}
    elif ranges:
        values = {f"low_{i}": low for i, (low, _) in enumerate(ranges)}
        values |= {f"high_{i}": high for i, (_, high) in enumerate(ranges)}
        yield len(ranges), ids, values


def one_of(column: sa.ColumnElement[Any], letters: Iterable[str]) -> sa.ColumnElement[bool]:
    """`column IN ('A', 'B')` with the letters in the text: a list of values is spelled anew at each execution."""
    return column.in_([sa.literal_column(f"'{letter}'") for letter in letters])


def _ranges(ids: Sequence[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    start = previous = None
    for number in ids:
        if previous is None or number > previous + 1:
            if start is not None and previous is not None:
                found.append((start, previous))
            start = number
        previous = number
    if start is not None and previous is not None:
        found.append((start, previous))
    return found


def chunked(ids: Sequence[AnyId], size: int = 1000) -> Iterator[Sequence[AnyId]]:
    """`ids` in pieces that a statement can hold."""
    for begin in range(0, len(ids), size):
        yield ids[begin : begin + size]


def reserve(connection: Connection, kind: str, count: int) -> int:
    """The first of `count` fresh ids of that kind; the block belongs to the caller for good."""
    taken = connection.execute(_TAKE_IDS, {"of": kind, "count": count})
    if taken.rowcount == 0:
        connection.execute(sa.insert(tables.id_block).values(kind=kind, next_id=1 + count))
        return 1
    return int(connection.execute(_NEXT_ID, {"of": kind}).scalar_one()) - count


_TAKE_IDS = (
    sa.update(tables.id_block)
    .where(tables.id_block.c.kind == sa.bindparam("of"))
    .values(next_id=tables.id_block.c.next_id + sa.bindparam("count"))
)
_NEXT_ID = sa.select(tables.id_block.c.next_id).where(tables.id_block.c.kind == sa.bindparam("of"))
