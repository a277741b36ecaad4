"""Open the database and make the service of one server process."""

import gc
import os
import secrets
import threading
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.defaults import Settings
from jobmon.core.exceptions import ServerError
from jobmon.core.local_server import read_token
from jobmon.server import backup, db, schema, sqlite_file, tokens
from jobmon.server.admission import Admission
from jobmon.server.auth.doorkeeper import Site
from jobmon.server.folder import make
from jobmon.server.metrics import Metrics
from jobmon.server.service import Service
from jobmon.server.signals import Signals
from jobmon.server.store.work import Rules
from jobmon.server.tables import server_state

GARBAGE_EVERY = 20_000  # new objects: a step makes many, and hardly any in circles
BROKEN_EXIT = 74  # EX_IOERR
BROKEN_SECONDS = 3.0  # in which the request that met it is answered


def open_service(settings: Settings, folder: Path, hosts: frozenset[str]) -> Service:
    """The service over the configured database, or over SQLite in `folder` when none is.

    A SQLite file is made when it is new and upgraded when it is of an older release; whoever calls holds its lock.
    Raises ConfigError when the database has the schema of another version, is damaged, or stands on a network
    file system.
    """
    make(folder)
    database = open_database(settings, folder)
    database.on_broken = _end_soon
    heartbeat = settings.heartbeat
    rules = Rules(
        secret=database.write(_secret),
        heartbeat_seconds=heartbeat.task_instance_interval_seconds,
        silence_seconds=heartbeat.task_instance_interval_seconds * heartbeat.report_by_buffer,
    )
    server = settings.server
    site = Site(server.visibility, server.munge_socket) if server.auth == "site" else None
    token = "" if site else tokens.read_or_make(folder / "token")
    return Service(
        database,
        Signals(seats=server.threads // 2),
        rules,
        token,
        secrets.token_hex(8),
        hosts,
        Metrics(database),
        Admission(server.requests_per_second, server.bulk_at_once, server.threads),
        read_token(Path(server.metrics_token_file)) if server.metrics_token_file else "",
        site,
    )


def settle() -> None:
    """Say that all objects made so far stay: looking through them again and again took a tenth of the CPU."""
    gc.freeze()
    gc.set_threshold(GARBAGE_EVERY, 20, 50)
    gc.enable()


def database_url(settings: Settings, folder: Path) -> str:
    """Where the database is: SQLite in `folder` when no setting says."""
    return settings.server.database_url or f"sqlite:///{folder / 'jobmon.db'}"


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite database; None for another one."""
    parsed = sa.make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def open_database(settings: Settings, folder: Path) -> db.Database:
    """The database, of a schema that this server knows."""
    url = database_url(settings, folder)
    file = sqlite_path(url)
    if file is not None:
        sqlite_file.check_place(file.parent)
    database = db.Database(url, settings.sqlite.synchronous)
    try:
        if file is not None:
            _check_health(database, file)
            _bring_up_to_date(database, file)
        database.read(schema.check)
    except Exception:
        database.dispose()
        raise
    return database


def _check_health(database: db.Database, file: Path) -> None:
    """Raises ConfigError also when the file is so damaged that nothing of it can be read."""
    try:
        database.read(lambda connection: sqlite_file.check_health(connection, file))
    except (sa.exc.DatabaseError, ServerError) as error:
        raise sqlite_file.damaged(file, getattr(error, "orig", error)) from error


def _bring_up_to_date(database: db.Database, file: Path) -> None:
    """Make a SQLite file's tables, or upgrade them after a copy was put beside it."""
    found = database.read(schema.current)
    if found is None:
        schema.create(database)
    elif found < schema.HEAD:
        copy = file.with_name(f"{file.name}.schema-{found or 'none'}")
        copy.unlink(missing_ok=True)
        backup.backup(file, copy)
        schema.upgrade(database)


def _end_soon() -> None:
    """What this process holds of the file may not be what is on the disk: the next one reads it anew."""
    threading.Timer(BROKEN_SECONDS, os._exit, [BROKEN_EXIT]).start()


def _secret(connection: Connection) -> bytes:
    """What attempt tokens are made with; it outlives the process, as the attempts do."""
    query = sa.select(server_state.c.value).where(server_state.c.name == "secret")
    found = connection.execute(query).scalar()
    if found is None:
        found = secrets.token_hex(32)
        connection.execute(sa.insert(server_state).values(name="secret", value=found))
    return bytes.fromhex(found)
