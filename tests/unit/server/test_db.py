"""Transactions: what is undone, what is run again, and what is said when that does not help."""

import os
import sqlite3
import threading

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from jobmon.core.exceptions import InvalidRequest, ServerBusy, StorageFull
from jobmon.server import db, tables
from jobmon.server.db import Database, TryAgain, among, chunked, insert, reserve


def raised(code: int | str) -> sa.exc.DBAPIError:
    """An error of a driver: SQLite's by its name, MySQL's by its number, PostgreSQL's by its state."""
    if isinstance(code, int):
        return sa.exc.DBAPIError("", {}, Exception(code, "said the server"))
    if code.startswith("SQLITE"):
        error = sqlite3.OperationalError("said SQLite")
        error.sqlite_errorcode = getattr(sqlite3, code)
        return sa.exc.DBAPIError("", {}, error)
    error = Exception("said the server")
    error.sqlstate = code  # type: ignore[attr-defined]
    return sa.exc.DBAPIError("", {}, error)


class Failing:
    """A unit that writes a row and fails the first times."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.times, self.calls = error, times, 0

    def __call__(self, connection: Connection) -> str:
        self.calls += 1
        if connection.get_execution_options().get("writes"):
            insert(connection, tables.tool, ("name",), [(f"tool{self.calls}",)])
        if self.calls <= self.times:
            raise self.error
        return "done"


def tools(database: Database) -> list[str]:
    return database.read(lambda c: list(c.execute(sa.select(tables.tool.c.name)).scalars()))


PASSING = [
    "SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_LOCKED", 1040, 1053, 1205, 1213, 2002, 2003, 2006, 2013,
    "40001", "40P01", "57P01", "57P03", "08006",
]  # fmt: skip


@pytest.mark.promise("F16 F18 F19 F20")
@pytest.mark.parametrize("code", PASSING)
@pytest.mark.parametrize("how", ["read", "write"])
def test_a_conflict_or_a_lost_connection_runs_the_whole_unit_again(
    database: Database, code: int | str, how: str
) -> None:
    unit = Failing(raised(code), 3)

    assert getattr(database, how)(unit) == "done"
    assert tools(database) == (["tool4"] if how == "write" else [])


@pytest.mark.parametrize("how", ["read", "write"])
def test_a_unit_that_keeps_failing_is_busy_and_leaves_nothing(database: Database, how: str) -> None:
    unit = Failing(TryAgain("row 5 changed meanwhile"), 100)

    with pytest.raises(ServerBusy, match="row 5 changed meanwhile"):
        getattr(database, how)(unit)
    assert unit.calls == db.TRIES
    assert tools(database) == []


def test_another_error_undoes_the_unit_and_is_not_repeated(database: Database) -> None:
    for error in (raised(1064), raised("SQLITE_CONSTRAINT"), raised("42601"), ValueError("mine")):
        unit = Failing(error, 1)
        with pytest.raises(type(error)):
            database.write(unit)
        assert unit.calls == 1
    assert tools(database) == []


def test_a_row_that_another_one_made_first_is_found_in_the_second_try(database: Database) -> None:
    seen: list[bool] = []

    def find_or_make(connection: Connection) -> None:
        found = connection.execute(sa.select(tables.tool.c.id)).scalar()
        seen.append(found is not None)
        if len(seen) == 1:
            raise sa.exc.IntegrityError("", {}, Exception("unique"))
        insert(connection, tables.tool, ("name",), [("t",)])

    database.write(find_or_make)

    assert seen == [False, False]
    with pytest.raises(sa.exc.IntegrityError):
        database.write(lambda c: insert(c, tables.tool, ("name",), [("t",)]))


@pytest.mark.promise("F21")
@pytest.mark.parametrize("code", ["SQLITE_FULL", 1021, 1114, "53100"])
def test_a_full_disk_is_said_with_its_place(database: Database, code: int | str) -> None:
    unit = Failing(raised(code), 1)

    with pytest.raises(
        StorageFull, match=rf"is full: {os.uname().nodename}:\S+jobmon\.db, .* free; nothing was changed"
    ):
        database.write(unit)
    assert unit.calls == 1


def test_a_number_too_large_for_the_database_is_the_callers_mistake(database: Database) -> None:
    with pytest.raises(InvalidRequest, match="too large"):
        database.read(lambda c: c.execute(sa.select(tables.tool).where(tables.tool.c.id == 2**64)))


@pytest.mark.promise("F20")
def test_writers_of_one_process_come_one_after_the_other(database: Database) -> None:
    def add_one(connection: Connection) -> None:
        reserve(connection, "x", 1)

    def add_many() -> None:
        for _ in range(25):
            database.write(add_one)

    threads = [threading.Thread(target=add_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert database.write(lambda c: reserve(c, "x", 1)) == 101


def test_reserved_blocks_do_not_touch(database: Database) -> None:
    firsts = [database.write(lambda c, n=n: reserve(c, "task", n)) for n in (1, 10, 1, 1000)]

    assert firsts == [1, 2, 12, 13]
    assert database.write(lambda c: reserve(c, "gate", 5)) == 1


@given(st.sets(st.integers(1, 200), max_size=60))
def test_among_is_the_same_as_in(ids: set[int]) -> None:
    column = sa.column("x")
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 200) SELECT x FROM n"
        table = sa.text(numbers).columns(column).subquery()
        found = connection.execute(sa.select(table.c.x).where(among(table.c.x, sorted(ids)))).scalars()

        assert set(found) == ids
    engine.dispose()


def test_chunks_hold_everything_once_and_in_order() -> None:
    assert [list(part) for part in chunked(range(7), 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(chunked([], 3)) == []


def test_the_databases_clock_is_seconds_since_1970_with_fractions(database: Database) -> None:
    moments = [database.read(db.now) for _ in range(20)]

    assert 1.7e9 < moments[0] <= moments[1]
    assert any(moment % 1 for moment in moments)  # one may fall on a whole second
