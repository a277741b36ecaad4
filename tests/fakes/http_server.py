"""The fake server behind real HTTP, which can die as a killed process does: in the middle of everything."""

import contextlib
import json
import os
import socket
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from fakes.server import FakeServer
from jobmon.core.exceptions import JobmonError
from jobmon.core.routes import ADVANCE, HEALTH, LEASE, PASSES
from jobmon.core.wire import Failure, Health, Passes

RUN_ID = 7


class HttpServer:
    """Serves a FakeServer on a free port of the loopback until it is killed."""

    def __init__(self, fake: FakeServer, token: str) -> None:
        """Answers at once."""
        self.instance = uuid.uuid4().hex
        self._connections: list[socket.socket] = []
        self._httpd = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, fake, token))
        self._httpd.daemon_threads = True
        self._httpd.block_on_close = False
        self.url = f"http://127.0.0.1:{self._httpd.server_port}"
        self._thread = threading.Thread(target=self._httpd.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def write_server_file(self, data_dir: Path) -> None:
        """Leave the note that an embedded server leaves."""
        note = {"url": self.url, "pid": os.getpid(), "host": os.uname().nodename, "instance": self.instance}
        temporary = data_dir / "server.json.new"
        temporary.write_text(json.dumps(note))
        temporary.replace(data_dir / "server.json")

    def kill(self) -> None:
        """Refuse new connections and cut those there are."""
        self._httpd.shutdown()
        self._httpd.server_close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()


def _handler(server: HttpServer, fake: FakeServer, token: str) -> type[BaseHTTPRequestHandler]:
    routes = {route.url(run_id=RUN_ID): route for route in (LEASE, ADVANCE)}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            server._connections.append(self.connection)

        def do_GET(self) -> None:
            assert self.path == HEALTH.url()
            health = Health(version="0", instance=server.instance, host="here", pid=1, uptime_seconds=1)
            self._reply(200, health)

        def do_POST(self) -> None:
            assert self.headers["Authorization"] == f"Bearer {token}"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == PASSES.url(run_id=RUN_ID):
                return self._reply(200, Passes())
            route: Any = routes[self.path]
            try:
                answer = fake.call(route, msgspec.json.decode(body, type=route.sent), run_id=RUN_ID)
            except JobmonError as error:
                self._reply(error.http_status, Failure(error=type(error).__name__, message=str(error)))
            else:
                self._reply(200, answer)

        def _reply(self, status: int, answer: msgspec.Struct) -> None:
            body = msgspec.json.encode(answer)
            with contextlib.suppress(OSError):  # the caller may be gone, or we may have been killed
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
