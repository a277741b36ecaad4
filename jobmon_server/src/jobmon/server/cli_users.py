"""`jobmon-server user ...` and `jobmon-server token ...`: who may use this server.

They change the database that the settings name. A running server notices within some seconds. What they do is
logged with who did it; a token is printed once, or written to a private file, and stored nowhere.
"""

import datetime
import getpass
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar, cast

import click
from sqlalchemy.engine import Connection

from jobmon.core.login import write_private
from jobmon.core.settings import data_dir, load_settings
from jobmon.server import db
from jobmon.server.auth.principal import Role, Scope
from jobmon.server.folder import make
from jobmon.server.start import open_database
from jobmon.server.store import api_tokens, users

log = logging.getLogger(__name__)

Result = TypeVar("Result")


def _write(unit: Callable[[Connection, float], Result]) -> Result:
    """In one transaction on the database of the settings."""
    settings = load_settings()
    folder = data_dir(settings)
    make(folder)
    database = open_database(settings, folder)
    try:
        return database.write(lambda connection: unit(connection, db.now(connection)))
    finally:
        database.dispose()


def _tell(text: str) -> None:
    log.info("%s did: %s", getpass.getuser(), text)
    click.echo(text)


def _day(at: float | None) -> str:
    return "-" if at is None else datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M")


def _rows(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


_ROLE = click.Choice(["user", "operator", "admin"])


@click.group("user")
def user() -> None:
    """Users of this server, what they may do, and with whom they share."""


@user.command("add")
@click.argument("name")
@click.option("--role", type=_ROLE, default="user", show_default=True)
@click.option("--group", "groups", multiple=True, help="A group whose members may look into one another's work.")
def add(name: str, role: str, groups: tuple[str, ...]) -> None:
    """Make a user known. Where there is MUNGE users come by themselves."""
    _write(lambda c, at: users.add(c, name, cast(Role, role), groups, at))
    _tell(f"user {name} was added with the role {role}")


@user.command("list")
def list_users() -> None:
    """List all users."""
    rows = [("USER", "ROLE", "GROUPS", "SINCE", "")]
    for one in _write(lambda c, at: users.everybody(c)):
        rows.append(
            (
                one.name,
                one.role,
                ",".join(sorted(one.groups)) or "-",
                _day(one.created_at),
                "disabled" if one.disabled else "",
            )
        )
    _rows(rows)


@user.command("role")
@click.argument("name")
@click.argument("role", type=_ROLE)
def role(name: str, role: str) -> None:
    """Change what a user may do."""
    _write(lambda c, at: users.set_role(c, name, cast(Role, role)))
    _tell(f"user {name} has the role {role} now")


@user.command("groups")
@click.argument("name")
@click.argument("groups", nargs=-1)
def groups(name: str, groups: tuple[str, ...]) -> None:
    """Replace the groups of a user; none is none."""
    _write(lambda c, at: users.set_groups(c, name, groups))
    _tell(f"user {name} is in the groups {', '.join(groups) or '(none)'} now")


@user.command("disable")
@click.argument("name")
def disable(name: str) -> None:
    """Shut a user out: no token of theirs opens anything, those of running work neither."""
    _write(lambda c, at: users.set_disabled(c, name, True))
    _tell(f"user {name} is disabled")


@user.command("enable")
@click.argument("name")
def enable(name: str) -> None:
    """Let a disabled user in again."""
    _write(lambda c, at: users.set_disabled(c, name, False))
    _tell(f"user {name} is enabled")


@click.group("token")
def token() -> None:
    """Tokens of users, and of what watches this server."""


@token.command("create")
@click.argument("name", metavar="USER")
@click.option("--scope", type=click.Choice(["user", "metrics"]), default="user", show_default=True)
@click.option("--days", type=click.FloatRange(min=0, min_open=True, max=3650), default=30.0, show_default=True)
@click.option("--note", default="", help="What it is for.")
@click.option(
    "--file", type=click.Path(path_type=Path), help="Write it there, for its owner only, and print nothing."
)
def create(name: str, scope: str, days: float, note: str, file: Path | None) -> None:
    """Make a token for a user. It is shown this once."""
    made, expires_at = _write(lambda c, at: api_tokens.create(c, name, at, cast(Scope, scope), days * 86400, note))
    log.info("%s made a token of scope %s for %s", getpass.getuser(), scope, name)
    click.echo(f"A token of {name} until {_day(expires_at)} UTC; `jobmon login --token` asks for it.", err=True)
    if file is None:
        click.echo(made)
    else:
        write_private(file, made)


@token.command("list")
@click.argument("name", metavar="[USER]", default="")
def list_tokens(name: str) -> None:
    """List tokens, but for the tokens themselves: nobody has these."""
    rows = [("ID", "USER", "SCOPE", "MADE", "UNTIL", "USED", "NOTE")]
    for one in _write(lambda c, at: api_tokens.listed(c, name)):
        until = f"revoked {_day(one.revoked_at)}" if one.revoked_at else _day(one.expires_at)
        rows.append((str(one.id), one.user, one.scope, _day(one.created_at), until, _day(one.used_at), one.note))
    _rows(rows)


@token.command("revoke")
@click.argument("ids", nargs=-1, type=int, metavar="[ID]...")
@click.option("--user", "name", help="All tokens of this user, those of running work too.")
def revoke(ids: tuple[int, ...], name: str | None) -> None:
    """Make tokens void."""
    if bool(ids) == bool(name):
        raise click.UsageError("Give either the ids of tokens or --user.")
    if name:
        count = _write(lambda c, at: users.revoke_all(c, name, at))
        _tell(f"all tokens of {name} are void, {count} of them stored")
    else:
        _write(lambda c, at: api_tokens.revoke(c, ids, at))
        _tell(f"revoked: {', '.join(map(str, ids))}")
