"""What the plugin asks of a back end, whichever talks to Slurm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from jobmon.core.scheduler.shapes import Queued, Record, Submission


@dataclass(frozen=True)
class Partition:
    """A partition. Limits are those of one job; None is no limit."""

    name: str
    default: bool = False
    up: bool = True
    max_seconds: int | None = None
    max_memory_bytes: int | None = None
    max_cores: int | None = None


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
