"""Background roles: each server process tries for each of them, again and again, and the one that has it acts.

ROLES says which there are. Results that workers left on shared disks are no role of the server's: only the user's
own distributor can read them there.
"""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from sqlalchemy.engine import Connection

from jobmon.server.downtime import forgive
from jobmon.server.reaper import reap
from jobmon.server.service import Service
from jobmon.server.store import roles

log = logging.getLogger(__name__)

ROUND_SECONDS = 5.0
END_SECONDS = 5.0  # a process that ends waits no longer for the database; the lease runs out by itself


class Role(NamedTuple):
    """What its holder does in each round, in the transaction that has made sure of the lease."""

    name: str
    act: Callable[[Connection, float], object]


ROLES = (Role("reaper", reap),)


class Background:
    """The rounds of one server process."""

    def __init__(self, service: Service, having: Sequence[Role] = ROLES) -> None:
        """Nothing is done before `start`."""
        self._service = service
        self._roles = having
        self._holder = f"{service.instance} (pid {os.getpid()} on {os.uname().nodename})"[:255]
        self._epochs: dict[str, int | None] = {}
        self._thread = threading.Thread(target=self._rounds, name="background", daemon=True)

    def start(self) -> None:
        """Have the first round now, before anybody is served: deadlines are put off where no server was up."""
        self.round()
        self._thread.start()

    def end(self) -> None:
        """After `signals.end`: wait a moment for the last round, and until the roles are left to others."""
        self._thread.join(END_SECONDS)

    def round(self) -> None:
        """Note that this process is up, then act in the roles that it has or can have."""
        try:
            self._service.write(forgive)
            for role in self._roles:
                self._note(role.name, self._service.write(partial(self._act, role)))
        except Exception:  # the top of a loop: the next round tries again
            log.exception("a round of the background roles failed")

    def _act(self, role: Role, connection: Connection, at: float) -> int | None:
        epoch = roles.hold(connection, role.name, self._holder, at)
        if epoch is not None:
            role.act(connection, at)
        return epoch

    def _note(self, role: str, epoch: int | None) -> None:
        if epoch != self._epochs.get(role):
            log.info("the role %s is %s", role, f"ours, epoch {epoch}" if epoch else "another's now")
        self._epochs[role] = epoch

    def _rounds(self) -> None:
        while self._service.signals.pause(ROUND_SECONDS):
            self.round()
        try:
            self._service.write(lambda connection, at: roles.leave(connection, self._holder, at))
        except Exception:  # the top of a thread, at its end
            log.exception("the roles of this process could not be left; their leases run out by themselves")
