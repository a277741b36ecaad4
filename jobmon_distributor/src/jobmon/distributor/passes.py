"""The tokens of one run's distributor at a site: its own, and the one for its workers on the shared disk.

With the user's own token it asks for the two, and then asks with the first of them for the next ones, long
before they expire: a run goes on when the user has logged out. A server with one token for everything gives
none; then it is the user's own token that opens it, for the workers too.
"""

import hashlib
import logging
import math
import threading
import time
from pathlib import Path

from jobmon.core import login, wire
from jobmon.core.defaults import Http
from jobmon.core.exceptions import NotFound, ServerBusy, ServerError, ServerUnreachable, Unauthorized
from jobmon.core.http import Address, Server, Unanswered
from jobmon.core.ids import WorkflowRunId
from jobmon.core.routes import PASSES

log = logging.getLogger(__name__)

TRY_SECONDS = 5.0  # a lost answer must not delay a run's first tasks
AGAIN_SECONDS = 5.0  # after a time when nothing could be had
AWAY = (ServerUnreachable, ServerBusy, ServerError)


class Passes:
    """Where the server is and what opens it, for all threads of a distributor."""

    def __init__(self, http: Http, run_id: WorkflowRunId, folder: Path) -> None:
        """`folder` is on the shared disk, and no other file of a server stands there."""
        self._http = http
        self._url = http.service_url.rstrip("/")
        self._run_id = run_id
        self._folder = folder
        self._lock = threading.Lock()
        self._drive = ""
        self._work_file = ""  # "" as long as it is not known which
        self._until = 0.0

    def __call__(self) -> Address:
        """With tokens that are good for a while. Raises Unauthorized when neither token is good any more."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._renew()
            return Address(self._url, self._drive or login.token(self._http), self._until)

    def token_file(self) -> str:
        """The file with what opens the server to workers. Raises Unanswered while the server is away."""
        self()
        if not self._work_file:
            raise Unanswered(f"the Jobmon server at {self._url} has given no token for workers yet")
        return self._work_file

    def _renew(self) -> None:
        self._until = time.monotonic() + AGAIN_SECONDS
        try:
            made = self._ask()
        except AWAY as error:
            log.info("no new tokens for this run yet: %s", error)
            return
        self._drive = made.drive
        self._work_file = self._keep(made.work) if made.work else str(login.file_of(self._http))
        self._until = time.monotonic() + (made.renew_seconds or math.inf)

    def _ask(self) -> wire.Passes:
        """With the token we have; if that is not good any more with the user's own."""
        if self._drive:
            try:
                return self._call(self._drive)
            except Unauthorized as error:
                log.warning("the token of this run is not good any more (%s): trying the user's own", error)
                self._drive = ""
        return self._call(login.token(self._http))

    def _call(self, token: str) -> wire.Passes:
        server = Server(lambda: Address(self._url, token), self._http.request_timeout_seconds, TRY_SECONDS)
        try:
            return server.call(PASSES, wire.Nothing(), run_id=self._run_id)
        except NotFound:  # a server of an earlier release: one token opens everything
            return wire.Passes()

    def _keep(self, token: str) -> str:
        """One file for all of the user's runs at that server: whichever distributor lives renews it for all."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = self._folder / f"work-{hashlib.sha256(self._url.encode()).hexdigest()[:12]}"
        login.write_private(file, token)
        return str(file)
