"""Which server the client talks to: the one in the settings, else the user's own embedded one."""

from __future__ import annotations

import contextlib
import functools
import threading
from typing import TYPE_CHECKING

import msgspec

from jobmon.client.said import say
from jobmon.core.settings import Settings, data_dir, load_settings

if TYPE_CHECKING:
    from jobmon.core.http import Address, Server

_QUIET_SECONDS = 1.0


def connect() -> Connection:
    """The connection for the settings in force now; the same object for the same settings."""
    return _connection(msgspec.json.encode(load_settings()))


class Connection:
    """Finds the server, starting the embedded one if there is none. May be used by many threads."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is opened or started yet."""
        self.settings = settings
        self._threads = threading.local()
        self._warming: threading.Thread | None = None
        self._lock = threading.Lock()
        self._was_there = False

    @property
    def is_embedded(self) -> bool:
        """Whether the server is the user's own."""
        return not self.settings.http.service_url

    def prewarm(self) -> None:
        """Let the embedded server start while the script goes on building its graph; returns at once."""
        with self._lock:
            if self.is_embedded and self._warming is None:
                self._warming = threading.Thread(target=self._warm, name="jobmon-prewarm", daemon=True)
                self._warming.start()

    @property
    def server(self) -> Server:
        """The server for this thread; a call waits for an absent server as long as `http.retry_seconds` says."""
        return self._of_thread("server", self.settings.http.retry_seconds)

    @property
    def patient(self) -> Server:
        """The same, waiting for ever and saying so on standard error."""
        return self._of_thread("patient", None)

    def _of_thread(self, kind: str, retry_seconds: float | None) -> Server:
        found: Server | None = getattr(self._threads, kind, None)
        if found is None:
            from jobmon.core.http import Server

            timeout = self.settings.http.request_timeout_seconds
            found = Server(self._locate, timeout, retry_seconds, on_wait=say_waiting)
            setattr(self._threads, kind, found)
        return found

    def _locate(self) -> Address:
        from jobmon.core import local_server, login
        from jobmon.core.exceptions import ServerUnreachable
        from jobmon.core.http import Address, Unanswered

        http = self.settings.http
        if http.service_url:
            return Address(http.service_url.rstrip("/"), login.token(http))
        if self._warming is not None:
            self._warming.join()
        try:
            address = local_server.ensure(data_dir(self.settings))
        except ServerUnreachable as error:
            if self._was_there:  # one that died while it started: like any other that is away
                raise Unanswered(str(error)) from error
            raise
        self._was_there = True
        return address

    def _warm(self) -> None:
        from jobmon.core import local_server
        from jobmon.core.exceptions import JobmonError

        with contextlib.suppress(JobmonError, OSError):  # the first call that needs it tries again, and raises
            local_server.ensure(data_dir(self.settings))


def say_waiting(url: str, waited_seconds: float, reason: str) -> None:
    """Tell the user why nothing happens."""
    if waited_seconds >= _QUIET_SECONDS:
        say(f"waiting for the server {url}, {waited_seconds:.0f} s ({reason})")


@functools.cache
def _connection(settings: bytes) -> Connection:
    return Connection(msgspec.json.decode(settings, type=Settings))
