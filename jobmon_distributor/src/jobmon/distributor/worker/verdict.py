"""What the end of a command means: status, failure class and a sentence for its user. Pure."""

from __future__ import annotations

from .bare import signal

# Why a worker ended its command; "" for a command that ended by itself.
STOPPED = "on request of the server"
CANCELLED = "because the batch system told the job to end"
TIME_LIMIT = "at its time limit"
SUPERSEDED = "because another runner has this attempt now"

SHELL_SAYS = {
    126: "found, but the shell could not execute it (permission, format or interpreter line)",
    127: "command not found, or the interpreter of its first line",
}


class Verdict:
    """How an attempt ended, in the words of the state table."""

    def __init__(self, status: str, failure_class: str, sentence: str) -> None:
        """`sentence` begins in lower case: the subject, "The command", is put before it."""
        self.status = status
        self.failure_class = failure_class
        self.sentence = sentence


def judge(exit_code: int, cause: str = "", out_of_memory: str = "") -> Verdict:
    """Classify an end. `exit_code` is -n after signal n; `cause` is one of the texts above.

    `out_of_memory` says how that showed, "" if it did not.
    """
    how = _how(exit_code)
    if cause == TIME_LIMIT:
        return Verdict("Z", "resource", f"was ended {cause} ({how})")
    if cause == CANCELLED:  # by its user, by a limit, for a job of higher rank: only the batch system knows
        return Verdict("T", "", f"was ended {cause} ({how})")
    if cause:
        return Verdict("F", "killed", f"was ended {cause} ({how})")
    if exit_code == 0:
        return Verdict("D", "", "is done")
    if out_of_memory:
        return Verdict("Z", "resource", f"ran out of memory: {out_of_memory} ({how})")
    if exit_code == -signal.SIGXCPU:
        return Verdict("Z", "resource", f"used up its CPU time limit ({how})")
    if exit_code in SHELL_SAYS:
        return Verdict("E", "user", f"failed: {SHELL_SAYS[exit_code]} ({how})")
    return Verdict("E", "user", f"failed with {how}" if exit_code > 0 else f"was {how}")


def shell_code(exit_code: int) -> int:
    """The exit code as a shell tells it: 128 + n after signal n."""
    return exit_code if exit_code >= 0 else 128 - exit_code


def _how(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    from signal import Signals  # 5 ms of CPU, for commands that were killed only

    try:
        return f"killed by signal {-exit_code}, {Signals(-exit_code).name}"
    except ValueError:  # a real-time signal
        return f"killed by signal {-exit_code}"
