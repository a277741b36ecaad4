"""The HTTP client against a real server in a thread that misbehaves in one way after the other."""

import contextlib
import itertools
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import msgspec
import pytest
import tenacity

from jobmon.core import exceptions, http, routes
from jobmon.core.exceptions import InvalidResponse, JobmonError, NotFound, ServerUnreachable
from jobmon.core.http import Address, Server
from jobmon.core.wire import (
    ClusterList,
    Failure,
    Nothing,
    ToolAnswer,
    ToolRequest,
    WatchAnswer,
    WatchRequest,
    WorkflowList,
    WorkflowQuery,
)

TOOL = ToolRequest(name="täöl")
ANSWER = ToolAnswer(tool_id=1, version_ids=[2])
PATIENCE_SECONDS = 90.0  # only a failure waits so long
Act = Callable[[BaseHTTPRequestHandler], None]


def kept_place() -> socket.socket:
    """Where nobody listens yet, and nobody else can begin to."""
    place = socket.socket()
    place.bind(("127.0.0.1", 0))
    return place


def url_of(place: socket.socket) -> str:
    return f"http://127.0.0.1:{place.getsockname()[1]}"


class Misbehaving:
    """Answers each request as the next act says, the last one again and again."""

    def __init__(self, place: socket.socket | None = None) -> None:
        """At a place of its own, or one that was kept free for it."""
        self.acts: list[Act] = []
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.moments: list[float] = []
        self.over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.seen.append((self.command, self.path, dict(self.headers), body))
                outer.moments.append(time.monotonic())
                outer.acts[min(len(outer.seen), len(outer.acts)) - 1](self)

            do_GET = do_POST = answer

            def log_message(self, *_: object) -> None:
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.httpd.socket.close()
        self.httpd.socket = place or kept_place()
        self.httpd.server_port = self.httpd.socket.getsockname()[1]
        self.httpd.server_activate()
        self.httpd.daemon_threads = True
        self.thread = threading.Thread(target=self.httpd.serve_forever, args=(0.01,))
        self.thread.start()
        self.url = url_of(self.httpd.socket)

    def close(self) -> None:
        self.over.set()
        self.httpd.shutdown()
        self.thread.join()
        self.httpd.server_close()


def reply(status: int, body: bytes, kind: str = "application/json", **headers: str) -> Act:
    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"Content-Type": kind, "Content-Length": str(len(body))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        with contextlib.suppress(OSError):
            handler.wfile.write(body)

    return act


def answer(what: object = ANSWER) -> Act:
    return reply(200, msgspec.json.encode(what))


def failure(status: int, error: str, message: str = "said the server", later: float | None = None) -> Act:
    return reply(status, msgspec.json.encode(Failure(error=error, message=message, retry_after_seconds=later)))


def cut(handler: BaseHTTPRequestHandler) -> None:
    """Half of an answer, then nothing more."""
    body = msgspec.json.encode(ANSWER)
    reply(200, body[: len(body) // 2], Content_Length=str(len(body)))(handler)
    handler.close_connection = True


def drop(handler: BaseHTTPRequestHandler) -> None:
    """The request arrives, and the connection is gone before the answer."""
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def hang(until: threading.Event) -> Act:
    return lambda handler: bool(until.wait(PATIENCE_SECONDS)) and None  # type: ignore[return-value]


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    server = Misbehaving()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_PAUSE_SECONDS", 0.005)
    monkeypatch.setattr(http, "LONGEST_PAUSE_SECONDS", 0.05)


@pytest.fixture
def client(server: Misbehaving) -> Server:
    return Server(lambda: Address(server.url, "secret"), PATIENCE_SECONDS, PATIENCE_SECONDS)


@pytest.fixture
def hasty(server: Misbehaving) -> Server:
    """It soon gives a request up, though not the call."""
    return Server(lambda: Address(server.url, "secret"), 0.3, PATIENCE_SECONDS)


@pytest.fixture
def nowhere() -> Iterator[str]:
    """Where nobody listens."""
    with kept_place() as place:
        yield url_of(place)


def test_a_request_carries_its_body_the_token_and_the_version(server: Misbehaving, client: Server) -> None:
    server.acts = [answer()]

    got = client.call(routes.TOOL, TOOL)

    ((method, path, headers, body),) = server.seen
    assert got == ANSWER
    assert (method, path) == ("POST", "/api/v1/tool")
    assert msgspec.json.decode(body, type=ToolRequest) == TOOL
    assert headers["Authorization"] == "Bearer secret"
    assert headers["X-API"] == routes.API_VERSION
    assert client.requests_sent == 1


def test_a_question_is_a_query_with_lists_as_repeated_names(server: Misbehaving, client: Server) -> None:
    server.acts = [answer(WorkflowList(workflows=[]))]

    client.call(routes.WORKFLOWS, WorkflowQuery(user=["ann", "b&b"], limit=3))

    ((method, path, _, body),) = server.seen
    assert (method, path, body) == ("GET", "/api/v1/workflows?user=ann&user=b%26b&limit=3", b"")


@pytest.mark.promise("F67")
def test_an_answer_of_a_newer_server_is_read(server: Misbehaving, client: Server) -> None:
    server.acts = [reply(200, b'{"tool_id": 1, "version_ids": [2], "brand_new": {"a": 1}}')]

    assert client.call(routes.TOOL, TOOL) == ANSWER


@pytest.mark.promise("F08")
@pytest.mark.parametrize("act", [drop, cut], ids=["lost", "cut"])
def test_an_answer_that_is_lost_or_cut_is_asked_for_again_with_the_same_body(
    server: Misbehaving, client: Server, act: Act
) -> None:
    server.acts = [act, act, answer()]

    assert client.call(routes.TOOL, TOOL) == ANSWER
    assert len(server.seen) == 3
    assert len({body for *_, body in server.seen}) == 1


@pytest.mark.promise("F11")
def test_a_server_that_accepts_and_never_answers_is_given_up_and_asked_anew(
    server: Misbehaving, hasty: Server
) -> None:
    server.acts = [hang(server.over), answer()]
    began = time.monotonic()

    assert hasty.call(routes.TOOL, TOOL) == ANSWER
    assert time.monotonic() - began >= 0.3
    assert len(server.seen) >= 2


@pytest.mark.promise("F11")
def test_a_backlog_that_nobody_empties_is_given_up_within_the_budget() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        client = Server(
            lambda: Address(f"http://127.0.0.1:{listener.getsockname()[1]}", ""),
            request_timeout_seconds=0.1,
            retry_seconds=0.3,
        )
        began = time.monotonic()

        with pytest.raises(ServerUnreachable, match="no answer from the Jobmon server"):
            client.call(routes.CLUSTERS, Nothing())
        assert time.monotonic() - began < PATIENCE_SECONDS


def test_a_long_poll_is_given_its_time_on_top(server: Misbehaving, hasty: Server) -> None:
    def late(handler: BaseHTTPRequestHandler) -> None:
        server.over.wait(0.5)
        failure(404, "NotFound")(handler)

    server.acts = [late]

    with pytest.raises(NotFound):
        hasty.call(routes.WATCH, WatchRequest(wait_seconds=PATIENCE_SECONDS), run_id=1)
    assert len(server.seen) == 1
    assert routes.WATCH.got is WatchAnswer


@pytest.mark.promise("F12")
@pytest.mark.parametrize("status", [503, 429])
def test_a_busy_server_is_left_alone_for_as_long_as_it_says(
    server: Misbehaving, client: Server, status: int
) -> None:
    server.acts = [failure(status, "ServerBusy", later=0.4), answer()]

    assert client.call(routes.TOOL, TOOL) == ANSWER
    assert server.moments[1] - server.moments[0] >= 0.4


@pytest.mark.promise("F12")
def test_a_proxy_that_says_when_to_come_back_is_left_alone_for_as_long(
    server: Misbehaving, client: Server
) -> None:
    server.acts = [reply(503, b"<html>", "text/html", Retry_After="1"), answer()]

    assert client.call(routes.TOOL, TOOL) == ANSWER
    assert server.moments[1] - server.moments[0] >= 1


HTML = b"<html><body>Bad Gateway</body></html>"


@pytest.mark.promise("F13")
@pytest.mark.parametrize(
    "act",
    [
        reply(502, HTML, "text/html"),
        reply(504, b"", "text/plain"),
        reply(200, HTML, "text/html"),
        reply(200, b"\xff\xfe", "application/json"),
        reply(200, b'{"tool_id": "x"}'),
        reply(500, b'{"detail": "not ours"}'),
        reply(200, b"garbage", Content_Encoding="gzip"),
    ],
    ids=["502", "504", "login page", "not UTF-8", "other JSON", "500 of somebody else", "not gzip"],
)
def test_what_is_not_our_servers_is_tried_again(server: Misbehaving, client: Server, act: Act) -> None:
    server.acts = [act, answer()]

    assert client.call(routes.TOOL, TOOL) == ANSWER
    assert len(server.seen) == 2


@pytest.mark.promise("F13 F15")
def test_it_says_what_answered_instead_when_the_budget_is_spent(
    server: Misbehaving, client: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenacity, "time", SimpleNamespace(monotonic=lambda: len(server.seen)))  # a second each
    client.retry_seconds = 1.5
    server.acts = [reply(502, HTML, "text/html")]

    with pytest.raises(ServerUnreachable) as raised:
        client.call(routes.TOOL, TOOL)
    assert f"{server.url}/api/v1/tool answered 502 (text/html)" in str(raised.value)
    assert "jobmon server status" in str(raised.value)
    assert len(server.seen) == 2


@pytest.mark.promise("F13")
@pytest.mark.parametrize("status", [301, 302, 401, 403, 404])
def test_a_page_of_somebody_else_that_will_not_change_is_an_error_at_once(
    server: Misbehaving, client: Server, status: int
) -> None:
    server.acts = [reply(status, HTML, "text/html", Location="http://login.example/")]

    with pytest.raises(InvalidResponse, match=f"answered {status} .*not an answer of a Jobmon server"):
        client.call(routes.TOOL, TOOL)
    assert len(server.seen) == 1


def test_an_error_of_the_server_is_raised_as_its_own_class_and_not_repeated(
    server: Misbehaving, client: Server
) -> None:
    names = ["NotFound", "RunInProgress", "LeaseLost", "StorageFull", "VersionMismatch", "ServerError"]
    server.acts = [failure(getattr(exceptions, name).http_status, name, f"this is {name}") for name in names]

    for name in names:
        with pytest.raises(getattr(exceptions, name), match=f"this is {name}"):
            client.call(routes.TOOL, TOOL)
    assert len(server.seen) == len(names)


def test_an_error_that_this_version_does_not_know_is_raised_all_the_same(
    server: Misbehaving, client: Server
) -> None:
    server.acts = [failure(409, "SomethingNew")]

    with pytest.raises(JobmonError, match="said the server"):
        client.call(routes.TOOL, TOOL)


@pytest.mark.promise("F01")
def test_a_refused_connection_is_waited_for_until_there_is_a_server() -> None:
    place = kept_place()
    url = url_of(place)
    told: queue.Queue[tuple[str, float, str]] = queue.Queue()
    client = Server(lambda: Address(url, ""), PATIENCE_SECONDS, None, on_wait=lambda *news: told.put(news))
    got: list[object] = []
    caller = threading.Thread(target=lambda: got.append(client.call(routes.CLUSTERS, Nothing())), daemon=True)
    caller.start()
    news = [told.get(timeout=PATIENCE_SECONDS) for _ in range(3)]
    server = Misbehaving(place)
    server.acts = [answer(ClusterList(clusters=[]))]
    caller.join(PATIENCE_SECONDS)
    server.close()

    assert got == [ClusterList(clusters=[])]
    assert {url for url, _, _ in news} == {url}
    assert [waited for _, waited, _ in news] == sorted(waited for _, waited, _ in news)
    assert "Connection refused" in news[0][2]


@pytest.mark.promise("F15")
def test_a_server_that_moved_is_looked_for_after_each_failure_and_only_then(
    server: Misbehaving, nowhere: str
) -> None:
    places = itertools.chain(
        [Address(nowhere, "old"), Address(nowhere, "old")], itertools.repeat(Address(server.url, "new"))
    )
    asked: list[Address] = []

    def locate() -> Address:
        asked.append(next(places))
        return asked[-1]

    client = Server(locate, PATIENCE_SECONDS, PATIENCE_SECONDS)
    server.acts = [answer()]

    for _ in range(3):
        assert client.call(routes.TOOL, TOOL) == ANSWER
    assert len(asked) == 3
    assert {headers["Authorization"] for _, _, headers, _ in server.seen} == {"Bearer new"}


def test_a_proxy_of_the_environment_is_not_asked(
    server: Misbehaving, client: Server, nowhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", nowhere)
    monkeypatch.setenv("http_proxy", nowhere)
    server.acts = [answer()]

    assert client.call(routes.TOOL, TOOL) == ANSWER
    assert client.requests_sent == 1


def test_pauses_grow_and_are_never_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LONGEST_PAUSE_SECONDS", 10.0)
    pauses = []
    for attempt in range(1, 13):
        state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
        state.attempt_number = attempt
        pauses.append([http._pause(state) for _ in range(50)])

    assert all(len(set(some)) > 40 for some in pauses)
    assert max(pauses[0]) <= 0.005 < max(pauses[4]) <= 0.08
    assert 5 < max(pauses[-1]) <= 10


@pytest.mark.promise("F12")
def test_those_who_were_told_one_time_do_not_come_back_at_one_moment() -> None:
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    state.set_exception((http.Unanswered, http.Unanswered("busy", retry_after_seconds=3), None))

    pauses = [http._pause(state) for _ in range(50)]

    assert len(set(pauses)) > 40
    assert min(pauses) >= 3 and max(pauses) <= 6
