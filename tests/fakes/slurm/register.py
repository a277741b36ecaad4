"""The jobs that slurmctld knows, by id and by name, with the counts that limits are about."""

from collections import Counter, deque
from collections.abc import Iterator

from fakes.slurm.records import Job, Part


class Register:
    """`jobs` is the controller's memory, `ledger` the accounting database, `queue` what has something to start."""

    def __init__(self, first_id: int = 1) -> None:
        self.next_id = first_id
        self.jobs: dict[int, Job] = {}
        self.ledger: dict[int, list[Job]] = {}  # every job that ever had the id
        self.queue: dict[int, Job] = {}
        self.live = 0
        self.live_of: Counter[str] = Counter()
        self._finished: deque[Job] = deque()
        self._named: dict[tuple[str, str], dict[int, Job]] = {}  # live jobs of a user and name, oldest first

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id - 1

    def add(self, job: Job) -> None:
        self.jobs[job.job_id] = self.queue[job.job_id] = job
        self.ledger.setdefault(job.job_id, []).append(job)
        self._named.setdefault((job.submission.user, job.name), {})[job.job_id] = job
        self._count(job, job.size)

    def tasks_over(self, job: Job, tasks: int, now: float) -> None:
        job.live -= tasks
        job.last_end = now
        self._count(job, -tasks)
        if not job.live:
            self._finished.append(job)
            self._unname(job)

    def drop(self, job: Job) -> None:
        """Lose it, in the accounting as well."""
        self._count(job, -job.live)
        self._unname(job)
        job.live = 0
        self.queue.pop(job.job_id, None)
        if self.jobs.get(job.job_id) is job:
            del self.jobs[job.job_id]
        self.ledger[job.job_id].remove(job)

    def forget_old(self, horizon: float) -> None:
        """Drop from memory what was over before the horizon."""
        while self._finished and self._finished[0].last_end < horizon:
            job = self._finished.popleft()
            if not job.live and self.jobs.get(job.job_id) is job:
                del self.jobs[job.job_id]

    def waits_for_its_like(self, job: Job) -> bool:
        """Whether an older job of the same user and name is not over."""
        return next(iter(self._named[job.submission.user, job.name])) != job.job_id

    def records(self) -> Iterator[Part]:
        return (part for job in self.jobs.values() for part in job.records())

    def _count(self, job: Job, tasks: int) -> None:
        self.live += tasks
        self.live_of[job.submission.user] += tasks

    def _unname(self, job: Job) -> None:
        alike = self._named.get((job.submission.user, job.name), {})
        alike.pop(job.job_id, None)
        if not alike:
            self._named.pop((job.submission.user, job.name), None)
