"""Drives one run: asks the server what to do, has it done on the clusters, reports what came of it.

The only file that knows clusters and server. Its threads:

    the caller of `run`   waits for the end: a signal, the run's end, a lost lease
    asker                 holds the lease; ADVANCE as a long poll, again and again
    reporter              ADVANCE without waiting, whenever results come while the long poll is under way
    one desk per cluster  does what its plan says

Asker and reporter both hand their answers to `_dispatch`; plans ignore what they know already. One condition
guards everything that is shared and wakes whoever waits; nobody holds it during a call to server or cluster.
Nothing is kept on disk: whoever takes the lease next learns all from the server.
"""

import logging
import os
import queue
import threading
import time
import uuid
from collections.abc import Callable, Collection
from functools import partial
from typing import NamedTuple, Protocol

from jobmon.core import __version__, transitions
from jobmon.core.cluster import Cluster
from jobmon.core.constants import WorkflowRunStatus
from jobmon.core.exceptions import (
    InvalidResponse,
    JobmonError,
    LeaseLost,
    ResumeSet,
    RunInProgress,
    ServerBusy,
    ServerError,
    ServerUnreachable,
    StorageFull,
    Superseded,
    WorkflowRunStateError,
)
from jobmon.core.ids import BatchId, TaskInstanceId, WorkflowId, WorkflowRunId
from jobmon.core.routes import ADVANCE, LEASE, Got, Route, Sent
from jobmon.core.wire import AdvanceAnswer, LeaseAnswer, LeaseRequest, Pace
from jobmon.distributor.desk import Desk
from jobmon.distributor.outbox import Outbox
from jobmon.distributor.patience import Pause, Pauses, rest_seconds
from jobmon.distributor.plan import Plan

log = logging.getLogger(__name__)

POLL_SECONDS = 20.0
SETTLE_SECONDS = 0.01  # a quick cluster's result travels with the next question instead of one of its own
LEAVE_SECONDS = 30.0
LAST_WORDS_SECONDS = 5.0
SERVER_PAUSE = Pause(0.5, 30)

OVER = frozenset(transitions.final("workflow_run"))
ENDED_BY_ITSELF = (WorkflowRunStatus.DONE, WorkflowRunStatus.ERROR, WorkflowRunStatus.STOPPED)
OTHERS_TURN = (LeaseLost, ResumeSet, RunInProgress, WorkflowRunStateError, Superseded)
PASSING = (ServerUnreachable, ServerError, ServerBusy, StorageFull, InvalidResponse)

Connect = Callable[[str, WorkflowId], Cluster]
Replay = Callable[[str, WorkflowId], Collection[TaskInstanceId]]


class Talker(Protocol):
    """The server as one thread sees it: core.http.Server."""

    def call(self, route: Route[Sent, Got], sent: Sent, **ids: int) -> Got:
        """Send one request and return the answer."""


class Ending(NamedTuple):
    """Why the loop ends. `finished`: the run is over and nothing of it is left."""

    text: str
    finished: bool = False
    exit_code: int = 0


class Loop:
    """One distributor of one run.

    asker, reporter  the server, once for each thread that talks to it
    connect          makes the connected cluster of a name, for a workflow
    alive            called when the lease is held
    replay           hands over the outcomes that a workflow's workers on a cluster could not tell
    """

    def __init__(
        self,
        run_id: WorkflowRunId,
        asker: Talker,
        reporter: Talker,
        connect: Connect,
        alive: Callable[[], object] = lambda: None,
        poll_seconds: float = POLL_SECONDS,
        pauses: Pauses | None = None,
        clock: Callable[[], float] = time.monotonic,
        replay: Replay = lambda name, workflow_id: (),
    ) -> None:
        """Nothing happens before `run`."""
        self._replay = replay
        self._run_id = run_id
        self._asker = asker
        self._reporter = reporter
        self._connect = connect
        self._alive = alive
        self._poll_seconds = poll_seconds
        self._pauses = pauses
        self._clock = clock
        self._lease = LeaseAnswer(workflow_id=WorkflowId(0), fence=0, lease_seconds=0)
        self._lease_until = 0.0
        self._changed = threading.Condition()
        self._desks: dict[str, Desk] = {}
        self._outbox = Outbox()
        self._spare_mark = 0  # of the newest answer
        self._polling = False
        self._ended = False  # nothing new is begun
        self._closing = False  # all desks are shut
        self._endings: queue.SimpleQueue[Ending] = queue.SimpleQueue()

    def run(self) -> Ending:
        """Drive the run to its end, or until it is somebody else's."""
        asker = threading.Thread(target=self._guarded, args=(self._ask,), name="asker", daemon=True)
        reporter = threading.Thread(target=self._guarded, args=(self._tell,), name="reporter", daemon=True)
        asker.start()
        reporter.start()
        ending = self._endings.get()
        log.info("workflow run %d: %s", self._run_id, ending.text)
        self._leave(ending, reporter)
        return ending

    def stop(self, why: str) -> None:
        """Leave: jobs stay on their clusters for whoever comes next. A signal handler may call this."""
        self._endings.put(Ending(why))

    # The threads.

    def _guarded(self, body: Callable[[], None]) -> None:
        try:
            body()
        except OTHERS_TURN as error:
            with self._changed:
                self._outbox.forget()
            self._end(Ending(f"leaves it to others: {error}"))
        except Exception as error:  # the top of a thread: the process must end, with the reason in its log
            log.exception("workflow run %d cannot be driven any further", self._run_id)
            self._end(Ending(f"{type(error).__name__}: {error}", exit_code=1))

    def _ask(self) -> None:
        self._take_lease()
        quiet = 0
        while not self._ended:
            self._wait(SETTLE_SECONDS, lambda: not any(desk.is_busy() for desk in self._desks.values()))
            began = self._clock()
            answer, new = self._exchange(self._asker, self._patience_seconds())
            quick = self._clock() - began < 1
            quiet = quiet + 1 if quick and answer and not new and not answer.more else 0
            if answer:
                repeats = bool(answer.submit or answer.cancel or answer.suspects)
                self._wait(rest_seconds(quiet, repeats), self._has_news)

    def _patience_seconds(self) -> float:
        """How long the server may keep the next question; not at all when the lease must be proven first."""
        return min(self._poll_seconds, self._lease.lease_seconds / 3) if self._holds_lease() else 0.0

    def _tell(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._must_tell)
                if not self._has_news():
                    return
            answer, _ = self._exchange(self._reporter, wait_seconds=0)
            if answer is None and self._ended:
                return

    def _must_tell(self) -> bool:
        return self._closing or (self._has_news() and (self._polling or self._ended))

    def _wait(self, seconds: float, until: Callable[[], bool]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._ended or until(), seconds)

    # Talking with the server.

    def _take_lease(self) -> None:
        host, pid = os.uname().nodename, os.getpid()
        request = LeaseRequest(holder=str(uuid.uuid4()), host=host, pid=pid, version=__version__)
        pause = 0.0
        while not self._ended and not self._lease_until:
            began = self._clock()
            try:
                self._lease = self._asker.call(LEASE, request, run_id=self._run_id)
            except PASSING as error:
                pause = self._rest_after(error, pause)
                continue
            self._lease_until = began + self._lease.lease_seconds
            with self._changed:
                for name in sorted({batch.cluster for batch in self._lease.launched}):
                    batches = [batch for batch in self._lease.launched if batch.cluster == name]
                    self._open_desk(name).plan.taken_over(batches, self._clock())
            log.info(
                "workflow run %d of workflow %d: lease taken with fence %d",
                self._run_id,
                self._lease.workflow_id,
                self._lease.fence,
            )
            self._alive()

    def _exchange(self, server: Talker, wait_seconds: float) -> tuple[AdvanceAnswer | None, int]:
        """One ADVANCE with all that is to be told; the answer, and how much of it is new.

        None only when the loop has ended and the server is away.
        """
        pause = 0.0
        while True:
            began = self._clock()
            with self._changed:
                fence, notice = self._lease.fence, self._notice()
                request = self._outbox.take(
                    fence, self._in_hand(), self._paces(), notice, wait_seconds, self._spare_mark
                )
                self._polling = self._polling or wait_seconds > 0
            try:
                answer = server.call(ADVANCE, request, run_id=self._run_id)
            except PASSING as error:
                with self._changed:
                    self._outbox.put_back(request)
                if self._ended:
                    return None, 0
                pause = self._rest_after(error, pause)
                continue
            with self._changed:
                self._polling = self._polling and wait_seconds == 0
                self._outbox.told(request)
                self._lease_until = max(self._lease_until, began + self._lease.lease_seconds)
                return answer, self._dispatch(answer)

    def _rest_after(self, error: JobmonError, pause: float) -> float:
        pause = SERVER_PAUSE.after(pause)
        log.error("the server did not take a request, next try in %.1f s: %s", pause, error)
        self._wait(pause, lambda: False)
        return pause

    # Shared state; the lock is held.

    def _dispatch(self, answer: AdvanceAnswer) -> int:
        """Give each desk its part of the answer; returns how much of it was new."""
        if self._ended:
            return 0
        for name in _clusters(answer) - self._desks.keys():
            self._open_desk(name)
        new = 0
        for name, desk in self._desks.items():
            new += desk.plan.told(
                [batch for batch in answer.submit if batch.cluster == name],
                [job for job in answer.cancel if job.cluster == name],
                [job for job in answer.suspects if job.cluster == name],
                now=self._clock(),
                active=answer.active > 0,
                complete=not answer.more,
                spare=[job for job in answer.spare if job.cluster == name],
            )
        self._spare_mark = answer.spare_mark
        if answer.status in OVER:
            finished = answer.status in ENDED_BY_ITSELF and answer.active == 0 and not self._in_hand()
            self._end(Ending(f"is over with status {answer.status}", finished=finished))
        self._changed.notify_all()
        return new

    def _open_desk(self, name: str) -> Desk:
        connect = partial(self._connect, name, self._lease.workflow_id)
        plan = Plan(self._outbox.add, self._pauses)
        replay = partial(self._replay, name, self._lease.workflow_id)
        self._desks[name] = Desk(name, plan, connect, self._changed, self._holds_lease, self._clock, replay)
        self._desks[name].start()
        return self._desks[name]

    def _holds_lease(self) -> bool:
        """Whether no other distributor can have the run: one that was suspended must not go on submitting."""
        return self._clock() < self._lease_until

    def _in_hand(self) -> list[BatchId]:
        return [batch_id for desk in self._desks.values() for batch_id in desk.plan.in_hand]

    def _paces(self) -> list[Pace]:
        """Of the clusters that do not do with the usual one."""
        paces = (desk.pace() for desk in self._desks.values())
        return [pace for pace in paces if pace and pace != Pace(cluster=pace.cluster)]

    def _notice(self) -> str:
        return "; ".join(notice for desk in self._desks.values() if (notice := desk.notice()))

    def _has_news(self) -> bool:
        return self._outbox.has_news(self._notice())

    # The end.

    def _end(self, ending: Ending) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._endings.put(ending)

    def _leave(self, ending: Ending, reporter: threading.Thread) -> None:
        """Shut the desks, tell the server what came of the last things they did."""
        with self._changed:
            self._ended = True
            for desk in self._desks.values():
                desk.stop(ending.finished)
            self._changed.notify_all()
        deadline = self._clock() + LEAVE_SECONDS
        for name, desk in self._desks.items():
            if not desk.join(max(0.0, deadline - self._clock())):
                log.warning("cluster %s still does not answer; leaving without it", name)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        reporter.join(LAST_WORDS_SECONDS)


def _clusters(answer: AdvanceAnswer) -> set[str]:
    jobs = (*answer.cancel, *answer.suspects, *answer.spare)
    return {batch.cluster for batch in answer.submit} | {job.cluster for job in jobs}
