"""A MariaDB and a PostgreSQL, started once, and the tests of the server's parts once more on both of them.

The files of `unit_suite.txt` are collected as if they stood here: their tests find the `database` of this folder
in place of the one of tests/unit/server. Those that ask for no database are left out, and those named there with
the reason.
"""

import contextlib
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clusters.databases import SERVERS
from clusters.sharing import here_or_skipped
from fakes.database_faults import FaultyDatabase
from jobmon.server.db import Database
from jobmon.server.tables import metadata
from unit.server.auth.conftest import lab, make_lab
from unit.server.conftest import make_world
from unit.server.store.conftest import stored

__all__ = ["lab", "make_lab", "make_world", "stored"]

UNIT = Path(__file__).parents[2] / "unit" / "server"
TABLES = [table.name for table in reversed(metadata.sorted_tables)]
FILLED = " UNION ALL ".join(f"SELECT '{name}' FROM (SELECT 1 FROM {name} LIMIT 1) {name}_" for name in TABLES)
COUNTED = {  # what would not begin at 1 again by itself
    "mariadb": (
        "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND auto_increment > 1",
        "TRUNCATE {}",
    ),
    "postgresql": (
        "SELECT sequencename FROM pg_sequences WHERE last_value IS NOT NULL",
        "ALTER SEQUENCE {} RESTART",
    ),
}
COUNTED["sqlite"] = ("SELECT name FROM sqlite_sequence", "DELETE FROM sqlite_sequence WHERE name = '{}'")
LONG = os.environ.get("JOBMON_TEST_LONG") == "1"
FAULTY = [f"{name} with faults" for name in ("sqlite", *SERVERS)] if LONG else []
RATE = 0.01  # of the statements
QUICK = {  # these databases outlive no machine
    "mariadb": ["SET GLOBAL innodb_flush_log_at_trx_commit = 0", "SET GLOBAL innodb_lock_wait_timeout = 5"],
    "postgresql": ["ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET synchronous_commit = off"],
}


class UnitModule(pytest.Module):
    """One file of the unit tests with the fixtures of this folder."""

    left_out: frozenset[str] = frozenset()

    def collect(self):
        return [
            item
            for item in super().collect()
            if "database" in getattr(item, "fixturenames", ()) and not self._leaves_out(item)
        ]

    def _leaves_out(self, item: pytest.Function) -> bool:
        has_faults = "with faults" in str(item.callspec.params.get("shared_database"))
        names = {item.originalname} | ({f"faults: {item.originalname}"} if has_faults else set())
        return not names.isdisjoint(self.left_out)


class UnitSuite(pytest.File):
    """The list of files, and of tests that are about SQLite alone."""

    def collect(self):
        lines = [line.split("#")[0].strip() for line in self.path.read_text().splitlines()]
        for name in lines:
            if name.endswith(".py"):
                nodeid = f"{self.parent.nodeid}/{name}"
                module = UnitModule.from_parent(self.parent, path=UNIT / name, nodeid=nodeid)
                module.left_out = frozenset(lines)
                yield module


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> UnitSuite | None:
    return UnitSuite.from_parent(parent, path=file_path) if file_path.name == "unit_suite.txt" else None


@pytest.fixture(scope="session")
def started() -> Iterator[Callable[[str], str]]:
    """The URL of the server of that name, which is started when it is first asked for.

    Its folder is none of pytest's, which another pytest on this machine closes to the server's own user.
    """
    urls: dict[str, str] = {}
    with contextlib.ExitStack() as running:

        def start(name: str) -> str:
            if name not in urls:
                folder = running.enter_context(tempfile.TemporaryDirectory(prefix=f"jobmon-{name}-"))
                urls[name] = start_quick(running, name, Path(folder))
            return urls[name]

        yield start


def start_quick(running: contextlib.ExitStack, name: str, folder: Path) -> str:
    """Where the database of this kind is, which trusts the machine to stay up."""
    url = here_or_skipped(lambda: running.enter_context(SERVERS[name](folder)))
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for statement in QUICK[name]:
            connection.exec_driver_sql(statement)
        if name == "postgresql":
            connection.exec_driver_sql("SELECT pg_reload_conf()")
    return url


@pytest.fixture(scope="session", params=["sqlite", *SERVERS])
def url(
    request: pytest.FixtureRequest, started: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Where there is a database: SQLite's too."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('sqlite')}/jobmon.db"
    return started(request.param)


@contextlib.contextmanager
def fresh(url: str, folder: Path, make: Callable[..., Database] = Database, **options: Any) -> Iterator[Database]:
    """An empty database beside the one of the other tests."""
    name = f"e{uuid.uuid4().hex[:8]}"
    if url.startswith("sqlite"):
        database = make(f"sqlite:///{folder}/{name}.db", synchronous="OFF", **options)
        yield database
        database.dispose()
        return
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        own = sa.make_url(url).set(database=name).render_as_string(hide_password=False)
        database = make(own, **options)
        yield database
        database.dispose()
        force = " WITH (FORCE)" if url.startswith("postgresql") else ""
        connection.exec_driver_sql(f"DROP DATABASE {name}{force}")
    server.dispose()


@pytest.fixture(scope="session", params=[*SERVERS, *FAULTY])
def shared_database(
    request: pytest.FixtureRequest, started: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """One schema for all tests of a server; some of them with faults in what it is asked."""
    name, _, faults = request.param.partition(" with ")
    folder = tmp_path_factory.mktemp("shared")
    url = "sqlite://" if name == "sqlite" else started(name)
    with fresh(url, folder, FaultyDatabase, rate=RATE) if faults else fresh(url, folder) as database:
        database.create()
        yield database


@pytest.fixture
def database(shared_database: Database, record_property: Callable[[str, object], None]) -> Iterator[Database]:
    """An empty database."""
    yield shared_database
    if isinstance(shared_database, FaultyDatabase):
        record_property("database faults", shared_database.faults.total())
        shared_database.faults.clear()
    empty(shared_database)


def empty(database: Database) -> None:
    """No rows, and ids begin at 1 again: several times as quick as making the tables anew."""
    counted, restart = COUNTED[database.engine.dialect.name.replace("mysql", "mariadb")]
    with database.engine.begin() as connection:
        ask = connection.exec_driver_sql
        for statement, these in ((restart, ask(counted)), ("DELETE FROM {}", ask(FILLED))):
            for name in these.scalars().all():
                ask(statement.format(name))


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """A connection whose changes nobody keeps."""
    with database.engine.connect() as connection:
        yield connection
