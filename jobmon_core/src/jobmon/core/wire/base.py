"""What every body has in common."""

import msgspec


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a caller sends."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the server answers."""


class Nothing(Request, frozen=True, kw_only=True):
    """A request without content."""


class Failure(Answer, frozen=True, kw_only=True):
    """Any answer that is not a success."""

    error: str  # the name of a class of core/exceptions.py
    message: str
    retry_after_seconds: float | None = None


class Done(Answer, frozen=True, kw_only=True):
    """Carried out; there is nothing to tell."""


class Health(Answer, frozen=True, kw_only=True):
    """The process is up. `instance` changes with every start of the server."""

    version: str
    instance: str
    host: str
    pid: int
    uptime_seconds: float
    product: str = "jobmon"
