"""The executor's loop, which joins its parts and does everything but the talk with the server.

It sleeps until a child ends, a distributor says something, the server answers, or a time is reached.
"""

import contextlib
import itertools
import os
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from jobmon.core.ids import TaskInstanceId
from jobmon.core.settings import Settings
from jobmon.core.wire import Claim, Outcome, WorkRequest
from jobmon.distributor.local import channel, ending
from jobmon.distributor.local.answering import Answering
from jobmon.distributor.local.commands import Commands
from jobmon.distributor.local.desk import Desk
from jobmon.distributor.local.journal import Journal, Past
from jobmon.distributor.local.limits import Limits
from jobmon.distributor.local.messages import Hello
from jobmon.distributor.local.reporting import Reporter
from jobmon.distributor.local.whereabouts import Whereabouts
from jobmon.distributor.local.work import Work
from jobmon.distributor.worker.link import Link

IDLE_EXIT_SECONDS = 10.0  # with no work and no distributor; one that comes later starts another executor
TERMINATION_SECONDS = 10.0  # for the server to hear of it when the executor is told to end
LONGEST_SLEEP_SECONDS = 5.0
LEFT_BEHIND_POLL_SECONDS = 0.05


class Loop:
    """All parts of an executor. The caller holds the folder's lock, and nothing of an earlier one runs."""

    def __init__(
        self, state_dir: Path, kind: str, parallelism: int, settings: Settings, journal: Journal,
        log: Callable[[str], None],
    ) -> None:  # fmt: skip
        """Listens from now on. `kind` and `parallelism` as in `slots`."""
        self._kind = kind
        self._journal = journal
        self._node = os.uname().nodename
        self._sequence = itertools.count(time.time_ns() // 1000)  # above those of an earlier executor
        self._work = Work(slots(kind, parallelism), dummy=kind == "dummy")
        self._limits = Limits(settings.worker.command_interrupt_timeout_seconds)
        self._commands = Commands(state_dir, self._work, journal, self._limits, settings.worker.tail_bytes)
        self._where = Whereabouts()
        self._reporter = Reporter(Link(self._where), self._heartbeat, self._wake, log)
        self._selector = selectors.DefaultSelector()
        self._wakeup, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wakeup, selectors.EVENT_READ, self._drain)
        self._answering = Answering(self._work, journal, self._limits, self._greet)
        self._desk = Desk(channel.listen(state_dir), self._selector, self._answering.answer, log)
        self._last_sent = 0.0
        self._busy_at = time.monotonic()
        self._told_to_end = False
        self._ending_since: float | None = None

    def run(self) -> bool:
        """Until there is nothing to do any more, or a signal says so; whether nothing is left."""
        signal.signal(signal.SIGCHLD, lambda number, stack: None)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        self._take_over()
        self._reporter.start()
        while not self._is_over():
            self._turn()
        self._desk.close()
        self._reporter.close()
        self._journal.flush()
        return self._work.empty()

    def _turn(self) -> None:
        self._journal.flush()
        for key, _ in self._selector.select(self._sleep_seconds()):
            key.data()
        now = time.monotonic()
        if self._told_to_end:
            self._begin_to_end(now)
        self._commands.collect(now)
        self._start()
        if self._absorb(now):
            self._start()
        self._limits.check(self._work.running.values(), now)
        self._exchange(now)
        if len(self._desk) or not self._work.empty():
            self._busy_at = now

    def _start(self) -> None:
        if self._ending_since is None:
            self._commands.start()

    # --- waiting ---------------------------------------------------------------------------------------

    def _sleep_seconds(self) -> float:
        now = time.monotonic()
        until = min(now + LONGEST_SLEEP_SECONDS, self._limits.check_at)
        if self._commands.unfinished:
            until = min(until, now + LEFT_BEHIND_POLL_SECONDS)
        if not self._reporter.busy and (at := self._work.send_at(now, self._last_sent)) is not None:
            until = min(until, at)
        return max(0.0, until - now)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._waker, b"\0")

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wakeup, 4096)

    def _greet(self, hello: Hello) -> None:
        """A distributor came: where the server is, and what commands inherit, is as it says."""
        self._where.update(hello.service_url, hello.token_file)
        self._commands.starter.inherit(hello.environment, hello.working_dir)
        self._work.parallelism = slots(self._kind, hello.parallelism)

    # --- the server ------------------------------------------------------------------------------------

    def _exchange(self, now: float) -> None:
        if self._reporter.busy:
            return
        at = self._work.send_at(now, self._last_sent)
        if at is None or at > now:
            return
        outcomes = self._work.take_outcomes()
        claims = self._work.claims(now) if self._ending_since is None else []
        if outcomes or claims:
            self._reporter.send(self._request(outcomes=outcomes, claims=claims))
            self._last_sent = now

    def _absorb(self, now: float) -> bool:
        """Take in what the server answered; whether there was anything."""
        any_answer = False
        while (taken := self._reporter.take()) is not None:
            any_answer = True
            request, answer = taken
            gone = [(each.batch_id, each.index) for each in answer.denials if each.verdict == "gone"]
            self._journal.settled(gone)
            if request is not None and request.outcomes:
                self._told(request)
            for instance_id in self._work.absorb(request.claims if request else [], answer, now):
                self._limits.stop(self._work.running[instance_id], "cancel", now)
        return any_answer

    def _told(self, request: WorkRequest) -> None:
        """The server has the outcomes of this request."""
        if self._work.dummy:
            self._journal.settled(self._work.places(request.outcomes))
        elif request.runner == self._journal.past.executor_id:
            self._journal.told(request.outcomes)
        else:
            self._journal.told_of_before()
        self._work.reported(request.outcomes)

    def _heartbeat(self) -> WorkRequest | None:
        """Called by the reporter's thread."""
        alive = list(self._work.claimed)
        return self._request(alive=alive) if alive else None

    def _request(
        self,
        outcomes: Sequence[Outcome] = (),
        claims: Sequence[Claim] = (),
        alive: Sequence[TaskInstanceId] = (),
        runner: str = "",
    ) -> WorkRequest:
        return WorkRequest(
            runner=runner or self._journal.past.executor_id,
            node=self._node,
            sequence=next(self._sequence),
            outcomes=list(outcomes),
            alive=list(alive),
            claims=list(claims),
        )

    # --- beginning and end -----------------------------------------------------------------------------

    def _take_over(self) -> None:
        """Go on where the executor before was killed."""
        past, now = self._journal.past, time.monotonic()
        for batch_id, batch in past.batches.items():
            self._work.add(batch, past.settled.get(batch_id, ()))
        for outcome in _untold(past, self._node):
            self._work.ended(outcome, now)
        if (before := past.before) and (outcomes := _untold(before, self._node)):
            self._reporter.send(self._request(runner=before.executor_id, outcomes=outcomes))

    def _on_sigterm(self, number: int, stack: object) -> None:
        self._told_to_end = True

    def _begin_to_end(self, now: float) -> None:
        """End all commands, tell the server, and go; what waits stays in the journal."""
        self._told_to_end = False
        self._ending_since = self._ending_since or now
        for attempt in self._work.running.values():
            self._limits.stop(attempt, "executor", now)

    def _is_over(self) -> bool:
        if self._ending_since is not None:
            patience_seconds = self._limits.patience_seconds + TERMINATION_SECONDS
            told = not self._work.running and not self._work.unreported
            return told or time.monotonic() > self._ending_since + patience_seconds
        if not self._work.empty() or self._reporter.busy or len(self._desk):
            return False
        return self._answering.finished or time.monotonic() > self._busy_at + IDLE_EXIT_SECONDS


def slots(kind: str, parallelism: int) -> int:
    """How many commands of one core run at one time; `parallelism` 0: as many as this process may use cores."""
    if kind == "sequential":
        return 1
    return parallelism or len(os.sched_getaffinity(0))


def _untold(past: Past, node: str) -> list[Outcome]:
    """What the server is to be told of the attempts that a killed executor had started."""
    lost = [ending.lost(instance_id, token, node) for instance_id, token in past.started.items()]
    return [*past.untold.values(), *lost]
