"""What an error of a database's driver means, told by its code and never by its text."""

import sqlite3

import sqlalchemy as sa

# https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html, https://mariadb.com/kb/en/mariadb-error-codes/
_CONFLICT_MYSQL = {1205, 1213}  # lock wait timeout, deadlock
_CONFLICT_MYSQL |= {1020}  # MariaDB: the row changed since it was read
_AWAY_MYSQL = {1040, 1053, 2002, 2003, 2006, 2013}  # too many connections, shutting down, away, gone, lost
_AWAY_MYSQL |= {1927, 1203, 1226}  # MariaDB: connection was killed; a user's limits of connections
_FULL_MYSQL = {1021, 1114}
_SLOW_MYSQL = {1969, 3024}  # MariaDB and MySQL: over the time for a statement
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_CONFLICT_POSTGRES = {"40001", "40P01", "55P03"}  # serialization, deadlock, lock timeout
_AWAY_POSTGRES = {
    "57P01",
    "57P02",
    "57P03",
    "53300",
    "25P03",
}  # shutdown, crash, starting, too many, idle too long
_SLOW_POSTGRES = {"57014"}


class TryAgain(Exception):
    """The unit met another transaction: it is undone and simply run again."""


class Away(TryAgain):
    """The database is not there for the moment, or the connection to it was lost."""


def is_full(error: BaseException | None) -> bool:
    """The disk of the database has no room left."""
    if isinstance(error, sqlite3.Error):
        return _sqlite_code(error) == sqlite3.SQLITE_FULL
    return _number(error) in _FULL_MYSQL or _state(error) == "53100"


def is_broken(error: BaseException | None) -> bool:
    """The disk under SQLite failed: what this process holds of the file is not to be trusted any more."""
    return isinstance(error, sqlite3.Error) and _sqlite_code(error) in (
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
    )


def is_slow(error: BaseException | None) -> bool:
    """A statement was ended because it took too long."""
    return _number(error) in _SLOW_MYSQL or _state(error) in _SLOW_POSTGRES


def is_away(error: sa.exc.DBAPIError) -> bool:
    """The database cannot be reached, or the connection to it was lost."""
    return error.connection_invalidated or _is_away(error.orig)


def _is_away(error: BaseException | None) -> bool:
    state = _state(error)
    unanswered = state is None and type(error).__name__ == "OperationalError"  # psycopg: no server said anything
    return _number(error) in _AWAY_MYSQL or state in _AWAY_POSTGRES or unanswered or (state or "").startswith("08")


def is_conflict(error: BaseException | None) -> bool:
    """Another transaction was in the way."""
    if isinstance(error, sqlite3.Error):
        return _sqlite_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return _number(error) in _CONFLICT_MYSQL or _state(error) in _CONFLICT_POSTGRES


def _sqlite_code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _number(error: BaseException | None) -> object:
    """MySQL's number."""
    return error.args[0] if error is not None and error.args else None


def _state(error: BaseException | None) -> str | None:
    """PostgreSQL's state: None when the server never said one, empty for another driver's error."""
    state: str | None = getattr(error, "sqlstate", "")
    return state
