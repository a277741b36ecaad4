"""What a test does to jobs and nodes, past all commands.

Deeds on tasks are on running ones; "14" stands for all that run of job 14.
"""

import signal
from collections.abc import Callable

from fakes.slurm import references, states
from fakes.slurm.controller import Controller
from fakes.slurm.records import Job, Node, Part


class Deeds:
    """Of a cluster with this controller."""

    _controller: Controller

    @property
    def nodes(self) -> dict[str, Node]:
        return self._controller.placement.nodes

    def end(self, reference: str, state: str, exit_code: str = "0:0", survives: bool = False) -> None:
        """Give a task this end at once; survives: its processes go on unseen."""
        self._each(reference, lambda part: self._controller.end(part, state, exit_code, survives=survives))

    def out_of_memory(self, reference: str) -> None:
        self.end(reference, states.OUT_OF_MEMORY, "0:125")

    def time_out(self, reference: str) -> None:
        """TERM, then KILL after KillWait."""
        self._each(reference, lambda part: self._controller.end(part, states.TIMEOUT, gently=True))

    def preempt(self, reference: str, requeue: bool = False) -> None:
        if requeue:
            self._each(reference, lambda part: self._controller.requeue(part, states.PREEMPTED))
        else:
            self._each(reference, lambda part: self._controller.end(part, states.PREEMPTED, gently=True))

    def requeue(self, reference: str, survives: bool = False) -> None:
        """As an administrator may, whatever --no-requeue says; survives: the first copy goes on."""
        self._each(reference, lambda part: self._controller.requeue(part, survives=survives))

    def show_state(self, reference: str, state: str) -> None:
        """Let a task be in a state of tomorrow's Slurm; it is not over by it."""
        self._each(reference, lambda part: setattr(part, "state", state))

    def fail_node(self, name: str, survives: bool = False) -> None:
        """NODE_FAIL for what may not be requeued; survives: the processes of its tasks live on."""
        with self._controller.lock:
            self._controller.node_down(self.nodes[name], "Not responding", survives)
            self._controller.settle()

    def restore_node(self, name: str) -> None:
        with self._controller.lock:
            self.nodes[name].condition = self.nodes[name].reason = ""
            self._controller.nodes_changed()
            self._controller.settle()

    def freeze_node(self, name: str) -> None:
        """Let all that runs on it stand still; the controller notices nothing."""
        self._send_all(name, signal.SIGSTOP)

    def thaw_node(self, name: str) -> None:
        self._send_all(name, signal.SIGCONT)

    def _send_all(self, name: str, number: int) -> None:
        with self._controller.lock:
            for part in self._controller.register.records():
                if part.node == name and part.execution:
                    part.execution.send(number, batch_only=False)

    def change_partition(self, name: str, **values: object) -> None:
        """Its state, its limits."""
        with self._controller.lock:
            for field, value in values.items():
                setattr(self._controller.placement.partitions[name], field, value)
            self._controller.nodes_changed()
            self._controller.settle()

    def block(self, job_id: int, reason: str) -> None:
        """Let what is pending stay so, for this reason; "": start it."""
        with self._controller.lock:
            job = self._job(job_id)
            job.block = reason
            self._controller.explain(job)
            self._controller.settle()

    def lose(self, *job_ids: int, reuse_ids: bool = True) -> None:
        """A controller that restarts from an old state: these were never there, their ids are given again."""
        with self._controller.lock:
            for job_id in job_ids:
                self._controller.forget(self._job(job_id))
            if reuse_ids and job_ids:
                self._controller.register.next_id = min(job_ids)
            self._controller.settle()

    def purge(self, job_id: int, accounting: bool = False) -> None:
        """Drop a job that is over from the controller's memory, or from the accounting."""
        with self._controller.lock:
            job = self._job(job_id)
            assert not job.live, f"job {job_id} is not over"
            if accounting:
                self._controller.register.ledger[job_id].remove(job)
            else:
                self._controller.register.jobs.pop(job_id, None)

    def _job(self, job_id: int) -> Job:
        return self._controller.register.ledger[job_id][-1]

    def _one(self, reference: str) -> Part:
        named = references.read([reference])[0]
        part = self._job(named.job_id).part(named.tasks[0] if named.tasks else None)
        assert part, f"{reference} names no task"
        return part

    def _each(self, reference: str, act: Callable[[Part], object]) -> None:
        named = references.read([reference])[0]
        with self._controller.lock:
            self._controller.catch_up()
            found = [
                part for part in self._job(named.job_id).parts.values() if part.execution and not part.completing
            ]
            found = [part for part in found if named.tasks is None or part.index in named.tasks]
            assert found, f"{reference} does not run"
            for part in found:
                act(part)
            self._controller.settle()
