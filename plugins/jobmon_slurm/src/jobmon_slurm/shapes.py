"""What Slurm is asked and what it answers, whichever back end talks to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from jobmon.core.exceptions import ClusterError


class Unreachable(ClusterError):
    """Slurm did not take the request: nothing has happened."""


class NoAnswer(ClusterError):
    """Slurm took the request, perhaps, and did not answer in time: anything may have happened."""


class Refused(ClusterError):
    """Slurm answered with an error; the text is its own."""


@dataclass(frozen=True)
class Partition:
    """A partition. Limits are those of one job; None is no limit."""

    name: str
    default: bool = False
    up: bool = True
    max_seconds: int | None = None
    max_memory_bytes: int | None = None
    max_cores: int | None = None


@dataclass(frozen=True)
class Submission:
    """A job array 0..size-1 of the script, called with `arguments`; `options` are long options of sbatch."""

    name: str
    size: int
    script: str
    arguments: Sequence[str]
    log_pattern: str
    options: Mapping[str, str] = field(default_factory=dict)
    requeue: bool = False
    singleton: bool = False  # not beside another job of this name


@dataclass(frozen=True)
class Queued:
    """What the controller says of some tasks of an array: waiting ones share a row.

    indices  of the array, in order; empty for a job that is no array
    since    when it was submitted, in Slurm's own words
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
    """What accounting says of one task of an array. None is "not known"."""

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


class BackEnd(Protocol):
    """A way to talk to Slurm. Every verb raises Unreachable, NoAnswer or Refused.

    answer_seconds  how long a verb may take
    """

    answer_seconds: float

    def version(self) -> str:
        """Of the Slurm that is talked to, as `22.05.8`."""

    def config(self) -> Mapping[str, str]:
        """The controller's configuration, as `scontrol show config` names it."""

    def partitions(self) -> list[Partition]:
        """All partitions."""

    def submit(self, submission: Submission) -> str:
        """Submit; the array's job id."""

    def queue(self, user: str) -> list[Queued]:
        """All jobs of a user that the controller still knows, ended ones too."""

    def history(self, user: str, jobs: Sequence[str], names: Sequence[str], hours: int) -> list[Record]:
        """Records of array tasks `ID_INDEX`, else of all tasks of the jobs of these names: each task's newest.

        Only what was there within the last `hours`. A job that is not known is left out.
        """

    def submit_limit(self, user: str) -> int | None:
        """How many jobs the user may have submitted at one time, as far as accounting says."""

    def cancel(self, expressions: Sequence[str]) -> None:
        """End jobs: `12`, `12_3`, `12_[3-5,7]`. Those that are over are no error."""

    def node_addresses(self) -> list[str]:
        """Host names or addresses of all nodes."""

    def close(self) -> None:
        """Let go."""
