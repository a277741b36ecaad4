"""The worker's connection to the state server: HTTP/1.1 over one kept-alive socket, with the only retry.

`http.client` and `urllib` are not used because importing them costs more CPU than the rest of the worker.
Each request of ours can be repeated, so a try that got no answer is simply made again until the budget is
spent. A `Link` belongs to one thread.
"""

from __future__ import annotations

import json
import os
import socket
import time

from .address import Target
from .answer import Answer, Refused, Stream, Unanswered, accept, read_answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol, TypeVar

    from .address import Locate

    Got = TypeVar("Got")

    class Stop(Protocol):
        """A threading.Event, or something like it."""

        def wait(self, timeout: float) -> bool: ...


__all__ = ["Link", "Refused", "Unanswered"]

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 15.0
LARGEST_ANSWER_BYTES = 256 * 1024 * 1024
RECEIVE_BYTES = 65536


class Link:
    """One thread's way to the server. `locate` gives (url, token) and is asked again for every connection."""

    def __init__(self, locate: Locate, connect_seconds: float = 10, read_seconds: float = 30) -> None:
        """Nothing is opened before the first request; an answer must be complete within `read_seconds`."""
        self._locate = locate
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._socket: socket.socket | None = None
        self.address = ("the server", "")  # (url, token) of the last connection
        self._prefix = ""
        self._headers = ""

    def post(self, path: str, body: bytes) -> bytes:
        """Send one JSON object, once, and return the JSON object that is the answer.

        Raises Unanswered when there was no answer of our server, Refused when it said no.
        """
        try:
            return accept(self._exchange(path, body))
        except Unanswered as unanswered:
            self.close()
            raise Unanswered(f"{self.address[0]}: {unanswered}", unanswered.retry_after_seconds) from None
        except (OSError, UnicodeError) as error:  # UnicodeError: a host name that cannot be one
            self.close()
            raise Unanswered(f"{self.address[0]}: {getattr(error, 'strerror', None) or error}") from error

    def persist(self, path: str, body: bytes, budget_seconds: float | None, stop: Stop | None = None) -> bytes:
        """`post` until it is answered: for `budget_seconds` (None = for ever) or until `stop` is set.

        Raises Refused, or Unanswered when it was given up.
        """
        return _repeat(lambda: self.post(path, body), budget_seconds, stop)

    def call(
        self, path: str, payload: dict[str, Any], budget_seconds: float | None, stop: Stop | None = None
    ) -> dict[str, Any]:
        """`persist` for objects as dicts."""
        body = json.dumps(payload).encode()
        return _repeat(lambda: _decode(self.post(path, body)), budget_seconds, stop)

    def close(self) -> None:
        """Let go of the connection; the next request opens another one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, path: str, body: bytes) -> Answer:
        """Ask on the connection that is open; should the server have closed it meanwhile, on a new one."""
        stream = Stream(self._receiver(time.monotonic() + self._read_seconds))
        if self._socket is not None:
            try:
                return self._ask(path, body, stream)
            except (Unanswered, ConnectionError):
                if stream.touched:
                    raise
                self.close()
        self._connect()
        return self._ask(path, body, stream)

    def _ask(self, path: str, body: bytes, stream: Stream) -> Answer:
        assert self._socket is not None
        head = f"POST {self._prefix}{path} HTTP/1.1\r\n{self._headers}Content-Length: {len(body)}\r\n\r\n"
        self._socket.settimeout(self._read_seconds)
        self._socket.sendall(head.encode("latin-1") + body)
        answer = read_answer(stream, LARGEST_ANSWER_BYTES)
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    def _receiver(self, deadline: float) -> Callable[[], bytes]:
        """What receives the next bytes of an answer that must be complete at `deadline`."""

        def receive() -> bytes:
            assert self._socket is not None
            left_seconds = deadline - time.monotonic()
            if left_seconds <= 0:
                raise Unanswered(f"no complete answer within {self._read_seconds:g} s")
            self._socket.settimeout(left_seconds)
            return self._socket.recv(RECEIVE_BYTES)

        return receive

    def _connect(self) -> None:
        self.address = self._locate()
        url, token = self.address
        target = Target(url)
        raw = socket.create_connection((target.host, target.port), self._connect_seconds)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = _encrypted(raw, target.host) if target.tls else raw
        self._prefix = target.prefix
        self._headers = (
            f"Host: {target.authority}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        )


def _encrypted(raw: socket.socket, host: str) -> socket.socket:
    import ssl  # 20 ms of CPU, for https only

    try:
        return ssl.create_default_context().wrap_socket(raw, server_hostname=host)
    except OSError:
        raw.close()
        raise


def _decode(body: bytes) -> dict[str, Any]:
    try:
        decoded: dict[str, Any] = json.loads(body)
    except ValueError as error:
        raise Unanswered(f"an answer that is not JSON ({error})") from None
    return decoded


def _repeat(once: Callable[[], Got], budget_seconds: float | None, stop: Stop | None) -> Got:
    began = time.monotonic()
    tries = 0
    while True:
        try:
            return once()
        except Unanswered as unanswered:
            waited_seconds = time.monotonic() - began
            pause = _pause_seconds(tries, unanswered.retry_after_seconds)
            if budget_seconds is not None and waited_seconds + pause > budget_seconds:
                raise Unanswered(f"{unanswered} (tried for {waited_seconds:.0f} s)") from None
            if _sleep(pause, stop):
                raise Unanswered(f"{unanswered} (told to stop trying)") from None
        tries += 1


def _pause_seconds(tries: int, wished_seconds: float) -> float:
    """Between half and all of a pause that doubles, so that thousands of workers do not come back as one."""
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * (1 << min(tries, 20)))
    jitter = int.from_bytes(os.urandom(4), "big") / 2**32  # importing `random` costs 6 ms of CPU
    return max(longest * (0.5 + jitter / 2), wished_seconds * (1 + jitter))


def _sleep(seconds: float, stop: Stop | None) -> bool:
    if stop is None:
        time.sleep(seconds)
        return False
    return stop.wait(seconds)
