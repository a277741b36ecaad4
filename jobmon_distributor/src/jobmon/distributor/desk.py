"""One cluster's desk: a thread that does what the plan says and tells the plan what came of it.

Batch systems take their time (30 s for one submission have been seen), so each cluster has a thread of its own
and nothing else waits for it.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from msgspec.structs import replace

from jobmon.core.cluster import Cluster, Look
from jobmon.core.constants import FailureClass
from jobmon.core.exceptions import BatchTooLarge, ClusterError, SubmitRefused, SubmitUnknown
from jobmon.core.ids import BatchId, TaskInstanceId
from jobmon.core.wire import Batch, Job, Observed, Pace
from jobmon.distributor.actions import Action, Adopt, Cancel, Drop, Listen, LookUp, Observe, Prune, Submit
from jobmon.distributor.plan import Plan

log = logging.getLogger(__name__)

Result = Callable[[float], None]  # what to tell the plan; the argument is the time
T = TypeVar("T")


class Desk:
    """The thread and its cluster, which is connected when there is something to do for it.

    changed     guards the plan and all else that threads share; notified when something changed
    may_submit  whether the run is certainly still ours
    replay      hands over the outcomes that workers could not tell; returns the attempts they are of, told or not
    """

    def __init__(
        self,
        name: str,
        plan: Plan,
        connect: Callable[[], Cluster],
        changed: threading.Condition,
        may_submit: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        replay: Callable[[], Collection[TaskInstanceId]] = tuple,
    ) -> None:
        """Nothing is connected before it is needed."""
        self._replay = replay
        self.plan = plan
        self._name = name
        self._connect = connect
        self._changed = changed
        self._may_submit = may_submit
        self._clock = clock
        self._cluster: Cluster | None = None
        self._broken = ""  # why the cluster can never be used
        self._trouble: dict[str, str] = {}  # for each verb, what was logged last
        self._working = False
        self._stopped = False
        self._finished = False
        self._thread = threading.Thread(target=self._run, name=f"cluster {name}", daemon=True)

    def start(self) -> None:
        """Open the desk."""
        self._thread.start()

    def stop(self, finished: bool) -> None:
        """Shut the desk after what it is doing now. Called with the lock held."""
        self._stopped = True
        self._finished = finished

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the end of the thread; False if it still has not come."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def is_busy(self) -> bool:
        """Whether a result will come, perhaps at once. Called with the lock held."""
        return self._working or self.plan.next_at(self._may_submit()) <= self._clock()

    def pace(self) -> Pace | None:
        """How the cluster wants its batches cut; None before it was connected."""
        return None if self._cluster is None else replace(self._cluster.pace(), cluster=self._name)

    def notice(self) -> str:
        """Why the cluster makes us wait."""
        told = "" if self._cluster is None else self._cluster.notice()
        return self.plan.notice or self._trouble.get("events", "") or told

    def _run(self) -> None:
        while action := self._next():
            result = self._perform(action)
            with self._changed:
                result(self._clock())
                self._working = False
                self._changed.notify_all()
        if self._cluster is not None:
            cluster = self._cluster
            if spare := self.plan.spare:
                self._seen("cancel", lambda cluster: cluster.cancel(spare))
            self._ask("close", lambda _: cluster.close(self._finished), None)

    def _next(self) -> Action | None:
        """Wait for something to do; None when the desk is shut."""
        with self._changed:
            while not self._stopped:
                may_submit = self._may_submit()
                if action := self.plan.next(self._clock(), may_submit):
                    self._working = True
                    return action
                pause = self.plan.next_at(may_submit) - self._clock()
                self._changed.wait(max(0.0, pause) if pause < threading.TIMEOUT_MAX else None)
        return None

    def _perform(self, action: Action) -> Result:
        match action:
            case Adopt(batches):
                _, trouble = self._ask("adopt", lambda cluster: cluster.adopt(batches), None)
                return lambda now: self.plan.adopted(not trouble, now)
            case Submit(batch):
                return self._submit(batch)
            case LookUp(batches):
                return self._look_up(batches)
            case Cancel(jobs):
                gone = self._seen("cancel", lambda cluster: cluster.cancel(jobs))
                return lambda now: self.plan.cancelled(jobs, gone, now)
            case Prune(jobs):
                self._seen("cancel", lambda cluster: cluster.cancel(jobs))
                return lambda now: self.plan.pruned(jobs, now)
            case Observe(jobs):
                seen = self._observe(jobs)
                return lambda now: self.plan.observed(jobs, seen, now)
            case Listen():
                heard = self._seen("events", lambda cluster: cluster.events())
                return lambda now: self.plan.heard(heard, now)
            case Drop(batch):
                return lambda _: self.plan.dropped(batch)

    def _submit(self, batch: Batch) -> Result:
        try:
            job_id = self._connected().submit(batch)
        except SubmitRefused as no:
            refused, failure_class = str(no), no.failure_class
            log.warning("cluster %s refused batch %s (%s): %s", self._name, batch.name, failure_class, no)
            too_large = isinstance(no, BatchTooLarge)
            return lambda now: self.plan.refused(batch, failure_class, refused, now, too_large)
        except SubmitUnknown as error:
            unknown = str(error)
            log.warning("cluster %s may have taken batch %s: %s", self._name, batch.name, error)
            return lambda now: self.plan.unclear(batch, unknown, now)
        except Exception as error:  # a plugin may fail in any way after the cluster took the batch
            unknown = f"{type(error).__name__}: {error}"
            log.exception("cluster %s failed while submitting batch %s", self._name, batch.name)
            return lambda now: self.plan.unclear(batch, unknown, now)
        log.info("cluster %s took batch %s of %d as job %s", self._name, batch.name, batch.size, job_id)
        return lambda now: self.plan.launched(batch, job_id, now)

    def _look_up(self, batches: tuple[Batch, ...]) -> Result:
        nothing: dict[BatchId, Look] = {}
        looks, trouble = self._ask("look_up", lambda cluster: dict(cluster.look_up(batches)), nothing)
        if self._broken:
            return lambda now: self._refuse_all(batches, now)
        return lambda now: self.plan.looked_up(batches, looks, now, trouble)

    def _refuse_all(self, batches: tuple[Batch, ...], now: float) -> None:
        for batch in batches:
            self.plan.refused(batch, FailureClass.FATAL, self._broken, now)

    def _observe(self, jobs: tuple[Job, ...]) -> Sequence[Observed]:
        """What the cluster says of those that did not leave word themselves."""
        told = self._replay()
        left = [job for job in jobs if job.instance_id not in told]
        return self._seen("observe", lambda cluster: cluster.observe(left)) if left else ()

    def _seen(self, verb: str, ask: Callable[[Cluster], Sequence[Observed]]) -> Sequence[Observed]:
        nothing: Sequence[Observed] = ()
        return self._ask(verb, ask, nothing)[0]

    def _ask(self, verb: str, ask: Callable[[Cluster], T], nothing: T) -> tuple[T, str]:
        """The cluster's answer, or `nothing` with the reason why there is none."""
        try:
            answer = ask(self._connected())
        except ClusterError as error:
            return nothing, self._complain(verb, error)
        except Exception as error:  # noqa: BLE001  # whatever a plugin does wrong proves nothing; it is logged
            return nothing, self._complain(verb, error, with_traceback=True)
        self._trouble.pop(verb, None)
        return answer, ""

    def _complain(self, verb: str, error: Exception, with_traceback: bool = False) -> str:
        """Log the trouble once, however often it is met."""
        trouble = str(error) if isinstance(error, ClusterError) else f"{type(error).__name__}: {error}"
        if trouble != self._trouble.get(verb):
            log.warning("cluster %s: no answer to %s: %s", self._name, verb, trouble, exc_info=with_traceback)
        self._trouble[verb] = trouble
        return trouble

    def _connected(self) -> Cluster:
        """The cluster. Raises SubmitRefused when it cannot be reached now (policy) or ever (fatal)."""
        if self._cluster is None and not self._broken:
            try:
                self._cluster = self._connect()
            except ClusterError as error:
                raise SubmitRefused(
                    f"cluster {self._name!r} cannot be reached: {error}", FailureClass.POLICY
                ) from error
            except Exception as error:  # a plugin that cannot even be imported may raise anything
                log.exception("cluster %s cannot be used", self._name)
                self._broken = f"cluster {self._name!r} cannot be used: {error}"
        if self._cluster is None:
            raise SubmitRefused(self._broken, FailureClass.FATAL)
        return self._cluster
