"""What probes ask: whether this process is up, whether it can work, what it counted, what it understands."""

import logging
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import flask
import sqlalchemy as sa

from jobmon.core import __version__, routes
from jobmon.core.exceptions import ConfigError, JobmonError, ServerBusy
from jobmon.core.wire import Health, Nothing, Ready, Text
from jobmon.server import metrics, schema
from jobmon.server.db import Database
from jobmon.server.serve import handles
from jobmon.server.service import Service

log = logging.getLogger(__name__)

ROOM_BYTES = 64 * 2**20  # with less, a bind of a large workflow may fill the disk


@handles(routes.HEALTH)
def health(service: Service, sent: Nothing) -> Health:
    """Who answers, and for how long already."""
    return Health(
        version=__version__,
        instance=service.instance,
        host=os.uname().nodename,
        pid=os.getpid(),
        uptime_seconds=time.monotonic() - flask.current_app.config["JOBMON_STARTED"],
    )


@handles(routes.READY)
def ready(service: Service, sent: Nothing) -> Ready:
    """Whether this process can work: its database answers, has the right schema and room, and it is not ending."""
    wrong = [name for name, check in _CHECKS.items() if not _holds(name, check, service)]
    if wrong:
        raise ServerBusy(f"not ready: {', '.join(wrong)}")
    return Ready(checked=list(_CHECKS))


def _holds(name: str, check: Callable[[Service], None], service: Service) -> bool:
    """Anybody may ask, so the answer has names only; the log has the rest."""
    try:
        check(service)
    except (JobmonError, sa.exc.SQLAlchemyError, OSError) as error:
        log.warning("not ready: %s: %s", name, error)
        return False
    return True


def _database(service: Service) -> None:
    with service.database.engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")


def _schema(service: Service) -> None:
    with service.database.engine.connect() as connection:
        schema.check(connection)


def _disk(service: Service) -> None:
    if (folder := _folder(service.database)) and (free := shutil.disk_usage(folder).free) < ROOM_BYTES:
        raise ConfigError(f"{folder} has {free} bytes left, {ROOM_BYTES} are needed")


def _folder(database: Database) -> Path | None:
    """Where SQLite keeps its file; other databases look after their disks themselves."""
    return Path(database.engine.url.database or "").absolute().parent if database.is_sqlite else None


def _process(service: Service) -> None:
    if service.signals.over:
        raise ServerBusy("this process is ending")


_CHECKS: dict[str, Callable[[Service], None]] = {
    "process": _process,
    "database": _database,
    "schema": _schema,
    "disk": _disk,
}


@handles(routes.METRICS)
def scrape(service: Service, sent: Nothing) -> Text:
    """Counters and gauges for Prometheus."""
    return Text(content_type=metrics.CONTENT_TYPE, content=service.metrics.text())


@handles(routes.OPENAPI)
def describe(service: Service, sent: Nothing) -> Text:
    """This description of the API."""
    return Text(content_type="application/json", content=flask.current_app.config["JOBMON_OPENAPI"])
