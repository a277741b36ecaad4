"""The steps of the schema's history, on every database: what they make is what `tables.py` says."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from integration.databases.conftest import fresh
from jobmon.core.exceptions import ConfigError
from jobmon.server import schema
from jobmon.server.db import Database
from jobmon.server.tables import metadata, server_state

NEXT = '''"""A step of a release to come."""

import sqlalchemy as sa
from jobmon.server.migrations import steps

revision, down_revision, serves_from = "0002", "0001", "0002"


def upgrade():
    steps.add_column("tool", sa.Column("colour", sa.String(20), nullable=True))
    steps.create_table("novelty", sa.Column("id", steps.Id, primary_key=True), sa.Column("tool_id", steps.Id))
    steps.create_index("ix_novelty_tool", "novelty", ["tool_id"])
'''


@pytest.fixture
def empty(url, tmp_path) -> Iterator[Database]:
    with fresh(url, tmp_path, statement_seconds=0) as database:
        yield database


@pytest.fixture
def history(tmp_path) -> Path:
    """The steps of this release and one of the next."""
    copy = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "versions" / "0002_next.py").write_text(NEXT)
    return copy


def shape(database: Database) -> dict[str, object]:
    """Everything that the database itself knows of its tables."""
    with database.engine.connect() as connection:
        inspector = sa.inspect(connection)
        found: dict[str, object] = {name: _shape(inspector, name) for name in sorted(inspector.get_table_names())}
        if database.is_sqlite:
            query = "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
            for name, text in connection.exec_driver_sql(query):
                found[f"{name}, its options"] = ("AUTOINCREMENT" in text, "WITHOUT ROWID" in text)
    return found


def _shape(inspector: sa.Inspector, name: str) -> object:
    columns = [(c["name"], repr(c["type"]), c["nullable"], c["default"]) for c in inspector.get_columns(name)]
    indexes = sorted((i["name"], i["column_names"], bool(i["unique"])) for i in inspector.get_indexes(name))
    uniques = sorted((str(u["name"]), u["column_names"]) for u in inspector.get_unique_constraints(name))
    checks = sorted((str(c["name"]), c["sqltext"]) for c in inspector.get_check_constraints(name))
    key = inspector.get_pk_constraint(name)["constrained_columns"]
    return columns, indexes, uniques, checks, key, inspector.get_table_options(name)


@pytest.mark.promise("F25")
def test_all_steps_together_make_what_the_server_expects(empty, url, tmp_path):
    assert schema.upgrade(empty)[-1] == schema.HEAD

    empty.read(schema.check)
    assert empty.read(schema.differences) == []
    with fresh(url, tmp_path, statement_seconds=0) as made_at_once:
        schema.create(made_at_once)
        made_at_once.read(schema.check)
        assert shape(made_at_once) == shape(empty)
    assert schema.upgrade(empty) == []


def test_a_difference_is_named(empty):
    schema.upgrade(empty)
    with empty.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE task_attribute")

    [difference] = empty.read(schema.differences)
    assert "task_attribute" in difference


@pytest.mark.promise("F25")
def test_a_step_that_died_anywhere_is_taken_again(empty, history, url):
    """Whatever a step left behind - all of it, on MariaDB - taking it again does no harm."""
    schema.upgrade(empty)
    with empty.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE tool ADD COLUMN colour VARCHAR(20)")
        connection.exec_driver_sql("CREATE TABLE novelty (id BIGINT NOT NULL PRIMARY KEY, tool_id BIGINT)")

    assert schema.upgrade(empty, history) == ["0002"]
    with empty.engine.connect() as connection:
        assert [index["name"] for index in sa.inspect(connection).get_indexes("novelty")] == ["ix_novelty_tool"]


@pytest.mark.promise("F25")
def test_a_first_step_that_died_half_way_goes_on(empty):
    """As MariaDB leaves it: some tables, and a version table without a row."""
    schema.upgrade(empty)
    with empty.engine.begin() as connection:
        connection.execute(sa.delete(schema.version_table))
        for name in ("queue", "audit", "cluster"):
            connection.exec_driver_sql(f"DROP TABLE {name}")
    with pytest.raises(ConfigError, match=r"made only half.*jobmon-server db upgrade"):
        empty.read(schema.check)

    schema.upgrade(empty)

    empty.read(schema.check)
    assert empty.read(schema.differences) == []


@pytest.mark.promise("F25")
def test_a_step_that_fails_leaves_the_version_as_it_was(empty, history):
    schema.upgrade(empty)
    step = history / "versions" / "0002_next.py"
    step.write_text(step.read_text() + "    raise RuntimeError('the power went')\n")

    with pytest.raises(RuntimeError, match="the power went"):
        schema.upgrade(empty, history)

    assert empty.read(schema.current) == "0001"
    empty.read(schema.check)


@pytest.mark.promise("F25")
def test_a_schema_of_a_newer_release_is_refused_with_the_release_unless_it_serves_this_one(empty, history):
    schema.upgrade(empty)
    schema.upgrade(empty, history)
    with empty.engine.begin() as connection:
        _note(connection, "schema_release", "4.7.0")

    with pytest.raises(ConfigError, match=r"schema 0002.*knows 0001 only; install jobmon_server 4\.7\.0"):
        empty.read(schema.check)
    with empty.engine.begin() as connection:
        _note(connection, "schema_serves_from", "0001")
    empty.read(schema.check)


def _note(connection: sa.Connection, name: str, value: str) -> None:
    connection.execute(sa.update(server_state).where(server_state.c.name == name).values(value=value))


@pytest.mark.promise("F25")
def test_an_older_schema_is_refused_with_the_command(empty):
    schema.upgrade(empty)
    with empty.engine.begin() as connection:
        connection.execute(sa.update(schema.version_table).values(version_num="0000"))

    with pytest.raises(ConfigError, match=r"schema 0000, this server needs 0001; `jobmon-server db upgrade`"):
        empty.read(schema.check)


def test_an_empty_database_and_one_of_no_release_are_told_apart(empty):
    with pytest.raises(ConfigError, match="is empty; `jobmon-server db upgrade` makes the tables"):
        empty.read(schema.check)
    metadata.create_all(empty.engine)

    with pytest.raises(ConfigError, match="no release of jobmon_server made them"):
        empty.read(schema.check)
    with pytest.raises(ConfigError, match="no release"):
        schema.upgrade(empty)


@pytest.mark.promise("F25")
def test_two_upgrades_at_once_take_each_step_once(empty, monkeypatch):
    monkeypatch.setattr(schema, "LOCK_SECONDS", 250)
    taken: list[str] = []
    failed: list[BaseException] = []

    def upgrade() -> None:
        try:
            taken.extend(schema.upgrade(empty))
        except BaseException as error:  # noqa: BLE001  # shown by the assertion below
            failed.append(error)

    threads = [threading.Thread(target=upgrade) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (taken, failed) == ([schema.HEAD], [])
