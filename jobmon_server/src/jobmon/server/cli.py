"""The entry point `jobmon-server`: serve, look after the database, say who may use it.

The settings name the database (JOBMON__SERVER__DATABASE_URL or the settings file; SQLite in the data directory
when they name none). What a command needs is imported when it is called.
"""

import contextlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from jobmon.core.exceptions import ConfigError, JobmonError
from jobmon.core.logs import set_up
from jobmon.core.settings import Settings, data_dir, load_settings

if TYPE_CHECKING:
    from jobmon.server.db import Database

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
BAD = 1  # exit code of a check that found something


class _Root(click.Group):
    """An error of ours is one clear message and exit code 1; `--debug` shows where it comes from."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except JobmonError as error:
            if ctx.params.get("debug"):
                raise
            raise click.ClickException(str(error)) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "user", "token"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in ("user", "token"):
            return super().get_command(ctx, cmd_name)
        from jobmon.server import cli_users

        found: click.Command = getattr(cli_users, cmd_name)
        return found


class Age(click.ParamType[float]):
    """A number with its unit, such as 90d, in seconds."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Refuses a number alone: whether 90 are days or seconds is not to be guessed."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", str(value).strip())
        if found is None:
            self.fail(f"{value!r} is not a number with one of the units {', '.join(UNITS)}, such as 90d")
        return float(found[1]) * UNITS[found[2]]


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--debug", is_flag=True, help="Show where an error comes from.")
def main(debug: bool) -> None:
    """The state server of a site, and its database."""


def settings_with(**server: Any) -> Settings:
    """The settings, with what a command line gives in place of those of the server."""
    settings = load_settings()
    given = {name: value for name, value in server.items() if value}
    return msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, **given))


def _no_secret(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Whoever is on this machine can read its command lines."""
    import sqlalchemy as sa

    if value and sa.make_url(value).password:
        raise click.BadParameter(
            "it has a password, which everybody on this machine could read; set JOBMON__SERVER__DATABASE_URL "
            "or server.database_url in the settings file instead"
        )
    return value


@contextlib.contextmanager
def _database() -> "Iterator[Database]":
    """The database of the settings, whatever its schema; statements may take as long as they take."""
    from jobmon.server import folder
    from jobmon.server.db import Database
    from jobmon.server.start import database_url, sqlite_path

    settings = load_settings()
    url = database_url(settings, data_dir(settings))
    if (file := sqlite_path(url)) is not None:
        folder.make(file.parent)
    database = Database(url, settings.sqlite.synchronous, statement_seconds=0)
    try:
        yield database
    finally:
        database.dispose()


@main.command("serve")
@click.option("--bind", default="127.0.0.1:8070", show_default=True, help="HOST:PORT, or unix:PATH.")
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True, help="1 on SQLite.")
@click.option("--threads", type=click.IntRange(1), help="Of each process.  [default: server.threads]")
@click.option("--tls-certificate", default="", help="File of the certificate chain; needs --tls-key too.")
@click.option("--tls-key", default="", help="File of its private key.")
@click.option("--insecure", is_flag=True, help="Listen without TLS where others could listen too.")
@click.option("--database-url", default="", callback=_no_secret, help="In place of the settings' one.")
def serve(**options: Any) -> None:
    """Serve many users until a signal comes; told to end, finish what was begun."""
    from jobmon.server import serving
    from jobmon.server.observe import make_form

    settings = settings_with(database_url=options.pop("database_url"), threads=options.pop("threads"))
    set_up(settings.logging.level, form=make_form(settings.server.log_format))
    serving.serve(settings, data_dir(settings), serving.Wanted(**options))


@main.group("db")
def db() -> None:
    """The database: its schema, its copies."""


@db.command("upgrade")
def upgrade() -> None:
    """Bring the schema to the one of this release; make the tables of an empty database."""
    from jobmon.server import schema

    with _database() as database:
        taken = schema.upgrade(database)
        for version in taken:
            click.echo(f"took step {version}")
        click.echo(f"{database} has schema {database.read(schema.current)}")


@db.command("current")
def current() -> None:
    """Print the version of the schema."""
    from jobmon.server import schema

    with _database() as database:
        click.echo(database.read(schema.current) or "empty")


@db.command("check")
@click.pass_context
def check(ctx: click.Context) -> None:
    """Say whether the schema is the one of this release, and a SQLite file is sound; exit code 1 if not."""
    from jobmon.server import backup, schema
    from jobmon.server.start import sqlite_path

    with _database() as database:
        database.read(schema.check)
        found = database.read(schema.differences)
        file = sqlite_path(database.url)
        if file is not None:
            backup.verify(file)
        for difference in found:
            click.echo(f"differs: {difference}")
        click.echo(
            f"{database} has schema {database.read(schema.current)}" + (", changed by hand" if found else "")
        )
    ctx.exit(BAD if found else 0)


def _sqlite_file() -> Path:
    from jobmon.server.backup import RECIPES
    from jobmon.server.start import database_url, sqlite_path

    settings = load_settings()
    file = sqlite_path(database_url(settings, data_dir(settings)))
    if file is None:
        raise ConfigError(RECIPES)
    return file


@db.command("backup")
@click.argument("path", type=click.Path(path_type=Path))
def backup_command(path: Path) -> None:
    """Copy a SQLite database to PATH, while it is in use."""
    from jobmon.server import backup

    file = _sqlite_file()
    size = backup.backup(file, path)
    click.echo(f"{file} is copied to {path} ({size:,} bytes), and the copy is sound")


@db.command("restore")
@click.argument("path", type=click.Path(path_type=Path, exists=True))
def restore_command(path: Path) -> None:
    """Put the copy at PATH in the place of the SQLite database. No server may be using it."""
    from jobmon.server import backup

    file = _sqlite_file()
    aside = backup.restore(path, file)
    click.echo(f"{file} is the copy {path} now" + (f"; what was there is {aside}" if aside else ""))


@main.command("purge")
@click.option("--older-than", type=Age(), required=True, help="Ended so long ago: 90d, 12w, 36h.")
@click.option("--dry-run", is_flag=True, help="Only list them.")
def purge_command(older_than: float, dry_run: bool) -> None:
    """Remove workflows that ended long ago, with all that belongs to them; never one that is live."""
    from jobmon.server import purge

    verb = "would go" if dry_run else "goes"
    with _database() as database:
        database.read(_checked)
        if dry_run:
            for one in purge.candidates(database, older_than):
                click.echo(f"{verb}: {purge.describe(one)}")
        else:
            removed = purge.purge(database, older_than, lambda one: click.echo(f"{verb}: {purge.describe(one)}"))
            click.echo(f"{removed:,} rows were removed")


@main.command("doctor")
@click.option("--repair", is_flag=True, help="Put right what can safely be, and say what was done.")
@click.pass_context
def doctor_command(ctx: click.Context, repair: bool) -> None:
    """List what is inconsistent in the database; exit code 1 when something is left."""
    from jobmon.server import doctor

    with _database() as database:
        database.read(_checked)
        left = doctor.examine(database, repair=repair, say=click.echo)
    ctx.exit(BAD if left else 0)


def _checked(connection: Any) -> None:
    from jobmon.server import schema

    schema.check(connection)


if __name__ == "__main__":
    logging.captureWarnings(True)
    main()
