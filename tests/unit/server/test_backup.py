"""Copies of a SQLite database: whole while others write, private, and never in the way of a good file."""

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from jobmon.core.exceptions import ConfigError
from jobmon.server import schema
from jobmon.server.backup import backup, restore, verify
from jobmon.server.db import Database, insert
from jobmon.server.sqlite_file import only_one
from jobmon.server.tables import tool


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with a tool in it, with a writer's connection open."""
    database = Database(f"sqlite:///{tmp_path}/data/jobmon.db", "OFF")
    (tmp_path / "data").mkdir()
    schema.create(database)
    database.write(lambda c: insert(c, tool, ("name",), [("first",)]))
    database.dispose()
    return tmp_path / "data" / "jobmon.db"


def names(file: Path) -> list[str]:
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        found = list(connection.execute(sa.select(tool.c.name).order_by(tool.c.id)).scalars())
    engine.dispose()
    return found


@pytest.mark.promise("F24")
def test_a_copy_is_one_sound_private_file_and_comes_back(file, tmp_path):
    size = backup(file, tmp_path / "copy")
    assert size == (tmp_path / "copy").stat().st_size
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "data"]
    database = Database(f"sqlite:///{file}", "OFF")
    database.write(lambda c: insert(c, tool, ("name",), [("later",)]))
    database.dispose()

    aside = restore(tmp_path / "copy", file)

    assert (names(file), names(aside)) == (["first"], ["first", "later"])
    verify(file)


@pytest.mark.promise("F24")
def test_copies_made_while_others_write_are_sound_and_hold_whole_transactions(file, tmp_path):
    database = Database(f"sqlite:///{file}", "OFF")
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            pair = [(f"{number}a",), (f"{number}b",)]
            database.write(lambda c, pair=pair: insert(c, tool, ("name",), pair))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            backup(file, tmp_path / f"copy{number}")
    finally:
        stop.set()
        writer.join()
    database.dispose()

    assert [len(names(tmp_path / f"copy{number}")) % 2 for number in range(5)] == [1] * 5


def test_what_is_there_is_not_written_over(file, tmp_path):
    (tmp_path / "copy").write_text("precious")

    with pytest.raises(ConfigError, match="copy exists already"):
        backup(file, tmp_path / "copy")
    with pytest.raises(ConfigError, match="there is no database"):
        backup(tmp_path / "absent", tmp_path / "other")
    assert (tmp_path / "copy").read_text() == "precious"


@pytest.mark.parametrize("content", [b"", b"no database at all" * 1000])
def test_what_is_no_database_of_ours_is_not_put_in_place_of_one(file, tmp_path, content):
    (tmp_path / "copy").write_bytes(content)

    with pytest.raises(ConfigError, match="copy is not a"):
        restore(tmp_path / "copy", file)
    assert names(file) == ["first"]


def test_a_damaged_copy_is_refused(file, tmp_path):
    backup(file, tmp_path / "copy")
    content = bytearray((tmp_path / "copy").read_bytes())
    content[4096 * 3 : 4096 * 6] = b"\xff" * (4096 * 3)
    (tmp_path / "copy").write_bytes(content)

    with pytest.raises(ConfigError, match=r"copy is (damaged|not a sound)"):
        restore(tmp_path / "copy", file)
    assert names(file) == ["first"]


def test_a_database_in_use_is_not_replaced(file, tmp_path):
    backup(file, tmp_path / "copy")

    with only_one(file.parent), pytest.raises(ConfigError, match=r"is served already by pid \d+ on "):
        restore(tmp_path / "copy", file)
    assert names(file) == ["first"]


def test_a_journal_of_the_old_file_does_not_spoil_the_copy(file, tmp_path):
    """A server that was killed leaves a -wal; SQLite would play it into whatever bears the name."""
    backup(file, tmp_path / "copy")
    script = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA journal_mode=WAL');"
        "c.execute(\"INSERT INTO tool (name) VALUES ('lost')\"); c.commit(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, str(file)], check=False)
    assert file.with_name("jobmon.db-wal").stat().st_size > 0

    aside = restore(tmp_path / "copy", file)

    assert names(file) == ["first"]
    assert names(aside) == ["first", "lost"]
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
