"""The clusters `multiprocess`, `sequential` and `dummy` as the distributor sees them."""

from collections.abc import Mapping, Sequence
from functools import partial

from jobmon.core.cluster import ClusterKind, Connection, JobState, Look, NoOptions, instances
from jobmon.core.constants import FailureClass, TaskInstanceStatus
from jobmon.core.exceptions import ClusterError, SubmitRefused
from jobmon.core.ids import BatchId, TaskInstanceId
from jobmon.core.resources import QueueLimits
from jobmon.core.wire import Batch, Job, Observed, Pace
from jobmon.distributor.local.connection import ExecutorConnection
from jobmon.distributor.local.messages import Bye, Cancel, Known, Observe, Seen, Submit
from jobmon.distributor.local.messages import Look as Find

DIED = "the local executor died, and with it what it had not finished"


class LocalCluster:
    """A connected local cluster. The job id of a batch is the identity of the executor that took it.

    A new executor takes over from a killed one with the same identity, and tells the server itself what was
    lost. Only when the journal is lost too has it another identity; then all it was given is gone.
    """

    def __init__(self, connection: Connection, kind: str) -> None:
        """Starts an executor unless one is alive; does not wait for it."""
        self._executor = ExecutorConnection(connection, kind)
        self._given: dict[BatchId, tuple[str, Batch]] = {}  # to which executor
        self._identity = ""

    def pace(self) -> Pace:
        """The usual one."""
        return Pace()

    def adopt(self, batches: Sequence[Batch]) -> None:
        """Nothing to do: an executor tells the server of the end of all that it was given."""

    def notice(self) -> str:
        """Nothing makes us wait."""
        return ""

    def submit(self, batch: Batch) -> str:
        """Hand a batch to the executor. Raises SubmitRefused when there can be none."""
        try:
            _, welcome = self._executor.ask(Submit(batch=batch), Known)
        except ClusterError as error:
            raise SubmitRefused(str(error), FailureClass.INFRASTRUCTURE) from error
        self._given[batch.batch_id] = (welcome.executor_id, batch)
        return welcome.executor_id

    def look_up(self, batches: Sequence[Batch]) -> Mapping[BatchId, Look]:
        """A living executor knows all it was ever given, so what it does not know is absent."""
        reply, welcome = self._executor.ask(Find(batch_ids=[batch.batch_id for batch in batches]), Known)
        known = set(reply.batch_ids)
        for batch in batches:
            if batch.batch_id in known:
                self._given[batch.batch_id] = (welcome.executor_id, batch)
        return {
            batch.batch_id: Look(job_id=welcome.executor_id) if batch.batch_id in known else Look(absent=True)
            for batch in batches
        }

    def observe(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """Ask the executor; what another one was given is gone with it."""
        seen, lost = self._ask(jobs, Observe)
        return [
            *(Observed(instance_id=id, state=JobState.PENDING) for id in seen.pending),
            *(Observed(instance_id=id, state=JobState.RUNNING) for id in seen.running),
            *(_lost(id) for id in [*seen.gone, *lost]),
        ]

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """Waiting attempts are dropped; running ones are told to end, and seen gone in a later call."""
        seen, lost = self._ask(jobs, Cancel)
        return [_cancelled(id) for id in [*seen.gone, *lost]]

    def events(self) -> Sequence[Observed]:
        """Start another executor if it died, and tell what was lost if that one knows nothing of it."""
        if not self._executor.tend() or self._executor.identity == self._identity:
            return []
        now = self._executor.identity
        self._identity = now
        lost = [batch for executor_id, batch in self._given.values() if executor_id != now]
        for batch in lost:
            del self._given[batch.batch_id]
        return [_lost(TaskInstanceId(id)) for batch in lost for id in instances(batch)]

    def close(self, finished: bool) -> None:
        """Leave the executor to itself; it ends when it has nothing to do, at once if the run is finished."""
        self._executor.leave(Bye(finished=finished))

    def _ask(
        self, jobs: Sequence[Job], question: type[Observe] | type[Cancel]
    ) -> tuple[Seen, list[TaskInstanceId]]:
        """What the executor says of its own jobs, and those that are not its own."""
        now = self._executor.welcome().executor_id
        own = [job for job in jobs if job.job_id in (now, "")]
        lost = [job.instance_id for job in jobs if job.job_id not in (now, "")]
        if not own:
            return Seen(), lost
        columns = question(
            batch_id=[job.batch_id for job in own],
            index=[job.index for job in own],
            instance_id=[job.instance_id for job in own],
        )
        seen, _ = self._executor.ask(columns, Seen)
        return seen, lost


def _lost(instance_id: TaskInstanceId) -> Observed:
    return Observed(
        instance_id=instance_id,
        state=JobState.GONE,
        status=TaskInstanceStatus.NO_HEARTBEAT,
        failure_class=FailureClass.INFRASTRUCTURE,
        message=DIED,
    )


def _cancelled(instance_id: TaskInstanceId) -> Observed:
    return Observed(
        instance_id=instance_id,
        state=JobState.GONE,
        status=TaskInstanceStatus.ERROR_FATAL,
        failure_class=FailureClass.KILLED,
        message="cancelled",
    )


def _queues(options: NoOptions) -> list[QueueLimits]:
    return [QueueLimits(name="null.q")]


def _kind(name: str) -> ClusterKind:
    return ClusterKind(name=name, queues=_queues, connect=partial(LocalCluster, kind=name), on_nodes=False)


multiprocess = _kind("multiprocess")
sequential = _kind("sequential")
dummy = _kind("dummy")
