"""What a plugin's own api offers to the rest of this package."""

from collections.abc import Sequence
from typing import Protocol

from jobmon.core.scheduler.shapes import Queued, Record, Submission, Tasks


class Api(Protocol):
    """The only one that talks to a scheduler, from one thread.

    Every verb is gentle (`jobmon.core.scheduler.pace`), and raises Unreachable, NoAnswer or Refused. Indices of
    arrays begin at 0, whatever the scheduler itself counts from. Array ids are decimal numbers.
    """

    @property
    def user(self) -> str:
        """Who we are to the scheduler."""

    @property
    def trouble(self) -> str:
        """Since when the scheduler is silent, and why; "" if it is not. Asks nobody."""

    def submit(self, submission: Submission) -> str:
        """Submit an array; its id."""

    def queue(self) -> list[Queued]:
        """All of the user's jobs that the queue still knows, ended ones too where it keeps these."""

    def history(self, tasks: Tasks, hours: int) -> list[Record]:
        """What accounting says of tasks: each one's newest record, none for what is not known.

        Only what was there within the last `hours`. Records of other tasks are no harm.
        """

    def history_of_names(self, names: Sequence[str], hours: int) -> list[Record]:
        """What accounting says of the jobs of these names."""

    def cancel(self, tasks: Tasks) -> None:
        """End tasks. Those that are over are no error."""

    def node_addresses(self) -> list[str]:
        """Host names or addresses of all nodes."""

    def close(self) -> None:
        """Let go."""
