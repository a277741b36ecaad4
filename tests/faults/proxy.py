"""A proxy between all parts and the server that knows the routes and does what networks do.

A plan is asked for each request and says what happens to it. `rules` makes one of (fault, method, path, nth).

    drop_request   the server never sees it              drop_response  the server did it, nobody hears
    truncate       half of the reply arrives             duplicate      the server gets it again at once, unheard
    late           the server gets it again later        delay          the reply comes a little later
    busy           503 as our server says it             unavailable    503 of a load balancer
    html           502 with a page                       login          200 with a page
"""

import http.client
import http.server
import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

from jobmon.core import routes

DELAY_SECONDS = 0.2
LATE_SECONDS = 0.7
PAGE = b"<html><body><h1>Bad things happen</h1></body></html>"
BUSY = b'{"error":"ServerBusy","message":"not now","retry_after_seconds":0.1}'
FAULTS = ("drop_request", "drop_response", "truncate", "duplicate", "late", "delay", "busy", "unavailable", "html")

Plan = Callable[[str, int], str]
"""(route such as "POST /work", how often it was asked for, from 1) -> a fault, or "" for none."""


class Rule(NamedTuple):
    """A fault for the requests whose method and path match; `nth` None is each of them."""

    fault: str
    method: str = ".*"
    path: str = ".*"
    nth: int | None = 1


def rules(*several: Rule) -> Plan:
    """The first rule that fits."""

    def plan(route: str, nth: int) -> str:
        method, path = route.split()
        for rule in several:
            if re.fullmatch(rule.method, method) and re.fullmatch(rule.path, path) and rule.nth in (None, nth):
                return rule.fault
        return ""

    return plan


def sometimes(share: float, seed: int, faults: Iterable[str] = FAULTS) -> Plan:
    """Any fault, by chance, for a share of all requests."""
    chance, several = random.Random(seed), list(faults)
    return lambda route, nth: chance.choice(several) if chance.random() < share else ""


class Proxy:
    """Listens from its making on; `server_url` says where the server is at the moment."""

    def __init__(self, server_url: Callable[[], str], plan: Plan) -> None:
        self.asked: Counter[str] = Counter()  # by route
        self.done: Counter[str] = Counter()  # by fault
        self._server_url = server_url
        self._plan = plan
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._httpd = _Listener(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._httpd.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._httpd.server_address[1]}"

    def close(self) -> None:
        self._closing.set()
        self._httpd.shutdown()
        self._httpd.server_close()
        self._thread.join()

    def choose(self, method: str, path: str) -> str:
        """What happens to this request."""
        route = route_of(method, path)
        with self._lock:
            self.asked[route] += 1
            fault = self._plan(route, self.asked[route])
            self.done[fault] += 1
        return fault

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        """The server's status, content type and answer."""
        address = self._server_url().removeprefix("http://")
        connection = http.client.HTTPConnection(address, timeout=120)
        try:
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return reply.status, reply.headers.get("Content-Type", ""), reply.read()
        finally:
            connection.close()

    def again(self, seconds: float, *request: object) -> None:
        """Deliver a request once more, after a while, to nobody's ears."""

        def deliver() -> None:
            if not self._closing.wait(seconds):
                with suppress(OSError, http.client.HTTPException):
                    self.forward(*request)  # type: ignore[arg-type]

        threading.Thread(target=deliver, daemon=True).start()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        proxy = self

        class Handler(_Handler):
            def do(self) -> None:
                self.pass_on(proxy)

            do_GET = do_POST = do

        return Handler


class _Listener(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asked is gone: that happens here."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def pass_on(self, proxy: Proxy) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")
        }
        request = (self.command, self.path, headers, body)
        fault = proxy.choose(self.command, self.path)
        if fault == "drop_request":
            return self._hang_up()
        if fault in ("busy", "unavailable", "html", "login"):
            return self._invent(fault)
        try:
            status, kind, content = proxy.forward(*request)
        except (OSError, http.client.HTTPException):
            return self._hang_up()  # the server is away
        if fault == "drop_response":
            return self._hang_up()
        if fault in ("duplicate", "late"):
            proxy.again(LATE_SECONDS if fault == "late" else 0.0, *request)
        if fault == "delay":
            time.sleep(DELAY_SECONDS)
        return self._answer(status, kind, content, len(content) // 2 if fault == "truncate" else None)

    def _invent(self, fault: str) -> None:
        status = {"busy": 503, "unavailable": 503, "html": 502, "login": 200}[fault]
        kind, content = ("application/json", BUSY) if fault == "busy" else ("text/html", PAGE)
        self._answer(status, kind, content)

    def _answer(self, status: int, kind: str, content: bytes, cut: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content if cut is None else content[:cut])
        if cut is not None:
            self.wfile.flush()
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _pattern(route: routes.Route) -> re.Pattern[str]:  # type: ignore[type-arg]
    return re.compile(re.sub(r"\{\w+\}", r"\\d+", route.prefix + route.path))


ROUTES = {
    f"{route.method} {route.path}": (route.method, _pattern(route))
    for route in vars(routes).values()
    if isinstance(route, routes.Route)
}


def route_of(method: str, path: str) -> str:
    """The route of a request as `core.routes` has it."""
    plain = path.partition("?")[0]
    return next(
        (name for name, (of, pattern) in ROUTES.items() if of == method and pattern.fullmatch(plain)),
        f"{method} {plain}",
    )
