"""`jobmon server status|start|stop|logs`: the state server of your own."""

import codecs
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import click

from jobmon.core import local_server
from jobmon.core.exceptions import ConfigError, NotFound
from jobmon.core.http import Address, Server
from jobmon.core.routes import HEALTH
from jobmon.core.settings import Settings, data_dir, load_settings
from jobmon.core.wire import Health, Nothing

_LOOK_SECONDS = 0.2
_BLOCK_BYTES = 65536


@click.command("status")
def status() -> None:
    """Say which server is used, and whether it runs."""
    settings = load_settings()
    if settings.http.service_url:
        url = settings.http.service_url.rstrip("/")
        _describe(url, Server(lambda: Address(url, ""), retry_seconds=0).call(HEALTH, Nothing()))
        return
    folder = data_dir(settings)
    note = local_server.read_server_file(folder)
    health = local_server.alive(note) if note else None
    if note is not None and health is not None:
        _describe(note.url, health)
    elif note is not None and local_server.is_there(note, folder):
        click.echo(f"The server of your own (pid {note.pid} on {note.host}) is there and does not answer.")
        click.echo(
            "`jobmon server logs` may say why; `jobmon server stop` ends it, and the next one starts by itself."
        )
    else:
        click.echo("No server of your own is running; it starts by itself when it is needed.")
    click.echo(f"data     {folder}")


def _describe(url: str, health: Health) -> None:
    click.echo(f"url      {url}")
    click.echo(f"process  pid {health.pid} on {health.host}, up {health.uptime_seconds:.0f} s")
    click.echo(f"version  {health.version}")


@click.command("start")
def start() -> None:
    """Start the server of your own, unless it runs."""
    address = local_server.ensure(data_dir(_own()))
    click.echo(f"The server answers at {address.url}.")


@click.command("stop")
def stop() -> None:
    """End the server of your own. Nothing is lost: what runs waits for the next one."""
    stopped = local_server.stop(data_dir(_own()))
    click.echo("The server has ended." if stopped else "No server of your own was running.")


@click.command("logs")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=50, show_default=True, help="The last so many.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
def logs(lines: int, follow: bool) -> None:
    """Print the log of the server of your own."""
    file = data_dir(_own()) / "server.log"
    if not file.exists():
        raise NotFound(f"there is no log {file}: no server was started there yet")
    tail, end = last_lines(file, lines)
    click.echo(tail, nl=False)
    if follow:
        with contextlib.suppress(KeyboardInterrupt):
            for text in _coming(file, end):
                click.echo(text, nl=False)


def _own() -> Settings:
    settings = load_settings()
    if settings.http.service_url:
        raise ConfigError(
            f"the settings name the server {settings.http.service_url} (JOBMON__HTTP__SERVICE_URL), which is not "
            "your own. Unset that setting to use one of your own; `jobmon server status` asks the other."
        )
    return settings


def last_lines(file: Path, count: int) -> tuple[str, int]:
    """The last lines of a file, read from its end, and where that end is."""
    with file.open("rb") as handle:
        end = begin = handle.seek(0, 2)
        block = b""
        while begin > 0 and block.count(b"\n") <= count:
            begin = max(begin - _BLOCK_BYTES, 0)
            handle.seek(begin)
            block = handle.read(end - begin)
    lines = block.splitlines(keepends=True)
    return b"".join(lines[max(len(lines) - count, 0) :]).decode(errors="backslashreplace"), end


def _coming(file: Path, begin: int) -> Iterator[str]:
    """What is written to the file from `begin` on; from its start again when it was cut or replaced."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="backslashreplace")
    while True:
        size = file.stat().st_size if file.exists() else 0
        begin = begin if size >= begin else 0
        if size > begin:
            with file.open("rb") as handle:
                handle.seek(begin)
                written = handle.read()
            begin += len(written)
            yield decoder.decode(written)
        time.sleep(_LOOK_SECONDS)
