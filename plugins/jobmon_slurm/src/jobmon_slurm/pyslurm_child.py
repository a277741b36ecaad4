"""The process in which pyslurm lives, and what it can be asked. Nothing else imports pyslurm.

Names and forms are those of pyslurm 25.11.2, whose defects shape what is here:

- it takes the number 0 for "no value", so that task 0 of an array has no task id;
- a time limit must be a whole number, never "5";
- an environment that is empty means all of ours.
"""

import importlib
import os
import pwd
import sys
import time
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from jobmon.core.scheduler.answers import Failed, answer_questions
from jobmon.core.scheduler.indices import parse_indices
from jobmon.core.scheduler.shapes import Queued, Submission
from jobmon_slurm.back_end import Partition

MIB = 2**20
NEEDED = ("JobSubmitDescription", "Jobs", "Nodes", "Partitions", "RPCError")

# An option of sbatch -> what pyslurm calls it, and what makes the value of it.
# Not here, and so left to sbatch: `signal` (pyslurm has no form that works), `nodes` and `ntasks` (told the tasks
# only, it asks for exactly one node), `gres` (its form changes from release to release), whatever a site allows.
ATTRIBUTES: dict[str, tuple[str, type[int] | type[str]]] = {
    "account": ("account", str),
    "constraint": ("constraints", str),
    "cpus-per-task": ("cpus_per_task", int),
    "exclude": ("excluded_nodes", str),
    "licenses": ("licenses", str),
    "mem": ("memory_per_node", str),
    "nice": ("nice", int),
    "partition": ("partitions", str),
    "qos": ("qos", str),
    "reservation": ("reservations", str),
    "time": ("time_limit", int),
}


class Submit(msgspec.Struct, frozen=True, tag="submit"):
    """Submit an array, whose tasks get this environment."""

    submission: Submission
    environment: dict[str, str]


class AskQueue(msgspec.Struct, frozen=True, tag="queue"):
    """The jobs of a user."""

    user: str


class AskPartitions(msgspec.Struct, frozen=True, tag="partitions"):
    """All partitions."""


class AskNodes(msgspec.Struct, frozen=True, tag="nodes"):
    """Where the nodes are."""


Question: TypeAlias = Submit | AskQueue | AskPartitions | AskNodes


def can_say(submission: Submission) -> bool:
    """Whether pyslurm has words for all of a submission. It passes an empty argument on as none at all."""
    options = submission.options.items()
    return all(submission.arguments) and all(_can_say(name, value) for name, value in options)


def _can_say(name: str, value: str) -> bool:
    make = ATTRIBUTES[name][1] if name in ATTRIBUTES else None
    return (make is str and value != "") or (make is int and value.removeprefix("-").isdecimal())


def main() -> None:
    """Answer until there are no more questions."""
    answer_questions(_started, _result, _failed)


def _started() -> tuple[Any, str]:
    """Import pyslurm, which starts it: without a slurm.conf this may take a minute and end the process."""
    try:
        pyslurm = importlib.import_module("pyslurm")
    except ModuleNotFoundError as error:
        if error.name != "pyslurm":
            raise
        raise ImportError(f"pyslurm is not installed for {sys.executable}") from None
    lacking = [name for name in NEEDED if not hasattr(pyslurm, name)]
    if lacking:
        raise ImportError(f"this pyslurm has no {', '.join(lacking)}: it is too old")
    return pyslurm, pyslurm.__version__


def _failed(error: Exception) -> Failed:
    """Slurm's errors have a number and its words, which may be none."""
    number = getattr(error, "errno", None)
    if type(error).__name__ == "RPCError" and isinstance(number, int):
        return Failed(str(getattr(error, "msg", "") or ""), number)
    return Failed(str(error) if isinstance(error, ImportError) else f"{error} ({type(error).__name__})")


def _result(pyslurm: Any, line: bytes) -> object:
    question: Question = msgspec.json.decode(line, type=Question)
    match question:
        case Submit(submission=submission, environment=environment):
            return str(pyslurm.JobSubmitDescription(**_description(submission, environment)).submit())
        case AskQueue(user=user):
            uid = pwd.getpwnam(user).pw_uid
            return [_queued(job) for job in pyslurm.Jobs.load().values() if job.user_id == uid]
        case AskPartitions():
            return _partitions(pyslurm.Partitions.load().values(), list(pyslurm.Nodes.load().values()))
        case AskNodes():
            return [node.hostname or node.name for node in pyslurm.Nodes.load().values()]


def _description(submission: Submission, environment: Mapping[str, str]) -> dict[str, object]:
    given: dict[str, object] = {
        attribute: make(submission.options[name])
        for name, (attribute, make) in ATTRIBUTES.items()
        if name in submission.options
    }
    return given | {
        "name": submission.name,
        "array": f"0-{submission.size - 1}",
        "script": submission.script,
        "script_args": list(submission.arguments),
        "working_directory": "/",
        "standard_output": submission.log_pattern,
        "standard_error": submission.log_pattern,
        "is_requeueable": submission.requeue,
        "dependencies": "singleton" if submission.singleton else None,
        "environment": {**environment, "SLURM_UMASK": _umask()},
    }


def _umask() -> str:
    """The umask of this process in sbatch's form, which sends its own to the job; pyslurm sends none."""
    mask = os.umask(0)
    os.umask(mask)
    return f"{mask:04o}"


def _queued(job: Any) -> Queued:
    return Queued(
        array_id=str(job.array_id or job.id),
        indices=_indices(job),
        name=job.name or "",
        state=(job.state or "").upper(),
        reason=job.state_reason or "",
        since=time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(job.submit_time)) if job.submit_time else "",
        nodes=job.allocated_nodes or "",
    )


def _indices(job: Any) -> list[int]:
    """Those that wait share a job; of the others, the one without a task id is task 0."""
    if not job.array_id:
        return []
    if job.array_tasks_waiting:
        return parse_indices(job.array_tasks_waiting) or []
    return [job.array_task_id or 0]


def _partitions(partitions: Any, nodes: list[Any]) -> list[Partition]:
    found = [_partition(one, [node for node in nodes if one.name in node.partitions]) for one in partitions]
    return sorted(found, key=lambda one: not one.default)


def _partition(one: Any, nodes: list[Any]) -> Partition:
    minutes = _number(one.max_time)
    memory = [_number(one.max_memory_per_node), max((node.real_memory or 0 for node in nodes), default=0)]
    cores = [_number(one.max_cpus_per_node), max((node.total_cpus or 0 for node in nodes), default=0)]
    return Partition(
        name=one.name,
        default=bool(one.is_default),
        up=one.state == "UP",
        max_seconds=minutes * 60 if minutes else None,
        max_memory_bytes=min((limit * MIB for limit in memory if limit), default=None),
        max_cores=min((limit for limit in cores if limit), default=None),
    )


def _number(limit: object) -> int | None:
    """None for "UNLIMITED" too."""
    return limit if isinstance(limit, int) else None


if __name__ == "__main__":
    main()
