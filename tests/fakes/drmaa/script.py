"""What execd gives a script: file names, environment, command line."""

import os
import re

from fakes.drmaa import words
from fakes.drmaa.records import Task
from fakes.drmaa.settings import HOST, Settings


def file_name(pattern: str, task: Task, letter: str = "o") -> str:
    """With $JOB_ID, $TASK_ID ... in it; in the home of the user, for a folder a file in it."""
    request = task.job.request
    values = {
        "JOB_ID": str(task.job.number), "TASK_ID": task.shown_index, "JOB_NAME": request.name,
        "USER": request.user, "HOME": os.path.expanduser("~"), "HOSTNAME": HOST,
        "drmaa_incr_ph$": task.shown_index,
        "drmaa_hd_ph$": os.path.expanduser("~"), "drmaa_wd_ph$": request.folder,
    }  # fmt: skip
    path = pattern.partition(":")[2] if ":" in pattern else pattern
    path = re.sub(r"\$(drmaa_\w+_ph\$|[A-Z_]+)", lambda found: values.get(found[1], found[0]), path)
    path = os.path.join(os.path.expanduser("~"), path)
    if os.path.isdir(path):
        index = f".{task.index}" if task.job.is_array else ""
        path = os.path.join(path, f"{request.name}.{letter}{task.job.number}{index}")
    return path


def environment(task: Task, root: str, tmp: str) -> dict[str, str]:
    """Nothing of the submitter's but what the job asked for."""
    job, request = task.job, task.job.request
    out = file_name(request.output, task)
    err = out if request.merge else file_name(request.error, task, "e")
    number = str(job.number)
    known = {
        "ARC": "lx-amd64", "HOME": os.path.expanduser("~"), "HOSTNAME": HOST, "JOB_ID": number,
        "JOB_NAME": request.name, "JOB_SCRIPT": request.command, "LOGNAME": request.user, "NHOSTS": "1",
        "NQUEUES": "1", "NSLOTS": str(request.slots), "PATH": f"{tmp}:/usr/local/bin:/bin:/usr/bin",
        "PWD": request.folder, "QUEUE": task.queue, "REQNAME": request.name, "REQUEST": request.name,
        "RESTARTED": str(int(task.restarts > 0)), "SGE_ACCOUNT": request.account, "SGE_ARCH": "lx-amd64",
        "SGE_CELL": "default", "SGE_CWD_PATH": request.folder, "SGE_O_HOME": os.path.expanduser("~"),
        "SGE_JOB_SPOOL_DIR": f"{root}/spool/active_jobs/{number}.{task.index}", "SGE_O_HOST": HOST,
        "SGE_O_SHELL": "/bin/sh", "SGE_O_WORKDIR": request.folder, "SGE_ROOT": root, "SGE_STDERR_PATH": err,
        "SGE_STDIN_PATH": "/dev/null", "SGE_STDOUT_PATH": out, "SGE_TASK_ID": task.shown_index,
        "SGE_TASK_FIRST": str(job.first) if job.is_array else "undefined",
        "SGE_TASK_LAST": str(job.last) if job.is_array else "undefined",
        "SGE_TASK_STEPSIZE": str(job.step) if job.is_array else "undefined",
        "SHELL": "/bin/sh", "TERM": "", "TMP": tmp, "USER": request.user,
    }  # fmt: skip
    if request.parallel:
        known["PE"] = request.parallel
    return known | request.environment


def command_line(task: Task, settings: Settings) -> list[str]:
    """The command, under the limit that the shepherd sets."""
    request = task.job.request
    words_ = [request.command, *request.arguments]
    limit = words.memory(request.resources.get("h_vmem", settings.default_vmem)) * request.slots
    if not settings.memory_limits or limit == float("inf"):
        return words_
    return ["/bin/sh", "-c", f'ulimit -v {int(limit) // 1024}; exec "$@"', "sh", *words_]
