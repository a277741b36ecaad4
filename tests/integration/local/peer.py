"""A small real HTTP server that plays the state server for executors: strict about requests, keeps the truth."""

import http.server
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from jobmon.core.paths import output_dirs
from jobmon.core.resources import Resources
from jobmon.core.routes import WORK
from jobmon.core.wire import Batch, Claim, Denial, Grant, Job, Outcome, WorkAnswer, WorkRequest

DEADLINE_SECONDS = 120.0
Held = TypeVar("Held")


def wait_for(condition: Callable[[], Held], what: str, seconds: float = DEADLINE_SECONDS) -> Held:
    """Until the condition holds; what it gave then."""
    deadline = time.monotonic() + seconds
    while not (held := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.005)
    return held


@dataclass
class Attempt:
    """One attempt as the server knows it."""

    batch: Batch
    index: int
    command: str
    status: str = "O"
    runner: str = ""
    outcome: Outcome | None = None
    wait_seconds: float = 0.0  # claims are answered "wait" with this
    stop: bool = False
    beats: int = 0


@dataclass
class Peer:
    """The server; `folder` gets its token, its server.json and the output of commands."""

    folder: Path
    attempts: dict[int, Attempt] = field(default_factory=dict)
    batches: dict[int, Batch] = field(default_factory=dict)
    lose_replies: int = 0  # so many of the next replies are not sent, though the request took effect
    refuse: int = 0  # so many of the next requests are answered 409
    requests: list[WorkRequest] = field(default_factory=list)
    late: int = 0
    heartbeat_seconds: float = 30.0
    httpd: http.server.ThreadingHTTPServer | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.token_file = self.folder / "token"
        self.token_file.touch(0o600)
        self.token_file.write_text("open sesame")
        self.start()

    # --- the server as a process ------------------------------------------------------------------------

    def start(self) -> None:
        """Serve, on another port than before."""
        self.httpd = _Server(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self.httpd.serve_forever, args=(0.02,), daemon=True).start()
        note = {"url": self.url, "pid": 1, "host": "here", "instance": "x"}
        (self.folder / "server.json").write_bytes(msgspec.json.encode(note))

    def stop(self) -> None:
        """Go away; open connections are cut."""
        if self.httpd is not None:
            self.httpd.shutdown()
            self.httpd.server_close()
            self.httpd = None

    @property
    def url(self) -> str:
        assert self.httpd is not None
        return f"http://127.0.0.1:{self.httpd.server_address[1]}"

    # --- what tests arrange and look at -----------------------------------------------------------------

    def batch(self, commands: Iterable[str], resources: Resources | None = None) -> Batch:
        """A new batch with these commands."""
        commands = list(commands)
        batch = Batch(
            batch_id=len(self.batches) + 1,
            name=f"batch-{len(self.batches) + 1}",
            workflow_id=7,
            array_name="array",
            cluster="multiprocess",
            resources=resources or Resources(),
            size=len(commands),
            first_instance_id=len(self.attempts) + 1,
            run_dir=str(self.folder / "runs"),
        )
        self.batches[batch.batch_id] = batch
        for index, command in enumerate(commands):
            self.attempts[batch.first_instance_id + index] = Attempt(batch, index, command)
        return batch

    def jobs(self, batch: Batch, job_id: str) -> list[Job]:
        """The attempts of a batch as the distributor names them."""
        return [
            Job(
                instance_id=batch.first_instance_id + index,
                batch_id=batch.batch_id,
                index=index,
                name=batch.name,
                cluster=batch.cluster,
                job_id=job_id,
            )
            for index in range(batch.size)
        ]

    def outcomes(self, batch: Batch, seconds: float = DEADLINE_SECONDS) -> list[Outcome]:
        """The outcomes of a batch, once there are all of them."""
        members = [self.attempts[batch.first_instance_id + index] for index in range(batch.size)]
        what = f"the outcomes of batch {batch.batch_id}"
        wait_for(lambda: all(member.outcome for member in members), what, seconds)
        return [member.outcome for member in members if member.outcome]

    def outcome(self, batch: Batch) -> Outcome:
        """The outcome of a batch of one."""
        (outcome,) = self.outcomes(batch)
        return outcome

    def statuses(self) -> Counter[str]:
        """How many attempts have which status."""
        return Counter(attempt.status for attempt in list(self.attempts.values()))

    # --- what the server does ---------------------------------------------------------------------------

    def answer(self, request: WorkRequest) -> WorkAnswer:
        with self.lock:
            self.requests.append(request)
            for outcome in request.outcomes:
                self._end(outcome, request.runner)
            stop = [id for id in request.alive if self._beat(id, request.runner)]
            grants: list[Grant] = []
            denials: list[Denial] = []
            for claim in request.claims:
                self._claim(claim, request.runner, grants, denials)
            return WorkAnswer(grants=grants, denials=denials, stop=stop, heartbeat_seconds=self.heartbeat_seconds)

    def _end(self, outcome: Outcome, runner: str) -> None:
        attempt = self.attempts[outcome.instance_id]
        assert outcome.token == f"{runner}:{outcome.instance_id}"
        if attempt.outcome or attempt.runner != runner:
            self.late += 1
            return
        attempt.outcome, attempt.status = outcome, outcome.status

    def _beat(self, instance_id: int, runner: str) -> bool:
        attempt = self.attempts[instance_id]
        attempt.beats += 1
        return attempt.stop or attempt.status != "R" or attempt.runner != runner

    def _claim(self, claim: Claim, runner: str, grants: list[Grant], denials: list[Denial]) -> None:
        batch = self.batches[claim.batch_id]
        granted = []
        for index in range(claim.start, claim.start + claim.count):
            attempt = self.attempts[batch.first_instance_id + index]
            own = attempt.status == "R" and attempt.runner == runner
            if (attempt.status == "O" and not attempt.wait_seconds) or own:
                attempt.status, attempt.runner = "R", runner
                granted.append(index)
                continue
            gone = attempt.status not in "OR"
            denials.append(
                Denial(
                    batch_id=batch.batch_id,
                    index=index,
                    instance_id=batch.first_instance_id + index,
                    verdict="gone" if gone else "wait",
                    retry_after_seconds=0 if gone else attempt.wait_seconds or 0.2,
                )
            )
        if granted:
            grants.append(self._grant(batch, granted, runner))

    def _grant(self, batch: Batch, indexes: list[int], runner: str) -> Grant:
        folders = output_dirs(batch.run_dir, batch.workflow_id, batch.batch_id, batch.resources.options)
        ids = [batch.first_instance_id + index for index in indexes]
        return Grant(
            batch_id=batch.batch_id,
            workflow_id=batch.workflow_id,
            workflow_run_id=70,
            resources=batch.resources,
            stdout_dir=folders[0],
            stderr_dir=folders[1],
            index=indexes,
            instance_id=ids,
            task_id=[id + 1000 for id in ids],
            attempt=[1 for _ in ids],
            name=["task" for _ in ids],
            command=[self.attempts[id].command for id in ids],
            token=[f"{runner}:{id}" for id in ids],
        )


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *args: object) -> None:
        self.open: set[object] = set()
        super().__init__(*args)  # type: ignore[arg-type]

    def process_request(self, request, address):  # type: ignore[no-untyped-def]
        self.open.add(request)
        super().process_request(request, address)

    def shutdown_request(self, request):  # type: ignore[no-untyped-def]
        self.open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(2)  # type: ignore[attr-defined]


def _handler(peer: Peer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            with suppress(ConnectionError):
                self._serve()

        def _serve(self) -> None:
            assert self.path == WORK.url()
            assert self.headers["Authorization"] == f"Bearer {peer.token_file.read_text()}"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            request = msgspec.json.decode(body, type=WorkRequest)
            if peer.refuse and (request.outcomes or request.claims):
                peer.refuse -= 1
                self._reply(409, b'{"error": "Conflict", "message": "no"}')
                return
            answer = msgspec.json.encode(peer.answer(request))
            if peer.lose_replies:
                peer.lose_replies -= 1
                self.close_connection = True
                return
            self._reply(200, answer)

        def _reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    return Handler
