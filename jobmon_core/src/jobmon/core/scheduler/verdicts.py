"""From a scheduler's word on a job to the end of an attempt: the proof that the server believes. Pure.

The exit code of a job is that of its worker, and a worker ends with the code of its command. Some codes are the
worker's own: it never started the command, and its node may be at fault.
"""

from typing import NamedTuple

from jobmon.core.cluster import JobState
from jobmon.core.constants import FailureClass, TaskInstanceStatus
from jobmon.core.scheduler.dialect import Dialect, Place
from jobmon.core.scheduler.shapes import Record
from jobmon.core.scheduler.states import ENDS, Fate
from jobmon.core.wire import Job, Observed

SERVER_AWAY = 75  # the worker could not reach the server before it started anything
NO_ENVIRONMENT = 198
BAD_COMMAND_LINE = 199
COULD_NOT_RUN = (126, 127)  # the interpreter of the worker

PYTHON_HINT = "the worker's interpreter did not start there: is {python} on a file system that all nodes share?"


class Verdict(NamedTuple):
    """What is told to the server, and the node on which a worker failed to start ("" if none did)."""

    observed: Observed
    bad_node: str = ""


def judge(job: Job, record: Record, log: str, place: Place, dialect: Dialect) -> Verdict:
    """The end of an attempt whose worker has not told it. `log` is the end of the job's own log."""
    fate = dialect.states.over[record.state]
    node = record.nodes or job.node
    if fate is not Fate.EXITED:
        status, failure_class = ENDS[fate]
        words = _words(record, fate, dialect)
        return Verdict(_observed(job, record, node, status, failure_class, words, log))
    if job.started:
        return Verdict(_exited(job, record, node, log, dialect))
    return _never_started(job, record, node, log, place, dialect)


def _exited(job: Job, record: Record, node: str, log: str, dialect: Dialect) -> Observed:
    """The command ran, and its worker could tell neither the server nor the spool how it ended."""
    code, number = record.exit_code or 0, record.signal or 0
    if code and not number and code not in (SERVER_AWAY, NO_ENVIRONMENT, BAD_COMMAND_LINE):
        words = f"The command failed with exit code {code}, as {dialect.name} says; its worker could not report"
        return _observed(job, record, node, TaskInstanceStatus.ERROR, FailureClass.USER, words, log)
    how = f"was killed by signal {number}" if number else f"ended with exit code {code}"
    words = f"The worker {how} without a report, and left none on the disk"
    return _observed(job, record, node, TaskInstanceStatus.NO_HEARTBEAT, FailureClass.INFRASTRUCTURE, words, log)


def _never_started(job: Job, record: Record, node: str, log: str, place: Place, dialect: Dialect) -> Verdict:
    code, number = record.exit_code or 0, record.signal or 0
    hint, blame = dialect.hint(record, place), True
    if hint:
        pass
    elif code in COULD_NOT_RUN:
        hint = PYTHON_HINT.format(python=place.python)
    elif code == SERVER_AWAY:
        hint, blame = "the worker did not reach the state server before its patience ended", False
    elif code == 0 and not number:
        hint, blame = "its worker was told that it is not wanted, or ended without a word", False
    words = f"The job ended before its command was started ({_exit(record)}): {hint or 'the worker failed'}"
    observed = _observed(
        job, record, node, TaskInstanceStatus.NO_HEARTBEAT, FailureClass.INFRASTRUCTURE, words, log
    )
    return Verdict(observed, node if blame else "")


def vanished(job: Job, dialect: Dialect) -> Observed:
    """Neither queue nor accounting know the job any more."""
    queue, accounting = dialect.lookups
    words = (
        f"{dialect.name} job {job.job_id}_{job.index} ({job.name}) has vanished: "
        f"neither {queue} nor {accounting} know it"
    )
    return Observed(
        instance_id=job.instance_id,
        state=JobState.GONE,
        status=TaskInstanceStatus.NO_HEARTBEAT,
        failure_class=FailureClass.INFRASTRUCTURE,
        message=words,
        node=job.node,
    )


def cancelled(job: Job, dialect: Dialect) -> Observed:
    """We have ended it, and it is seen gone."""
    return Observed(
        instance_id=job.instance_id,
        state=JobState.GONE,
        status=TaskInstanceStatus.ERROR_FATAL,
        failure_class=FailureClass.KILLED,
        message=f"cancelled ({dialect.name} job {job.job_id}_{job.index})",
    )


def _words(record: Record, fate: Fate, dialect: Dialect) -> str:
    what = {
        Fate.OUT_OF_MEMORY: "ran out of memory",
        Fate.TIME_LIMIT: "was ended at its time limit",
        Fate.CANCELLED: f"was cancelled, not by Jobmon ({dialect.cancel})",
        Fate.LOST: "was lost through no fault of its own",
    }[fate]
    detail = f", {record.detail}" if record.detail else ""
    return f"The job {what}: {dialect.name} says {record.state}{detail}"


def _observed(
    job: Job, record: Record, node: str, status: str, failure_class: str, words: str, log: str
) -> Observed:
    where = f" on node {node}" if node else ""
    tail = f"\nThe job's own log ends with:\n{log}" if log else ""
    return Observed(
        instance_id=job.instance_id,
        state=JobState.OVER,
        status=status,
        failure_class=failure_class,
        exit_code=record.exit_code,
        message=f"{words} (job {job.job_id}_{job.index}{where}).{tail}",
        node=node,
        peak_memory_bytes=record.peak_memory_bytes,
        cpu_seconds=record.cpu_seconds,
        wall_seconds=record.wall_seconds,
    )


def _exit(record: Record) -> str:
    if record.signal:
        return f"signal {record.signal}"
    return f"exit code {record.exit_code}" if record.exit_code is not None else record.state
