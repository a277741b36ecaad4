"""From how a command ended to its outcome: the verdict, the sentence for the user, the measured usage."""

import contextlib
import os

from jobmon.core.constants import FailureClass, TaskInstanceStatus
from jobmon.core.quantities import format_memory
from jobmon.core.wire import Outcome
from jobmon.distributor.local.attempt import Attempt
from jobmon.distributor.worker.output import shortage
from jobmon.distributor.worker.tail import read_tail
from jobmon.distributor.worker.verdict import judge


def outcome(attempt: Attempt, node: str, tail_bytes: int) -> Outcome:
    """The outcome of a command that ended."""
    assert attempt.status is not None and attempt.usage is not None
    code = os.waitstatus_to_exitcode(attempt.status)
    peak_bytes = _peak_bytes(attempt)
    status, failure_class, sentence = _verdict(attempt, code, peak_bytes)
    return Outcome(
        instance_id=attempt.instance_id,
        token=attempt.token,
        status=status,
        failure_class=failure_class,
        exit_code=code,
        message=_message(attempt, sentence, node, tail_bytes) if sentence else _note(attempt),
        peak_memory_bytes=peak_bytes,
        cpu_seconds=attempt.usage.ru_utime + attempt.usage.ru_stime,
        wall_seconds=attempt.wall_seconds,
    )


def never_started(attempt: Attempt, node: str, reason: str) -> Outcome:
    """The outcome of a command that could not be started."""
    return Outcome(
        instance_id=attempt.instance_id,
        token=attempt.token,
        status=TaskInstanceStatus.ERROR,
        failure_class=FailureClass.USER,
        message=f"The command was not started on {node}: {reason}",
    )


def killed_before_start(attempt: Attempt) -> Outcome:
    """The outcome of an attempt that was cancelled between its grant and its start."""
    return Outcome(
        instance_id=attempt.instance_id,
        token=attempt.token,
        status=TaskInstanceStatus.ERROR_FATAL,
        failure_class=FailureClass.KILLED,
        message="Cancelled before it started",
    )


def lost(instance_id: int, token: str, node: str) -> Outcome:
    """The outcome of an attempt whose executor was killed: nobody saw how it ended."""
    return Outcome(
        instance_id=instance_id,  # type: ignore[arg-type]
        token=token,
        status=TaskInstanceStatus.NO_HEARTBEAT,
        failure_class=FailureClass.INFRASTRUCTURE,
        message=f"The local executor on {node} died while it had this attempt; what was left of the command "
        "was killed",
    )


def dummy(attempt: Attempt) -> Outcome:
    """The outcome of an attempt of which nothing is run."""
    return Outcome(
        instance_id=attempt.instance_id,
        token=attempt.token,
        status=TaskInstanceStatus.DONE,
        exit_code=0,
        wall_seconds=0.0,
    )


def _verdict(attempt: Attempt, code: int, peak_bytes: int) -> tuple[str, str, str]:
    """Status letter, failure class and what happened in words; no words for a success."""
    order = attempt.order
    if attempt.stop == "cancel":
        return TaskInstanceStatus.ERROR_FATAL, FailureClass.KILLED, "was cancelled"
    if attempt.stop == "runtime":
        sentence = f"exceeded its runtime limit of {order.runtime_seconds} s"
        return TaskInstanceStatus.RESOURCE_ERROR, FailureClass.RESOURCE, sentence
    if attempt.stop == "memory" or (code and attempt.cgroup is not None and attempt.cgroup.oom_kills()):
        limit, used = format_memory(order.memory_bytes or 0), format_memory(peak_bytes)
        sentence = f"exceeded its memory limit of {limit} (used at least {used})"
        return TaskInstanceStatus.RESOURCE_ERROR, FailureClass.RESOURCE, sentence
    if attempt.stop == "executor":
        sentence = "was killed because the local executor was told to end"
        return TaskInstanceStatus.NO_HEARTBEAT, FailureClass.INFRASTRUCTURE, sentence
    verdict = judge(code)
    return verdict.status, verdict.failure_class, verdict.sentence if code else ""


def _peak_bytes(attempt: Attempt) -> int:
    assert attempt.usage is not None
    peak_bytes = attempt.cgroup.peak_bytes() if attempt.cgroup else None
    return peak_bytes or max(attempt.usage.ru_maxrss * 1024, attempt.peak_bytes)


def _message(attempt: Attempt, sentence: str, node: str, tail_bytes: int) -> str:
    """What happened, where to look, and the end of what the command said."""
    lines = [f"The command {sentence} on {node}. Standard error: {attempt.stderr}"]
    if note := _note(attempt):
        lines.append(f"Note: {note}")
    try:
        lines.append(read_tail(attempt.stderr, tail_bytes).rstrip("\n"))
    except OSError as error:
        lines.append(f"(its standard error cannot be read: {error.strerror})")
    return "\n".join(lines).rstrip("\n")


def _note(attempt: Attempt) -> str:
    """What is wrong with the files of its output."""
    notes = [attempt.warning]
    for path in (attempt.order.stdout_dir, attempt.stderr):
        with contextlib.suppress(OSError):
            notes.append(shortage(path))
    return "; ".join(filter(None, notes))
