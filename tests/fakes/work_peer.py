"""The server's side of the `work` route as a real HTTP server that can be told to misbehave.

It reads requests as strictly as the real one and answers with the real structs.
"""

import contextlib
import socket
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from jobmon.core import wire
from jobmon.core.ids import BatchId, TaskId, TaskInstanceId, WorkflowId, WorkflowRunId
from jobmon.core.resources import Resources
from jobmon.core.routes import WORK

BATCH, INDEX, INSTANCE = 7, 3, 4711
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"

# Faults. Those of the first line happen after the request took effect.
DROP, TRUNCATE, HANG = "drop", "truncate", "hang"
BUSY, PROXY, LOGIN = "busy", "proxy", "login"


class WorkPeer:
    """One attempt and what its runners said of it. `faults[kind]` holds what happens to the next requests.

    Kinds are the non-empty fields of a request: "claims", "alive", "outcomes".
    """

    def __init__(self, folder: Path, tls: ssl.SSLContext | None = None) -> None:
        self.folder = folder
        self.instance = INSTANCE
        self.command = "true"
        self.resources = Resources()
        self.stdout_dir = str(folder / "out" / "deep")
        self.stderr_dir = str(folder / "err")
        self.heartbeat_seconds = 0.05
        self.denials: list[wire.Denial] = []
        self.guests: list[str] = []  # commands of the attempts that nobody has started
        self.stop = False
        self.superseded = False
        self.faults: dict[str, list[str]] = defaultdict(list)
        self.retry_after_seconds = 0.05
        self.requests: list[wire.WorkRequest] = []
        self.refused: list[str] = []
        self.on_outcome: Callable[[], object] = lambda: None
        self._changed = threading.Condition()
        self._let_go = threading.Event()
        self.connections: list[socket.socket] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "https" if tls else "http"
        self._server.daemon_threads = True
        self._server.block_on_close = False
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._let_go.set()
        self._server.shutdown()
        self._server.server_close()
        self.cut()

    def cut(self) -> None:
        """End all connections, as a server does that is started again."""
        while self.connections:
            with contextlib.suppress(OSError):
                self.connections.pop().shutdown(socket.SHUT_RDWR)

    # --- what was said ---

    def kinds(self) -> list[str]:
        return [_kind(request) for request in self.requests]

    def said(self, kind: str) -> list[wire.WorkRequest]:
        return [request for request in list(self.requests) if _kind(request) == kind]

    def outcomes(self) -> list[wire.Outcome]:
        """All that were told, in their order."""
        return [request.outcomes[0] for request in self.said("outcomes")]

    def outcome(self) -> wire.Outcome:
        """The outcome, which all reports of it agree upon."""
        told = {msgspec.json.encode(request.outcomes[0]) for request in self.said("outcomes")}
        assert len(told) == 1
        return msgspec.json.decode(told.pop(), type=wire.Outcome)

    def wait(self, condition: Callable[[], bool], seconds: float = 120) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, seconds), f"still not so; heard {self.kinds()}"

    def wait_for_requests(self, kind: str, more: int = 1) -> None:
        """Until so many more of a kind have come."""
        target = len(self.said(kind)) + more
        self.wait(lambda: len(self.said(kind)) >= target)

    # --- what is answered ---

    def take(self, body: bytes) -> tuple[str, int, wire.Answer]:
        """(fault, status, answer) of one request."""
        request = msgspec.json.decode(body, type=wire.WorkRequest)
        kind = _kind(request)
        with self._changed:
            self.requests.append(request)
            fault = self.faults[kind].pop(0) if self.faults[kind] else ""
            self._changed.notify_all()
        if kind == "outcomes":
            self.on_outcome()
        if self.superseded and kind != "claims":
            return fault, 410, wire.Failure(error="Superseded", message="another runner has it")
        return fault, 200, self._answer(request)

    def hang(self) -> None:
        self._let_go.wait(600)

    def _answer(self, request: wire.WorkRequest) -> wire.WorkAnswer:
        if request.claims and self.denials:
            return wire.WorkAnswer(denials=[self.denials.pop(0)])
        further = any(claim.further for claim in request.claims)
        return wire.WorkAnswer(
            grants=self._further() if further else [self._grant()] if request.claims else [],
            stop=[TaskInstanceId(INSTANCE)] if self.stop and request.alive else [],
            heartbeat_seconds=self.heartbeat_seconds,
        )

    def _further(self) -> list[wire.Grant]:
        if not self.guests:
            return []
        number = len(self.guests)
        guest = {"index": [INDEX + number], "instance_id": [TaskInstanceId(INSTANCE + number)]}
        fields = {
            "task_id": [TaskId(5 + number)],
            "attempt": [1],
            "name": ["guest"],
            "token": [f"secret {number}"],
        }
        return [msgspec.structs.replace(self._grant(), **guest, **fields, command=[self.guests.pop()])]

    def _grant(self) -> wire.Grant:
        return wire.Grant(
            batch_id=BatchId(BATCH), workflow_id=WorkflowId(1), workflow_run_id=WorkflowRunId(2),
            resources=self.resources, stdout_dir=self.stdout_dir, stderr_dir=self.stderr_dir,
            index=[INDEX - 1, INDEX], instance_id=[TaskInstanceId(1), TaskInstanceId(self.instance)],
            task_id=[TaskId(1), TaskId(5)], attempt=[1, 2], name=["other", "fit"],
            command=["exit 99", self.command], token=["x", "attempt-secret"],
        )  # fmt: skip


def denial(verdict: str, retry_after_seconds: float = 0.05) -> wire.Denial:
    return wire.Denial(
        batch_id=BatchId(BATCH),
        index=INDEX,
        instance_id=TaskInstanceId(INSTANCE),
        verdict=verdict,
        retry_after_seconds=retry_after_seconds,
    )


def _kind(request: wire.WorkRequest) -> str:
    kinds = [kind for kind in ("outcomes", "claims", "alive") if getattr(request, kind)]
    asks_for_more = kinds == ["outcomes", "claims"] and all(claim.further for claim in request.claims)
    assert len(kinds) == 1 or asks_for_more, "the worker says one thing at a time"
    return kinds[0]


def _handler(peer: WorkPeer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            peer.connections.append(self.connection)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                assert self.path == WORK.url()
                assert self.headers["Authorization"] == "Bearer server-secret"
                fault, status, answer = peer.take(body)
            except (msgspec.MsgspecError, AssertionError) as error:
                peer.refused.append(repr(error))
                fault, status, answer = "", 400, wire.Failure(error="InvalidRequest", message=repr(error))
            self._misbehave(fault, status, msgspec.json.encode(answer))

        def _misbehave(self, fault: str, status: int, content: bytes) -> None:
            if fault == HANG:
                peer.hang()
            if fault in (DROP, HANG):
                self.close_connection = True
            elif fault == TRUNCATE:
                self._send(status, "application/json", content[: len(content) // 2], len(content))
                self.close_connection = True
            elif fault == BUSY:
                busy = wire.Failure(
                    error="ServerBusy", message="later", retry_after_seconds=peer.retry_after_seconds
                )
                self._send(503, "application/json", msgspec.json.encode(busy))
            elif fault == PROXY:
                self._send(502, "text/html", HTML)
            elif fault == LOGIN:
                self._send(200, "text/html", HTML)
            else:
                self._send(status, "application/json", content)

        def _send(self, status: int, kind: str, content: bytes, length: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content) if length is None else length))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def wait_until(condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "still not so"
        time.sleep(0.01)
