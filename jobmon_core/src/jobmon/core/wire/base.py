"""What every body has in common."""

from typing import Annotated

import msgspec
from msgspec import Meta

# As long as the columns that hold them; an error names the field.
Name = Annotated[str, Meta(max_length=255)]
Key = Annotated[str, Meta(max_length=64)]  # of a request, a process, a content
Version = Annotated[str, Meta(max_length=32)]
Class = Annotated[str, Meta(max_length=16)]  # of failures
Size = Annotated[int, Meta(ge=0)]
Members = Annotated[int, Meta(ge=0, le=100_000_000)]  # of a workflow; the ids of all others must last too
LONGEST_PAGE = 10_000  # rows in one answer
Page = Annotated[int, Meta(ge=0, le=LONGEST_PAGE)]


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


class Ready(Answer, frozen=True, kw_only=True):
    """The server can work. What cannot be relied on is named by a failure instead."""

    checked: list[str]


class Text(Answer, frozen=True, kw_only=True):
    """An answer that goes out as it is: the content of a page, and its kind."""

    content_type: str
    content: str
