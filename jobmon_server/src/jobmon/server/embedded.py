"""The server that nobody set up: one for a user, over SQLite, started by the first client call.

`python -m jobmon.server DATA_DIR`. It holds an exclusive lock on `db.lock`, so a second one is
refused; writes `server.json` once it answers; serves all of the user's scripts; ends itself when idle.
"""

import argparse
import logging
import os
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import waitress.server

from jobmon.core.exceptions import ConfigError
from jobmon.core.local_server import SERVED_ALREADY, ServerFile, read_server_file
from jobmon.core.logs import set_up
from jobmon.core.routes import BULK_BYTES
from jobmon.core.settings import Settings, load_settings
from jobmon.server import db
from jobmon.server.auth.listening import check as check_listening
from jobmon.server.background import ROUND_SECONDS, Background
from jobmon.server.draining import end_on_signals
from jobmon.server.observe import make_form
from jobmon.server.reaper import is_driven
from jobmon.server.serve import make_app
from jobmon.server.service import Service
from jobmon.server.sqlite_file import ServedAlready, only_one
from jobmon.server.start import open_service, settle

log = logging.getLogger(__name__)


def _connections() -> int:
    """How many may be open: workers by the thousand, as far as this process may have files."""
    return max(100, min(10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))


class Idle:
    """WSGI middleware that knows when the last request came."""

    def __init__(self, app: Callable[..., Any]) -> None:
        """Nobody asked yet."""
        self._app = app
        self.last = time.monotonic()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """Pass on, and remember when."""
        self.last = time.monotonic()
        try:
            return self._app(environ, start_response)
        finally:
            self.last = time.monotonic()


def main() -> None:
    """Serve until a signal comes or nobody has asked for long."""
    parser = argparse.ArgumentParser(prog="python -m jobmon.server", description=main.__doc__)
    parser.add_argument("data_dir", type=Path, help="folder of the database, the token and the log")
    folder = parser.parse_args().data_dir
    settings = load_settings()
    set_up(settings.logging.level, form=make_form(settings.server.log_format))
    sys.setswitchinterval(0.001)  # a reply waits for the thread that has the interpreter: let it be short
    try:
        _serve(folder, settings)
    except ServedAlready as error:
        log.error("%s", error)
        sys.exit(SERVED_ALREADY)


def _serve(folder: Path, settings: Settings) -> None:
    with only_one(folder):
        hosts = frozenset({"127.0.0.1", "localhost", "::1", socket.gethostname(), settings.server.host})
        service = open_service(settings, folder, hosts)
        background = Background(service)
        background.start()
        idle = Idle(make_app(service))
        check_listening(settings.server.host, tls=False, insecure=settings.server.insecure)
        listener = _listen(folder, settings.server.host, settings.server.port)
        server = waitress.server.create_server(
            idle,
            sockets=[listener],
            threads=settings.server.threads,
            ident=None,
            channel_timeout=3600,
            connection_limit=_connections(),
            asyncore_use_poll=True,
            max_request_body_size=2 * BULK_BYTES,  # Flask refuses what is too large, in our words
        )
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # that somebody waits a moment is no news
        settle()
        _announce(folder, settings.server.host, listener.getsockname()[1], service)
        end_on_signals(service, server, background)
        patience = (service, idle, settings.server.idle_exit_seconds, background)
        threading.Thread(target=_end_when_idle, args=patience, daemon=True).start()
        server.run()


def _listen(folder: Path, host: str, port: int) -> socket.socket:
    """A listening socket, on the port of last time if that is free: workers know it."""
    last = read_server_file(folder)
    wanted = [port] if port else [int(last.url.rpartition(":")[2]), 0] if last else [0]
    for number in wanted:
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, number))
        except OSError as error:
            listener.close()
            failure = error
            continue
        listener.listen(1024)
        return listener
    raise ConfigError(f"cannot listen on {host}:{wanted}: {failure}")


def _announce(folder: Path, host: str, port: int, service: Service) -> None:
    note = ServerFile(
        url=f"http://{f'[{host}]' if ':' in host else host}:{port}",
        pid=os.getpid(),
        host=socket.gethostname(),
        instance=service.instance,
    )
    fresh = folder / f"server.json.{os.getpid()}"
    fresh.write_bytes(msgspec.json.encode(note))
    fresh.rename(folder / "server.json")
    log.info("serving %s from %s", note.url, folder)


def _end_when_idle(service: Service, idle: Idle, idle_exit_seconds: float, background: Background) -> None:
    """Nobody asks, and no run has a living distributor: nobody needs this server."""
    while service.signals.pause(ROUND_SECONDS):
        if time.monotonic() - idle.last <= idle_exit_seconds:
            continue
        try:
            needed = service.read(lambda connection: is_driven(connection, db.now(connection)))
        except Exception:  # the top of a loop: it is asked again
            log.exception("the database does not say whether some run is driven")
            continue
        if not needed:
            log.info("idle for %.0f s: ending", idle_exit_seconds)
            service.signals.end()
            background.end()
            os._exit(0)


if __name__ == "__main__":
    main()
