"""What a test does to tasks, past all commands; "14.3" is a task of an array, "14" stands for all of job 14."""

from collections.abc import Iterator

from fakes.drmaa.qmaster import Qmaster
from fakes.drmaa.records import Job, Task


class Deeds:
    """Of a cluster with this qmaster."""

    qmaster: Qmaster

    def end(self, reference: str, failed: int = 0, exit_status: int = 0, survives: bool = False) -> None:
        """Give running tasks this end at once; survives: their processes go on unseen."""
        with self.qmaster.lock:
            for task in self._running(reference):
                run = task.execution
                self.qmaster.end(task, failed, exit_status)
                if not survives:
                    run.kill()
            self.qmaster.settle()

    def exceed(self, reference: str, max_vmem: float = 0) -> None:
        """Kill running tasks at a limit: with `max_vmem` bytes that of memory, else that of run time."""
        with self.qmaster.lock:
            for task in self._running(reference):
                task.max_vmem = max_vmem
                self.qmaster.kill(task, 37)

    def put_into_error(self, reference: str, reason: str) -> None:
        """Eqw; what of it runs is over."""
        with self.qmaster.lock:
            for task in self._each(reference):
                task.error, task.error_at, task.error_pid = reason, self.qmaster.clock.now(), 4711
                if task.started:
                    self.qmaster.again(task)
                    task.restarts = 0
            self.qmaster.changed.notify_all()

    def clear_error(self, reference: str) -> None:
        """As `qmod -cj`."""
        with self.qmaster.lock:
            for task in self._each(reference):
                task.error = ""
            self.qmaster.settle()

    def hold(self, reference: str, held: bool = True) -> None:
        """Keep pending tasks so, or let them go."""
        with self.qmaster.lock:
            for task in self._each(reference):
                task.held = held
            self.qmaster.settle()

    def reschedule(self, reference: str, survives: bool = False) -> None:
        """As an administrator may (`qmod -rj`); survives: the first copy goes on."""
        with self.qmaster.lock:
            for task in self._running(reference):
                self.qmaster.again(task, survives=survives)

    def lose(self, *numbers: int, reuse_numbers: bool = True) -> None:
        """A qmaster that restarts from an old state: these were never there, their numbers are given again."""
        with self.qmaster.lock:
            for number in numbers:
                self.qmaster.forget(self._job(number))
            if reuse_numbers and numbers:
                self.qmaster.next_number = min(numbers)
            self.qmaster.settle()

    def purge(self, number: int) -> None:
        """Drop a job from accounting."""
        with self.qmaster.lock:
            job = self._job(number)
            self.qmaster.entries = [entry for entry in self.qmaster.entries if entry.task.job is not job]

    def lose_execd(self) -> None:
        """Nothing starts, nothing is heard of, nothing is deleted; what runs goes on."""
        with self.qmaster.lock:
            self.qmaster.execd_is_away = True

    def restore_execd(self) -> None:
        """It tells what has ended meanwhile, and deletes what was to be deleted."""
        with self.qmaster.lock:
            self.qmaster.execd_is_away = False
            for job in self.qmaster.jobs.values():
                for task in job.live:
                    if task.deleting:
                        self.qmaster.kill(task, 100)
            self.qmaster.hear()

    def _job(self, number: int) -> Job:
        found = self.qmaster.jobs.get(number) or self.qmaster.over.get(number)
        assert found, f"there is no job {number}"
        return found

    def _each(self, reference: str) -> Iterator[Task]:
        number, _, index = reference.partition(".")
        live = [task for task in self._job(int(number)).live if not index or task.index == int(index)]
        assert live, f"{reference} is over"
        return iter(live)

    def _running(self, reference: str) -> list[Task]:
        found = [task for task in self._each(reference) if task.started]
        assert found, f"{reference} does not run"
        return found
