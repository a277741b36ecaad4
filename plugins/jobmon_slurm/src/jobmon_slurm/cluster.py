"""The cluster contract on Slurm: batches become job arrays, silent attempts are judged by queue and accounting."""

import logging
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

from msgspec.structs import replace

from jobmon.core.cluster import Connection, JobState, Look
from jobmon.core.constants import FailureClass, TaskInstanceStatus
from jobmon.core.exceptions import ClusterError
from jobmon.core.ids import BatchId, TaskInstanceId
from jobmon.core.wire import Batch, Job, Observed, Pace
from jobmon_slurm.api import Slurm, choose
from jobmon_slurm.judging import LAG_SECONDS, Judge
from jobmon_slurm.limits import Limits
from jobmon_slurm.logs import Logs
from jobmon_slurm.looking import Lookout
from jobmon_slurm.nodes import Nodes
from jobmon_slurm.options import Options
from jobmon_slurm.reach import check_reach
from jobmon_slurm.states import IMPOSSIBLE, OVER
from jobmon_slurm.submitting import Submitter
from jobmon_slurm.watch import expressions

log = logging.getLogger(__name__)

BATCHES_WAITING = 2


class SlurmCluster:
    """One workflow's jobs on one Slurm. Used from one thread."""

    def __init__(
        self,
        connection: Connection,
        slurm: Slurm,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is asked yet. `clock` counts seconds from anywhere."""
        options: Options = connection.options
        self._options = options
        self._slurm = slurm
        self._limits = limits
        self._clock = clock
        self._logs = Logs(connection.state_dir / "logs")
        nodes = Nodes(connection.shared_dir, options.avoid_seconds, options.avoid_after)
        self._lookout = Lookout(slurm, options, clock, clear=lambda batch: self._logs.tidy(batch.name))
        self._submitter = Submitter(connection, slurm, limits, self._lookout, self._logs, nodes)
        self._judge = Judge(connection, slurm, limits, self._lookout, self._logs, nodes, clock)
        self._absent_since: dict[str, float] = {}

    @classmethod
    def connected(cls, connection: Connection, clock: Callable[[], float] = time.monotonic) -> "SlurmCluster":
        """Find out how to talk to Slurm, and its limits. Raises ClusterError."""
        options: Options = connection.options
        back_end, why = choose(options)
        slurm = Slurm(back_end, options)
        try:
            config = slurm.config()
            limits = Limits.read(config, None, options)
            if limits.has_accounting:
                limits = Limits.read(config, _submit_limit(slurm), options)
            if not options.answer_seconds:
                slurm.be_patient(3 * limits.message_seconds)
            check_reach(connection, slurm)
        except ClusterError:
            slurm.close()
            raise
        log.info("Slurm %s by %s; %s", config.get("SLURM_VERSION", "?"), why, limits)
        return cls(connection, slurm, limits, clock)

    def pace(self) -> Pace:
        """Arrays as large as the limits allow; what becomes ready while two wait goes into the next one."""
        return Pace(max_batch=self._limits.batch, max_waiting=BATCHES_WAITING)

    def adopt(self, batches: Sequence[Batch]) -> None:
        """Watch these from now on."""
        for batch in batches:
            self._lookout.begin(batch, batch.job_id)
        self._lookout.soon()

    def notice(self) -> str:
        """Why Slurm makes us wait."""
        if self._slurm.trouble or self._submitter.waits:
            return self._slurm.trouble or self._submitter.waits
        reasons = self._lookout.watch.reasons.most_common(3)
        waiting = [f"{count} tasks wait ({reason})" for reason, count in reasons]
        return f"Slurm: {', '.join(waiting)}" if waiting else ""

    def submit(self, batch: Batch) -> str:
        """Hand over a batch as one array."""
        self._absent_since.pop(batch.name, None)
        job_id = self._submitter.submit(batch)
        self._begin(batch, job_id)
        return job_id

    def _begin(self, batch: Batch, job_id: str) -> None:
        self._lookout.begin(batch, job_id)
        self._submitter.doubtful.discard(batch.name)
        self._absent_since.pop(batch.name, None)

    # Looking up.

    def look_up(self, batches: Sequence[Batch]) -> Mapping[BatchId, Look]:
        """By name: in the queue, then in accounting; absent only when both have not had it for a while."""
        by_name = {batch.name: batch for batch in batches}
        self._submitter.doubtful.update(by_name)
        looks = self._found(by_name, self._queued(by_name))
        left = [name for name, batch in by_name.items() if batch.batch_id not in looks]
        if left and self._limits.has_accounting:
            hours = max(self._logs.hours_since(name) for name in left)
            try:
                records = self._slurm.history_of_names(left, hours)
            except ClusterError:
                if looks:
                    return looks
                raise
            looks |= self._found(by_name, _first((one.name, one.array_id) for one in records if one.name in left))
        absent = [batch for batch in batches if batch.batch_id not in looks and self._is_settled(batch.name)]
        return looks | {batch.batch_id: Look(absent=True) for batch in absent}

    def _queued(self, names: Container[str]) -> dict[str, str]:
        """Name -> array in the queue. Of two of one name, left by a double submission, the later is cancelled."""
        rows = [row for row in self._lookout.rows() if row.name in names]
        found = _first((row.name, row.array_id) for row in rows)
        later = {row.array_id for row in rows if row.array_id != found[row.name] and row.state not in OVER}
        if later:
            self._cancel(sorted(later))
        return found

    def _found(self, by_name: Mapping[str, Batch], arrays: Mapping[str, str]) -> dict[BatchId, Look]:
        for name, job_id in arrays.items():
            self._begin(by_name[name], job_id)
        return {by_name[name].batch_id: Look(job_id=job_id) for name, job_id in arrays.items()}

    def _is_settled(self, name: str) -> bool:
        """Whether a job of this name would have come to light by now."""
        since = self._absent_since.setdefault(name, self._clock())
        return self._clock() - since >= 2 * self._limits.message_seconds + LAG_SECONDS

    # What became of them.

    def events(self) -> Sequence[Observed]:
        """Look at the queue when it is time: rarely, and the more rarely the longer that takes."""
        impossible: list[Observed] = []
        if self._lookout.is_due():
            self._lookout.look()
            impossible = self._give_up_impossible()
        ended = [
            Observed(instance_id=_instance(batch, index), state=JobState.ENDED)
            for batch, index in self._lookout.ended()
        ]
        return ended + impossible

    def _give_up_impossible(self) -> list[Observed]:
        """Cancel what can never start, and say why in Slurm's words."""
        watch = self._lookout.watch
        stuck = watch.impossible(self._clock(), self._options.impossible_seconds)
        if stuck:
            self._cancel(expressions([(watch.job_id(batch.batch_id), index) for batch, index, _ in stuck]))
            watch.give_up((batch, index) for batch, index, _ in stuck)
        return [_impossible(batch, index, reason) for batch, index, reason in stuck]

    def observe(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """The queue says what is alive; accounting says how the others ended."""
        return self._judge.observe(self._with_job_ids(jobs))

    def _with_job_ids(self, jobs: Sequence[Job]) -> list[Job]:
        """Also those of which no job id is known: a batch that was called refused may be there after all."""
        ids: dict[str, str] = {}
        if not all(job.job_id for job in jobs):
            ids = _first((row.name, row.array_id) for row in self._lookout.rows())
        return [job if job.job_id else replace(job, job_id=ids.get(job.name, "")) for job in jobs]

    # Ending.

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """Cancel those that the queue still has under their names; a cancel that is lost is made again."""
        alive = {
            (row.array_id, row.name, index)
            for row in self._lookout.rows()
            if row.state not in OVER
            for index in row.indices
        }
        jobs = self._with_job_ids(jobs)
        left = [job for job in jobs if (job.job_id, job.name, job.index) in alive]
        if left:
            self._cancel(expressions((job.job_id, job.index) for job in left))
        return [_cancelled(job) for job in jobs if (job.job_id, job.name, job.index) not in alive]

    def _cancel(self, wanted: Sequence[str]) -> None:
        self._lookout.acted()
        self._slurm.cancel(wanted)

    def close(self, finished: bool) -> None:
        """Let go; a finished run leaves no logs of ours behind."""
        if finished:
            self._logs.clear()
        self._slurm.close()


def _first(arrays: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Name -> the array that was submitted first, of pairs (name, array)."""
    return dict(sorted(arrays, key=lambda pair: int(pair[1]), reverse=True))


def _submit_limit(slurm: Slurm) -> int | None:
    try:
        return slurm.submit_limit()
    except ClusterError as error:
        log.warning("what accounting lets this user submit is not known: %s", error)
        return None


def _instance(batch: Batch, index: int) -> TaskInstanceId:
    return TaskInstanceId(batch.first_instance_id + index)


def _impossible(batch: Batch, index: int, reason: str) -> Observed:
    words = f"Slurm will never start the job as it was asked for: {reason}, {IMPOSSIBLE[reason]}. Ask for less."
    return Observed(
        instance_id=_instance(batch, index),
        state=JobState.OVER,
        status=TaskInstanceStatus.ERROR_FATAL,
        failure_class=FailureClass.FATAL,
        message=words,
    )


def _cancelled(job: Job) -> Observed:
    return Observed(
        instance_id=job.instance_id,
        state=JobState.GONE,
        status=TaskInstanceStatus.ERROR_FATAL,
        failure_class=FailureClass.KILLED,
        message=f"cancelled (Slurm job {job.job_id}_{job.index})",
    )
