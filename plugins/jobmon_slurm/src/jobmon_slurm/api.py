"""Slurm as the rest of the plugin sees it: whichever back end talks to it, gently, with a rest when it is silent.

Nothing else in this plugin knows the commands or pyslurm. `choose` says which of them is in use and why.
"""

import importlib.util
import os
import pwd
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from jobmon.core.scheduler.indices import format_indices
from jobmon.core.scheduler.pace import Breaker, Bucket, Gate
from jobmon.core.scheduler.refusals import Meaning
from jobmon.core.scheduler.shapes import NoAnswer, Queued, Record, Refused, Submission, Tasks, Unreachable
from jobmon_slurm.back_end import BackEnd, Partition
from jobmon_slurm.commands import Commands, find
from jobmon_slurm.options import Options
from jobmon_slurm.refusals import meaning

RECORDS_AT_ONCE = 500
QUICK_SECONDS = 30.0  # patience before Slurm's own MessageTimeout is known


class Choice(NamedTuple):
    """A back end and why it is the one."""

    back_end: BackEnd
    why: str


def choose(options: Options, seconds: float = QUICK_SECONDS) -> Choice:
    """The back end: pyslurm where it is made for this very Slurm, else the commands.

    Raises Unreachable when there is neither.
    """
    there = find(options.bin_dir)
    if not there:
        raise Unreachable(f"there is no sbatch {f'in {options.bin_dir}' if options.bin_dir else 'on the PATH'}")
    commands = Commands(options.conf, options.bin_dir, options.answer_seconds or seconds)
    if options.backend == "commands":
        return Choice(commands, f"the commands beside {there}, as the option backend says")
    if options.backend == "auto" and importlib.util.find_spec("pyslurm") is None:
        return Choice(commands, f"the commands beside {there}; pyslurm is not installed")
    from jobmon_slurm.pyslurm_client import Pyslurm, same_release

    child = Pyslurm(commands, options.conf, options.answer_seconds or seconds)
    try:
        theirs, ours = child.version(), commands.version()
    except (Unreachable, NoAnswer, Refused) as error:
        child.close()
        if options.backend == "pyslurm":
            raise Unreachable(f"the option backend asks for pyslurm, which cannot be used: {error}") from error
        return Choice(commands, f"the commands beside {there}; pyslurm cannot be used: {error}")
    if options.backend == "pyslurm" or same_release(theirs, ours):
        return Choice(child, f"pyslurm {theirs}, beside Slurm {ours}")
    child.close()
    return Choice(commands, f"the commands beside {there}; pyslurm {theirs} is not made for Slurm {ours}")


class Slurm:
    """The verbs. Each raises Unreachable, NoAnswer or Refused; used from one thread."""

    def __init__(
        self,
        back_end: BackEnd,
        options: Options,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is asked yet."""
        self.user = _user()
        self._back_end = back_end
        bucket = Bucket(options.requests_per_second, options.burst, clock, sleep)
        self._gate = Gate(bucket, lambda words: meaning(words) is Meaning.LATER)
        self._controller = Breaker("Slurm", clock)
        self._accounting = Breaker("Slurm's accounting", clock)

    @property
    def requests(self) -> int:
        """How many there were."""
        return self._gate.requests

    @property
    def trouble(self) -> str:
        """Since when the controller, or else accounting, is silent; "" if neither is."""
        return self._controller.trouble or self._accounting.trouble

    def config(self) -> Mapping[str, str]:
        """The controller's configuration."""
        return self._gate.ask(self._controller, self._back_end.config)

    def partitions(self) -> list[Partition]:
        """All partitions, the default one first."""
        return self._gate.ask(self._controller, self._back_end.partitions)

    def node_addresses(self) -> list[str]:
        """Where the nodes are."""
        return self._gate.ask(self._controller, self._back_end.node_addresses)

    def submit(self, submission: Submission) -> str:
        """Submit an array; its job id."""
        return self._gate.ask(self._controller, lambda: self._back_end.submit(submission))

    def queue(self) -> list[Queued]:
        """The user's jobs that the controller still knows."""
        return self._gate.ask(self._controller, lambda: self._back_end.queue(self.user))

    def cancel(self, tasks: Tasks) -> None:
        """End tasks: `12_[3-5,7]`, or whole arrays: `12`."""
        expressions = [
            array_id if indices is None else f"{array_id}_[{format_indices(indices)}]"
            for array_id, indices in tasks.items()
        ]
        self._gate.ask(self._controller, lambda: self._back_end.cancel(expressions))

    def history(self, tasks: Tasks, hours: int) -> list[Record]:
        """What accounting says of tasks `12_3`, or of whole arrays: `12`."""
        jobs = [
            array_id if index is None else f"{array_id}_{index}"
            for array_id, indices in tasks.items()
            for index in ([None] if indices is None else indices)
        ]
        records: list[Record] = []
        for begin in range(0, len(jobs), RECORDS_AT_ONCE):
            part = jobs[begin : begin + RECORDS_AT_ONCE]
            records += self._gate.ask(self._accounting, partial(self._history, part, (), hours))
        return records

    def history_of_names(self, names: Sequence[str], hours: int) -> list[Record]:
        """What accounting says of the jobs of these names."""
        return self._gate.ask(self._accounting, lambda: self._history((), names, hours))

    def submit_limit(self) -> int | None:
        """How many jobs the user may have submitted at one time."""
        return self._gate.ask(self._accounting, lambda: self._back_end.submit_limit(self.user))

    def be_patient(self, seconds: float) -> None:
        """Give each command at least so long to answer."""
        self._back_end.answer_seconds = max(self._back_end.answer_seconds, seconds)

    def close(self) -> None:
        """Let go."""
        self._back_end.close()

    def _history(self, jobs: Sequence[str], names: Sequence[str], hours: int) -> list[Record]:
        return self._back_end.history(self.user, jobs, names, hours)


def _user() -> str:
    """Who we are to Slurm: not what LOGNAME says, which `sudo` and `su` leave as it was."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
