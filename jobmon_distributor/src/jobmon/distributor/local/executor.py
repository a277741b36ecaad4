"""The process that runs the commands of one workflow on this machine; it survives the distributor.

One loop does everything but the talk with the server: it sleeps until a child ends, a distributor says something,
the server answers, or a time is reached.
"""

import contextlib
import ctypes
import itertools
import os
import selectors
import signal
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from jobmon.core.ids import TaskInstanceId
from jobmon.core.settings import Settings, load_settings
from jobmon.core.wire import Claim, Outcome, WorkRequest
from jobmon.distributor.local import channel, children, ending, identity, messages, orphans
from jobmon.distributor.local.attempt import Attempt
from jobmon.distributor.local.children import Starter, Unstartable
from jobmon.distributor.local.desk import Desk
from jobmon.distributor.local.journal import Journal, Past
from jobmon.distributor.local.limits import Limits
from jobmon.distributor.local.memory import Cgroup, Cgroups
from jobmon.distributor.local.reporting import Reporter
from jobmon.distributor.local.whereabouts import Whereabouts
from jobmon.distributor.local.work import Work
from jobmon.distributor.worker.link import Link

IDLE_EXIT_SECONDS = 60.0
TERMINATION_SECONDS = 10.0  # for the server to hear of it when the executor is told to end
LONGEST_SLEEP_SECONDS = 5.0
LEFT_BEHIND_POLL_SECONDS = 0.05
PR_SET_CHILD_SUBREAPER = 36


class Config(msgspec.Struct, frozen=True):
    """What the plugin says on the command line."""

    state_dir: str
    kind: str  # "multiprocess", "sequential" or "dummy"
    parallelism: int  # 0: as many as there are cores


class Executor:
    """All parts, and the loop that joins them."""

    def __init__(self, config: Config, settings: Settings, journal: Journal) -> None:
        """The caller holds the folder's lock, and nothing of an earlier executor runs any more."""
        self._config = config
        self._state_dir = Path(config.state_dir)
        self._tail_bytes = settings.worker.tail_bytes
        self._journal = journal
        self._id = journal.past.executor_id
        self._node = os.uname().nodename
        self._sequence = itertools.count(time.time_ns() // 1000)  # above those of an earlier executor
        self._work = Work(slots(config), dummy=config.kind == "dummy")
        self._limits = Limits(settings.worker.command_interrupt_timeout_seconds)
        self._cgroups = Cgroups.of_this_process()
        self._starter = Starter(self._state_dir, orphans.mark(self._state_dir), self._cgroups, self._prefix())
        self._where = Whereabouts()
        self._selector = selectors.DefaultSelector()
        self._wakeup, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wakeup, selectors.EVENT_READ, self._drain)
        self._reporter = Reporter(Link(self._where), self._heartbeat, self._wake, log)
        self._desk = Desk(channel.listen(self._state_dir), self._selector, self._answer, log)
        self._by_pid: dict[int, Attempt] = {}
        self._left_behind: list[Attempt] = []
        self._cgroups_to_remove: list[Cgroup] = self._cgroups.leftovers(self._prefix())
        self._last_sent = 0.0
        self._busy_at = time.monotonic()
        self._finished = False  # a distributor said that nothing more will come
        self._told_to_end = False
        self._terminated_at: float | None = None

    def run(self) -> None:
        """Until there is nothing to do any more, or somebody says so."""
        signal.signal(signal.SIGCHLD, lambda number, stack: None)
        signal.signal(signal.SIGTERM, lambda number, stack: setattr(self, "_told_to_end", True))
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        self._take_over()
        self._reporter.start()
        while not self._is_over():
            self._turn()
        self._end()

    def _turn(self) -> None:
        self._journal.flush()
        for key, _ in self._selector.select(self._sleep_seconds()):
            key.data()
        now = time.monotonic()
        if self._told_to_end and self._terminated_at is None:
            self._terminate(now)
        self._collect(now)
        self._start()
        self._absorb(now)
        self._start()
        self._limits.check(self._work.running.values(), now)
        self._exchange(now)
        if not self._work.empty():
            self._busy_at = now

    # --- waiting ---------------------------------------------------------------------------------------

    def _sleep_seconds(self) -> float:
        now = time.monotonic()
        times = [now + LONGEST_SLEEP_SECONDS, self._limits.check_at]
        if self._left_behind or self._cgroups_to_remove:
            times.append(now + LEFT_BEHIND_POLL_SECONDS)
        if not self._reporter.busy and (at := self._work.send_at(now, self._last_sent)) is not None:
            times.append(at)
        return max(0.0, min(times) - now)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._waker, b"\0")

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wakeup, 4096)

    # --- commands --------------------------------------------------------------------------------------

    def _start(self) -> None:
        while self._terminated_at is None and (attempt := self._work.next_to_start(time.monotonic())):
            self._journal.started(attempt.batch_id, attempt.index, attempt.instance_id, attempt.token)
            try:
                self._starter.start(attempt)
            except Unstartable as reason:
                self._conclude(attempt, ending.never_started(attempt, self._node, str(reason)))
                continue
            self._by_pid[attempt.pid] = attempt
            self._limits.watch(attempt)

    def _collect(self, now: float) -> None:
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
        if self._left_behind:
            over = [attempt for attempt in self._left_behind if not children.group_lives(attempt.pid)]
            self._left_behind = [attempt for attempt in self._left_behind if attempt not in over]
            for attempt in over:
                self._finish(attempt)
        if self._cgroups_to_remove:
            self._cgroups_to_remove = [cgroup for cgroup in self._cgroups_to_remove if not cgroup.remove()]

    def _finish(self, attempt: Attempt) -> None:
        """Nothing of the command's group is left."""
        self._limits.forget(attempt)
        if attempt.stop:
            self._kill_strays(attempt)
        self._conclude(attempt, ending.outcome(attempt, self._node, self._tail_bytes))

    def _conclude(self, attempt: Attempt, outcome: Outcome) -> None:
        self._journal.ended(outcome)
        self._work.finished(attempt, outcome, time.monotonic())
        if attempt.script or attempt.cgroup:
            self._tidy(attempt)

    def _kill_strays(self, attempt: Attempt) -> None:
        """What left the command's process group (a daemon) still has its environment."""
        own = f"JOBMON_TASK_INSTANCE_ID={attempt.instance_id}"
        orphans.kill(list(orphans.marked(orphans.mark(self._state_dir), own)))

    def _tidy(self, attempt: Attempt) -> None:
        if attempt.script:
            Path(attempt.script).unlink(missing_ok=True)
        if attempt.cgroup is not None:
            orphans.kill(attempt.cgroup.processes())
            if not attempt.cgroup.remove():
                self._cgroups_to_remove.append(attempt.cgroup)

    # --- the server ------------------------------------------------------------------------------------

    def _exchange(self, now: float) -> None:
        if self._reporter.busy:
            return
        at = self._work.send_at(now, self._last_sent)
        if at is None or at > now:
            return
        outcomes = self._work.take_outcomes()
        claims = self._work.claims(now) if self._terminated_at is None else []
        if outcomes or claims:
            self._reporter.send(self._request(outcomes=outcomes, claims=claims))
            self._last_sent = now

    def _absorb(self, now: float) -> None:
        while (taken := self._reporter.take()) is not None:
            request, answer = taken
            gone = [(each.batch_id, each.index) for each in answer.denials if each.verdict == "gone"]
            self._journal.settled(gone)
            if request is not None and request.outcomes:
                self._told(request)
            for instance_id in self._work.absorb(request.claims if request else [], answer, now):
                self._limits.stop(self._work.running[instance_id], "cancel", now)

    def _told(self, request: WorkRequest) -> None:
        """The server has the outcomes of this request."""
        if self._work.dummy:
            self._journal.settled(self._work.places(request.outcomes))
        elif request.runner == self._id:
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
            runner=runner or self._id,
            node=self._node,
            sequence=next(self._sequence),
            outcomes=list(outcomes),
            alive=list(alive),
            claims=list(claims),
        )

    # --- the distributor -------------------------------------------------------------------------------

    def _answer(self, request: messages.Request) -> messages.Reply:
        match request:
            case messages.Hello():
                return self._welcome(request)
            case messages.Submit():
                return self._submit(request)
            case messages.Look():
                known = [batch_id for batch_id in request.batch_ids if self._journal.knows(batch_id)]
                return messages.Known(batch_ids=known)
            case messages.Observe():
                return self._observe(request)
            case messages.Cancel():
                return self._cancel(request)
            case messages.Bye():
                self._finished = request.finished
                return messages.Farewell()

    def _welcome(self, hello: messages.Hello) -> messages.Reply:
        self._finished = False
        self._where.update(hello.service_url, hello.token_file)
        self._starter.inherit(hello.environment, hello.working_dir)
        self._work.parallelism = slots(msgspec.structs.replace(self._config, parallelism=hello.parallelism))
        return messages.Welcome(executor_id=self._id, pid=os.getpid())

    def _submit(self, submit: messages.Submit) -> messages.Reply:
        batch = submit.batch
        if not self._journal.knows(batch.batch_id):
            self._journal.accepted(batch)
            self._work.add(batch)
        return messages.Known(batch_ids=[batch.batch_id])

    def _observe(self, asked: messages.Observe) -> messages.Seen:
        seen: dict[str, list[int]] = {"pending": [], "running": [], "gone": [], "ending": []}
        for batch_id, index, instance_id in zip(asked.batch_id, asked.index, asked.instance_id, strict=True):
            seen[self._work.seen(batch_id, index, instance_id)].append(instance_id)
        del seen["ending"]
        return messages.Seen(**seen)  # type: ignore[arg-type]

    def _cancel(self, asked: messages.Cancel) -> messages.Seen:
        now = time.monotonic()
        gone, dropped = [], []
        for batch_id, index, instance_id in zip(asked.batch_id, asked.index, asked.instance_id, strict=True):
            found = self._work.withdraw(batch_id, index, instance_id)
            if found == "running":
                self._limits.stop(self._work.running[instance_id], "cancel", now)
            elif found != "ending":
                gone.append(instance_id)
            if found == "dropped":
                dropped.append((batch_id, index))
        self._journal.settled(dropped)
        return messages.Seen(gone=gone)

    # --- beginning and end -----------------------------------------------------------------------------

    def _take_over(self) -> None:
        """Go on where the executor before was killed."""
        past, now = self._journal.past, time.monotonic()
        for batch_id, batch in past.batches.items():
            self._work.add(batch, past.settled.get(batch_id, ()))
        for outcome in _left(past, self._node):
            self._work.ended(outcome, now)
        if (before := past.before) and (outcomes := _left(before, self._node)):
            self._reporter.send(self._request(runner=before.executor_id, outcomes=outcomes))

    def _terminate(self, now: float) -> None:
        """SIGTERM: end all commands, tell the server, and go; what waits stays in the journal."""
        self._terminated_at = now
        for attempt in self._work.running.values():
            self._limits.stop(attempt, "executor", now)

    def _is_over(self) -> bool:
        if self._terminated_at is not None:
            told = not self._work.running and not self._work.unreported
            late = time.monotonic() > self._limits.patience_seconds + self._terminated_at + TERMINATION_SECONDS
            return told or late
        if not self._work.empty() or self._reporter.busy or len(self._desk):
            return False
        return self._finished or time.monotonic() > self._busy_at + IDLE_EXIT_SECONDS

    def _end(self) -> None:
        """Leave nothing behind, but what a new executor must know."""
        empty = self._work.empty()
        self._desk.close()
        (self._state_dir / channel.SOCKET).unlink(missing_ok=True)
        self._reporter.close()
        orphans.sweep(orphans.mark(self._state_dir), set())
        for cgroup in self._cgroups_to_remove:
            cgroup.remove()
        if empty:
            self._journal.remove()
        else:
            self._journal.flush()
        if empty:
            identity.remove_note(self._state_dir)

    def _prefix(self) -> str:
        """What the names of cgroups begin with, whichever executor of this folder makes them."""
        return f"jobmon-{zlib.crc32(os.fsencode(self._state_dir)):08x}-"


def _left(past: Past, node: str) -> list[Outcome]:
    """What the server is to be told of the attempts that a killed executor had started."""
    lost = [ending.lost(instance_id, token, node) for instance_id, token in past.started.items()]
    return [*past.untold.values(), *lost]


def slots(config: Config) -> int:
    """How many commands of one core run at one time."""
    if config.kind == "sequential":
        return 1
    return config.parallelism or len(os.sched_getaffinity(0))


def log(text: str) -> None:
    """One line in the executor's own log."""
    print(time.strftime("%Y-%m-%dT%H:%M:%S%z"), os.getpid(), text, file=sys.stderr, flush=True)


def main() -> None:
    """Run as `python -m jobmon.distributor.local.executor CONFIG`, by the plugin."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # a pipe of the user's terminal must not stay open for us
    config = msgspec.json.decode(sys.argv[1], type=Config)
    state_dir = Path(config.state_dir)
    if not identity.lock(state_dir):
        return  # another one is there, and serves as well
    before, now = identity.read_note(state_dir), identity.Note.of_this_process()
    sessions = identity.sessions_to_sweep(before, now, state_dir)
    identity.write_note(state_dir, now)
    _adopt_orphans()
    if killed := orphans.sweep(orphans.mark(state_dir), sessions):
        log(f"killed {killed} processes that an earlier executor left")
    Executor(config, load_settings(), Journal(state_dir, identity.boot_id())).run()


def _adopt_orphans() -> None:
    """Become the parent of commands' processes that lose theirs, so that their end is noticed."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


if __name__ == "__main__":
    main()
