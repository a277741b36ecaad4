"""A batch system in memory that behaves, or misbehaves, as its script says; time is the test's own."""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from jobmon.core.cluster import ClusterKind, Connection, JobState, Look, instances
from jobmon.core.exceptions import ClusterError, SubmitRefused, SubmitUnknown
from jobmon.core.ids import BatchId, TaskInstanceId
from jobmon.core.resources import QueueLimits
from jobmon.core.wire import Batch, Job, Observed, Pace

ENDED = (JobState.OVER, JobState.GONE)


@dataclass
class FakeJob:
    """A batch as the batch system has it."""

    batch: Batch
    job_id: str
    accepted_at: float
    states: list[JobState]


@dataclass
class FakeCluster:
    """Accepts every batch as an array job and keeps it pending until the test says otherwise.

    script       what the next submissions do, in this order: "accept", "refuse <class> <words>", "time out"
                 (before it was taken), "time out taken", "crash", "hang" (until `go_on` is set)
    lag_seconds  how long a new job is invisible to look_up, as an accounting database may be behind
    lost_cancels how many of the next cancels are lost on the way
    answers      False: every question fails as if the controller were down
    run_seconds  a job runs this long once it has started; None: until the test ends it
    """

    script: deque[str] = field(default_factory=deque)
    lag_seconds: float = 0
    lost_cancels: int = 0
    answers: bool = True
    run_seconds: float | None = None
    now: float = 0

    jobs: dict[str, FakeJob] = field(default_factory=dict)  # by job id
    submitted: list[str] = field(default_factory=list)  # names, one for each attempt to submit
    cancelled: list[Job] = field(default_factory=list)
    observed: list[Job] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)  # verbs that failed
    news: list[Observed] = field(default_factory=list)
    adopted: list[Batch] = field(default_factory=list)
    cut: Pace = Pace()
    reason: str = ""
    closed: bool | None = None
    connection: Connection | None = None
    go_on: threading.Event = field(default_factory=threading.Event)
    _numbers: Callable[[], int] = field(default_factory=lambda: itertools.count(100).__next__)
    _first_looks: dict[str, float] = field(default_factory=dict)
    _in_call: threading.Lock = field(default_factory=threading.Lock)

    def kind(self, name: str = "fake") -> ClusterKind:
        """This cluster as a plugin offers it."""
        return ClusterKind(name=name, queues=lambda options: [QueueLimits(name="all.q")], connect=self.connect)

    def connect(self, connection: Connection | None = None) -> "FakeCluster":
        """Use the cluster."""
        self._must_answer("connect")
        self.connection = connection
        return self

    # The contract.

    def pace(self) -> Pace:
        """What the test says."""
        return self.cut

    def adopt(self, batches: Sequence[Batch]) -> None:
        """Remember what is to be watched."""
        with self._single():
            self._must_answer("adopt")
            self.adopted += batches

    def notice(self) -> str:
        """What the test says."""
        return self.reason

    def submit(self, batch: Batch) -> str:
        """Do what the script says."""
        with self._single():
            self.submitted.append(batch.name)
            verb, _, rest = (self.script.popleft() if self.script else "accept").partition(" ")
            if verb == "refuse":
                failure_class, _, words = rest.partition(" ")
                raise SubmitRefused(words, failure_class)
            if verb == "hang":
                self.go_on.wait(120)
            if verb == "time" and rest == "out":
                raise SubmitUnknown("sbatch did not answer within 30 s")
            job_id = self.accept(batch)
            if verb == "time":
                raise SubmitUnknown("sbatch did not answer within 30 s")
            if verb == "crash":
                raise OSError(12, "Cannot allocate memory")
            return job_id

    def look_up(self, batches: Sequence[Batch]) -> Mapping[BatchId, Look]:
        """Job ids of visible jobs; undecided while a job could still be on its way."""
        with self._single():
            self._must_answer("look_up")
            self.looked_up += [batch.name for batch in batches]
            looks = {batch.batch_id: self._look(batch) for batch in batches}
            return {batch_id: look for batch_id, look in looks.items() if look}

    def observe(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """The state of each attempt; one whose job does not exist is gone."""
        with self._single():
            self._must_answer("observe")
            self.observed += jobs
            return [self._state(job) for job in jobs]

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """End attempts, unless the request is lost."""
        with self._single():
            self._must_answer("cancel")
            self.cancelled += jobs
            if self.lost_cancels:
                self.lost_cancels -= 1
                return []
            for job in jobs:
                self._end(job)
            return [self._state(job) for job in jobs]

    def events(self) -> Sequence[Observed]:
        """What the test put into `news`."""
        with self._single():
            self._must_answer("events")
            news, self.news = self.news, []
            return news

    def close(self, finished: bool) -> None:
        """Remember how it was let go."""
        self.closed = finished

    # What a test does to it.

    def advance(self, seconds: float) -> None:
        """Let time go by: pending jobs start, running ones end when they have a run time."""
        self.now += seconds
        for job in self.jobs.values():
            if self.run_seconds is not None and self.now - job.accepted_at >= self.run_seconds:
                job.states = [s if s in ENDED else JobState.OVER for s in job.states]
            else:
                job.states = [JobState.RUNNING if s == JobState.PENDING else s for s in job.states]

    def accept(self, batch: Batch) -> str:
        """Have this batch as a job, as if somebody had submitted it."""
        job_id = str(self._numbers())
        states = [JobState.PENDING] * batch.size
        self.jobs[job_id] = FakeJob(batch, job_id, self.now, states)
        return job_id

    def lose(self, job_id: str) -> None:
        """Forget a job, as a controller does that was restored from an old state."""
        del self.jobs[job_id]

    def names(self) -> list[str]:
        """Names of the jobs that were taken, in order: no name may be there twice."""
        return [job.batch.name for job in self.jobs.values()]

    # Inside.

    @contextmanager
    def _single(self) -> Iterator[None]:
        assert self._in_call.acquire(blocking=False), "two threads use the cluster at once"
        try:
            yield
        finally:
            self._in_call.release()

    def _must_answer(self, verb: str) -> None:
        if not self.answers:
            self.unanswered.append(verb)
            raise ClusterError(f"{verb}: Unable to contact slurm controller (connect failure)")

    def _look(self, batch: Batch) -> Look | None:
        for job in self.jobs.values():
            if job.batch.name == batch.name:
                visible = self.now - job.accepted_at >= self.lag_seconds
                return Look(job_id=job.job_id) if visible else None
        first = self._first_looks.setdefault(batch.name, self.now)
        return Look(absent=True) if self.now - first >= self.lag_seconds else None

    def _job(self, job: Job) -> FakeJob | None:
        found = self.jobs.get(job.job_id)
        return found if found and found.batch.name == job.name else None

    def _state(self, job: Job) -> Observed:
        found = self._job(job)
        state = found.states[job.index] if found else JobState.GONE
        return Observed(instance_id=job.instance_id, state=state)

    def _end(self, job: Job) -> None:
        if found := self._job(job):
            found.states[job.index] = JobState.GONE


def jobs_of(batch: Batch, job_id: str = "") -> list[Job]:
    """The attempts of a batch as jobs."""
    return [
        Job(
            instance_id=TaskInstanceId(instance_id),
            batch_id=batch.batch_id,
            index=index,
            name=batch.name,
            cluster=batch.cluster,
            job_id=job_id,
        )
        for index, instance_id in enumerate(instances(batch))
    ]
