"""Routes to Flask views: decode strictly, authorize, call the handler, encode; errors become answers."""

import logging
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

import flask
import msgspec
from werkzeug.exceptions import HTTPException

from jobmon.core import __version__
from jobmon.core.exceptions import (
    Forbidden,
    InvalidRequest,
    JobmonError,
    ServerBusy,
    ServerError,
    Unauthorized,
    VersionMismatch,
)
from jobmon.core.routes import API_VERSION, PREFIX, Route
from jobmon.core.wire import Answer, Failure, Request
from jobmon.server.service import Service
from jobmon.server.tokens import same

log = logging.getLogger(__name__)

Sent = TypeVar("Sent", bound=Request)
Got = TypeVar("Got", bound=Answer)
Handler = Callable[..., Answer]

MAX_BODY_BYTES = 64 * 2**20
BUSY_SECONDS = 1.0

_handlers: dict[Route[Any, Any], Handler] = {}


def handles(route: Route[Sent, Got]) -> Callable[[Callable[..., Got]], Callable[..., Got]]:
    """Register `handler(service, sent, **ids) -> Got` for a route."""

    def register(handler: Callable[..., Got]) -> Callable[..., Got]:
        _handlers[route] = handler
        return handler

    return register


def make_app(service: Service) -> flask.Flask:
    """The WSGI application over one service."""
    from jobmon.server import views

    views.load()
    app = flask.Flask("jobmon.server", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["JOBMON_STARTED"] = time.monotonic()
    for route, handler in _handlers.items():
        rule = PREFIX + route.path.replace("{", "<int:").replace("}", ">")
        view = _view(service, route, handler)
        app.add_url_rule(rule, f"{route.method} {route.path}", view, methods=[route.method])
    app.register_error_handler(HTTPException, _refuse)
    return app


def _view(service: Service, route: Route[Any, Any], handler: Handler) -> Callable[..., flask.Response]:
    def view(**ids: int) -> flask.Response:
        try:
            _admit(service, route)
            return _reply(200, handler(service, _decode(route), **ids))
        except JobmonError as error:
            return _failure(error)
        except HTTPException as error:
            return _refuse(error)
        except Exception:  # the top of a request: whatever it is, the caller gets an answer
            log.exception("%s %s failed", route.method, route.path)
            return _failure(ServerError(f"{route.method} {route.path} failed; the server's log says why"))

    return view


def _admit(service: Service, route: Route[Any, Any]) -> None:
    """Let in who shows the token, under a name this server knows itself by (DNS rebinding), of our version."""
    host = re.sub(r":\d*$", "", flask.request.host).strip("[]")
    if service.hosts and host not in service.hosts:
        raise Forbidden(f"this server does not answer to the name {host!r}")
    if route.action == "open":
        return
    version = flask.request.headers.get("X-API", API_VERSION)
    if version.partition(".")[0] != API_VERSION.partition(".")[0]:
        raise VersionMismatch(
            f"this server speaks API {API_VERSION}, the caller {version}; install jobmon_client=={__version__}"
        )
    kind, _, token = flask.request.headers.get("Authorization", "").partition(" ")
    if kind != "Bearer" or not same(token, service.token):
        raise Unauthorized("no valid token came with the request; see JOBMON__HTTP__TOKEN_FILE")


def _decode(route: Route[Any, Any]) -> Request:
    try:
        if route.method == "POST":
            body: Request = msgspec.json.decode(flask.request.get_data(cache=False), type=route.sent)
        else:
            body = msgspec.convert(_query(route), type=route.sent, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{route.method} {route.path}: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{route.method} {route.path}: the body is not JSON: {error}") from error
    return body


def _query(route: Route[Any, Any]) -> dict[str, object]:
    lists = {field.name for field in msgspec.structs.fields(route.sent) if "list" in str(field.type)}
    query = flask.request.args
    return {name: query.getlist(name) if name in lists else query[name] for name in query}


def _reply(status: int, answer: Answer) -> flask.Response:
    return flask.Response(msgspec.json.encode(answer), status, mimetype="application/json")


def _failure(error: JobmonError) -> flask.Response:
    later = BUSY_SECONDS if isinstance(error, ServerBusy) else None
    reply = _reply(
        error.http_status,
        Failure(error=type(error).__name__, message=str(error), retry_after_seconds=later),
    )
    if later:
        reply.headers["Retry-After"] = f"{later:.0f}"
    return reply


def _refuse(error: HTTPException) -> flask.Response:
    """What Flask itself refuses (unknown path, too large a body) as an answer of ours."""
    name = "NotFound" if error.code == 404 else "InvalidRequest"
    return _reply(error.code or 500, Failure(error=name, message=f"{flask.request.path}: {error.description}"))
