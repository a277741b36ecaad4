"""What MariaDB and PostgreSQL are asked for, and what a server makes of their outages and refusals."""

import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from fakes.forwarder import Forwarder
from fakes.stored_workflow import StoredWorkflow
from jobmon.core.exceptions import InvalidRequest, ServerBusy
from jobmon.server import db, engines
from jobmon.server.store import roles
from jobmon.server.store.counters import counted
from jobmon.server.tables import completion, spare_place, task, tool

SETTINGS = {
    "mariadb": "SELECT @@tx_isolation, @@max_statement_time, @@innodb_lock_wait_timeout, "
    "@@idle_transaction_timeout",
    "postgresql": "SELECT current_setting('transaction_isolation'), current_setting('statement_timeout'), "
    "current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout')",
}
EXPECTED = {"mariadb": ("READ-COMMITTED", 60.0, 10, 60), "postgresql": ("read committed", "1min", "10s", "1min")}
READ_ONLY = {
    "mariadb": ("SET GLOBAL read_only = {}", "ON", "OFF"),
    "postgresql": ("ALTER SYSTEM SET default_transaction_read_only = {}", "on", "off"),
}
SLEEP = {"mariadb": "SELECT SLEEP(30)", "postgresql": "SELECT pg_sleep(30)"}


def name_of(database: db.Database) -> str:
    return database.engine.dialect.name.replace("mysql", "mariadb")


def again(database: db.Database, **options: int) -> db.Database:
    """Another server's view of the same database."""
    return db.Database(database.url, **options)


def test_connections_are_set_up_as_the_engine_needs_them(database):
    with database.engine.connect() as connection:
        found = connection.exec_driver_sql(SETTINGS[name_of(database)]).one()

    assert tuple(found) == EXPECTED[name_of(database)]


@pytest.mark.promise("F14")
@pytest.mark.promise("F38")
def test_a_server_that_stands_still_amid_a_transaction_does_not_hold_others_up_for_ever(database, monkeypatch):
    monkeypatch.setattr(engines, "IDLE_SECONDS", 1)
    still = again(database)

    came = []

    def first_time(connection: sa.Connection) -> None:
        connection.execute(sa.insert(tool).values(id=7, name="still"))
        if not came:
            database.write(lambda c: c.execute(sa.insert(tool).values(id=7, name="other")))
            came.append("other")

    with pytest.raises(sa.exc.IntegrityError):  # it tries again when it wakes up, and finds what the other one did
        still.write(first_time)

    assert came == ["other"]
    assert database.read(lambda c: c.execute(sa.select(tool.c.name)).scalars().all()) == ["other"]
    still.dispose()


@pytest.mark.promise("F14")
def test_a_role_whose_holder_acts_for_longer_than_its_lease_is_not_waited_for(database):
    at = 1_000_000.0
    with database.engine.begin() as acting:
        roles.hold(acting, "reaper", "a", at)
    with database.engine.begin() as acting:
        roles.hold(acting, "reaper", "a", at)
        meanwhile = database.write(lambda c: roles.hold(c, "reaper", "b", at + roles.LEASE_SECONDS))

    assert meanwhile is None
    assert database.write(lambda c: roles.hold(c, "reaper", "b", at + roles.LEASE_SECONDS)) == 2


def test_a_statement_that_takes_too_long_is_ended_and_said_to_be_busy(database):
    short = again(database, statement_seconds=1)
    tries: list[int] = []

    def sleep(connection: sa.Connection) -> None:
        tries.append(1)
        connection.exec_driver_sql(SLEEP[name_of(database)]).all()

    with pytest.raises(ServerBusy, match="took too long"):
        short.read(sleep)

    assert len(tries) <= 1  # none, where even the first look at a connection took too long
    short.dispose()


@pytest.mark.promise("F19")
def test_who_waits_too_long_for_a_lock_undoes_all_and_tries_again(database, monkeypatch):
    monkeypatch.setattr(engines, "LOCK_SECONDS", 1)
    short = again(database)
    database.write(lambda c: db.insert(c, tool, ("id", "name"), [(1, "held"), (2, "free")]))
    held, let_go = threading.Event(), threading.Event()

    def hold(connection: sa.Connection) -> None:
        connection.execute(sa.update(tool).where(tool.c.id == 1).values(name="held by me"))
        held.set()
        let_go.wait(60)

    tries: list[int] = []

    def both(connection: sa.Connection) -> None:
        tries.append(1)
        connection.execute(sa.update(tool).where(tool.c.id == 2).values(name=f"free {len(tries)}"))
        if len(tries) == 2:
            let_go.set()
            holder.join(60)  # else this try may be in vain too, and so may the next ones
        connection.execute(sa.update(tool).where(tool.c.id == 1).values(name="mine"))

    holder = threading.Thread(target=database.write, args=(hold,))
    holder.start()
    held.wait(60)
    short.write(both)
    holder.join()

    assert len(tries) >= 2
    assert names(database) == ["mine", f"free {len(tries)}"]
    short.dispose()


def names(database: db.Database) -> list[str]:
    return database.read(lambda c: list(c.execute(sa.select(tool.c.name).order_by(tool.c.id)).scalars()))


@pytest.mark.promise("F26")
def test_a_replica_is_not_decided_on(database, monkeypatch):
    """A connection to a database that only reads is no connection: the engine would decide on what was."""
    monkeypatch.setattr(db, "AWAY_SECONDS", 1.0)
    statement, on, off = READ_ONLY[name_of(database)]
    with _administrator(database) as administrator:
        administrator(statement.format(on))
        try:
            other = again(database)
            with pytest.raises(ServerBusy, match="only reads.*a replica"):
                other.read(lambda c: c.execute(sa.select(tool)).all())
        finally:
            administrator(statement.format(off))
    assert other.read(lambda c: c.execute(sa.select(tool)).all()) == []
    other.dispose()


@contextlib.contextmanager
def _administrator(database: db.Database) -> Iterator[Callable[[str], None]]:
    engine = sa.create_engine(database.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:

        def say(statement: str) -> None:
            connection.exec_driver_sql("SET default_transaction_read_only = off") if postgres else None
            connection.exec_driver_sql(statement)
            connection.exec_driver_sql("SELECT pg_reload_conf()") if postgres else None

        postgres = name_of(database) == "postgresql"
        yield say
    engine.dispose()


@pytest.mark.promise("F26")
def test_every_unit_goes_to_the_one_address(database):
    """There is no second engine that a read could be sent to."""
    seen = {how(lambda c: (id(c.engine.pool), str(c.engine.url))) for how in (database.read, database.write)}

    assert seen == {(id(database.engine.pool), str(database.engine.url))}


@pytest.mark.parametrize("value", [2**63, "n" * 300, "nul\0"])
def test_a_value_that_the_database_cannot_hold_is_the_callers_mistake(database, value):
    row = {"id": value, "name": "n"} if isinstance(value, int) else {"id": 1, "name": value}
    if value == "nul\0" and name_of(database) == "mariadb":
        database.write(lambda c: c.execute(sa.insert(tool).values(row)))  # it can
        return
    with pytest.raises(InvalidRequest, match="cannot hold|too large"):
        database.write(lambda c: c.execute(sa.insert(tool).values(row)))


def test_times_are_kept_to_the_millisecond(database):
    """MySQL's FLOAT would round the present to two minutes."""
    at = 1_800_000_123.456
    row = {"workflow_id": 1, "task_instance_id": 1, "at": at}
    database.write(lambda c: c.execute(sa.insert(spare_place).values(row)))

    assert abs(database.read(lambda c: c.execute(sa.select(spare_place.c.at)).scalar_one()) - at) < 0.001


@pytest.mark.promise("F64")
def test_counting_sees_one_moment_while_workers_report(database):
    """A report that is committed between two looks would be counted once too often, and for ever."""
    with database.engine.begin() as connection:
        stored = StoredWorkflow(connection)
        array = stored.array("fit")
        running = [stored.task(array, "R") for _ in range(3)]
    right = {"queued": 0, "delayed": 0, "active": 3, "done": 0, "fatal": 0}
    reported = iter(running)

    def report(*_: object) -> None:
        with contextlib.suppress(StopIteration), database.engine.begin() as worker:
            one = next(reported)
            worker.execute(sa.update(task).where(task.c.id == one).values(status="D"))
            row = {
                "workflow_id": stored.id,
                "task_id": one,
                "task_instance_id": one,
                "status": "D",
                "failure_class": "",
            }
            worker.execute(sa.insert(completion).values(row))

    with database.engine.connect() as connection:
        sa.event.listen(connection, "after_cursor_execute", report)
        found = [dict(counted(connection, stored.id)[array]) for _ in range(3)]
        sa.event.remove(connection, "after_cursor_execute", report)

    assert found == [right] * 3


@pytest.fixture
def way(database) -> Iterator[Forwarder]:
    """A way to the database that can be cut."""
    way = Forwarder(sa.make_url(database.url).port or 0)
    yield way
    way.cut()


def over(way: Forwarder, database: db.Database) -> db.Database:
    """The same database, reached by this way."""
    return db.Database(sa.make_url(database.url).set(port=way.port).render_as_string(hide_password=False))


@pytest.mark.promise("F16")
def test_a_database_that_restarts_under_a_unit_gets_it_again_and_once(database, way, monkeypatch):
    monkeypatch.setattr(db, "AWAY_SECONDS", 200.0)
    client = over(way, database)
    tries: list[int] = []

    def unit(connection: sa.Connection) -> None:
        tries.append(1)
        db.insert(connection, tool, ("name",), [(f"t{len(tries)}",)])
        if len(tries) == 1:
            way.cut()
            threading.Timer(1.0, way.mend).start()  # it is down for a while: new connections are refused

    client.write(unit)

    assert names(database) == [f"t{len(tries)}"]
    client.dispose()


@pytest.mark.promise("F16")
def test_a_connection_that_was_cut_while_nobody_used_it_is_not_noticed(database, way):
    client = over(way, database)
    assert client.read(lambda c: c.execute(sa.select(tool)).all()) == []
    way.cut()
    way.mend()

    client.write(lambda c: db.insert(c, tool, ("name",), [("t",)]))
    assert names(database) == ["t"]
    client.dispose()


@pytest.mark.promise("F16")
def test_a_database_that_stays_away_makes_the_server_busy(database, way, monkeypatch):
    monkeypatch.setattr(db, "AWAY_SECONDS", 1.0)
    client = over(way, database)
    way.cut()

    with pytest.raises(ServerBusy, match="try again in a moment"):
        client.read(lambda c: c.execute(sa.select(tool)).all())
    client.dispose()
