"""Reading one HTTP/1.1 answer of the state server from a stream of bytes.

Strict on purpose: an answer that was cut, is too large or is not of our server (a proxy's page, a login form)
must never be taken for one. All of these are `Unanswered`: nothing is known of whether the request took effect.
"""

from __future__ import annotations

from .bare import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_HEAD_BYTES = 65536
MAX_HEADERS = 100


class Unanswered(Exception):
    """This try got no answer of our server. `retry_after_seconds` is the server's own wish, 0 without one."""

    def __init__(self, message: str, retry_after_seconds: float = 0) -> None:
        """`message` says where and why."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Refused(Exception):
    """The server understood and says no: repeating the same request is of no use."""

    def __init__(self, status: int, error: str, message: str) -> None:
        """`error` is the name of a class of jobmon.core.exceptions."""
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message


class Stream:
    """Bytes of one connection, taken by line or by count. `receive` gives the next bytes, b"" at the end."""

    def __init__(self, receive: Callable[[], bytes]) -> None:
        """Nothing is received before it is asked for."""
        self._receive = receive
        self._held = bytearray()
        self.touched = False  # whether anything has come at all

    def _more(self) -> None:
        received = self._receive()
        if not received:
            raise Unanswered("the connection was closed in the middle of an answer")
        self.touched = True
        self._held += received

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        while len(self._held) < count:
            self._more()
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken

    def line(self) -> str:
        """The next line without its end."""
        while (end := self._held.find(b"\n")) < 0:
            if len(self._held) > LARGEST_HEAD_BYTES:
                raise Unanswered("an endless line instead of an HTTP answer")
            self._more()
        return self.take(end + 1).decode("latin-1").rstrip("\r\n")


class Answer:
    """Status, headers (names in lower case) and body, undecoded."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """All three as they came."""
        self.status = status
        self.headers = headers
        self.body = body


def read_answer(stream: Stream, largest_bytes: int) -> Answer:
    """The next answer on a connection. Raises Unanswered unless it is well formed and complete."""
    status = 100
    while status // 100 == 1:  # "100 Continue" and its like announce the answer
        status = _status(stream.line())
        headers = _headers(stream)
    return Answer(status, headers, _body(stream, headers, largest_bytes))


def _status(line: str) -> int:
    words = line.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not (words[1].isdecimal() and len(words[1]) == 3):
        raise Unanswered(f"{line[:80]!r} instead of an HTTP answer")
    return int(words[1])


def _headers(stream: Stream) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(MAX_HEADERS):
        line = stream.line()
        if not line:
            return headers
        name, colon, value = line.partition(":")
        if not colon:
            raise Unanswered(f"{line[:80]!r} is not an HTTP header")
        headers[name.strip().lower()] = value.strip()
    raise Unanswered(f"more than {MAX_HEADERS} headers")


def _body(stream: Stream, headers: dict[str, str], largest_bytes: int) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _chunks(stream, largest_bytes)
    return stream.take(_size(headers.get("content-length", "no length"), 10, largest_bytes))


def _chunks(stream: Stream, largest_bytes: int) -> bytes:
    body = bytearray()
    while size := _size(stream.line().partition(";")[0].strip(), 16, largest_bytes - len(body)):
        body += stream.take(size)
        if stream.line():
            raise Unanswered("a chunk that is longer than it says")
    while stream.line():  # trailers
        pass
    return bytes(body)


def _size(text: str, base: int, largest_bytes: int) -> int:
    digits = "0123456789abcdefABCDEF" if base == 16 else "0123456789"
    if not text or text.strip(digits) or len(text) > 18:  # Python reads no number of more than 4300 digits
        raise Unanswered(f"an answer of {text[:40]!r} bytes")
    if (size := int(text, base)) > largest_bytes:
        raise Unanswered(f"an answer of {size} bytes, which is too large")
    return size


def accept(answer: Answer) -> bytes:
    """The body of a good answer.

    Raises Refused for a typed 4xx; Unanswered for everything that may be tried again: 429, any 5xx, and what is
    not of our server (no JSON object, a redirect, an encoding nobody asked for).
    """
    if (
        answer.headers.get("content-encoding", "identity") != "identity"
        or answer.body[:1] + answer.body[-1:] != b"{}"
    ):
        raise _not_ours(answer)
    if answer.status == 200:
        return answer.body
    error, message, retry_after_seconds = _failure(answer)
    if answer.status == 429 or answer.status >= 500:
        raise Unanswered(f"{answer.status} {error}: {message}", retry_after_seconds)
    if answer.status >= 400:
        raise Refused(answer.status, error, message)
    raise _not_ours(answer)


def _failure(answer: Answer) -> tuple[str, str, float]:
    try:
        failure = decode(answer.body)
        wished = failure.get("retry_after_seconds") or answer.headers.get("retry-after") or 0
        return str(failure["error"]), str(failure["message"]), max(0.0, float(wished))
    except (ValueError, KeyError, TypeError):
        raise _not_ours(answer) from None


def _not_ours(answer: Answer) -> Unanswered:
    kind = answer.headers.get("content-type", "no content type")
    return Unanswered(f"status {answer.status} ({kind}), which is not an answer of a Jobmon server")
