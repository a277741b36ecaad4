"""A real HTTP server that gives prepared answers: the client's other side where only the client is tested."""

import http.server
import threading
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from jobmon.core.exceptions import JobmonError
from jobmon.core.routes import PREFIX, Route
from jobmon.core.wire import Answer, Failure


class CannedServer:
    """Answers each route with what was prepared for it (the last answer again and again) and keeps the requests.

    A context manager; `url` is what to set as JOBMON__HTTP__SERVICE_URL.
    """

    def __init__(self) -> None:
        """Listens from `__enter__` on."""
        self._answers: list[tuple[Route[Any, Any], dict[str, int], list[Answer | JobmonError]]] = []
        self.requests: list[tuple[str, dict[str, Any]]] = []  # path without prefix, body or query
        canned = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                canned._reply(self, "GET", parts.path, dict(parse_qs(parts.query)))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                canned._reply(self, "POST", self.path, msgspec.json.decode(body))

            def log_message(self, *arguments: Any) -> None:
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def prepare(self, route: Route[Any, Any], *answers: Answer | JobmonError, **ids: int) -> None:
        """Answer this route with these, one after the other."""
        self._answers.insert(0, (route, ids, list(answers)))

    def asked(self, route: Route[Any, Any], **ids: int) -> list[dict[str, Any]]:
        """The requests of that route so far."""
        return [sent for path, sent in self.requests if path == route.path.format(**ids)]

    def __enter__(self) -> "CannedServer":
        """Begin to listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _reply(self, handler: http.server.BaseHTTPRequestHandler, method: str, path: str, sent: Any) -> None:
        self.requests.append((path.removeprefix(PREFIX), sent))
        answer = self._answer(method, path)
        status = 200
        if isinstance(answer, JobmonError):
            status = answer.http_status
            answer = Failure(error=type(answer).__name__, message=str(answer))
        body = msgspec.json.encode(answer)
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _answer(self, method: str, path: str) -> Answer | JobmonError:
        for route, ids, answers in self._answers:
            if route.method == method and route.url(**ids) == path:
                return answers.pop(0) if len(answers) > 1 else answers[0]
        return JobmonError(f"nothing is prepared for {method} {path}")
