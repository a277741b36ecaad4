"""Serve a site by gunicorn: one arbiter, some processes, many threads, a graceful end.

Each process opens its own connections after the fork. Told to end, a process takes no new work, answers its long
polls at once with what there is, finishes what it began, and only then goes.
"""

import logging
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from jobmon.server import metrics
from jobmon.server.auth.listening import check as check_listening
from jobmon.server.background import Background
from jobmon.server.serve import make_app
from jobmon.server.service import Service
from jobmon.server.site_worker import Worker
from jobmon.server.start import settle

log = logging.getLogger(__name__)

GRACE_SECONDS = 30
CONNECTIONS = 10_000  # of one process; one that is idle costs no thread
LINE_BYTES = 8190  # of a request with a thousand ids


class Listening(NamedTuple):
    """Where and how: `bind` is HOST:PORT or unix:PATH, the other two are files for TLS."""

    bind: str
    processes: int = 1
    threads: int = 32
    certificate: str = ""
    key: str = ""
    insecure: bool = False  # without TLS beyond this machine


def serve(open_service: Callable[[], Service], listening: Listening, folder: Path) -> None:
    """Serve until a signal comes. `open_service` is called in each process; they count together in `folder`.

    Raises ConfigError when tokens would go over a network in the clear.
    """
    host = listening.bind if listening.bind.startswith("unix:") else listening.bind.rpartition(":")[0]
    check_listening(host, tls=bool(listening.certificate), insecure=listening.insecure)
    metrics.share(folder / "metrics")
    sys.setswitchinterval(0.001)  # a reply waits for the thread that has the interpreter: let it be short
    _Site(open_service, listening).run()


class _Log(Logger):
    """What gunicorn has to say goes where everything else goes."""

    def setup(self, cfg: Any) -> None:
        """No handlers of its own."""
        self.error_log.propagate = True
        self.error_log.setLevel(logging.INFO)


class _Site(BaseApplication):
    """gunicorn's view of us: settings, and a way to make the application in each process."""

    def __init__(self, open_service: Callable[[], Service], listening: Listening) -> None:
        self._open_service = open_service
        self._listening = listening
        self._service: Service | None = None
        self._background: Background | None = None
        super().__init__()

    def load_config(self) -> None:
        """All settings that are not gunicorn's own defaults."""
        where = self._listening
        for name, value in {
            "bind": [where.bind],
            "workers": where.processes,
            "threads": where.threads,
            "worker_class": Worker,
            "worker_connections": CONNECTIONS,
            "certfile": where.certificate or None,
            "keyfile": where.key or None,
            "graceful_timeout": GRACE_SECONDS,
            "keepalive": 75,
            "limit_request_line": LINE_BYTES,
            "control_socket_disable": True,
            "logger_class": _Log,
            "post_worker_init": self._begin,
            "worker_exit": lambda arbiter, worker: self._leave(),
            "child_exit": lambda arbiter, worker: metrics.forget(worker.pid),
        }.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Any:
        """Called in each process."""
        self._service = self._open_service()
        self._background = Background(self._service)
        self._background.start()
        app = make_app(self._service)
        settle()
        return app

    def _begin(self, worker: Any) -> None:
        """When this process is told to end, its polls are answered before gunicorn waits for them."""
        before = signal.getsignal(signal.SIGTERM)

        def leave(number: int, frame: FrameType | None) -> None:
            if self._service is not None:  # in another thread: this one may hold the lock
                threading.Thread(target=self._service.signals.end).start()
            if callable(before):
                before(number, frame)

        signal.signal(signal.SIGTERM, leave)

    def _leave(self) -> None:
        """Called in each process at its end, however it came to that."""
        if self._service is not None and self._background is not None:
            self._service.signals.end()
            self._background.end()
