"""The end of a process that serves by waitress: polls are answered, what was begun is finished, then it goes."""

import logging
import os
import signal
import threading
import time
from typing import Any

from waitress.channel import HTTPChannel

from jobmon.server.background import Background
from jobmon.server.service import Service

log = logging.getLogger(__name__)

DRAIN_SECONDS = 10.0


def end_on_signals(service: Service, server: Any, background: Background) -> None:
    """Have SIGTERM and SIGINT end the process once it has nothing in hand any more."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=_end, args=(service, server, background)).start())


def _end(service: Service, server: Any, background: Background) -> None:
    """What is not answered in time, and what still comes, is repeated by its sender."""
    log.info("told to end")
    service.signals.end()
    until = time.monotonic() + DRAIN_SECONDS
    while _is_at_work(server) and time.monotonic() < until:
        time.sleep(0.01)
    background.end()
    logging.shutdown()
    os._exit(0)


def _is_at_work(server: Any) -> bool:
    """Whether some request is not answered yet, or its answer not sent."""
    sockets = server.map if hasattr(server, "map") else server._map  # of several listening sockets, or of one
    channels = [one for one in list(sockets.values()) if isinstance(one, HTTPChannel)]
    return any(channel.requests or channel.total_outbufs_len for channel in channels)
