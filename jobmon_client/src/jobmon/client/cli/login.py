"""`jobmon login`, `jobmon logout` and `jobmon whoami`: the token with which you come to a site's server."""

import datetime
import sys

import click

from jobmon.client.connection import connect
from jobmon.client.login import by_munge, by_socket, check, site_url
from jobmon.core import login as kept
from jobmon.core.exceptions import ConfigError, Forbidden, InvalidRequest, NotFound, Unauthorized
from jobmon.core.routes import LOGOUT, WHOAMI
from jobmon.core.settings import Settings, load_settings
from jobmon.core.wire import Nothing, WhoAmI


@click.command("login")
@click.option("--token", "ask", is_flag=True, help="Ask for a token that an administrator made for you.")
@click.option("--socket", metavar="PATH", help="Log in at the unix socket of a server on this machine.")
def login(ask: bool, socket: str | None) -> None:
    """Get a token for your site's server and keep it in a private file.

    Where there is MUNGE, it says who you are. Otherwise paste a token, or pipe one into this command.
    """
    settings = load_settings()
    url = site_url(settings)
    token = by_socket(socket).token if socket else _pasted() if ask else _proven(settings)
    who = check(settings, token)
    file = kept.keep(url, token)
    click.echo(f"{_described(who)} at {url}. The token is kept in {file}.")
    if settings.http.token_file:
        click.echo(
            f"But JOBMON__HTTP__TOKEN_FILE names {settings.http.token_file}, which is used instead.", err=True
        )


def _proven(settings: Settings) -> str:
    try:
        return by_munge(settings).token
    except (ConfigError, InvalidRequest) as error:
        click.echo(f"No login by MUNGE: {error}", err=True)
        return _pasted()


def _pasted() -> str:
    """Never an argument: others see the command lines of all processes."""
    if sys.stdin.isatty():
        token: str = click.prompt("Token", hide_input=True)
    else:
        token = sys.stdin.readline()
    if not token.strip():
        raise InvalidRequest("no token was given; an administrator makes one by `jobmon-server token create`")
    return token.strip()


@click.command("logout")
def logout() -> None:
    """Make your token void and remove it from here. Runs go on: theirs are others."""
    settings = load_settings()
    url = site_url(settings)
    if not kept.file_of(settings.http).exists():
        raise NotFound(f"you are not logged in at {url}")
    try:
        connect().server.call(LOGOUT, Nothing())
    except (Unauthorized, Forbidden) as error:
        click.echo(f"The server knows the token no more: {error}", err=True)
    kept.forget(url)
    click.echo(f"You are logged out of {url}.")


@click.command("whoami")
def whoami() -> None:
    """Say whom the server takes you for."""
    connection = connect()
    click.echo(_described(connection.server.call(WHOAMI, Nothing())))


def _described(who: WhoAmI) -> str:
    if who.scope == "everything":
        return f"{who.user}, the owner of this server"
    groups = f" in {', '.join(who.groups)}" if who.groups else ""
    until = datetime.datetime.fromtimestamp(who.expires_at, datetime.UTC).isoformat(timespec="minutes")
    return f"{who.user}, {who.role}{groups}, until {until}"
