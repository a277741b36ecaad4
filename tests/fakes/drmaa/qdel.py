"""qdel: ends jobs and tasks by number, range, name."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from fakes.drmaa import words
from fakes.drmaa.qmaster import Qmaster
from fakes.drmaa.records import Job, Task
from fakes.scheduler.call import Answer, Call, Refusal


def qdel(qmaster: Qmaster, call: Call) -> Answer:
    """One line for each thing that was done, or could not be done; then its code is 1."""
    said, code = [], 0
    for target in _targets(call.rest):
        for ok, line in _deleted(qmaster, call.user, *target):
            said.append(line)
            code = code if ok else 1
    if not said:
        raise Refusal("ERROR! no option argument\nSGE 8.1.9\nusage: qdel [options] job_task_list")
    qmaster.settle()
    return Answer("\n".join(said) + "\n", "", code)


def _targets(arguments: list[str]) -> Iterator[tuple[str, range | None, bool]]:
    """Job, tasks, force."""
    left = [word for word in arguments if word != "-f"]
    force = len(left) < len(arguments)
    while left:
        word = left.pop(0)
        if word == "-u":
            left.pop(0)
            if not left:
                yield "*", None, force
            continue
        tasks = None
        if left[:1] == ["-t"]:
            tasks = words.read_range(left[1])
            del left[:2]
        for one in word.split(","):
            number, _, span = one.partition(".")
            if number.isdecimal():
                yield number, words.read_range(span) if span else tasks, force
            else:
                yield one, tasks, force


def _deleted(
    qmaster: Qmaster, user: str, wanted: str, indices: range | None, force: bool
) -> Iterator[tuple[bool, str]]:
    if wanted.isdecimal():
        job = qmaster.jobs.get(int(wanted))
        if job is None:
            yield False, f'denied: job "{wanted}" does not exist'
            return
        yield from _of_job(qmaster, user, job, indices, force)
        return
    jobs = [job for job in qmaster.jobs.values() if fnmatchcase(job.name, wanted)]
    if not jobs:
        yield False, f"The job {wanted} of user(s) {user} does not exist"
    for job in jobs:
        yield from _of_job(qmaster, user, job, indices, force)


def _of_job(
    qmaster: Qmaster, user: str, job: Job, indices: range | None, force: bool
) -> Iterator[tuple[bool, str]]:
    live = {task.index: task for task in job.live}
    meant = [live[index] for index in indices if index in live] if indices else list(live.values())
    if not meant and indices:
        yield False, f'job "{job.number}" task "{indices[0]}" does not exist'
        return
    whole = indices is None
    pending = [task for task in meant if not task.started]
    for task in meant:
        if task.started:
            yield True, _running(qmaster, user, task, force)
    for task in pending:
        qmaster.delete(task)
    if pending:
        yield True, f"{user} has deleted {_named(job, pending, whole)}"


def _running(qmaster: Qmaster, user: str, task: Task, force: bool) -> str:
    job = task.job
    name = f"job-array task {job.number}.{task.index}" if job.is_array else f"job {job.number}"
    if force:
        task.execution.kill()
        qmaster.end(task, 100, 137)
        return f"{user} forced the deletion of {name}"
    if task.deleting:
        return f"job {job.number} is already in deletion"
    qmaster.delete(task)
    return f"{user} has registered the {name} for deletion"


def _named(job: Job, tasks: list[Task], whole: bool) -> str:
    if whole or not job.is_array:
        return f"job {job.number}"
    if len(tasks) == 1:
        return f"job-array task {job.number}.{tasks[0].index}"
    return f"job-array tasks {words.ranges([task.index for task in tasks])} of job {job.number}"
