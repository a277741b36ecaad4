"""The command line of a site's server, over a SQLite file."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from fakes.stored_workflow import StoredWorkflow
from jobmon.server import schema, tables
from jobmon.server.cli import main, settings_with
from jobmon.server.db import Database

Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """`jobmon-server WORD...` for a server whose data are in tmp_path."""
    monkeypatch.setenv("JOBMON__SERVER__DATA_DIR", str(tmp_path))
    monkeypatch.setenv("JOBMON__CONFIG_FILE", str(tmp_path / "jobmon.yaml"))
    (tmp_path / "jobmon.yaml").write_text("")

    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture
def file(call: Call, tmp_path: Path) -> Path:
    """A database with one workflow, which ended in 1970, and a run that is not over in another."""
    assert call("db", "upgrade").exit_code == 0
    file = tmp_path / "jobmon.db"
    database = Database(f"sqlite:///{file}", "OFF")
    with database.engine.connect().execution_options(writes=True) as connection, connection.begin():
        old, live = StoredWorkflow(connection, name="old"), StoredWorkflow(connection, name="live")
        old.task(old.array("fit"), "D")
        live.task(live.array("fit"), "Q")
        old.set(tables.workflow, old.id, status="D", status_at=5.0, deadline_at=5.0)
        old.set(tables.workflow_run, old.run_id, status="D")
    database.dispose()
    return file


def workflows(file: Path) -> list[str]:
    with sqlite3.connect(file) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM workflow ORDER BY id")]
    connection.close()
    return names


def test_the_help_lists_all_commands_and_none_is_a_secret(call: Call) -> None:
    text = call("--help").output

    assert all(f"  {name} " in text for name in ("db", "doctor", "purge", "serve", "token", "user"))


def test_the_command_line_stands_before_the_settings(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBMON__SERVER__THREADS", "5")
    given, not_given = (settings_with(threads=threads).server.threads for threads in (3, None))

    assert (given, not_given) == (3, 5)


def test_upgrade_makes_the_tables_once_and_says_what_it_did(call: Call) -> None:
    assert call("db", "current").output == "empty\n"
    first, second = call("db", "upgrade"), call("db", "upgrade")

    assert first.output.startswith(f"took step {schema.HEAD}\n")
    assert second.output.endswith(f"jobmon.db has schema {schema.HEAD}\n")
    assert "took" not in second.output
    assert call("db", "current").output == f"{schema.HEAD}\n"
    assert call("db", "check").exit_code == 0


def test_upgrade_makes_the_folder(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JOBMON__SERVER__DATA_DIR", str(tmp_path / "new" / "data"))

    assert call("db", "upgrade").exit_code == 0
    assert (tmp_path / "new" / "data" / "jobmon.db").exists()


@pytest.mark.parametrize("words", [("db", "upgrade"), ("user", "add", "ann"), ("serve",)])
def test_a_folder_that_cannot_be_made_is_named(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("JOBMON__SERVER__DATA_DIR", str(tmp_path / "jobmon.yaml" / "data"))
    refused = call(*words)

    assert refused.exit_code == 1
    assert f"{tmp_path}/jobmon.yaml/data cannot be made (Not a directory)" in refused.output


def test_check_names_what_was_changed_by_hand(call: Call, file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE INDEX ix_of_mine ON task (due_at)")
    connection.close()
    found = call("db", "check")

    assert found.exit_code == 1
    assert "differs: " in found.output
    assert "ix_of_mine" in found.output


def test_a_check_of_an_empty_database_says_what_to_run(call: Call) -> None:
    found = call("db", "check")

    assert found.exit_code == 1
    assert "is empty; `jobmon-server db upgrade` makes the tables" in found.output


def test_backup_and_restore_bring_back_what_was(call: Call, file: Path, tmp_path: Path) -> None:
    copied = call("db", "backup", tmp_path / "copy")
    assert (copied.exit_code, "the copy is sound" in copied.output) == (0, True)
    call("purge", "--older-than", "1d")

    restored = call("db", "restore", tmp_path / "copy")
    assert (restored.exit_code, "what was there is" in restored.output) == (0, True)
    assert workflows(file) == ["old", "live"]


def test_backup_of_another_database_gives_the_recipe(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBMON__SERVER__DATABASE_URL", "mysql+pymysql://jobmon@db/jobmon")
    refused = call("db", "backup", "copy")

    assert refused.exit_code == 1
    assert "mariadb-dump --single-transaction" in refused.output
    assert "pg_dump --format=custom" in refused.output


@pytest.mark.promise("F78")
def test_purge_lists_first_and_then_removes_what_ended_long_ago(call: Call, file: Path) -> None:
    listed = call("purge", "--older-than", "90d", "--dry-run")
    assert listed.output.startswith("would go: workflow 1 'old' of ann")
    assert workflows(file) == ["old", "live"]

    removed = call("purge", "--older-than", "90d")

    assert removed.exit_code == 0
    assert removed.output.startswith("goes: workflow 1 'old' of ann")
    assert "rows were removed" in removed.output
    assert workflows(file) == ["live"]


@pytest.mark.parametrize("age", ["90", "d", "-1d", "soon"])
def test_an_age_needs_its_unit(call: Call, age: str) -> None:
    refused = call("purge", f"--older-than={age}")

    assert refused.exit_code == 2
    assert "such as 90d" in refused.output


def test_the_doctor_says_what_is_wrong_and_puts_it_right(call: Call, file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE task_array SET queued = 9 WHERE workflow_id = 2")
    connection.close()
    found = call("doctor")
    assert found.exit_code == 1
    assert "counters: array 2 of workflow 2 counts queued 9 (it is 1)" in found.output

    mended = call("doctor", "--repair")
    assert mended.exit_code == 0
    assert "-> counted anew" in mended.output
    assert call("doctor").output == "all is well\n"


@pytest.mark.promise("F25")
def test_a_command_that_works_on_rows_refuses_a_schema_it_does_not_know(call: Call, file: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.execute(sa.update(schema.version_table).values(version_num="0000"))
    engine.dispose()

    for words in (("purge", "--older-than", "1d"), ("doctor",)):
        refused = call(*words)
        assert refused.exit_code == 1
        assert "`jobmon-server db upgrade` brings it there" in refused.output
    assert workflows(file) == ["old", "live"]


def test_a_password_does_not_go_onto_the_command_line(call: Call) -> None:
    refused = call("serve", "--database-url", "mysql+pymysql://jobmon:canary@db/jobmon")

    assert refused.exit_code == 2
    assert "JOBMON__SERVER__DATABASE_URL" in refused.output
    assert "canary" not in refused.output


def test_a_sqlite_file_is_served_by_one_process(call: Call) -> None:
    refused = call("serve", "--processes", "2")

    assert refused.exit_code == 1
    assert "--processes 1, or set JOBMON__SERVER__DATABASE_URL" in refused.output
