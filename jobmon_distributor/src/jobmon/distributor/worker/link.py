"""The worker's connection to the state server: HTTP/1.1 over one kept-alive socket, with the only retry.

`http.client` and `urllib` are not used because importing them costs more CPU than the rest of the worker.
Each request of ours can be repeated, so a try that got no answer is simply made again until the budget is
spent. A `Link` belongs to one thread.
"""

from __future__ import annotations

import time

from .address import Target
from .answer import Answer, Refused, Stream, Unanswered, accept, read_answer
from .bare import decode, encode, posix, socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
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
        self._tls: ssl.SSLContext | None = None
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
        body = encode(payload)
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
        raw = _connected(target.host, target.port, self._connect_seconds)
        self._socket = self._encrypted(raw, target.host) if target.tls else raw
        self._prefix = target.prefix
        self._headers = (
            f"Host: {target.authority}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        )

    def _encrypted(self, raw: socket.socket, host: str) -> socket.socket:
        import socket as public
        import ssl  # 15 ms of CPU, for https only

        plain = public.socket(fileno=raw.detach())
        try:
            plain.settimeout(self._connect_seconds)
            self._tls = self._tls or ssl.create_default_context()  # 22 ms: it reads the certificates of the node
            return self._tls.wrap_socket(plain, server_hostname=host)
        except OSError:
            plain.close()
            self._tls = None  # there may be other certificates the next time
            raise


def _connected(host: str, port: int, seconds: float) -> socket.socket:
    """A connection to the first address of a host that takes one. Raises OSError."""
    failure = OSError(f"{host} has no address")
    name = host.encode() if host.isascii() else host  # for a str Python would load its tables of Unicode: 8 ms
    for family, kind, protocol, _, address in socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM):
        raw = socket.socket(family, kind, protocol)
        try:
            raw.settimeout(seconds)
            raw.connect(address)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return raw
        except OSError as error:
            raw.close()
            failure = error
    raise failure


def _decode(body: bytes) -> dict[str, Any]:
    try:
        decoded: dict[str, Any] = decode(body)
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
            pause = pause_seconds(tries, unanswered.retry_after_seconds)
            if budget_seconds is not None and waited_seconds + pause > budget_seconds:
                raise Unanswered(f"{unanswered} (tried for {waited_seconds:.0f} s)") from None
            if _sleep(pause, stop):
                raise Unanswered(f"{unanswered} (told to stop trying)") from None
        tries += 1


def pause_seconds(tries: int, wished_seconds: float) -> float:
    """Between half and all of a pause that doubles, so that thousands of workers do not come back as one."""
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * (1 << min(tries, 20)))
    jitter = int.from_bytes(posix.urandom(4), "big") / 2**32  # importing `random` costs 6 ms of CPU
    return max(longest * (0.5 + jitter / 2), wished_seconds * (1 + jitter))


def _sleep(seconds: float, stop: Stop | None) -> bool:
    if stop is None:
        time.sleep(seconds)
        return False
    return stop.wait(seconds)
