"""The same engine on SQLite, MariaDB and PostgreSQL: whole workflows, and what databases do to transactions."""

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from clusters.databases import SERVERS
from faults.world import Node, World
from integration.databases.conftest import fresh
from jobmon.core.constants import MAX_CONCURRENTLY_RUNNING
from jobmon.core.defaults import Settings
from jobmon.core.exceptions import ConfigError
from jobmon.server import db, schema
from jobmon.server.start import open_service
from jobmon.server.tables import array, metadata, task, tool, workflow
from jobmon_conformance import invariants


@pytest.fixture
def database(url: str, tmp_path: Path) -> Iterator[db.Database]:
    with fresh(url, tmp_path) as database:
        database.create()
        yield database


def test_a_workflow_of_gates_failures_and_two_templates_runs_to_its_end(database):
    nodes = [Node(), Node(), Node(upstreams=(0, 1)), Node(array=1, upstreams=(2,)), Node(array=1)]
    world = World(database, nodes, [MAX_CONCURRENTLY_RUNNING] * 2)
    world.start_run(resume=False)
    world.drain()

    with database.engine.connect() as connection:
        invariants.check(connection)
        done = connection.execute(sa.select(sa.func.count()).where(task.c.status == "D")).scalar_one()
        status = connection.execute(sa.select(workflow.c.status)).scalar_one()
    assert (done, status) == (5, "D")


def test_the_clock_of_the_database_is_in_seconds_since_1970(database):
    first = database.read(db.now)
    second = database.read(db.now)

    assert 1_700_000_000 < first <= second < 5_000_000_000


@pytest.mark.promise("F18", "F19", "F20")
def test_many_writers_of_one_counter_lose_nothing(database):
    """Read, then write what was read plus one: what READ COMMITTED alone would lose."""
    database.write(
        lambda c: db.insert_one(
            c,
            array,
            {"workflow_id": 1, "template_version_id": 1, "name": "a", "max_concurrently_running": 1},
        )
    )

    def one_more(connection):
        old = connection.execute(sa.select(array.c.total).with_for_update()).scalar_one()
        connection.execute(sa.update(array).values(total=old + 1))

    threads = [threading.Thread(target=lambda: [database.write(one_more) for _ in range(25)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert database.read(lambda c: c.execute(sa.select(array.c.total)).scalar_one()) == 200


@pytest.mark.promise("F18")
def test_writers_that_lock_in_opposite_orders_all_come_through(database):
    names = [uuid.uuid4().hex for _ in range(2)]
    ids = [database.write(lambda c, name=name: db.insert_one(c, tool, {"name": name})) for name in names]
    met = threading.Barrier(2, timeout=60)
    failures: list[BaseException] = []

    def both(order):
        tries = 0

        def unit(connection):
            nonlocal tries
            tries += 1
            for position, tool_id in enumerate(order):
                connection.execute(sa.update(tool).where(tool.c.id == tool_id).values(name=uuid.uuid4().hex))
                if position == 0 and tries == 1 and not database.is_sqlite:
                    met.wait()

        try:
            database.write(unit)
        except BaseException as error:  # noqa: BLE001  # shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=both, args=(order,)) for order in (ids, ids[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []


@pytest.mark.promise("F16")
@pytest.mark.parametrize("url", list(SERVERS), indirect=True)
def test_a_connection_that_was_cut_is_replaced_and_the_unit_runs_again(database):
    cut = []

    def unit(connection):
        if not cut:
            cut.append(_own_id(connection))
            _kill(database, cut[0])
        return connection.execute(sa.select(sa.func.count()).select_from(tool)).scalar_one()

    assert database.write(unit) == 0
    assert len(cut) == 1


def _own_id(connection: sa.Connection) -> int:
    mysql = connection.dialect.name in ("mysql", "mariadb")
    return int(
        connection.exec_driver_sql("SELECT CONNECTION_ID()" if mysql else "SELECT pg_backend_pid()").scalar_one()
    )


def _kill(database: db.Database, connection_id: int) -> None:
    mysql = database.engine.dialect.name in ("mysql", "mariadb")
    with database.engine.connect() as other:
        other.exec_driver_sql(
            f"KILL CONNECTION {connection_id}" if mysql else f"SELECT pg_terminate_backend({connection_id})"
        )


@pytest.mark.promise("F78")
def test_ids_have_64_bits(database):
    database.write(
        lambda c: c.execute(sa.insert(db.tables.id_block).values(kind="task", next_id=2**40)),
    )

    first = database.write(lambda c: db.reserve(c, "task", 10))
    assert first == 2**40


@pytest.mark.promise("F25")
def test_a_site_database_is_made_by_command_and_then_served(database, tmp_path):
    settings = Settings(server=type(Settings().server)(database_url=database.url))
    metadata.drop_all(database.engine)
    if not database.is_sqlite:
        with pytest.raises(ConfigError, match="is empty; `jobmon-server db upgrade`"):
            open_service(settings, tmp_path, frozenset())
        schema.upgrade(database)

    service = open_service(settings, tmp_path, frozenset())
    assert service.read(lambda c: c.execute(sa.select(sa.func.count()).select_from(workflow)).scalar_one()) == 0
    service.database.dispose()
