"""The real application of a service, asked without a network."""

from typing import Any

import msgspec
from flask.testing import FlaskClient

from fakes.service import TOKEN
from jobmon.core.routes import API_VERSION, Route
from jobmon.server.serve import make_app
from jobmon.server.service import Service


class App:
    """`call(route, sent, **ids)` as a client's, but any failure is an AssertionError: nothing is tried again."""

    def __init__(self, service: Service) -> None:
        """Under the token that opens everything."""
        self.client: FlaskClient = make_app(service).test_client()

    def call(self, route: Route[Any, Any], sent: Any, **ids: int) -> Any:
        """The answer, read as a client reads it."""
        body = msgspec.to_builtins(sent)
        status, content = self.ask(route.method, route.url(**ids), body)
        assert status == 200, f"{route.method} {route.url(**ids)} with {body}: {status} {content!r}"
        return msgspec.json.decode(content, type=route.got)

    def ask(self, method: str, url: str, body: dict[str, Any], api: str = API_VERSION) -> tuple[int, bytes]:
        """The status and the content of the answer."""
        bodies: dict[str, Any] = {"query_string": body} if method == "GET" else {"json": body}
        headers = {"Authorization": f"Bearer {TOKEN}", "X-API": api}
        reply = self.client.open(url, method=method, headers=headers, **bodies)
        return reply.status_code, reply.data
