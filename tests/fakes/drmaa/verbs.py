"""What the module `drmaa` asks: verbs of a session, with a JSON object as their argument."""

import json
from collections.abc import Callable
from typing import Any

from fakes.drmaa import fit
from fakes.drmaa.native import INVALID, denied, read, refusal
from fakes.drmaa.qmaster import Qmaster
from fakes.drmaa.records import Job, Request, Task
from fakes.scheduler.call import Answer, Call, Refusal

TRY_LATER, UNKNOWN_JOB, TIME_OUT, NO_USAGE = 16, 18, 23, 24
WELL = {0, 37, 100}  # of accounting's codes those of a task that ended by itself, by a signal, at a limit
NO_JOB = "The job specified by the 'jobid' does not exist."
NOT_IN_NAMES = {
    "/": "Slash ('/')", ":": "Colon (':')", "@": "At ('@')", "\\": "Backslash ('\\')", "*": "Asterisk ('*')",
    "?": "Questionmark ('?')", "\n": "Return", "\t": "Tab",
}  # fmt: skip


def answer(value: object) -> Answer:
    """What the module gives to its caller."""
    return Answer(json.dumps(value))


def initialize(qmaster: Qmaster, call: Call) -> Answer:
    """The contact of a session."""
    return answer(f"session=localhost.{json.loads(call.argv[1])['pid']}.{id(call)}")


def leave(qmaster: Qmaster, call: Call) -> Answer:
    """The end of one."""
    return answer(None)


def run_job(qmaster: Qmaster, call: Call) -> Answer:
    """A job that is no array."""
    asked = json.loads(call.argv[1])
    return answer(str(_submit(qmaster, call, asked, None).number))


def run_bulk_jobs(qmaster: Qmaster, call: Call) -> Answer:
    """An array."""
    asked = json.loads(call.argv[1])
    first, last, step = asked["first"], asked["last"], asked["step"]
    if first < 1 or last < first or step < 1:
        raise refusal(INVALID, "The input value for an argument is invalid.")
    job = _submit(qmaster, call, asked, range(first, last + 1, step))
    return answer([f"{job.number}.{index}" for index in job.tasks])


def _submit(qmaster: Qmaster, call: Call, asked: dict[str, Any], tasks: range | None) -> Job:
    try:
        request = _request(qmaster, call, asked["template"])
        _check(qmaster, request, len(tasks or "1"))
    except Refusal:
        qmaster.number()
        raise
    return qmaster.submit(request, asked["session"], tasks)


def _request(qmaster: Qmaster, call: Call, template: dict[str, Any]) -> Request:
    _check_name(template.get("jobName"))
    for name in ("outputPath", "errorPath", "inputPath"):
        if not template.get(name, ":").partition("$")[0].count(":"):
            attribute = f"drmaa_{name.removesuffix('Path')}_path"
            raise refusal(INVALID, f"The \"{attribute}\" attribute must begin with a colon, ':'")
    native = read(template.get("nativeSpecification", ""), qmaster.settings)
    given = {name: value.partition("=")[0] for name, value in template.get("jobEnvironment", {}).items()}
    known = {
        "name": template.get("jobName") or template["remoteCommand"].rpartition("/")[2], "user": call.user,
        "user_id": call.user_id, "command": template["remoteCommand"],
        "arguments": tuple(template.get("args", ())), "folder": template.get("workingDirectory", call.folder),
        "output": template.get("outputPath", ""),
        "error": template.get("errorPath", ""), "merge": bool(template.get("joinFiles")),
        "held": template.get("jobSubmissionState") == "drmaa_hold", "environment": {**native.variables, **given},
        "resources": native.resources, "verifies": native.verifies,
    }  # fmt: skip
    return Request(**{**known, **native.fields})


def _check_name(name: str | None) -> None:
    if name == "":
        raise denied("job rejected cause there is no job_name in the request")
    if name and name[0].isdecimal():
        raise denied(f'denied: "{name}" is not a valid object name (cannot start with a digit)')
    wrong = next((words for letter, words in NOT_IN_NAMES.items() if letter in (name or "")), "")
    if wrong:
        raise denied(f"{wrong} not allowed in objectname")


def _check(qmaster: Qmaster, request: Request, size: int) -> None:
    settings = qmaster.settings
    if size > settings.max_array:
        raise denied(f"job rejected: you tried to submit a job with more than {settings.max_array} tasks")
    mine = sum(1 for job in qmaster.jobs.values() if job.request.user == request.user)
    if settings.max_jobs and mine >= settings.max_jobs:
        count = f"(current job count: {mine})"
        raise refusal(TRY_LATER, f"job rejected: only {settings.max_jobs} jobs are allowed per user {count}")
    if request.verifies and fit.never(settings, request):
        raise denied("error: no suitable queues")


def _job(qmaster: Qmaster, asked: dict[str, Any]) -> tuple[Job, list[Task]]:
    number, _, index = asked["job"].partition(".")
    if not number.isdecimal():
        raise refusal(INVALID, f'Job id, "{asked["job"]}", is not a valid job id')
    job = qmaster.jobs.get(int(number)) or qmaster.over.get(int(number))
    if job is None or index and int(index) not in job.tasks:
        raise refusal(UNKNOWN_JOB, NO_JOB)
    return job, [job.tasks[int(index)]] if index else list(job.tasks.values())


def job_status(qmaster: Qmaster, call: Call) -> Answer:
    """Of one task. Of what is over only its own session knows."""
    asked = json.loads(call.argv[1])
    job, tasks = _job(qmaster, asked)
    task = tasks[0]
    if task.over:
        if job.session != asked["session"]:
            raise refusal(UNKNOWN_JOB, NO_JOB)
        end = job.ends.get(task.index)
        return answer("done" if end and end.failed in WELL and not task.deleting else "failed")
    if task.error:
        return answer("failed")
    if task.started:
        return answer("user_suspended" if task.suspended else "running")
    return answer("user_on_hold" if task.held else "queued_active")


def control(qmaster: Qmaster, call: Call) -> Answer:
    """Hold, release, end."""
    asked = json.loads(call.argv[1])
    try:
        _, tasks = _job(qmaster, asked)
        left = [task for task in tasks if not task.over]
    except Refusal:
        left = []
    if not left:
        raise refusal(UNKNOWN_JOB, "There are no jobs registered" if not qmaster.jobs else NO_JOB)
    for task in left:
        if asked["operation"] == "terminate":
            qmaster.delete(task)
        elif asked["operation"] in ("hold", "release"):
            task.held = asked["operation"] == "hold"
        else:
            task.suspended = asked["operation"] == "suspend"
    qmaster.settle()
    return answer(None)


def wait(qmaster: Qmaster, call: Call) -> Answer:
    """Looks once; the module looks again."""
    asked = json.loads(call.argv[1])
    job, (task, *_) = _job(qmaster, asked)
    if not task.over:
        raise refusal(TIME_OUT, "time-out condition")
    end = job.ends.get(task.index)
    if end is None:
        raise refusal(NO_USAGE, "no usage information was returned for the completed job")
    aborted = end.failed not in (0, 37, 100) or task.deleting
    signal = end.exit_status - 128 if end.failed in (37, 100) and not aborted else 0
    usage = {"exit_status": str(end.exit_status), "ru_maxrss": str(end.max_rss_kb), "ru_wallclock": "0"}
    return answer([aborted, end.exit_status, signal, usage])


VERBS: dict[str, Callable[[Qmaster, Call], Answer]] = {
    "initialize": initialize,
    "exit": leave,
    "runJob": run_job,
    "runBulkJobs": run_bulk_jobs,
    "jobStatus": job_status,
    "control": control,
    "wait": wait,
}
