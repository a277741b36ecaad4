"""What the end of a command means."""

import pytest

from jobmon.distributor.worker import verdict
from jobmon.distributor.worker.verdict import judge, shell_code

SHORT = "the kernel killed a process of the job"
OUT_OF_MEMORY = f"ran out of memory: {SHORT}"
TERMINATED = "killed by signal 15, SIGTERM"
KILLED = "killed by signal 9, SIGKILL"


@pytest.mark.parametrize(
    ("exit_code", "cause", "out_of_memory", "letter", "failure_class", "sentence"),
    [
        (0, "", "", "D", "", "is done"),
        (0, "", SHORT, "D", "", "is done"),
        (1, "", "", "E", "user", "failed with exit code 1"),
        (-9, "", "", "E", "user", "was killed by signal 9, SIGKILL"),
        (-40, "", "", "E", "user", "was killed by signal 40"),
        (137, "", SHORT, "Z", "resource", f"{OUT_OF_MEMORY} (exit code 137)"),
        (-24, "", "", "Z", "resource", "used up its CPU time limit (killed by signal 24, SIGXCPU)"),
        (0, verdict.TIME_LIMIT, "", "Z", "resource", "was ended at its time limit (exit code 0)"),
        (-15, verdict.STOPPED, SHORT, "F", "killed", f"was ended {verdict.STOPPED} ({TERMINATED})"),
        (3, verdict.CANCELLED, "", "T", "", f"was ended {verdict.CANCELLED} (exit code 3)"),
        (-15, verdict.CANCELLED, SHORT, "T", "", f"was ended {verdict.CANCELLED} ({TERMINATED})"),
        (-15, verdict.TIME_LIMIT, SHORT, "Z", "resource", f"was ended at its time limit ({TERMINATED})"),
        (-9, verdict.SUPERSEDED, "", "F", "killed", f"was ended {verdict.SUPERSEDED} ({KILLED})"),
    ],
)  # fmt: skip
def test_the_end_of_a_command_has_one_meaning(
    exit_code: int, cause: str, out_of_memory: str, letter: str, failure_class: str, sentence: str
) -> None:
    judged = judge(exit_code, cause, out_of_memory)

    assert (judged.status, judged.failure_class, judged.sentence) == (letter, failure_class, sentence)


def test_a_signal_is_told_as_a_shell_tells_it() -> None:
    assert [shell_code(0), shell_code(3), shell_code(-9)] == [0, 3, 137]
