"""A Slurm in memory behind the plugin's own port: a queue, accounting, and knobs for what goes wrong with them."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fakes.clock import Clock
from jobmon.core.scheduler.indices import parse_indices
from jobmon.core.scheduler.shapes import NoAnswer, Queued, Record, Refused, Submission, Unreachable
from jobmon_slurm.back_end import Partition

PENDING, RUNNING = "PENDING", "RUNNING"
ALIVE = (PENDING, RUNNING)
USER = "me"
NO_CONTROLLER = "squeue: Unable to contact slurm controller (connect failure)"
TOO_MANY = "sbatch: AssocMaxSubmitJobLimit; Batch job submission failed: Job violates accounting/QOS policy"
NO_ACCOUNTING = "sacct: Sending PersistInit msg: Connection refused"


@dataclass
class Task:
    """One task of an array. `ended_at` is None while it waits or runs."""

    state: str = PENDING
    reason: str = "Resources"
    node: str = ""
    exit_code: int = 0
    signal: int = 0
    ended_at: float | None = None


@dataclass
class Array:
    """A job array as the controller has it."""

    job_id: str
    submission: Submission
    submitted_at: float
    tasks: list[Task]

    @property
    def name(self) -> str:
        """The unique name that the plugin gave it."""
        return self.submission.name


@dataclass
class SlurmBackEnd:
    """Does what a cluster does, in `clock`'s time.

    script           what becomes of the next submissions, in this order: "take", "time out" (it was not taken),
                     "time out taken", or the words of a refusal
    down             the controller does not answer; nothing it is asked for happens
    accounting       "on", "down" (an error), "empty" (answers, and knows nothing)
    lag_seconds      by which accounting is behind the controller
    min_job_age      seconds for which the controller keeps what is over
    max_array        tasks in one array
    max_submitted    jobs of the user at one time
    query_seconds    how long a look at the queue takes
    lost_cancels     how many of the next cancels are lost on the way
    others           jobs of the user that the test has submitted by other means
    """

    clock: Clock
    script: deque[str] = field(default_factory=deque)
    down: bool = False
    accounting: str = "on"
    lag_seconds: float = 0
    min_job_age: float = 300
    max_array: int = 1000
    max_submitted: int = 100_000
    query_seconds: float = 0
    lost_cancels: int = 0
    others: list[Queued] = field(default_factory=list)

    asked: list[str] = field(default_factory=list)  # verbs, one for each request
    submissions: list[Submission] = field(default_factory=list)
    cancels: list[str] = field(default_factory=list)  # expressions
    history_sizes: list[int] = field(default_factory=list)
    history_hours: list[int] = field(default_factory=list)
    closed: bool = False
    next_id: int = 100
    nodes: Sequence[str] = ("n1", "n2")
    _arrays: list[Array] = field(default_factory=list)  # in the controller
    _accounted: list[Array] = field(default_factory=list)  # the same objects, never purged

    # The port.

    def version(self) -> str:
        """A version."""
        return "22.05.8"

    def config(self) -> Mapping[str, str]:
        """What `scontrol show config` says."""
        self._must_answer("config")
        storage = "none" if self.accounting == "off" else "slurmdbd"
        return {
            "MaxArraySize": str(self.max_array + 1),
            "MaxJobCount": str(self.max_submitted + 1),
            "MessageTimeout": "10 sec",
            "AccountingStorageType": f"accounting_storage/{storage}",
        }

    def partitions(self) -> list[Partition]:
        """One for long, one for short jobs."""
        self._must_answer("partitions")
        return [Partition("long", default=True), Partition("short", max_seconds=600)]

    def node_addresses(self) -> list[str]:
        """Those of `nodes`."""
        self._must_answer("node_addresses")
        return list(self.nodes)

    def submit(self, submission: Submission) -> str:
        """Do what the script says."""
        self._must_answer("submit")
        self.submissions.append(submission)
        what = self.script.popleft() if self.script else "take"
        if what not in ("take", "time out", "time out taken"):
            raise Refused(what)
        self._check_limits(submission)
        job_id = "" if what == "time out" else self.take(submission)
        if what.startswith("time out"):
            raise NoAnswer("sbatch: Socket timed out on send/recv operation")
        return job_id

    def queue(self, user: str) -> list[Queued]:
        """Waiting tasks of an array share a row."""
        self._must_answer("queue")
        self.clock.now += self.query_seconds
        return [*self._rows(), *self.others]

    def history(self, user: str, jobs: Sequence[str], names: Sequence[str], hours: int) -> list[Record]:
        """Of array tasks or whole arrays, else of names, as accounting knew them `lag_seconds` ago."""
        self.asked.append("history")
        self.history_sizes.append(len(jobs))
        self.history_hours.append(hours)
        if self.accounting == "down":
            raise Unreachable(NO_ACCOUNTING)
        known = [] if self.accounting == "empty" else list(self._records())
        wanted = {*jobs, *names}
        return [one for one in known if wanted & {one.array_id, f"{one.array_id}_{one.index}", one.name}]

    def submit_limit(self, user: str) -> int | None:
        """As many as MaxJobCount allows."""
        self.asked.append("submit_limit")
        return None

    def cancel(self, expressions: Sequence[str]) -> None:
        """End tasks, unless the request is lost."""
        self._must_answer("cancel")
        self.cancels += expressions
        if self.lost_cancels:
            self.lost_cancels -= 1
            return
        for expression in expressions:
            job_id, _, indices = expression.partition("_")
            for array in (one for one in self._arrays if one.job_id == job_id):
                chosen = parse_indices(indices) if indices else range(len(array.tasks))
                self.end(job_id, "CANCELLED", indices=chosen)

    def close(self) -> None:
        """Remember it."""
        self.closed = True

    # What a test does.

    def take(self, submission: Submission) -> str:
        """Have this array, as if somebody had submitted it."""
        tasks = [Task() for _ in range(submission.size)]
        array = Array(str(self.next_id), submission, self.clock(), tasks)
        self.next_id += 1
        self._arrays.append(array)
        self._accounted.append(array)
        return array.job_id

    def start(self, job_id: str, node: str = "n1") -> None:
        """All waiting tasks run."""
        for task in self._open(job_id):
            task.state, task.reason, task.node = RUNNING, "None", node

    def end(
        self,
        job_id: str,
        state: str = "COMPLETED",
        exit_code: int = 0,
        signal: int = 0,
        indices: Sequence[int] | None = None,
    ) -> None:
        """Tasks that are not over end like this."""
        for index, task in enumerate(self.array(job_id).tasks):
            if task.ended_at is None and (indices is None or index in indices):
                task.state, task.exit_code, task.signal, task.ended_at = state, exit_code, signal, self.clock()

    def wait(self, job_id: str, reason: str) -> None:
        """Waiting tasks wait for this."""
        for task in self._open(job_id):
            task.reason = reason

    def show(self, job_id: str, state: str) -> None:
        """Tasks that are not over are in this state."""
        for task in self._open(job_id):
            task.state = state

    def lose(self, job_id: str, everywhere: bool = True) -> None:
        """The controller was killed before it saved the job: its id is given out again."""
        self._arrays = [one for one in self._arrays if one.job_id != job_id]
        if everywhere:
            self._accounted = [one for one in self._accounted if one.job_id != job_id]
        self.next_id = min(self.next_id, int(job_id))

    def array(self, job_id: str) -> Array:
        """The newest array of this id."""
        return next(one for one in reversed(self._accounted) if one.job_id == job_id)

    def alive(self) -> list[str]:
        """Names of arrays that have tasks which are not over."""
        return [one.name for one in self._arrays if any(task.ended_at is None for task in one.tasks)]

    def count(self, verb: str) -> int:
        """How many requests of this kind there were."""
        return self.asked.count(verb)

    # Inside.

    def _must_answer(self, verb: str) -> None:
        self.asked.append(verb)
        if self.down:
            raise Unreachable(NO_CONTROLLER)

    def _check_limits(self, submission: Submission) -> None:
        if submission.size > self.max_array:
            raise Refused("sbatch: Batch job submission failed: Invalid job array specification")
        there = sum(len(self._open(one.job_id)) for one in self._arrays)
        there += sum(max(1, len(row.indices)) for row in self.others)
        if there + submission.size > self.max_submitted:
            raise Refused(TOO_MANY)

    def _open(self, job_id: str) -> list[Task]:
        arrays = [one for one in self._arrays if one.job_id == job_id]
        return [task for one in arrays for task in one.tasks if task.ended_at is None]

    def _rows(self) -> Iterator[Queued]:
        for array in self._arrays:
            shared: dict[tuple[str, str], list[int]] = {}
            for index, task in enumerate(array.tasks):
                if task.state == PENDING:
                    shared.setdefault((task.state, task.reason), []).append(index)
                elif task.ended_at is None or self.clock() - task.ended_at < self.min_job_age:
                    yield Queued(array.job_id, (index,), array.name, task.state, task.reason, nodes=task.node)
            for (state, reason), indices in shared.items():
                yield Queued(array.job_id, tuple(indices), array.name, state, reason)

    def _records(self) -> Iterator[Record]:
        for array in self._accounted:
            if self.clock() - array.submitted_at < self.lag_seconds:
                continue
            for index, task in enumerate(array.tasks):
                record = Record(array.job_id, index, array.name, USER, task.state, nodes=task.node)
                if task.ended_at is not None and self.clock() - task.ended_at >= self.lag_seconds:
                    yield replace(record, exit_code=task.exit_code, signal=task.signal)
                elif task.ended_at is not None:
                    yield replace(record, state=RUNNING)
                else:
                    yield record
