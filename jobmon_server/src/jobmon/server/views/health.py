"""Whether this process is up."""

import os
import time

import flask

from jobmon.core import __version__, routes
from jobmon.core.wire import Health, Nothing
from jobmon.server.serve import handles
from jobmon.server.service import Service


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
