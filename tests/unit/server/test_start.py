"""Opening the database of a server: made when new, upgraded after a copy, refused when it is not to be trusted."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from jobmon.core.defaults import Server, Settings
from jobmon.core.exceptions import ConfigError
from jobmon.server import schema, sqlite_file
from jobmon.server.backup import verify
from jobmon.server.start import database_url, open_database, sqlite_path


def version(file: Path, value: str | None = None) -> str:
    """The version a file says it has, set before if a value is given."""
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        if value is not None:
            connection.execute(sa.update(schema.version_table).values(version_num=value))
        found = connection.execute(sa.select(schema.version_table.c.version_num)).scalar_one()
    engine.dispose()
    return str(found)


def test_without_a_setting_it_is_a_file_in_the_folder(tmp_path: Path) -> None:
    assert database_url(Settings(), tmp_path) == f"sqlite:///{tmp_path}/jobmon.db"
    assert sqlite_path("postgresql+psycopg://h/d") is None
    assert sqlite_path("sqlite:////srv/jobmon.db") == Path("/srv/jobmon.db")


def test_a_new_file_is_made_and_known_again(tmp_path: Path) -> None:
    for _ in range(2):
        open_database(Settings(), tmp_path).dispose()

    assert version(tmp_path / "jobmon.db") == schema.HEAD
    assert not list(tmp_path.glob("*.schema-*"))


@pytest.mark.promise("F25")
def test_an_older_file_is_copied_and_then_upgraded(tmp_path: Path) -> None:
    open_database(Settings(), tmp_path).dispose()
    file = tmp_path / "jobmon.db"
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:  # as a first step leaves it that was cut off: no version at all
        connection.execute(sa.delete(schema.version_table))
        connection.exec_driver_sql("DROP TABLE queue")
    engine.dispose()

    database = open_database(Settings(), tmp_path)

    assert database.read(schema.differences) == []
    database.dispose()
    verify(tmp_path / "jobmon.db.schema-none")


@pytest.mark.promise("F23")
def test_a_sqlite_file_that_a_setting_names_may_not_stand_on_a_network_file_system_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"disk / ext4 rw 0 0\nserver:/x {tmp_path}/net nfs4 rw 0 0\n")
    monkeypatch.setattr(sqlite_file.check_place, "__defaults__", (mounts,))
    settings = Settings(server=Server(database_url=f"sqlite:///{tmp_path}/net/jobmon.db"))

    with pytest.raises(ConfigError, match=r"network file system \(nfs4 at .*MariaDB or PostgreSQL"):
        open_database(settings, tmp_path / "local")
