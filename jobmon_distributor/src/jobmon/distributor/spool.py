"""Outcomes that workers could not tell the server, and left on the shared disk: here they are handed over."""

import logging
from collections.abc import Callable
from pathlib import Path

import msgspec

from jobmon.core.exceptions import (
    Conflict,
    Forbidden,
    InvalidRequest,
    JobmonError,
    NotFound,
    ServerError,
    Superseded,
)
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
    """Hand over every outcome in the folder; returns the attempts of which there is word.

    What the server takes is removed, what cannot be read or is refused is renamed. Whatever else goes wrong - no
    answer, a full disk, a token that is not valid any more - leaves it there for the next time: the word on these
    attempts is there, though the server does not have it yet. An outcome on which the server itself fails stays
    too, but it is no word: its attempt would wait for ever.
    """
    told: set[TaskInstanceId] = set()
    away = False
    try:
        for file in sorted(folder.glob(f"{PREFIX}*{SUFFIX}")):
            if (request := _read(file)) is None:
                continue
            try:
                taken = away or _hand_over(file, request, tell)
            except JobmonError as error:
                log.warning("the server does not take what workers left in %s, they stay there: %s", folder, error)
                taken = away = True
            if taken:
                told.update(outcome.instance_id for outcome in request.outcomes)
    except OSError as error:
        log.warning("cannot read what workers left in %s: %s", folder, error)
    return told


def _read(file: Path) -> WorkRequest | None:
    """What a worker left; None when another distributor was faster, or when it cannot be read."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=WorkRequest)
    except FileNotFoundError:
        return None
    except UNREADABLE as error:
        _set_aside(file, error)
        return None


def _hand_over(file: Path, request: WorkRequest, tell: Tell) -> bool:
    """Whether the server takes it. Raises JobmonError when it cannot just now."""
    try:
        tell(msgspec.structs.replace(request, spooled=True))
    except REFUSALS as error:
        _set_aside(file, error)
        return False
    except ServerError as error:
        log.error("the server fails on the outcome in %s, which stays there: %s", file, error)
        return False
    log.info("handed over the outcome that a worker had left in %s", file)
    file.unlink(missing_ok=True)
    return True


def _set_aside(file: Path, error: Exception) -> None:
    log.error("the outcome in %s is set aside: %s", file, error)
    file.rename(f"{file}{NOT_WANTED}")


def server_told(call: Callable[..., WorkAnswer]) -> Tell:
    """`Server.call` for outcomes."""
    return lambda request: call(WORK, request)
