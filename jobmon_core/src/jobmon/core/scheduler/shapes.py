"""What a scheduler is asked and what it answers, whoever talks to it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from jobmon.core.exceptions import ClusterError

Tasks = Mapping[str, Collection[int] | None]  # array id -> indices; None: the whole array


class Unreachable(ClusterError):
    """The scheduler did not take the request: nothing has happened."""


class NoAnswer(ClusterError):
    """The scheduler took the request, perhaps, and did not answer in time: anything may have happened."""


class Refused(ClusterError):
    """The scheduler answered with an error; the text is its own."""


@dataclass(frozen=True)
class Submission:
    """A job array 0..size-1 of the script, called with `arguments`.

    log_pattern  where tasks write what nobody else catches, in the scheduler's own notation
    options      of the scheduler, by name
    requeue      whether the scheduler may put its tasks back into the queue by itself
    singleton    not beside another job of this name
    """

    name: str
    size: int
    script: str
    arguments: Sequence[str]
    log_pattern: str
    options: Mapping[str, str] = field(default_factory=dict)
    requeue: bool = False
    singleton: bool = False


@dataclass(frozen=True)
class Queued:
    """What the queue shows of some tasks of an array: waiting ones share a row.

    indices  of the array, in order, from 0; empty for a job that is no array
    since    when it was submitted, in the scheduler's own words
    """

    array_id: str
    indices: Sequence[int]
    name: str
    state: str
    reason: str = ""
    since: str = ""
    nodes: str = ""


@dataclass(frozen=True)
class Record:
    """What accounting says of one task of an array. None is "not known".

    detail  what the scheduler adds to the state, for people
    """

    array_id: str
    index: int | None
    name: str
    user: str
    state: str
    exit_code: int | None = None
    signal: int | None = None
    since: str = ""
    nodes: str = ""
    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None
    wall_seconds: float | None = None
    detail: str = ""
