"""Outcomes that workers could not tell the server, and left on the shared disk: here they are handed over."""

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from jobmon.core.exceptions import InvalidResponse, JobmonError, ServerBusy, ServerError, ServerUnreachable
from jobmon.core.ids import TaskInstanceId
from jobmon.core.routes import WORK
from jobmon.core.wire import WorkAnswer, WorkRequest
from jobmon.distributor.worker.spool import read_spool

log = logging.getLogger(__name__)

NOT_WANTED = ".refused"
PASSING = (ServerUnreachable, ServerError, ServerBusy, InvalidResponse)

Tell = Callable[[WorkRequest], WorkAnswer]


def replay(folder: Path, tell: Tell) -> set[TaskInstanceId]:
    """Hand over every outcome in the folder; returns the attempts whose outcomes the server has now.

    What the server takes is removed, what it refuses is renamed; what it does not answer stays for the next time.
    """
    told: set[TaskInstanceId] = set()
    try:
        for path, body in read_spool(str(folder)):
            request = msgspec.convert(body, WorkRequest)
            tell(request)
            log.info("handed over the outcome that a worker had left in %s", path)
            Path(path).unlink()
            told.update(outcome.instance_id for outcome in request.outcomes)
    except PASSING as error:
        log.warning("the server does not take what workers left in %s, they stay there: %s", folder, error)
    except (JobmonError, msgspec.ValidationError, ValueError) as error:
        log.error("the outcome in %s is refused: %s", path, error)
        Path(path).rename(path + NOT_WANTED)
    except OSError as error:
        log.warning("cannot read what workers left in %s: %s", folder, error)
    return told


def server_told(call: Callable[..., WorkAnswer]) -> Tell:
    """`Server.call` for outcomes."""
    return lambda request: call(WORK, request)
