"""Routes to Flask views: decode strictly, authorize, call the handler, encode; errors become answers."""

import logging
import math
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
    VersionMismatch,
)
from jobmon.core.routes import API_VERSION, BULK_BYTES, Route
from jobmon.core.wire import Answer, Failure, Request, Text
from jobmon.server import newer, openapi
from jobmon.server.auth import whose
from jobmon.server.auth.caller import Caller
from jobmon.server.auth.decision import authorize
from jobmon.server.auth.doorkeeper import Doorkeeper
from jobmon.server.auth.principal import GUEST, METRICS, NOBODY, Principal
from jobmon.server.observe import observe
from jobmon.server.service import Service
from jobmon.server.tokens import same

log = logging.getLogger(__name__)

Sent = TypeVar("Sent", bound=Request)
Got = TypeVar("Got", bound=Answer)
Handler = Callable[..., Answer]

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
    app.config["MAX_CONTENT_LENGTH"] = BULK_BYTES
    app.config["JOBMON_STARTED"] = time.monotonic()
    app.config["JOBMON_OPENAPI"] = openapi.document(_handlers)
    observe(app, service)
    doorkeeper = Doorkeeper(service.database, service.rules.secret, service.token, service.site)
    for route, handler in _handlers.items():
        rule = (route.prefix + route.path).replace("{", "<int:").replace("}", ">")
        view = _view(service, doorkeeper, route, handler)
        app.add_url_rule(rule, f"{route.method} {route.path}", view, methods=[route.method])
    app.register_error_handler(HTTPException, _refuse)
    return app


def _view(
    service: Service, doorkeeper: Doorkeeper, route: Route[Any, Any], handler: Handler
) -> Callable[..., flask.Response]:
    def view(**ids: int) -> flask.Response:
        try:
            who = _admit(service, doorkeeper, route)
            for thing in whose.of_path(doorkeeper, ids):
                authorize(who, route.action, thing)
            if service.signals.over and route.action != "open":
                raise ServerBusy("this server process is ending; another one will answer")
            flask.request.max_content_length = route.body_bytes
            with service.admission.enter(route, _caller()):
                sent = _decode(route)
                for thing in whose.of_body(doorkeeper, sent):
                    authorize(who, route.action, thing)
                return _reply(200, handler(service._replace(caller=Caller(who, doorkeeper)), sent, **ids))
        except JobmonError as error:
            return _failure(error)
        except HTTPException as error:
            return _refuse(error)
        except Exception:  # the top of a request: whatever it is, the caller gets an answer
            log.exception("%s %s failed", route.method, route.path)
            return _failure(ServerError(f"{route.method} {route.path} failed; the server's log says why"))

    return view


def _admit(service: Service, doorkeeper: Doorkeeper, route: Route[Any, Any]) -> Principal:
    """Let in who shows the token, under a name this server knows itself by (DNS rebinding), of our version."""
    host = re.sub(r":\d*$", "", flask.request.host).strip("[]")
    if service.hosts and host not in service.hosts:
        raise Forbidden(f"this server does not answer to the name {host!r}")
    if route.action == "open":
        return NOBODY
    version = flask.request.headers.get("X-API", API_VERSION)
    if version.partition(".")[0] != API_VERSION.partition(".")[0]:
        raise VersionMismatch(
            f"this server speaks API {API_VERSION}, the caller {version}; install jobmon_client=={__version__}"
        )
    header = flask.request.headers.get("Authorization", "")
    is_metrics = service.metrics_token and same(header, f"Bearer {service.metrics_token}")
    who = METRICS if is_metrics else doorkeeper.identify(header)
    flask.g.principal = who.name or who.scope
    authorize(who, route.action)
    return who


def _decode(route: Route[Any, Any]) -> Request:
    is_newer = newer.is_newer(flask.request.headers.get("X-API", API_VERSION))
    try:
        if route.method == "GET":
            query = _query(route)
            asked = newer.known(query, route.sent) if is_newer else query
            body: Request = msgspec.convert(asked, type=route.sent, strict=False)
        elif is_newer:
            content = msgspec.json.decode(flask.request.get_data(cache=False))
            body = msgspec.convert(newer.known(content, route.sent), type=route.sent)
        else:
            body = msgspec.json.decode(flask.request.get_data(cache=False), type=route.sent)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{route.method} {route.path}: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"{route.method} {route.path}: the body is not JSON: {error}") from error
    return body


def _query(route: Route[Any, Any]) -> dict[str, object]:
    lists = {field.name for field in msgspec.structs.fields(route.sent) if "list" in str(field.type)}
    query = flask.request.args
    return {name: query.getlist(name) if name in lists else query[name] for name in query}


def _caller() -> str:
    """Whose requests are counted together; those of nobody by where they come from."""
    name = flask.g.get("principal", GUEST.scope)
    return str(flask.request.remote_addr if name == GUEST.scope else name)


def _reply(status: int, answer: Answer) -> flask.Response:
    if isinstance(answer, Text):
        return flask.Response(answer.content, status, content_type=answer.content_type)
    return flask.Response(msgspec.json.encode(answer), status, mimetype="application/json")


def _failure(error: JobmonError) -> flask.Response:
    later = error.retry_after_seconds if isinstance(error, ServerBusy) else None
    reply = _reply(
        error.http_status,
        Failure(error=type(error).__name__, message=str(error), retry_after_seconds=later),
    )
    if later:
        reply.headers["Retry-After"] = str(math.ceil(later))
    return reply


def _refuse(error: HTTPException) -> flask.Response:
    """What Flask itself refuses (unknown path, too large a body) as an answer of ours."""
    name = "NotFound" if error.code == 404 else "InvalidRequest"
    return _reply(error.code or 500, Failure(error=name, message=f"{flask.request.path}: {error.description}"))
