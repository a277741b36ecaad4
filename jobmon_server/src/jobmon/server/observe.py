"""Every request gets an id, is counted, and leaves one line in the log."""

import logging
import re
import secrets
import time

import flask

from jobmon.core.logs import OneLine
from jobmon.server.json_log import JsonLine
from jobmon.server.service import Service

log = logging.getLogger(__name__)

ID_HEADER = "X-Request-Id"
_USABLE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def make_form(log_format: str) -> logging.Formatter:
    """The form of all log records. As text there is no line for each request: who wants these wants JSON."""
    if log_format == "json":
        return JsonLine()
    log.setLevel(logging.WARNING)
    return OneLine()


def observe(app: flask.Flask, service: Service) -> None:
    """Have all requests of the application observed."""

    @app.before_request
    def begin() -> None:
        flask.g.began = time.perf_counter()
        given = flask.request.headers.get(ID_HEADER, "")
        flask.g.request_id = given if _USABLE_ID.fullmatch(given) else secrets.token_hex(8)

    @app.after_request
    def end(reply: flask.Response) -> flask.Response:
        reply.headers[ID_HEADER] = flask.g.request_id
        route = flask.request.url_rule.endpoint if flask.request.url_rule else "unknown"
        method, _, path = route.rpartition(" ")
        service.metrics.answered(method or "any", path, reply.status_code)
        _note(route, reply.status_code)
        return reply


def _note(route: str, status: int) -> None:
    """One line, without anything that the caller could put a secret into."""
    level = logging.INFO if status < 500 else logging.WARNING
    if not log.isEnabledFor(level):
        return
    fields = {
        "request_id": flask.g.request_id,
        "route": route,
        "status": status,
        "milliseconds": round((time.perf_counter() - flask.g.began) * 1000, 1),
        "principal": str(flask.g.get("principal", "anonymous")),
        "address": flask.request.remote_addr,
        **(flask.request.view_args or {}),
    }
    text = " ".join(f"{name}={value}" for name, value in fields.items() if name not in ("route", "status"))
    log.log(level, "%s %d %s", route, status, text, extra={"fields": fields})
