"""The worker's HTTP client against a real socket peer."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.work_peer import BUSY, DROP, HANG, LOGIN, PROXY, TRUNCATE, WorkPeer
from jobmon.distributor.worker.address import fixed, noted
from jobmon.distributor.worker.link import Link, Refused, Unanswered
from jobmon.distributor.worker.talk import PATH, Runner

PATIENCE_SECONDS = 90.0  # only a failure waits so long
CLAIM = b'{"runner":"r","node":"n","sequence":1,"claims":[{"batch_id":7,"start":3}]}'


class Raw:
    """A server that answers each request on each connection with the next of `answers`, b"" being silence."""

    def __init__(self, *answers: bytes, close: bool = False) -> None:
        self.answers = list(answers)
        self.close_after = close
        self.connections = 0
        self.heard: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while self.answers:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection, contextlib.suppress(OSError):  # the client went
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        while self.answers and (received := connection.recv(65536)):
            self.heard.append(received)
            connection.sendall(self.answers.pop(0))
            if self.close_after:
                return
        connection.recv(1)  # silent until the client goes


def answer(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


@pytest.fixture
def raw() -> Iterator[Callable[..., Raw]]:
    made: list[Raw] = []

    def make(*answers: bytes, close: bool = False) -> Raw:
        made.append(Raw(*answers, close=close))
        return made[-1]

    yield make
    for server in made:
        server.listener.close()


@contextlib.contextmanager
def nobody_at(port: int = 0) -> Iterator[str]:
    """A place where nobody listens, nor can begin to meanwhile."""
    with socket.socket() as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind(("127.0.0.1", port))
        yield f"http://127.0.0.1:{place.getsockname()[1]}"


Connect = Callable[..., Link]


@pytest.fixture
def link_to(token_file: Path) -> Iterator[Connect]:
    links: list[Link] = []

    def connect(url: str, read_seconds: float = PATIENCE_SECONDS) -> Link:
        links.append(Link(fixed(url, str(token_file)), PATIENCE_SECONDS, read_seconds))
        return links[-1]

    yield connect
    for link in links:
        link.close()


def test_a_request_carries_the_token_and_what_a_proxy_needs(raw: Callable[..., Raw], link_to: Connect) -> None:
    server = raw(answer(b'{"a": 1}'))

    got = link_to(f"{server.url}/prefix/").post("/api/v1/work", b'{"b": 2}')
    head, _, body = server.heard[0].partition(b"\r\n\r\n")

    assert got == b'{"a": 1}'
    assert body == b'{"b": 2}'
    assert head.split(b"\r\n") == [
        b"POST /prefix/api/v1/work HTTP/1.1",
        b"Host: " + server.url.removeprefix("http://").encode(),
        b"Authorization: Bearer server-secret",
        b"Content-Type: application/json",
        b"Content-Length: 8",
    ]


def test_one_connection_serves_many_requests(raw: Callable[..., Raw], link_to: Connect) -> None:
    server = raw(answer(), answer(b'{"n":2}'), answer())
    link = link_to(server.url)

    got = [link.post("/", b"{}") for _ in range(3)]

    assert got == [b"{}", b'{"n":2}', b"{}"]
    assert server.connections == 1


def test_a_connection_that_the_server_closed_meanwhile_is_replaced(
    raw: Callable[..., Raw], link_to: Connect
) -> None:
    server = raw(answer(), answer(), answer(b"{}", "200 OK", "Connection: close"), answer(), close=True)
    link = link_to(server.url)

    got = [link.post("/", b"{}") for _ in range(4)]

    assert got == [b"{}"] * 4
    assert server.connections == 4


def test_chunks_and_announcements_are_read(raw: Callable[..., Raw], link_to: Connect) -> None:
    announced = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b'4;x=y\r\n{"a"\r\n08\r\n: "\xc3\xa9\xc3\xa9\xc3\r\n3\r\n\xa9"}\r\n0\r\nTrailer: 1\r\n\r\n'
    server = raw(announced + chunks, answer())
    link = link_to(server.url)

    first, second = link.post("/", b"{}"), link.post("/", b"{}")

    assert first == '{"a": "ééé"}'.encode()
    assert (second, server.connections) == (b"{}", 1)


@pytest.mark.promise("F13")
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "instead of an HTTP answer"),
        (b"HTTP/2 200\r\n\r\n", "instead of an HTTP answer"),
        (b"HTTP/1.1 two hundred\r\n\r\n", "instead of an HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", "is not an HTTP header"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101 + b"\r\n", "more than 100 headers"),
        (b"x" * 200_000, "an endless line"),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", "an answer of 'no length' bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}", "an answer of '-2' bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{}", "too large"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "an answer of 'zz' bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFF\r\n", "too large"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}}\r\n0\r\n\r\n", "longer than it says"),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"a"', "closed in the middle"),
        (answer(b"\x1f\x8b{}", "200 OK", "Content-Encoding: gzip"), "not an answer of a Jobmon server"),
        (answer(b"<html>", "200 OK", "Content-Type: text/html"), r"status 200 \(text/html\)"),
        (answer(b"[]"), "not an answer of a Jobmon server"),
        (answer(b"", "204 No Content"), "not an answer of a Jobmon server"),
        (answer(b"{}", "301 Moved", "Location: http://elsewhere/"), "status 301"),
        (answer(b"{}", "404 Not Found"), "status 404"),
        (answer(b'{"error": 1', "500 Oops"), "status 500"),
    ],
)
def test_what_is_not_an_answer_of_our_server_is_no_answer(
    raw: Callable[..., Raw], link_to: Connect, bad: bytes, reason: str
) -> None:
    server = raw(bad, close=True)

    with pytest.raises(Unanswered, match=reason) as caught:
        link_to(server.url).post("/", b"{}")

    assert str(caught.value).startswith(server.url)


@pytest.mark.promise("F11")
def test_an_answer_that_drips_has_a_deadline_too(link_to: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):  # the client went
                while not over.wait(0.02):
                    connection.sendall(b"H")

        dripping = threading.Thread(target=drip)
        dripping.start()
        link = link_to(f"http://127.0.0.1:{listener.getsockname()[1]}", read_seconds=0.2)
        began = time.monotonic()

        with pytest.raises(Unanswered):
            link.post("/", b"{}")
        took = time.monotonic() - began
        over.set()
        dripping.join()

    assert 0.2 <= took < PATIENCE_SECONDS


@pytest.mark.parametrize("url", ["ftp://host", "host:80", "http://", "http://host:port", "http://h:99999", ""])
def test_what_is_not_a_url_is_no_server(link_to: Connect, url: str) -> None:
    with pytest.raises(Unanswered, match="is not the"):
        link_to(url).post("/", b"{}")


def test_a_name_that_cannot_be_one_is_no_server(link_to: Connect) -> None:
    with pytest.raises(Unanswered, match="label"):
        link_to(f"http://{'ß' * 70}.example/").post("/", b"{}")


def test_a_refusal_is_typed(peer: WorkPeer, link_to: Connect) -> None:
    peer.superseded = True

    with pytest.raises(Refused, match="another runner has it") as caught:
        link_to(peer.url).persist(PATH, b'{"runner":"r","node":"n","sequence":1,"alive":[1]}', 5)

    assert (caught.value.status, caught.value.error) == (410, "Superseded")
    assert len(peer.requests) == 1


@pytest.mark.promise("F08")
@pytest.mark.parametrize("fault", [DROP, TRUNCATE, HANG, BUSY, PROXY, LOGIN])
def test_a_request_without_an_answer_is_repeated(peer: WorkPeer, link_to: Connect, fault: str) -> None:
    peer.faults["claims"] = [fault] * 3
    link = link_to(peer.url, read_seconds=0.2 if fault == HANG else PATIENCE_SECONDS)

    request = Runner("n").request(claims=[{"batch_id": 7, "start": 3}])
    got = link.call(PATH, request, PATIENCE_SECONDS)

    assert got["grants"][0]["index"] == [2, 3]
    assert len(peer.requests) == 4 or fault == HANG and len(peer.requests) > 4  # a slow answer is none either
    assert len({request.sequence for request in peer.requests}) == 1


@pytest.mark.promise("F12")
def test_retry_after_is_honoured(peer: WorkPeer, link_to: Connect) -> None:
    peer.faults["claims"] = [BUSY]
    peer.retry_after_seconds = 0.4
    began = time.monotonic()

    link_to(peer.url).persist(PATH, CLAIM, None)

    assert 0.4 <= time.monotonic() - began < PATIENCE_SECONDS


def test_retry_after_of_a_header_is_honoured_as_well(raw: Callable[..., Raw], link_to: Connect) -> None:
    body = b'{"error": "ServerBusy", "message": "later"}'
    server = raw(answer(body, "429 Too Many Requests", "Retry-After: 7"))

    with pytest.raises(Unanswered, match="429 ServerBusy: later") as caught:
        link_to(server.url).post("/", b"{}")

    assert caught.value.retry_after_seconds == 7


def test_a_budget_ends_the_repetition(link_to: Connect) -> None:
    began = time.monotonic()

    with nobody_at() as url, pytest.raises(Unanswered, match=r"Connection refused \(tried for"):
        link_to(url).persist(PATH, CLAIM, 0.5)

    assert time.monotonic() - began < PATIENCE_SECONDS


def test_a_stop_ends_the_repetition_at_once(peer: WorkPeer, link_to: Connect) -> None:
    peer.faults["claims"] = [DROP] * 100_000
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()

    with pytest.raises(Unanswered, match="told to stop trying"):
        link_to(peer.url).persist(PATH, CLAIM, None, stop)


@pytest.mark.promise("F15")
def test_a_server_that_moved_is_found_by_its_note(peer: WorkPeer, token_file: Path, tmp_path: Path) -> None:
    note = tmp_path / "server.json"
    link = Link(noted(str(note), str(token_file)), PATIENCE_SECONDS, PATIENCE_SECONDS)

    with pytest.raises(Unanswered, match="cannot read"):
        link.post(PATH, CLAIM)
    note.write_text('{"ur')
    with pytest.raises(Unanswered, match="does not say where the server is"):
        link.post(PATH, CLAIM)
    note.write_text(f'{{"url": "{peer.url}", "pid": 1}}')
    link.post(PATH, CLAIM)
    peer.close()
    link.close()
    with nobody_at(int(peer.url.rpartition(":")[2])), pytest.raises(Unanswered, match="refused"):
        link.post(PATH, CLAIM)
    later = WorkPeer(tmp_path)
    note.write_text(f'{{"url": "{later.url}"}}')
    link.post(PATH, CLAIM)
    link.close()
    later.close()

    assert (len(peer.requests), len(later.requests)) == (1, 1)
    assert link.address == (later.url, "server-secret")


def test_a_token_that_others_can_read_is_refused(peer: WorkPeer, token_file: Path, link_to: Connect) -> None:
    token_file.chmod(0o604)

    with pytest.raises(Refused, match="chmod 600"):
        link_to(peer.url).persist(PATH, CLAIM, None)

    assert peer.requests == []
