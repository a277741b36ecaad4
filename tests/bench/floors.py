"""What the machine gives at best at this moment: the bare work, without any of ours around it."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import sqlalchemy as sa

ROWS_AT_ONCE = 20_000
ROWS_IN_STATEMENT = 1000


def sqlite_rows_per_second(database: Path, folder: Path) -> float:
    """The task rows of a bound database inserted into a bare table with two indexes, as durably as ours."""
    with sqlite3.connect(database) as source:
        rows = source.execute(
            "SELECT t.id, array_id, gate_id, resources_id, status, max_attempts, name, command, node_args, "
            "node_hash FROM task t JOIN task_spec ON task_id = t.id"
        ).fetchall()
    bare = sqlite3.connect(folder / "floor.db", isolation_level=None)
    bare.execute("PRAGMA journal_mode=WAL")
    bare.execute("PRAGMA synchronous=FULL")
    bare.execute("CREATE TABLE task (id INTEGER PRIMARY KEY, a, g, r, s, m, name, command, args, hash)")
    bare.execute("CREATE INDEX pick ON task (a, s, id)")
    bare.execute("CREATE INDEX gate ON task (g, id)")
    began = time.perf_counter()
    for first in range(0, len(rows), ROWS_AT_ONCE):
        bare.execute("BEGIN")
        bare.executemany("INSERT INTO task VALUES (?,?,?,?,?,?,?,?,?,?)", rows[first : first + ROWS_AT_ONCE])
        bare.execute("COMMIT")
    seconds = time.perf_counter() - began
    bare.close()
    return len(rows) / seconds


def rows_per_second(url: str) -> float:
    """The task rows of a bound database inserted into a bare table with two indexes of it, as durably as ours."""
    engine = sa.create_engine(url)
    bare = sa.Table(
        "floor",
        sa.MetaData(),
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.BigInteger, index=name in ("a", "g")) for name in "agrm"),
        *(sa.Column(name, sa.Text) for name in ("name", "command", "args")),
        sa.Column("hash", sa.LargeBinary(16)),
    )
    with engine.begin() as connection:
        rows = connection.exec_driver_sql(
            "SELECT t.id, array_id, gate_id, resources_id, max_attempts, name, command, node_args, node_hash "
            "FROM task t JOIN task_spec ON task_id = t.id"
        ).fetchall()
        bare.create(connection)
    insert = _insert(connection.dialect.name, len(bare.columns))
    began = time.perf_counter()
    for first in range(0, len(rows), ROWS_AT_ONCE):
        with engine.begin() as connection:
            insert(connection, [tuple(row) for row in rows[first : first + ROWS_AT_ONCE]])
    seconds = time.perf_counter() - began
    engine.dispose()
    return len(rows) / seconds


def _insert(dialect: str, columns: int) -> Callable[[sa.Connection, list[tuple[object, ...]]], object]:
    """The driver's fastest INSERT: pymysql makes one statement of many rows by itself, psycopg does not."""
    row = f"({', '.join(['%s'] * columns)})"
    if dialect == "mysql":
        return lambda connection, rows: connection.exec_driver_sql(f"INSERT INTO floor VALUES {row}", rows)

    def insert(connection: sa.Connection, rows: list[tuple[object, ...]]) -> None:
        for first in range(0, len(rows), ROWS_IN_STATEMENT):
            some = rows[first : first + ROWS_IN_STATEMENT]
            values = ", ".join([row] * len(some))
            flat = tuple(value for one in some for value in one)
            connection.exec_driver_sql(f"INSERT INTO floor VALUES {values}", flat)

    return insert


def xargs_per_second(count: int) -> float:
    """`xargs -P2` over the same commands in the same shell."""
    commands = "".join(f"true {i}\n" for i in range(count)).encode()
    began = time.perf_counter()
    subprocess.run(["xargs", "-P2", "-d", "\\n", "-n1", _bash(), "-c"], input=commands, check=True)
    return count / (time.perf_counter() - began)


def loop_per_second(count: int, processes: int = 2) -> float:
    """Processes that each start their share of the same commands, one after the other, and do nothing else."""
    code = (
        "import os, sys\n"
        "bash, first, stop = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])\n"
        "for i in range(first, stop):\n"
        "    os.waitpid(os.posix_spawn(bash, [bash, '-c', f'true {i}'], os.environ), 0)\n"
    )
    cuts = [count * i // processes for i in range(processes + 1)]
    began = time.perf_counter()
    started = [
        subprocess.Popen([sys.executable, "-I", "-S", "-c", code, _bash(), str(first), str(stop)])
        for first, stop in zip(cuts, cuts[1:], strict=False)
    ]
    for process in started:
        process.wait()
    return count / (time.perf_counter() - began)


def interpreters_seconds(count: int) -> float:
    """Starting so many Python interpreters that do nothing, one after the other."""
    began = time.perf_counter()
    for _ in range(count):
        subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - began


def identity_seconds(count: int) -> float:
    """So many commands rendered and hashed in a bare loop."""
    began = time.perf_counter()
    for i in range(count):
        blake2b(f"work --item {i}".encode(), digest_size=16).digest()
    return time.perf_counter() - began


def commits_per_second(folder: Path, count: int) -> float:
    """Single-row transactions, as durable as ours, one for each of `count`."""
    bare = sqlite3.connect(folder / "floor.db", isolation_level=None)
    bare.execute("PRAGMA journal_mode=WAL")
    bare.execute("PRAGMA synchronous=FULL")
    bare.execute("CREATE TABLE task (id INTEGER PRIMARY KEY, status)")
    began = time.perf_counter()
    for i in range(count):
        bare.execute("INSERT INTO task VALUES (?, 'D')", (i,))
    seconds = time.perf_counter() - began
    bare.close()
    return count / seconds


def audit_rows_per_second(folder: Path, count: int) -> float:
    """The audit rows that a run of so many tasks writes (9 a task), inserted in bulk into a bare table."""
    bare = sqlite3.connect(folder / "floor.db", isolation_level=None)
    bare.execute("PRAGMA journal_mode=WAL")
    bare.execute("PRAGMA synchronous=FULL")
    bare.execute("CREATE TABLE audit (id INTEGER PRIMARY KEY, kind, entity, w, old, new, at, actor, why)")
    bare.execute("CREATE INDEX ix ON audit (w, id)")
    rows = [("T", i, 1, "Q", "I", 1.7e9, "run 1 fence 1", "") for i in range(min(count, 1000))]
    began = time.perf_counter()
    for _ in range(9 * count // len(rows)):
        bare.execute("BEGIN")
        bare.executemany(
            "INSERT INTO audit (kind, entity, w, old, new, at, actor, why) VALUES (?,?,?,?,?,?,?,?)", rows
        )
        bare.execute("COMMIT")
    seconds = time.perf_counter() - began
    bare.close()
    return count / seconds


def _bash() -> str:
    return shutil.which("bash") or os.environ.get("SHELL", "/bin/sh")
