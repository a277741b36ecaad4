"""slurmctld: starts tasks as they come, sees them end, ends them where somebody wishes it.

Every method expects the caller to hold `lock`. A part's `execution` tells one run from the next: what comes from
a run that is no longer the part's own (it was requeued, or the job is lost) changes nothing.
"""

from dataclasses import replace

from fakes.slurm import states
from fakes.slurm.execution import Execution, SimulatedRun, task_of
from fakes.slurm.records import Job, Node, Part
from fakes.slurm.starter import Starter


class Controller(Starter):
    """What happens to a task once it runs."""

    def _at_end(self, part: Part, execution: SimulatedRun) -> None:
        if part.execution is execution and not part.completing:
            plan = execution.plan
            part.max_rss_kb, part.cpu_seconds = plan.max_rss_kb, plan.cpu_seconds
            part.derived_exit_code = plan.derived_exit_code
            self.end(part, plan.state, plan.exit_code)

    def _at_limit(self, part: Part, execution: Execution) -> None:
        if part.execution is execution and part.state == states.RUNNING and part.end_limit <= self.clock.now():
            self.end(part, states.TIMEOUT, gently=True)

    def _at_signal(self, part: Part, execution: Execution, signal: int, batch_only: bool) -> None:
        if part.execution is execution and not part.over:
            execution.send(signal, batch_only)

    def exited(self, part: Part, execution: Execution, exit_code: str, max_rss_kb: int) -> None:
        """A script is over."""
        if part.execution is not execution:
            return
        part.max_rss_kb = max_rss_kb
        if part.completing:
            self._complete(part, execution)
        else:
            self.end(part, states.COMPLETED if exit_code == "0:0" else states.FAILED, exit_code)
        self.settle()

    def end(
        self, part: Part, state: str, exit_code: str = "0:0", gently: bool = False, survives: bool = False
    ) -> None:
        """Give a task its last state. Gently: its processes have KillWait to go; survives: they may stay."""
        part.state, part.exit_code, part.ended = state, exit_code, self.clock.now()
        part.reason = states.REASONS.get(state, "None")
        execution = part.execution
        seconds = execution.stop() if gently else 0
        if seconds == 0:
            self._complete(part, execution, survives)
            return
        part.completing = True
        wait = self.settings.kill_wait
        self.timeline.at(self.clock.now() + min(wait, seconds or wait), self._complete, part, execution)

    def _complete(self, part: Part, execution: Execution, survives: bool = False) -> None:
        if part.execution is not execution:
            return
        part.completing = False
        self._leave_node(part)
        self.register.tasks_over(part.job, 1, part.ended)
        if not survives:
            execution.kill()
        execution.ended(task_of(part))

    def _leave_node(self, part: Part) -> None:
        part.execution = None
        self.placement.give_back(part.node, part.job.submission)
        part.job.running -= 1
        self.running_of[part.job.submission.user] -= 1

    # Somebody wishes.

    def cancel(self, job: Job, index: int | None, by: int) -> None:
        """End one task, or all with None."""
        if index is not None and job.rest and job.rest.state == states.PENDING and index in job.remaining:
            self.cancel_part(self._split(job, index), by)
        elif index is not None:
            self.cancel_part(job.parts.get(index), by)
        else:
            for part in list(job.records()):
                self.cancel_part(part, by)
        self.leave_queue(job)

    def leave_queue(self, job: Job) -> None:
        """If nothing of it is left to start."""
        if not job.remaining and not job.returned:
            self.register.queue.pop(job.job_id, None)

    def cancel_part(self, part: Part | None, by: int) -> None:
        """End what one record stands for, unless it is over."""
        if part is None or part.over:
            return
        part.cancelled_by = by
        if part.execution is not None:
            self.end(part, states.CANCELLED, gently=True)
            return
        job = part.job
        part.state, part.reason, part.ended = states.CANCELLED, "None", self.clock.now()
        if part in job.returned:
            job.returned.remove(part)
        whole = part is job.rest and part.index is None and bool(job.remaining)
        if whole:  # the rest of an array goes as one record
            self.register.queue.pop(job.job_id, None)
        self.register.tasks_over(job, len(job.remaining) if whole else 1, part.ended)

    def requeue(self, part: Part, old_state: str = states.REQUEUED, survives: bool = False) -> None:
        """Make a running task pending again under its id, with a new submit time, as the database wants it."""
        execution = part.execution
        now = self.clock.now()
        part.job.past.append(replace(part, state=old_state, ended=now, execution=None))
        self._leave_node(part)
        if not survives:
            execution.kill()
        part.state, part.reason, part.started, part.ended, part.node = states.PENDING, "None", 0, 0, ""
        part.submitted, part.eligible = now, now + self.settings.requeue_delay
        part.split, part.restarts = now, part.restarts + 1
        part.job.returned.append(part)
        self.register.queue[part.job.job_id] = part.job
        if self.settings.requeue_delay:
            part.reason = "BeginTime"
            self.timeline.at(part.eligible, self._may_start_again, part)

    def _may_start_again(self, part: Part) -> None:
        if part.reason == "BeginTime":
            part.reason = "None"

    def forget(self, job: Job) -> None:
        """Lose a job as if it had never been."""
        for part in list(job.records()):
            if part.execution is not None:
                execution = part.execution
                self._leave_node(part)
                execution.kill()
        self.register.drop(job)

    # Things happen.

    def end_at(self, part: Part, when: float) -> None:
        """Move the time limit of a running task."""
        if part.execution is not None:
            part.end_limit = when
            self.timeline.at(when, self._at_limit, part, part.execution)

    def nodes_changed(self) -> None:
        """Look again at what could start where."""
        self.placement.look_again()
        self.explain(*self.register.queue.values())

    def node_down(self, node: Node, reason: str = "", survives: bool = False) -> None:
        """Its tasks end with NODE_FAIL or start again elsewhere; survives: their processes do not notice."""
        node.condition, node.reason = "DOWN", reason
        self.nodes_changed()
        for part in [part for part in self.register.records() if part.node == node.name and part.execution]:
            if part.completing:
                continue
            if part.job.submission.can_requeue:
                self.requeue(part, states.NODE_FAIL, survives)
            else:
                self.end(part, states.NODE_FAIL, survives=survives)
