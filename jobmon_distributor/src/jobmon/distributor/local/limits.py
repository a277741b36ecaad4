"""Ends commands: at their time limit, above their memory limit, or when they are to be cancelled.

A command that is to end gets SIGTERM, and SIGKILL when it is still there after the interrupt time-out; both go
to its whole process group. What it leaves behind in its group when it ends by itself has a moment to finish
(`exec > >(tee log)` is common) and is then killed, as on a cluster.
"""

import math
import os
import signal
from collections.abc import Iterable

from jobmon.distributor.local import memory
from jobmon.distributor.local.attempt import Attempt
from jobmon.distributor.local.children import signal_group

LEFT_BEHIND_SECONDS = 2.0


class Limits:
    """When to look at running commands again, and what to do then."""

    def __init__(self, patience_seconds: float) -> None:
        """`patience_seconds`: from SIGTERM to SIGKILL."""
        self.patience_seconds = patience_seconds
        self._sampled: set[Attempt] = set()
        self.check_at = math.inf

    def watch(self, attempt: Attempt) -> None:
        """A command was started."""
        if attempt.order.runtime_seconds is not None:
            attempt.deadline = attempt.started + attempt.order.runtime_seconds
            self.check_at = min(self.check_at, attempt.deadline)
        if attempt.order.memory_bytes is not None and attempt.cgroup is None:
            self._sampled.add(attempt)
            self.check_at = min(self.check_at, attempt.started)

    def forget(self, attempt: Attempt) -> None:
        """A command is over."""
        self._sampled.discard(attempt)

    def stop(self, attempt: Attempt, why: str, now: float) -> None:
        """Tell a command to end, unless it was told already or has ended by itself."""
        if attempt.status is not None:
            signal_group(attempt.pid, signal.SIGKILL)
        elif not attempt.stop and not _is_over(attempt.pid):
            attempt.stop = why
            signal_group(attempt.pid, signal.SIGTERM)
            signal_group(attempt.pid, signal.SIGCONT)
            self._kill_at(attempt, now + self.patience_seconds)

    def left_behind(self, attempt: Attempt, now: float) -> None:
        """The command has ended, others of its group have not."""
        self._kill_at(attempt, now if attempt.stop else now + LEFT_BEHIND_SECONDS)

    def check(self, running: Iterable[Attempt], now: float) -> None:
        """Do what is due."""
        if now < self.check_at:
            return
        self.check_at = math.inf
        for attempt in running:
            if attempt.kill_at:
                self._kill(attempt, now)
            elif attempt.deadline is not None:
                self._expire(attempt, attempt.deadline, now)
        for attempt in self._sampled:
            self._sample(attempt)
            self.check_at = min(self.check_at, now + memory.SAMPLE_SECONDS)

    def _kill_at(self, attempt: Attempt, at: float) -> None:
        attempt.kill_at = at
        self.check_at = min(self.check_at, at)

    def _kill(self, attempt: Attempt, now: float) -> None:
        if now >= attempt.kill_at:
            signal_group(attempt.pid, signal.SIGKILL)
            attempt.kill_at = now + 1.0  # a process that was being made has escaped the signal
        self.check_at = min(self.check_at, attempt.kill_at)

    def _expire(self, attempt: Attempt, deadline: float, now: float) -> None:
        if now >= deadline:
            self.stop(attempt, "runtime", now)
        else:
            self.check_at = min(self.check_at, deadline)

    def _sample(self, attempt: Attempt) -> None:
        limit_bytes = attempt.order.memory_bytes or 0
        for measure in (memory.resident_bytes, memory.proportional_bytes, memory.proportional_bytes):
            used_bytes = measure([attempt.pid])
            if used_bytes <= limit_bytes:
                break
        attempt.peak_bytes = max(attempt.peak_bytes, used_bytes)
        if used_bytes > limit_bytes and not attempt.stop:
            attempt.stop = "memory"
            signal_group(attempt.pid, signal.SIGKILL)


def _is_over(pid: int) -> bool:
    """Whether a child has ended, without collecting it."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
