"""The cluster contract on a scheduler: batches are job arrays, queue and accounting judge silent attempts."""

import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

from msgspec.structs import replace

from jobmon.core.cluster import Connection, JobState, Look
from jobmon.core.constants import FailureClass, TaskInstanceStatus
from jobmon.core.exceptions import ClusterError
from jobmon.core.ids import BatchId, TaskInstanceId
from jobmon.core.scheduler.api import Api
from jobmon.core.scheduler.dialect import Dialect
from jobmon.core.scheduler.judging import Judge
from jobmon.core.scheduler.limits import Limits
from jobmon.core.scheduler.logs import Logs
from jobmon.core.scheduler.looking import Lookout
from jobmon.core.scheduler.nodes import Nodes
from jobmon.core.scheduler.options import SchedulerOptions
from jobmon.core.scheduler.shapes import Tasks
from jobmon.core.scheduler.submitting import Request, Submitter
from jobmon.core.scheduler.verdicts import cancelled
from jobmon.core.wire import Batch, Job, Observed, Pace

BATCHES_WAITING = 2


class SchedulerCluster:
    """One workflow's jobs on one scheduler. Used from one thread."""

    def __init__(
        self,
        connection: Connection,
        api: Api,
        limits: Limits,
        dialect: Dialect,
        request: Request,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is asked yet. `clock` counts seconds from anywhere."""
        options: SchedulerOptions = connection.options
        self._options = options
        self._api = api
        self._limits = limits
        self._dialect = dialect
        self._clock = clock
        self._logs = Logs(connection.state_dir / "logs", dialect.first_index)
        nodes = Nodes(connection.shared_dir, options.avoid_seconds, options.avoid_after)
        states = dialect.states
        self._lookout = Lookout(api, states, options, clock, clear=lambda batch: self._logs.tidy(batch.name))
        self._submitter = Submitter(connection, api, dialect, request, limits, self._lookout, self._logs, nodes)
        self._judge = Judge(connection, api, dialect, limits, self._lookout, self._logs, nodes, clock)
        self._absent_since: dict[str, float] = {}

    def pace(self) -> Pace:
        """Arrays as large as the limits allow; what becomes ready while two wait goes into the next one."""
        return Pace(max_batch=self._limits.batch, max_waiting=BATCHES_WAITING)

    def adopt(self, batches: Sequence[Batch]) -> None:
        """Watch these from now on."""
        for batch in batches:
            self._lookout.begin(batch, batch.job_id)
        self._lookout.soon()

    def notice(self) -> str:
        """Why the scheduler makes us wait."""
        if self._api.trouble or self._submitter.waits:
            return self._api.trouble or self._submitter.waits
        reasons = self._lookout.watch.reasons.most_common(3)
        waiting = [f"{count} tasks wait ({reason})" for reason, count in reasons]
        return f"{self._dialect.name}: {', '.join(waiting)}" if waiting else ""

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
                records = self._api.history_of_names(left, hours)
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
        states = self._dialect.states
        later = {row.array_id for row in rows if row.array_id != found[row.name] and states.in_queue(row.state)}
        if later:
            self._cancel(dict.fromkeys(sorted(later)))
        return found

    def _found(self, by_name: Mapping[str, Batch], arrays: Mapping[str, str]) -> dict[BatchId, Look]:
        for name, job_id in arrays.items():
            self._begin(by_name[name], job_id)
        return {by_name[name].batch_id: Look(job_id=job_id) for name, job_id in arrays.items()}

    def _is_settled(self, name: str) -> bool:
        """Whether a job of this name would have come to light by now."""
        since = self._absent_since.setdefault(name, self._clock())
        return self._clock() - since >= 2 * self._limits.message_seconds + self._options.lag_seconds

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
        """Cancel what can never start, and say why in the scheduler's words."""
        watch = self._lookout.watch
        stuck = watch.impossible(self._clock(), self._options.impossible_seconds)
        if stuck:
            self._cancel(_tasks((watch.job_id(batch.batch_id), index) for batch, index, _ in stuck))
            watch.give_up((batch, index) for batch, index, _ in stuck)
        return [self._impossible(batch, index, reason) for batch, index, reason in stuck]

    def _impossible(self, batch: Batch, index: int, reason: str) -> Observed:
        why = f"{reason}, {self._dialect.states.impossible[reason]}"
        return Observed(
            instance_id=_instance(batch, index),
            state=JobState.OVER,
            status=TaskInstanceStatus.ERROR_FATAL,
            failure_class=FailureClass.FATAL,
            message=f"{self._dialect.name} will never start the job as it was asked for: {why}. Ask for less.",
        )

    def observe(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """The queue says what is alive; accounting says how the others ended."""
        jobs = self._with_job_ids(jobs)
        seen = self._judge.observe(jobs)
        self._clear_lingering(jobs)
        return seen

    def _clear_lingering(self, jobs: Sequence[Job]) -> None:
        """Cancel those that are over for us, and stay in the queue."""
        states = self._dialect.states.lingering
        if not states:
            return
        lingering = self._in_queue(states.__contains__)
        left = [(job.job_id, job.index) for job in jobs if (job.job_id, job.name, job.index) in lingering]
        if left:
            self._cancel(_tasks(left))

    def _with_job_ids(self, jobs: Sequence[Job]) -> list[Job]:
        """Also those of which no job id is known: a batch that was called refused may be there after all."""
        ids: dict[str, str] = {}
        if not all(job.job_id for job in jobs):
            ids = _first((row.name, row.array_id) for row in self._lookout.rows())
        return [job if job.job_id else replace(job, job_id=ids.get(job.name, "")) for job in jobs]

    def _in_queue(self, states: Callable[[str], bool]) -> set[tuple[str, str, int]]:
        """Array id, name and index of each task that the queue shows in such a state."""
        rows = (row for row in self._lookout.rows() if states(row.state))
        return {(row.array_id, row.name, index) for row in rows for index in row.indices}

    # Ending.

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """Cancel those that the queue still has under their names; a cancel that is lost is made again."""
        alive = self._in_queue(self._dialect.states.in_queue)
        jobs = self._with_job_ids(jobs)
        left = [job for job in jobs if (job.job_id, job.name, job.index) in alive]
        if left:
            self._cancel(_tasks((job.job_id, job.index) for job in left))
        gone = [job for job in jobs if (job.job_id, job.name, job.index) not in alive]
        return [cancelled(job, self._dialect) for job in gone]

    def _cancel(self, tasks: Tasks) -> None:
        self._lookout.acted()
        self._api.cancel(tasks)

    def close(self, finished: bool) -> None:
        """Let go; a finished run leaves no logs of ours behind."""
        if finished:
            self._logs.clear()
        self._api.close()


def _first(arrays: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Name -> the array that was submitted first, of pairs (name, array)."""
    return dict(sorted(arrays, key=lambda pair: int(pair[1]), reverse=True))


def _tasks(pairs: Iterable[tuple[str, int]]) -> dict[str, set[int]]:
    """Array id -> indices, of pairs (array id, index)."""
    by_array: dict[str, set[int]] = {}
    for job_id, index in pairs:
        by_array.setdefault(job_id, set()).add(index)
    return by_array


def _instance(batch: Batch, index: int) -> TaskInstanceId:
    return TaskInstanceId(batch.first_instance_id + index)
