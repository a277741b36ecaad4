"""How connections to SQLite, MariaDB/MySQL and PostgreSQL are made.

All times are limits of last resort: a transaction here takes milliseconds, so whatever waits for as long as these
say waits for something that is broken. Every connection reaches the primary: a replica that lags would let the
engine decide on what is no longer true, so a database that only reads is refused as if it were away.
"""

import sqlite3
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from jobmon.server.db_errors import Away

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 60
LOCK_SECONDS = 10
IDLE_SECONDS = 60  # inside a transaction: its process hangs, and others wait for its locks
POOL: dict[str, Any] = {
    "pool_pre_ping": True,
    "pool_size": 16,  # more at once only wait for one another, and opening one costs what fifty requests do
    "max_overflow": 0,
    "pool_timeout": 10,
    "pool_recycle": 1800,  # before firewalls and `wait_timeout` forget a connection that nobody used
    "pool_use_lifo": True,
}


def make_engine(url: str, synchronous: str, statement_seconds: int) -> Engine:
    """An engine whose connections are set up as this product needs them; 0 is no limit for statements."""
    dialect = sa.make_url(url).get_backend_name()
    if dialect == "sqlite":
        return _sqlite(url, synchronous)
    arguments, set_up = _OF[dialect]
    engine = sa.create_engine(url, isolation_level="READ COMMITTED", connect_args=arguments, **POOL)

    @event.listens_for(engine, "connect")
    def _connect(raw: Any, _record: object) -> None:
        try:
            with raw.cursor() as cursor:
                set_up(raw, cursor, statement_seconds)
        except BaseException:
            raw.close()  # the pool does not know it yet
            raise

    return engine


def _mysql(raw: Any, cursor: Any, statement_seconds: int) -> None:
    if "MariaDB" in raw.get_server_info():
        cursor.execute(f"SET SESSION max_statement_time = {statement_seconds}")
        cursor.execute(f"SET SESSION idle_transaction_timeout = {IDLE_SECONDS}")
    else:
        cursor.execute(f"SET SESSION max_execution_time = {statement_seconds * 1000}")  # of reads alone
    cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {LOCK_SECONDS}")
    cursor.execute("SELECT @@global.read_only")
    _refuse_replica(bool(cursor.fetchone()[0]), "@@global.read_only is on")


def _postgresql(raw: Any, cursor: Any, statement_seconds: int) -> None:
    for name, seconds in (
        ("statement_timeout", statement_seconds),
        ("lock_timeout", LOCK_SECONDS),
        ("idle_in_transaction_session_timeout", IDLE_SECONDS),
    ):
        cursor.execute(f"SET {name} = '{seconds}s'")
    cursor.execute("SHOW transaction_read_only")
    read_only = cursor.fetchone()[0] == "on"
    raw.commit()  # what was SET inside a transaction that is undone is undone with it
    _refuse_replica(read_only, "transaction_read_only is on")


def _refuse_replica(read_only: bool, why: str) -> None:
    if read_only:
        raise Away(f"it only reads ({why}): a replica, or a primary that was stepped down; name the primary")


_OF: dict[str, tuple[dict[str, Any], Callable[[Any, Any, int], None]]] = {
    "mysql": ({"connect_timeout": CONNECT_SECONDS, "read_timeout": 2 * STATEMENT_SECONDS}, _mysql),
    "mariadb": ({"connect_timeout": CONNECT_SECONDS, "read_timeout": 2 * STATEMENT_SECONDS}, _mysql),
    "postgresql": (
        {
            "connect_timeout": CONNECT_SECONDS,
            "tcp_user_timeout": 2000 * STATEMENT_SECONDS,  # milliseconds
            "keepalives_idle": 60,
        },
        _postgresql,
    ),
}


def _sqlite(url: str, synchronous: str) -> Engine:
    engine = sa.create_engine(url, connect_args={"timeout": 30, "check_same_thread": False}, pool_size=64)

    @event.listens_for(engine, "connect")
    def _connect(raw: sqlite3.Connection, _record: object) -> None:
        raw.isolation_level = None  # BEGIN is ours
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            "cache_size=-65536",
            "temp_store=MEMORY",
            "wal_autocheckpoint=4000",
        ):
            raw.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
