"""What became of silent attempts: the queue says what is alive, accounting how the others ended."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from jobmon.core.cluster import Connection, JobState
from jobmon.core.ids import TaskInstanceId
from jobmon.core.scheduler.api import Api
from jobmon.core.scheduler.dialect import Dialect, Place
from jobmon.core.scheduler.limits import Limits
from jobmon.core.scheduler.logs import Logs
from jobmon.core.scheduler.looking import Lookout
from jobmon.core.scheduler.nodes import Nodes
from jobmon.core.scheduler.options import SchedulerOptions
from jobmon.core.scheduler.shapes import NoAnswer, Queued, Record, Refused, Unreachable
from jobmon.core.scheduler.verdicts import judge, vanished
from jobmon.core.wire import Job, Observed

Task = tuple[str, str, int | None]  # array id, name, index


class Judge:
    """Looks for proof. What was missing is kept until it is found, or has been missing for long enough."""

    def __init__(
        self,
        connection: Connection,
        api: Api,
        dialect: Dialect,
        limits: Limits,
        lookout: Lookout,
        logs: Logs,
        nodes: Nodes,
        clock: Callable[[], float],
    ) -> None:
        """Nothing was asked about yet."""
        self._options: SchedulerOptions = connection.options
        self._place = Place(str(connection.state_dir), connection.python)
        self._api = api
        self._dialect = dialect
        self._limits = limits
        self._lookout = lookout
        self._logs = logs
        self._nodes = nodes
        self._clock = clock
        self._missing_since: dict[TaskInstanceId, float] = {}
        self._lingered: dict[TaskInstanceId, Observed] = {}  # verdicts on jobs that are cancelled since

    def observe(self, jobs: Iterable[Job]) -> list[Observed]:
        """What is known of each of these."""
        states = self._dialect.states
        shown = {(row.array_id, row.name, index): row for row in self._lookout.rows() for index in row.indices}
        seen: list[Observed] = []
        ended: list[tuple[Job, Queued | None]] = []
        for job in jobs:
            row = shown.get((job.job_id, job.name, job.index))
            if row is None or row.state in states.over:
                ended.append((job, row))
                continue
            self._missing_since.pop(job.instance_id, None)
            state = states.alive.get(row.state, JobState.UNKNOWN)
            seen.append(Observed(instance_id=job.instance_id, state=state, node=row.nodes))
        records = self._records([(job, row) for job, row in ended if not self._lingers(row)])
        return seen + [self._verdict(job, row, records) for job, row in ended]

    def _records(self, ended: Collection[tuple[Job, Queued | None]]) -> dict[Task, Record] | None:
        """What accounting says, if there is any; None when it does not answer."""
        known = [job for job, _ in ended if job.job_id]
        if not known or not self._limits.has_accounting:
            return {}
        hours = max(self._logs.hours_since(job.name) for job in known)
        try:
            found = _by_task(self._api.history(_indices(known), hours))
            left = {job.job_id for job, row in ended if row is None and job.job_id and not job.started}
            left &= {job.job_id for job in known if _task(job) not in found}
            if left and self._dialect.shares_records:
                return found | _by_task(self._api.history(dict.fromkeys(sorted(left)), hours))
            return found
        except (Unreachable, NoAnswer, Refused):
            return None

    def _verdict(self, job: Job, row: Queued | None, records: Mapping[Task, Record] | None) -> Observed:
        record = records.get(_task(job)) if records is not None else None
        if record is None or record.state not in self._dialect.states.over:
            if row is None:
                return _unknown(job) if records is None else self._missing(job)
            lags = self._limits.has_accounting and not self._lingers(row)
            if lags and self._absent_seconds(job) < self._options.lag_seconds:
                return _unknown(job)
            record = self._shown(job, row)
        log = self._logs.tail(job.name, job.index)
        verdict = judge(job, record, log, self._place, self._dialect)
        if self._lingers(row):
            self._lingered[job.instance_id] = verdict.observed
        if verdict.bad_node:
            self._nodes.failed(verdict.bad_node, job.task_id, verdict.observed.message.splitlines()[0])
        return verdict.observed

    def _shown(self, job: Job, row: Queued) -> Record:
        """What the queue alone says."""
        detail = row.reason if self._lingers(row) else ""
        name, user = job.name, self._api.user
        return Record(job.job_id, job.index, name, user, row.state, nodes=row.nodes, detail=detail)

    def _lingers(self, row: Queued | None) -> bool:
        return row is not None and row.state in self._dialect.states.lingering

    def _missing(self, job: Job) -> Observed:
        if job.instance_id in self._lingered:
            return self._lingered[job.instance_id]
        if self._absent_seconds(job) < self._options.vanish_seconds:
            return _unknown(job)
        return vanished(job, self._dialect)

    def _absent_seconds(self, job: Job) -> float:
        """Since accounting or queue were first seen without it."""
        return self._clock() - self._missing_since.setdefault(job.instance_id, self._clock())


def _unknown(job: Job) -> Observed:
    return Observed(instance_id=job.instance_id, state=JobState.UNKNOWN)


def _task(job: Job) -> Task:
    return job.job_id, job.name, job.index


def _indices(jobs: Sequence[Job]) -> dict[str, list[int]]:
    by_array: dict[str, list[int]] = {}
    for job in jobs:
        by_array.setdefault(job.job_id, []).append(job.index)
    return by_array


def _by_task(records: Iterable[Record]) -> dict[Task, Record]:
    return {(record.array_id, record.name, record.index): record for record in records}
