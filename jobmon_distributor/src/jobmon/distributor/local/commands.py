"""The running commands: starts what is next, notices what ended, cleans up behind it."""

import os
import time
import zlib
from pathlib import Path

from jobmon.core.wire import Outcome
from jobmon.distributor.local import children, ending, orphans
from jobmon.distributor.local.attempt import Attempt
from jobmon.distributor.local.children import Starter, Unstartable
from jobmon.distributor.local.journal import Journal
from jobmon.distributor.local.limits import Limits
from jobmon.distributor.local.memory import Cgroup, Cgroups
from jobmon.distributor.local.work import Work


class Commands:
    """Between the work that is ready and its outcomes."""

    def __init__(self, state_dir: Path, work: Work, journal: Journal, limits: Limits, tail_bytes: int) -> None:
        """`tail_bytes`: how much of a failed command's standard error its outcome holds."""
        self._mark = orphans.mark(state_dir)
        self._work = work
        self._journal = journal
        self._limits = limits
        self._tail_bytes = tail_bytes
        self._node = os.uname().nodename
        cgroups = Cgroups.of_this_process()
        prefix = f"jobmon-{zlib.crc32(os.fsencode(state_dir)):08x}-"  # the same for each executor of the folder
        self.starter = Starter(state_dir, self._mark, cgroups, prefix)
        self._by_pid: dict[int, Attempt] = {}
        self._left_behind: list[Attempt] = []  # the command has ended, others of its process group have not
        self._empty_cgroups: list[Cgroup] = cgroups.leftovers(prefix)

    @property
    def unfinished(self) -> bool:
        """Whether there is something to look at that no signal tells of."""
        return bool(self._left_behind or self._empty_cgroups)

    def start(self) -> None:
        """Start whatever there are slots for."""
        while attempt := self._work.next_to_start(time.monotonic()):
            self._journal.started(attempt.batch_id, attempt.index, attempt.instance_id, attempt.token)
            try:
                self.starter.start(attempt)
            except Unstartable as reason:
                self._conclude(attempt, ending.never_started(attempt, self._node, str(reason)))
                continue
            self._by_pid[attempt.pid] = attempt
            self._limits.watch(attempt)

    def collect(self, now: float) -> None:
        """Take note of whatever has ended."""
        for pid, status, usage in children.ended():
            attempt = self._by_pid.pop(pid, None)
            if attempt is None:
                continue  # a grandchild whose parent died
            attempt.status, attempt.usage, attempt.wall_seconds = status, usage, now - attempt.started
            if children.group_lives(pid):
                self._left_behind.append(attempt)
                self._limits.left_behind(attempt, now)
            else:
                self._finish(attempt)
        if self.unfinished:
            self._look_behind()

    def _look_behind(self) -> None:
        over = [attempt for attempt in self._left_behind if not children.group_lives(attempt.pid)]
        self._left_behind = [attempt for attempt in self._left_behind if attempt not in over]
        for attempt in over:
            self._finish(attempt)
        self._empty_cgroups = [cgroup for cgroup in self._empty_cgroups if not cgroup.remove()]

    def _finish(self, attempt: Attempt) -> None:
        """Nothing of the command's process group is left."""
        self._limits.forget(attempt)
        if attempt.stop:
            self._kill_strays(attempt)
        self._conclude(attempt, ending.outcome(attempt, self._node, self._tail_bytes))

    def _conclude(self, attempt: Attempt, outcome: Outcome) -> None:
        self._journal.ended(outcome)
        self._work.finished(attempt, outcome, time.monotonic())
        if attempt.script:
            Path(attempt.script).unlink(missing_ok=True)
        if attempt.cgroup is not None:
            orphans.kill(attempt.cgroup.processes())
            if not attempt.cgroup.remove():
                self._empty_cgroups.append(attempt.cgroup)

    def _kill_strays(self, attempt: Attempt) -> None:
        """What left the command's process group (a daemon) still has its environment."""
        own = f"JOBMON_TASK_INSTANCE_ID={attempt.instance_id}"
        orphans.kill(list(orphans.marked(self._mark, own)))
