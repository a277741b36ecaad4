"""The half of slurmctld that takes jobs and starts their tasks.

Every method expects the caller to hold `lock`.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

from fakes.scheduler.clock import Clock
from fakes.scheduler.timeline import Timeline
from fakes.slurm import states
from fakes.slurm.execution import Execution, SimulatedRun, signal_number, task_of
from fakes.slurm.indices import Remaining
from fakes.slurm.placement import Placement
from fakes.slurm.plan import Behaviour, RunScript, Simulated, Task
from fakes.slurm.records import Job, Node, Part, Submission
from fakes.slurm.register import Register
from fakes.slurm.settings import Settings


class Starter:
    """First come, first served, as far as nodes and limits let it."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        placement: Placement,
        behave: Behaviour,
        run_script: Callable[[Part, Task], Execution],
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.placement = placement
        self.behave = behave
        self.run_script = run_script
        self.timeline = Timeline(clock)
        self.register = Register()
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.running_of: Counter[str] = Counter()
        self._after: deque[Callable[[], object]] = deque()
        self._settling = False

    # Time.

    def catch_up(self) -> None:
        """Let happen what is due."""
        self.timeline.run_until(self.clock.now(), self.settle)
        self.register.forget_old(self.clock.now() - self.settings.min_job_age)

    def settle(self) -> None:
        """Start what can start, then tell those who asked for it."""
        if self._settling:
            return
        self._settling = True
        try:
            self._schedule()
            while self._after:
                self._after.popleft()()
                if not self._after:
                    self._schedule()
        finally:
            self._settling = False
        self.changed.notify_all()

    def records(self) -> Iterator[Part]:
        """Everything that squeue could show."""
        return filter(self.is_known, self.register.records())

    def is_known(self, part: Part) -> bool:
        """Whether the record is still in the controller."""
        horizon = self.clock.now() - self.settings.min_job_age
        return not part.over or part.completing or part.ended >= horizon

    # Jobs come.

    def submit(self, submission: Submission, indices: Sequence[int] | None, throttle: int = 0) -> Job:
        """Take a job; no indices: it is not an array."""
        now = self.clock.now()
        size = 1 if indices is None else len(indices)
        number = self.register.new_id()
        job = Job(number, submission, now, indices is not None, throttle, size=size, live=size)
        job.remaining = Remaining(range(1) if indices is None else indices)
        job.lowest, job.highest = (indices[0], indices[-1]) if indices else (0, 0)
        job.rest = Part(job, job.job_id, submitted=now, eligible=now)
        job.block = "JobHeldUser" if submission.held else ""
        if indices is None:
            job.parts[None] = job.rest
        self.register.add(job)
        self.explain(job)
        if self.settings.start_delay:
            job.rest.eligible += self.settings.start_delay
            self.timeline.at(job.rest.eligible, self.settle)
        self.settle()
        return job

    # Tasks start.

    def _schedule(self) -> None:
        drained = []
        for job in self.register.queue.values():
            if not self.placement.roomy:
                break
            self._start_what_fits(job)
            if not job.remaining and not job.returned:
                drained.append(job.job_id)
        for job_id in drained:
            del self.register.queue[job_id]

    def _start_what_fits(self, job: Job) -> None:
        if job.remaining and job.rest and job.rest.eligible > self.clock.now():
            return  # not looked at yet
        reason = self._obstacle(job)
        while not reason and (job.remaining or job.returned):
            part = next((part for part in job.returned if part.eligible <= self.clock.now()), None)
            node = self.placement.find(job.submission)
            if not part and not job.remaining:
                return
            if job.throttle and job.running >= job.throttle:
                reason = "JobArrayTaskLimit"
            elif self._has_enough(job):
                reason = "AssocMaxJobsLimit"
            elif not node:
                reason = "Resources"
            else:
                self._start(part or self._split(job), node)
        if reason:
            self._explain(job, reason)

    def _explain(self, job: Job, reason: str) -> None:
        for part in [job.rest, *job.returned]:
            if part and part.state == states.PENDING and part.eligible <= self.clock.now():
                part.reason = reason

    def explain(self, *jobs: Job) -> None:
        """Show why nothing of these could start even if there were room."""
        for job in jobs:
            self._explain(job, self._obstacle(job) or "None")

    def _obstacle(self, job: Job) -> str:
        return job.block or self.placement.why_never(job.submission) or self._dependency(job)

    def _dependency(self, job: Job) -> str:
        waits = job.submission.singleton and self.register.waits_for_its_like(job)
        return "Dependency" if waits else ""

    def _has_enough(self, job: Job) -> bool:
        association = self.settings.association(job.submission.user, job.submission.account)
        limit = association.max_jobs if association else None
        return limit is not None and self.running_of[job.submission.user] >= limit

    def _split(self, job: Job, index: int | None = None) -> Part:
        index = job.remaining.take(index)
        rest = job.rest
        assert rest
        if not job.is_array:
            return rest
        if job.remaining:
            rest = Part(job, self.register.new_id(), submitted=job.submitted, eligible=rest.eligible)
        rest.index = index
        rest.split = self.clock.now()
        job.parts[index] = rest
        return rest

    def _start(self, part: Part, node: Node) -> None:
        job = part.job
        if part in job.returned:
            job.returned.remove(part)
        self.placement.take(node, job.submission)
        part.state, part.reason, part.node, part.started = states.RUNNING, "None", node.name, self.clock.now()
        part.end_limit = part.started + 60 * job.submission.minutes if job.submission.minutes else 0
        job.running += 1
        self.running_of[job.submission.user] += 1
        plan = self.behave(job.name, part.index, (job.submission.command, *job.submission.arguments))
        if isinstance(plan, RunScript):
            self._start_script(part)
        else:
            self._start_simulated(part, plan)

    def _start_script(self, part: Part) -> None:
        execution = part.execution = self.run_script(part, task_of(part))
        if part.end_limit:
            self.timeline.at(part.end_limit, self._at_limit, part, execution)
        if part.job.submission.signal:
            self._plan_signal(part)

    def _plan_signal(self, part: Part) -> None:
        words, _, seconds = part.job.submission.signal.partition("@")
        when = part.end_limit - int(seconds or 60)
        number = signal_number(words.removeprefix("B:"))
        self.timeline.at(when, self._at_signal, part, part.execution, number, words.startswith("B:"))

    def _start_simulated(self, part: Part, plan: Simulated) -> None:
        execution = part.execution = SimulatedRun(plan, self._after)
        if plan.on_start:
            on_start, task = plan.on_start, task_of(part)
            self._after.append(lambda: on_start(task))
        end = part.started + plan.seconds
        if part.end_limit and part.end_limit < end:
            self.timeline.at(part.end_limit, self._at_limit, part, execution)
        else:
            self.timeline.at(end, self._at_end, part, execution)

    def _at_end(self, part: Part, execution: SimulatedRun) -> None:
        raise NotImplementedError

    def _at_limit(self, part: Part, execution: Execution) -> None:
        raise NotImplementedError

    def _at_signal(self, part: Part, execution: Execution, signal: int, batch_only: bool) -> None:
        raise NotImplementedError
