"""Copies of a SQLite database, made while it is in use, and put back while it is not.

A copy is one consistent view: SQLite's online backup in a single step, which in WAL mode holds up no writer.
Nothing takes the place of a good file before it is whole and on the disk.
"""

import contextlib
import datetime
import os
import shutil
import sqlite3
from pathlib import Path

from jobmon.core.exceptions import ConfigError
from jobmon.server.sqlite_file import only_one

RECIPES = """\
`db backup` and `db restore` are for SQLite; other databases bring their own, which keep serving meanwhile:
  MariaDB/MySQL  mariadb-dump --single-transaction --quick DATABASE > FILE
                 mariadb DATABASE < FILE
  PostgreSQL     pg_dump --format=custom --file=FILE DATABASE
                 pg_restore --clean --if-exists --dbname=DATABASE FILE
docs/operating.md has them in full, with what to stop before a restore."""


def backup(source: Path, target: Path) -> int:
    """Copy the database; returns the bytes of the copy. Raises ConfigError when the copy is not sound."""
    if not source.exists():
        raise ConfigError(f"there is no database {source}")
    if target.exists():
        raise ConfigError(f"{target} exists already; name a new file, or remove it first")
    fresh = target.with_name(f"{target.name}.part")
    fresh.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(source)) as original,
        contextlib.closing(sqlite3.connect(fresh)) as copy,
    ):
        fresh.chmod(0o600)  # it holds the secret that attempt tokens are made with
        original.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, whoever copies it on
    verify(fresh)
    _put(fresh, target)
    return target.stat().st_size


def restore(copy: Path, file: Path) -> Path | None:
    """Put a copy in the place of the database; returns where the present one was moved to, if there was one.

    Raises ConfigError when a server uses the database, or the copy is not a sound database of ours.
    """
    verify(copy)
    with only_one(file.parent):
        fresh = file.with_name(f"{file.name}.part")
        shutil.copyfile(copy, fresh)
        fresh.chmod(0o600)
        aside = _set_aside(file)
        _put(fresh, file)
    return aside


def verify(file: Path) -> None:
    """Read all of it. Raises ConfigError naming the damage, or that it is none of ours."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            damage = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
            ours = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'server_state'").fetchone()
    except sqlite3.Error as error:
        raise ConfigError(f"{file} is not a sound SQLite database: {error}") from error
    if damage != ["ok"]:
        raise ConfigError(f"{file} is damaged: {'; '.join(damage)}")
    if ours is None:
        raise ConfigError(f"{file} is not a database of jobmon_server")


def _set_aside(file: Path) -> Path | None:
    """Move the database away together with what belongs to it: a journal of another file would spoil the copy."""
    if not file.exists():
        return None
    moment = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S.%f")
    aside = file.with_name(f"{file.name}.before-{moment}")
    for suffix in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            file.with_name(file.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside


def _put(fresh: Path, target: Path) -> None:
    """Give a finished file its name; both survive a power cut from here on."""
    with fresh.open("rb") as handle:
        os.fsync(handle.fileno())
    fresh.rename(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
