"""Open the database and make the service of one server process."""

import os
import secrets
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.defaults import Settings
from jobmon.core.exceptions import ConfigError
from jobmon.server import db, sqlite_file, tokens
from jobmon.server.service import Service
from jobmon.server.signals import Signals
from jobmon.server.store.work import Rules
from jobmon.server.tables import SCHEMA_VERSION, server_state


def open_service(settings: Settings, folder: Path, hosts: frozenset[str]) -> Service:
    """The service over the configured database (SQLite in `folder` when none is), which is made when new.

    Raises ConfigError when the database has the schema of another version, is damaged, or stands on a network
    file system.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = _open_database(settings, folder)
    database.write(check_schema)
    heartbeat = settings.heartbeat
    rules = Rules(
        secret=database.write(_secret),
        heartbeat_seconds=heartbeat.task_instance_interval_seconds,
        silence_seconds=heartbeat.task_instance_interval_seconds * heartbeat.report_by_buffer,
    )
    token = tokens.read_or_make(folder / "token")
    return Service(database, Signals(), rules, token, secrets.token_hex(8), hosts)


def _open_database(settings: Settings, folder: Path) -> db.Database:
    if settings.server.database_url:
        database = db.Database(settings.server.database_url, settings.sqlite.synchronous)
    else:
        file = folder / "jobmon.db"
        sqlite_file.check_place(folder)
        database = db.Database(f"sqlite:///{file}", settings.sqlite.synchronous)
        database.read(lambda connection: sqlite_file.check_health(connection, file))
    database.create()
    return database


def check_schema(connection: Connection) -> None:
    """Note the schema's version in a new database; refuse one of another version."""
    found = _state(connection, "schema")
    if found is None:
        connection.execute(sa.insert(server_state).values(name="schema", value=str(SCHEMA_VERSION)))
    elif found != str(SCHEMA_VERSION):
        raise ConfigError(
            f"the database {connection.engine.url.render_as_string()} has schema {found}, this server "
            f"(pid {os.getpid()}) knows {SCHEMA_VERSION}; install the jobmon_server that made it"
        )


def _secret(connection: Connection) -> bytes:
    """What attempt tokens are made with; it outlives the process, as the attempts do."""
    found = _state(connection, "secret")
    if found is None:
        found = secrets.token_hex(32)
        connection.execute(sa.insert(server_state).values(name="secret", value=found))
    return bytes.fromhex(found)


def _state(connection: Connection, name: str) -> str | None:
    query = sa.select(server_state.c.value).where(server_state.c.name == name)
    return connection.execute(query).scalar()
