"""A runner that a test plays: it claims attempts, and says that they ended well, without any command."""

import uuid
from typing import Any

from faults.site import Site
from jobmon.core import local_server, wire
from jobmon.core.http import Address, Server, Unanswered
from jobmon.core.routes import WORK
from jobmon_conformance.home import Home


class Played:
    """Used from one thread at a time. `done` is how many ends the server has acknowledged."""

    def __init__(self, server: Server) -> None:
        """Nothing is claimed yet."""
        self.server = server
        self._runner = uuid.uuid4().hex
        self._sequence = 0
        self._running: list[wire.Outcome] = []
        self.done = 0

    @property
    def running(self) -> int:
        """Attempts that it has and did not end."""
        return len(self._running)

    def claim(self, claims: list[wire.Claim]) -> None:
        """Start what is granted of these."""
        for grant in self._say(claims=claims).grants if claims else []:
            for instance_id, token in zip(grant.instance_id, grant.token, strict=True):
                self._running.append(wire.Outcome(instance_id=instance_id, token=token, status="D", exit_code=0))

    def end(self, count: int) -> None:
        """Report the oldest as done; without an answer they are the next ones to be reported again."""
        ended = self._running[:count]
        self._say(outcomes=ended)
        del self._running[:count]
        self.done += len(ended)

    def _say(self, **what: Any) -> wire.WorkAnswer:
        self._sequence += 1
        request = wire.WorkRequest(runner=self._runner, node="n1", sequence=self._sequence, **what)
        return self.server.call(WORK, request)


def claim_of(batch: wire.Batch) -> wire.Claim:
    """Of all its attempts."""
    return wire.Claim(batch_id=batch.batch_id, start=0, count=batch.size)


def server_of(home: Home) -> Server:
    """The home's server, which may be away for a minute."""
    return Server(lambda: address(home), retry_seconds=60)


def address(home: Home) -> Address:
    """Where the home's server is. Raises Unanswered while its user's own server does not run."""
    if isinstance(home, Site):
        return Address(home.url, local_server.read_token(home.data_dir / "token"))
    if found := local_server.find(home.data_dir):
        return found
    raise Unanswered("the test's server does not run")
