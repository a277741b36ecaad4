"""What became of silent attempts: the queue says what is alive, accounting how the others ended."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from jobmon.core.cluster import Connection, JobState
from jobmon.core.ids import TaskInstanceId
from jobmon.core.wire import Job, Observed
from jobmon_slurm.api import Slurm
from jobmon_slurm.limits import Limits
from jobmon_slurm.logs import Logs
from jobmon_slurm.looking import Lookout
from jobmon_slurm.nodes import Nodes
from jobmon_slurm.options import Options
from jobmon_slurm.shapes import NoAnswer, Queued, Record, Refused, Unreachable
from jobmon_slurm.states import ALIVE, OVER
from jobmon_slurm.verdicts import Place, judge, vanished

LAG_SECONDS = 10.0  # by which accounting may be behind

Task = tuple[str, str, int | None]  # array id, name, index


class Judge:
    """Looks for proof. What was missing is kept until it is found, or has been missing for long enough."""

    def __init__(
        self,
        connection: Connection,
        slurm: Slurm,
        limits: Limits,
        lookout: Lookout,
        logs: Logs,
        nodes: Nodes,
        clock: Callable[[], float],
    ) -> None:
        """Nothing was asked about yet."""
        self._options: Options = connection.options
        self._place = Place(str(connection.state_dir), connection.python)
        self._slurm = slurm
        self._limits = limits
        self._lookout = lookout
        self._logs = logs
        self._nodes = nodes
        self._clock = clock
        self._missing_since: dict[TaskInstanceId, float] = {}

    def observe(self, jobs: Iterable[Job]) -> list[Observed]:
        """What is known of each of these."""
        shown = {(row.array_id, row.name, index): row for row in self._lookout.rows() for index in row.indices}
        seen: list[Observed] = []
        ended: list[tuple[Job, Queued | None]] = []
        for job in jobs:
            row = shown.get((job.job_id, job.name, job.index))
            if row is None or row.state in OVER:
                ended.append((job, row))
                continue
            self._missing_since.pop(job.instance_id, None)
            state = ALIVE.get(row.state, JobState.UNKNOWN)
            seen.append(Observed(instance_id=job.instance_id, state=state, node=row.nodes))
        whole = {job.job_id for job, row in ended if row is None and not job.started}
        records = self._records([job for job, _ in ended], whole)
        return seen + [self._verdict(job, row, records) for job, row in ended]

    def _records(self, jobs: Sequence[Job], whole: Collection[str]) -> dict[Task, Record] | None:
        """What accounting says, if there is any; None when it does not answer.

        whole  arrays of which tasks that never started are not found: they share a record that a question for
               one of them does not find
        """
        known = [job for job in jobs if job.job_id]
        if not known or not self._limits.has_accounting:
            return {}
        hours = max(self._logs.hours_since(job.name) for job in known)
        try:
            found = _by_task(self._slurm.history([f"{job.job_id}_{job.index}" for job in known], hours))
            left = {job.job_id for job in known if _task(job) not in found} & set(whole)
            return found | _by_task(self._slurm.history(sorted(left), hours)) if left else found
        except (Unreachable, NoAnswer, Refused):
            return None

    def _verdict(self, job: Job, row: Queued | None, records: Mapping[Task, Record] | None) -> Observed:
        record = records.get(_task(job)) if records is not None else None
        if record is None or record.state not in OVER:
            if row is None:
                return _unknown(job) if records is None else self._missing(job)
            if self._limits.has_accounting and self._absent_seconds(job) < LAG_SECONDS:
                return _unknown(job)
            record = Record(job.job_id, job.index, job.name, self._slurm.user, row.state, nodes=row.nodes)
        self._missing_since.pop(job.instance_id, None)
        verdict = judge(job, record, self._logs.tail(job.name, job.index), self._place)
        if verdict.bad_node:
            self._nodes.failed(verdict.bad_node, job.task_id, verdict.observed.message.splitlines()[0])
        return verdict.observed

    def _missing(self, job: Job) -> Observed:
        if self._absent_seconds(job) < self._options.vanish_seconds:
            return _unknown(job)
        del self._missing_since[job.instance_id]
        return vanished(job)

    def _absent_seconds(self, job: Job) -> float:
        """Since accounting or queue were first seen without it."""
        return self._clock() - self._missing_since.setdefault(job.instance_id, self._clock())


def _unknown(job: Job) -> Observed:
    return Observed(instance_id=job.instance_id, state=JobState.UNKNOWN)


def _task(job: Job) -> Task:
    return job.job_id, job.name, job.index


def _by_task(records: Iterable[Record]) -> dict[Task, Record]:
    return {(record.array_id, record.name, record.index): record for record in records}
