"""sge_qmaster: takes jobs, starts tasks as they come, sees them end, ends them where somebody wishes it.

Every method expects the caller to hold `lock`. A task's `execution` tells one run from the next: what comes from
a run that is no longer the task's own changes nothing.
"""

import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any

from fakes.drmaa import fit, words
from fakes.drmaa.records import Entry, Job, Request, Task
from fakes.drmaa.settings import Queue, Settings
from fakes.scheduler.clock import Clock
from fakes.scheduler.processes import ScriptRun
from fakes.scheduler.timeline import Timeline

KILLED = 137


class Qmaster:
    """`jobs` is what qstat knows, `entries` the file of accounting."""

    def __init__(self, settings: Settings, clock: Clock, run_script: Callable[[Task], Any]) -> None:
        self.settings = settings
        self.clock = clock
        self.run_script = run_script
        self.timeline = Timeline(clock)
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.next_number = 1
        self.jobs: dict[int, Job] = {}
        self.over: dict[int, Job] = {}  # the last one of each number
        self.entries: list[Entry] = []
        self.used: Counter[str] = Counter()
        self.execd_is_away = False
        self.stopped = False
        self._unheard: deque[tuple[Task, ScriptRun, int | None, int, float]] = deque()

    def catch_up(self) -> None:
        """Let happen what is due."""
        self.timeline.run_until(self.clock.now(), self.settle)

    def settle(self) -> None:
        """Start what can start."""
        if not self.execd_is_away and not self.stopped:
            for job in self.jobs.values():
                self._start_what_fits(job)
        self.changed.notify_all()

    # Jobs come.

    def number(self) -> int:
        """The next one; one that was refused is used up."""
        self.next_number += 1
        return self.next_number - 1

    def submit(self, request: Request, session: str, tasks: range | None) -> Job:
        """Take a job; no range: it is not an array."""
        now = self.clock.now()
        span = tasks or range(1, 2)
        job = Job(self.number(), request, now, session, tasks is not None, span[0], span[-1], span.step)
        eligible = now + self.settings.start_delay
        job.tasks = {index: Task(job, index, eligible, held=request.held) for index in span}
        job.waits_for = [other for other in self.jobs.values() if _is_named(other, request.waits_for)]
        self.jobs[job.number] = job
        self.over.pop(job.number, None)
        self.timeline.at(eligible, self.changed.notify_all)
        if not self.settings.start_delay:
            self.settle()
        return job

    # Tasks start.

    def _start_what_fits(self, job: Job) -> None:
        if self.waits(job):
            return
        running = sum(1 for task in job.tasks.values() if task.started and not task.over)
        for task in job.tasks.values():
            if task.over or task.started or task.held or task.error or task.eligible > self.clock.now():
                continue
            queue = fit.find(self.settings, self.used, job.request)
            if queue is None or job.request.at_once and running >= job.request.at_once:
                return
            running += 1
            self._start(task, queue)

    def waits(self, job: Job) -> bool:
        """Whether a job is not over that it waits for: one that was there when it came."""
        return any(other.live for other in job.waits_for)

    def _start(self, task: Task, queue: Queue) -> None:
        now = self.clock.now()
        task.started, task.queue, task.failed, task.max_vmem = now, queue.name, 0, 0
        self.used[queue.name] += task.job.request.slots
        run = task.execution = self.run_script(task)
        asked = task.job.request.resources
        hard = words.seconds(asked.get("h_rt", "INFINITY")) if "h_rt" in asked else queue.h_rt
        if "s_rt" in asked:
            self.timeline.at(now + words.seconds(asked["s_rt"]), self._at_soft_limit, task, run)
            if hard is not None:
                hard = max(hard, words.seconds(asked["s_rt"]) + self.settings.soft_pause)
        if hard is not None and hard != float("inf"):
            self.timeline.at(now + hard + self.settings.limit_delay, self._at_limit, task, run)

    def _at_limit(self, task: Task, run: ScriptRun) -> None:
        if task.execution is run and not self.execd_is_away:
            self.kill(task, 37)

    def _at_soft_limit(self, task: Task, run: ScriptRun) -> None:
        if task.execution is run:
            run.send(signal.SIGUSR1, batch_only=False)

    # Tasks end.

    def exited(self, task: Task, run: ScriptRun, code: int | None, max_rss_kb: int) -> None:
        """A script is over, or could not be started: code None. Nobody hears of it while execd is away."""
        self._unheard.append((task, run, code, max_rss_kb, self.clock.now()))
        if self.settings.end_delay:
            self.timeline.at(self.clock.now() + self.settings.end_delay, self.hear)
            self.changed.notify_all()
        else:
            self.hear()

    def hear(self) -> None:
        """Of everything that has ended a while ago."""
        horizon = self.clock.now() - self.settings.end_delay
        while self._unheard and not self.execd_is_away and self._unheard[0][-1] <= horizon:
            task, run, code, max_rss_kb, ended = self._unheard.popleft()
            if task.execution is run:
                self._ended(task, code, max_rss_kb, ended)
        self.settle()

    def _ended(self, task: Task, code: int | None, max_rss_kb: int, ended: float) -> None:
        if code is None:
            self.end(task, task.failed, 0, began=False)
        elif task.failed:
            self.end(task, task.failed, KILLED if code < 0 else code, max_rss_kb, ended)
        elif code == 99 and self.settings.minds_99:
            self.again(task, 99)
        elif code < 0:
            self.end(task, 100, 128 - code, max_rss_kb, ended)
        else:
            self.end(task, 30 if code == 100 and self.settings.minds_100 else 0, code, max_rss_kb, ended)

    def end(
        self, task: Task, failed: int, exit_status: int, max_rss_kb: int = 0, ended: float = 0, began: bool = True
    ) -> None:
        """Give a running task its end in accounting."""
        self._leave_queue(task)
        self._note(task, failed, exit_status, task.started if began else 0, max_rss_kb, ended)
        self.drop(task)

    def _note(
        self, task: Task, failed: int, exit_status: int, started: float, max_rss_kb: int = 0, ended: float = 0
    ) -> None:
        now = self.clock.now()
        over = (ended or now) if started else 0
        entry = Entry(task, failed, exit_status, started, over, now, max_rss_kb, max_vmem=task.max_vmem)
        self.entries.append(entry)
        task.job.ends[task.index] = entry

    def _leave_queue(self, task: Task) -> None:
        self.used[task.queue] -= task.job.request.slots
        task.execution = None

    def drop(self, task: Task) -> None:
        """qstat shows it no more."""
        task.over = True
        job = task.job
        if not job.live and self.jobs.get(job.number) is job:
            del self.jobs[job.number]
            self.over[job.number] = job

    def again(self, task: Task, exit_status: int = 0, survives: bool = False) -> None:
        """Put a running task back into the queue; survives: the first copy goes on unseen."""
        run = task.execution
        self._leave_queue(task)
        self._note(task, 25, exit_status, task.started if exit_status else 0)
        if not survives:
            run.kill()
        task.started, task.restarts, task.suspended = 0, task.restarts + 1, False
        task.eligible = self.clock.now() + self.settings.again_delay
        self.timeline.at(task.eligible, self.changed.notify_all)
        self.settle()

    # Somebody wishes.

    def delete(self, task: Task) -> None:
        """What is pending goes at once, what runs when its processes are gone."""
        task.deleting = True
        if not task.started:
            self.drop(task)
            return
        run = task.execution
        if task.job.request.notify and not self.execd_is_away:
            run.send(signal.SIGUSR2, batch_only=False)
            self.timeline.at(self.clock.now() + self.settings.notify_seconds, self._at_notified, task, run)
        elif not self.execd_is_away:
            self.kill(task, 100)

    def _at_notified(self, task: Task, run: ScriptRun) -> None:
        if task.execution is run:
            self.kill(task, 100)

    def kill(self, task: Task, failed: int) -> None:
        """SIGKILL to all of it; this is what accounting will say."""
        task.failed = failed
        task.execution.kill()

    def forget(self, job: Job) -> None:
        """Lose a job as if it had never been; what of it runs is killed."""
        for task in job.live:
            if task.started:
                run = task.execution
                self._leave_queue(task)
                run.kill()
            task.over = True
        self.jobs.pop(job.number, None)
        self.over.pop(job.number, None)
        self.entries = [entry for entry in self.entries if entry.task.job is not job]

    def accounted(self) -> Iterator[Entry]:
        """What the file has by now."""
        horizon = self.clock.now() - self.settings.accounting_lag
        return (entry for entry in self.entries if entry.written <= horizon)


def _is_named(job: Job, wanted: tuple[str, ...]) -> bool:
    return str(job.number) in wanted or job.name in wanted
