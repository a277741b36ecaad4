"""Log records as JSON, one object a line, with what is known of the request that caused them."""

import datetime
import logging
import socket

import flask
import msgspec

from jobmon.core.logs import mask


class JsonLine(logging.Formatter):
    """time, level, logger, message, and within a request its id; `extra={"fields": {...}}` adds more."""

    def __init__(self) -> None:
        """The host does not change."""
        super().__init__()
        self._host = socket.gethostname()

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, with secrets masked in every text of it."""
        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        fields: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "host": self._host,
            "pid": record.process,
        }
        if flask.has_request_context() and (request_id := flask.g.get("request_id")):
            fields["request_id"] = request_id
        fields |= getattr(record, "fields", {})
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        shown = {name: _shown(value) if isinstance(value, str) else value for name, value in fields.items()}
        return msgspec.json.encode(shown, enc_hook=str).decode()


def _shown(text: str) -> str:
    """Without secrets, and without what no UTF-8 can hold (names of files may have it)."""
    return mask(text).encode(errors="backslashreplace").decode()
