"""Which schema a database has, whether this server may use it, and how it becomes the newest.

The version is the number of the newest step in `migrations/versions` that was taken, kept where Alembic keeps it.
A server works on its own version, and on a newer one that says it still serves its kind (`serves_from`), so that
a site can upgrade the database first and its servers one after the other.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core import __version__
from jobmon.core.exceptions import ConfigError, ServerBusy
from jobmon.server.db import Database
from jobmon.server.tables import SCHEMA_VERSION, metadata, server_state

if TYPE_CHECKING:  # it costs an embedded server a fifth of a second, and only an upgrade needs it
    from alembic.config import Config

HEAD = f"{SCHEMA_VERSION:04d}"
MIGRATIONS = Path(__file__).with_name("migrations")
UPGRADE = "jobmon-server db upgrade"
LOCK_SECONDS = 60
LOCK_KEY = 0x6A6F626D6F6E  # "jobmon": whoever changes the schema of a PostgreSQL database holds it

version_table = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def current(connection: Connection) -> str | None:
    """The database's version; empty when its first step was cut off, None for a database without tables.

    Raises ConfigError for one that has tables and never had a version: no release made them.
    """
    inspector = sa.inspect(connection)
    if inspector.has_table(version_table.name):
        return connection.execute(sa.select(version_table.c.version_num)).scalar() or ""
    if inspector.has_table("workflow"):
        raise ConfigError(
            f"the database {_url(connection)} has tables and no version: no release of jobmon_server made them. "
            "Use an empty database, or move this one away."
        )
    return None


def check(connection: Connection) -> None:
    """Raises ConfigError when this server may not work on the database, with what to do about it."""
    found = current(connection)
    if found == HEAD:
        return
    where = f"the database {_url(connection)}"
    if found is None:
        raise ConfigError(f"{where} is empty; `{UPGRADE}` makes the tables")
    if found < HEAD:
        has = f"has schema {found}" if found else "was made only half"
        raise ConfigError(f"{where} {has}, this server needs {HEAD}; `{UPGRADE}` brings it there")
    if _note(connection, "schema_serves_from", found) > HEAD:
        release = _note(connection, "schema_release", "of a newer release")
        raise ConfigError(
            f"{where} has schema {found} and this server ({__version__}) knows {HEAD} only; install jobmon_server "
            f"{release}, which made it, or a newer one"
        )


def create(database: Database) -> None:
    """Make an empty database one of the newest version at once, as all the steps together would."""
    database.create()
    database.write(_stamp)


def _stamp(connection: Connection) -> None:
    version_table.create(connection, checkfirst=True)
    if connection.execute(sa.select(version_table)).first() is None:
        connection.execute(sa.insert(version_table).values(version_num=HEAD))
        _sign(connection, HEAD)


def upgrade(database: Database, migrations: Path = MIGRATIONS) -> list[str]:
    """Take the steps that the database lacks, in order; returns their versions. Nobody else does so meanwhile.

    On SQLite and PostgreSQL all of them or none take effect. MariaDB keeps those that were complete; one that
    died half way is simply taken again.
    """
    from alembic import command
    from alembic.script import ScriptDirectory

    writing = database.engine.connect().execution_options(writes=True)
    with writing as connection, connection.begin(), _lock(connection):
        config = _config(connection, migrations)
        scripts = ScriptDirectory.from_config(config)
        head = scripts.get_current_head() or ""
        before = current(connection) or ""
        if before >= head:
            return []
        command.upgrade(config, "head")
        newest: Any = scripts.get_revision(head)
        _sign(connection, newest.module.serves_from)
        return [one.revision for one in reversed([*scripts.walk_revisions()]) if one.revision > before]


def _config(connection: Connection, migrations: Path) -> "Config":
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    return config


def _sign(connection: Connection, serves_from: str) -> None:
    """Note for servers of other releases who made this schema, and whom it still serves."""
    notes = {"schema_release": __version__, "schema_serves_from": serves_from}
    connection.execute(sa.delete(server_state).where(server_state.c.name.in_(list(notes))))
    connection.execute(sa.insert(server_state), [{"name": name, "value": value} for name, value in notes.items()])


@contextlib.contextmanager
def _lock(connection: Connection) -> Iterator[None]:
    """Be the only one who changes this schema; SQLite's transaction is that already. Raises ServerBusy."""
    ask = connection.exec_driver_sql
    busy = ServerBusy(f"somebody else is upgrading the database {_url(connection)}; try again in a moment")
    if connection.dialect.name == "postgresql":  # until the transaction ends
        ask(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        try:
            ask(f"SELECT pg_advisory_xact_lock({LOCK_KEY})")
        except sa.exc.OperationalError as error:
            raise busy from error
        yield
    elif connection.dialect.name in ("mysql", "mariadb"):
        name = "CONCAT('jobmon_schema_', DATABASE())"
        if not ask(f"SELECT GET_LOCK({name}, {LOCK_SECONDS})").scalar_one():
            raise busy
        try:
            yield
        finally:
            ask(f"SELECT RELEASE_LOCK({name})")
    else:
        yield


def differences(connection: Connection) -> list[str]:
    """What the database has otherwise than this server expects it, in Alembic's words."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    context = MigrationContext.configure(connection, opts={"compare_type": False})  # it takes variants for others
    return [str(difference) for difference in compare_metadata(context, metadata)]


def _note(connection: Connection, name: str, otherwise: str) -> str:
    query = sa.select(server_state.c.value).where(server_state.c.name == name)
    return connection.execute(query).scalar() or otherwise


def _url(connection: Connection) -> str:
    return connection.engine.url.render_as_string()
