"""Grid Engine as the rest of the plugin sees it: arrays go in through DRMAA, all else is asked by its commands.

Nothing else in this plugin knows the library or the commands. Indices are ours, from 0; Grid Engine's begin at 1.
What is not there is no error: jobs to be ended that are over, accounting in which nothing was written yet.
"""

import contextlib
import os
import pwd
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from jobmon.core.exceptions import ClusterError
from jobmon.core.scheduler.pace import Breaker, Bucket, Gate
from jobmon.core.scheduler.processes import Start, run_process
from jobmon.core.scheduler.refusals import Meaning
from jobmon.core.scheduler.shapes import Queued, Record, Submission, Tasks
from jobmon_drmaa import queues as configured
from jobmon_drmaa import records, text
from jobmon_drmaa.commands import Commands
from jobmon_drmaa.corrections import FLUSH_SECONDS, Corrections
from jobmon_drmaa.drmaa_child import Submit
from jobmon_drmaa.drmaa_client import Drmaa
from jobmon_drmaa.native import expressions, specification
from jobmon_drmaa.options import Options
from jobmon_drmaa.queues import Environment, Queue
from jobmon_drmaa.reasons import Reasons
from jobmon_drmaa.refusals import meaning

ENDED_AT_ONCE = 200  # expressions in one qdel


class GridEngine:
    """The verbs. Each raises Unreachable, NoAnswer or Refused; used from one thread."""

    def __init__(
        self,
        options: Options,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        start: Start = run_process,
    ) -> None:
        """Nothing is asked yet. `start` runs one command."""
        self.user = _user()
        self._options = options
        self._commands = Commands(options, start)
        self._drmaa = Drmaa(options)
        bucket = Bucket(options.requests_per_second, options.burst, clock, sleep)
        self._gate = Gate(bucket, lambda words: meaning(words) is Meaning.LATER)
        self._qmaster = Breaker("Grid Engine", clock)
        self._accounting = Breaker("Grid Engine's accounting", clock)
        self._reasons = Reasons(clock)
        flush_seconds = min(FLUSH_SECONDS, options.vanish_seconds / 2)  # before such a job counts as vanished
        self._corrections = Corrections(self._drmaa, self.user, clock, flush_seconds)

    @property
    def requests(self) -> int:
        """How many there were."""
        return self._gate.requests

    @property
    def trouble(self) -> str:
        """Since when Grid Engine, or else its accounting, is silent; "" if neither is."""
        return self._qmaster.trouble or self._accounting.trouble

    def version(self) -> str:
        """Of the commands, as `SGE 8.1.9`: of this machine, qmaster is not asked."""
        return text.version(self._commands.run("qstat", "-help"))

    def config(self) -> Mapping[str, str]:
        """The global configuration with the scheduler's: sge_conf(5), sched_conf(5)."""
        return text.config(self._run("qconf", "-sconf", "-ssconf"))

    def queues(self) -> list[Queue]:
        """All cluster queues for batch jobs, those that the scheduler may prefer first."""
        return configured.queues(self._run("qconf", "-sq", "*"), self._options.memory_resource)

    def environments(self) -> list[Environment]:
        """All parallel environments."""
        names = text.names(self._run("qconf", "-spl", fine=text.is_nothing_there))
        words = [word for name in names for word in ("-sp", name)]
        return configured.environments(self._run("qconf", *words)) if words else []

    def node_addresses(self) -> list[str]:
        """The execution hosts."""
        return text.names(self._run("qconf", "-sel"))

    def submit(self, submission: Submission) -> str:
        """Submit an array; its job number. The script is run by `sh`: it need not be executable."""
        question = Submit(
            name=submission.name,
            size=submission.size,
            command="/bin/sh",
            arguments=[submission.script, *submission.arguments],
            output=submission.log_pattern,
            native=specification(submission, self._options.verify),
        )
        number = self._gate.ask(self._qmaster, lambda: self._drmaa.submit(question))
        self._corrections.submitted(number, submission.name)
        return number

    def queue(self) -> list[Queued]:
        """The user's jobs in the queue: all of them live, or are in error."""
        rows = text.queue(self._run("qstat", "-xml", "-u", self.user), self.user)
        self._ask_reasons(rows)
        return [replace(row, reason=self._reasons.of(row)) for row in rows]

    def _ask_reasons(self, rows: Sequence[Queued]) -> None:
        """They are good to know, no more."""
        numbers = self._reasons.to_ask(rows)
        if numbers:
            with contextlib.suppress(ClusterError):
                output = self._run("qstat", "-j", ",".join(numbers), fine=text.is_nothing_there)
                self._reasons.learn(numbers, text.reasons(output))

    def history(self, tasks: Tasks, hours: int) -> list[Record]:
        """What accounting says of tasks, with what the session of DRMAA knows better."""
        found = [one for number, indices in tasks.items() for one in self._history_of(number, indices)]
        return self._corrections.corrected(found, tasks)

    def _history_of(self, number: str, indices: Collection[int] | None) -> list[Record]:
        """qacct(1) heeds only the last of several ranges: it is given one that holds all."""
        words = ("-t", f"{min(indices) + text.FIRST}-{max(indices) + text.FIRST}") if indices else ()
        found = self._qacct(number, *words)
        if {record.index for record in found}.issuperset(indices or ()):
            return found
        return [*self._qacct_of_old(number, *words), *found]

    def history_of_names(self, names: Sequence[str], hours: int) -> list[Record]:
        """What accounting says of the jobs of these names."""
        return [record for name in names for record in self._qacct(name) or self._qacct_of_old(name)]

    def _qacct(self, job: str, *words: str) -> list[Record]:
        question = partial(self._commands.run, "qacct", "-o", self.user, "-j", job, *words, fine=records.not_found)
        return records.history(self._gate.ask(self._accounting, question), self._options.memory_resource)

    def _qacct_of_old(self, job: str, *words: str) -> list[Record]:
        """In the file that a site may have put away while our jobs ran."""
        path = self._commands.old_accounting()
        return self._qacct(job, *words, "-f", path) if path else []

    def cancel(self, tasks: Tasks) -> None:
        """End tasks by `qdel`. Those that are over are no error."""
        wanted = list(expressions(tasks))
        for begin in range(0, len(wanted), ENDED_AT_ONCE):
            self._run("qdel", *wanted[begin : begin + ENDED_AT_ONCE], fine=text.is_all_ended)

    def close(self) -> None:
        """Let go."""
        self._drmaa.close()

    def _run(self, command: str, *words: str, fine: Callable[[str], bool] = text.is_never_fine) -> str:
        """A command that asks qmaster."""
        return self._gate.ask(self._qmaster, partial(self._commands.run, command, *words, fine=fine))


def _user() -> str:
    """Who we are to Grid Engine: not what LOGNAME says, which `sudo` and `su` leave as it was."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
