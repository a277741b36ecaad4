"""Outcomes that workers could not tell the server, and left on the shared disk: here they are handed over."""

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from jobmon.core.exceptions import Conflict, Forbidden, InvalidRequest, JobmonError, NotFound, Superseded
from jobmon.core.ids import TaskInstanceId
from jobmon.core.routes import WORK
from jobmon.core.wire import WorkAnswer, WorkRequest
from jobmon.distributor.worker.spool import PREFIX, SUFFIX

log = logging.getLogger(__name__)

NOT_WANTED = ".refused"
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
REFUSALS = (InvalidRequest, Forbidden, NotFound, Conflict, Superseded)  # of this outcome, by a server that is well

Tell = Callable[[WorkRequest], WorkAnswer]


def replay(folder: Path, tell: Tell) -> set[TaskInstanceId]:
    """Hand over every outcome in the folder; returns the attempts whose outcomes the server has now.

    What the server takes is removed, what cannot be read or is refused is renamed. Whatever else goes wrong - no
    answer, a full disk, a token that is not valid any more - leaves it there for the next time.
    """
    told: set[TaskInstanceId] = set()
    try:
        for file in sorted(folder.glob(f"{PREFIX}*{SUFFIX}")):
            told.update(_hand_over(file, tell))
    except JobmonError as error:
        log.warning("the server does not take what workers left in %s, they stay there: %s", folder, error)
    except OSError as error:
        log.warning("cannot read what workers left in %s: %s", folder, error)
    return told


def _hand_over(file: Path, tell: Tell) -> list[TaskInstanceId]:
    try:
        request = msgspec.json.decode(file.read_bytes(), type=WorkRequest)
        tell(msgspec.structs.replace(request, spooled=True))
    except FileNotFoundError:  # another distributor was faster
        return []
    except (*UNREADABLE, *REFUSALS) as error:
        log.error("the outcome in %s is set aside: %s", file, error)
        file.rename(f"{file}{NOT_WANTED}")
        return []
    log.info("handed over the outcome that a worker had left in %s", file)
    file.unlink(missing_ok=True)
    return [outcome.instance_id for outcome in request.outcomes]


def server_told(call: Callable[..., WorkAnswer]) -> Tell:
    """`Server.call` for outcomes."""
    return lambda request: call(WORK, request)
