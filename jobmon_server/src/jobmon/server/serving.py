"""Serve a site: by gunicorn where it is installed, else by waitress in this one process."""

import contextlib
import importlib.util
import logging
import socket
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from jobmon.core.defaults import Settings
from jobmon.core.exceptions import ConfigError
from jobmon.core.routes import BULK_BYTES
from jobmon.server import sqlite_file
from jobmon.server.auth.listening import check as check_listening
from jobmon.server.background import Background
from jobmon.server.folder import make
from jobmon.server.start import database_url, open_database, open_service, settle, sqlite_path

log = logging.getLogger(__name__)


class Wanted(NamedTuple):
    """What the command line asks for."""

    bind: str
    processes: int
    tls_certificate: str
    tls_key: str
    insecure: bool


def serve(settings: Settings, folder: Path, wanted: Wanted) -> None:
    """Serve until a signal comes. Raises ConfigError when that cannot be as wanted."""
    make(folder)
    file = sqlite_path(database_url(settings, folder))
    if file is not None and wanted.processes > 1:
        raise ConfigError(
            f"the SQLite file {file} is written by one process; serve with --processes 1, or set "
            "JOBMON__SERVER__DATABASE_URL to a MariaDB or PostgreSQL"
        )
    with sqlite_file.only_one(file.parent) if file is not None else contextlib.nullcontext():
        open_database(settings, folder).dispose()  # what is wrong with it is said once, and here
        if importlib.util.find_spec("gunicorn"):
            _by_gunicorn(settings, folder, wanted)
        else:
            _by_waitress(settings, folder, wanted)


def _by_gunicorn(settings: Settings, folder: Path, wanted: Wanted) -> None:
    from jobmon.server import site

    listening = site.Listening(
        bind=wanted.bind,
        processes=wanted.processes,
        threads=settings.server.threads,
        certificate=wanted.tls_certificate,
        key=wanted.tls_key,
        insecure=wanted.insecure or settings.server.insecure,
    )
    site.serve(lambda: open_service(settings, folder, names(settings, wanted.bind)), listening, folder)


def _by_waitress(settings: Settings, folder: Path, wanted: Wanted) -> None:
    """One process, no TLS of its own; a signal ends it when what was begun is done."""
    from waitress.server import create_server

    from jobmon.server.draining import end_on_signals
    from jobmon.server.serve import make_app

    if wanted.tls_certificate or wanted.processes > 1:
        raise ConfigError("TLS and several processes need gunicorn: pip install 'jobmon_server[site]'")
    host, _, port = wanted.bind.rpartition(":")
    check_listening(host or wanted.bind, tls=False, insecure=wanted.insecure or settings.server.insecure)
    service = open_service(settings, folder, names(settings, wanted.bind))
    background = Background(service)
    background.start()
    unix = wanted.bind.removeprefix("unix:")
    where: dict[str, Any] = (
        {"unix_socket": unix} if unix != wanted.bind else {"host": host.strip("[]"), "port": port}
    )
    server = create_server(
        make_app(service),
        threads=settings.server.threads,
        ident="",
        max_request_body_size=2 * BULK_BYTES,  # Flask refuses what is too large, in our words
        **where,
    )
    end_on_signals(service, server, background)
    settle()
    log.info("serving %s by waitress", wanted.bind)
    server.run()


def names(settings: Settings, bind: str) -> frozenset[str]:
    """The names by which requests may call this server: where it listens, its host's, and its public URL's."""
    public = urlsplit(settings.http.service_url).hostname
    own = {"127.0.0.1", "localhost", "::1", socket.gethostname(), socket.getfqdn(), settings.server.host}
    return frozenset({*own, bind.rpartition(":")[0].strip("[]"), *([public] if public else [])} - {""})
