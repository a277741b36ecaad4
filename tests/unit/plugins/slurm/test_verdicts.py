"""Each row of the judgement: what Slurm says of a silent attempt, and what the server believes because of it."""

import pytest
from msgspec.structs import replace

from fakes.cluster import jobs_of
from fakes.server import batch
from jobmon.core.cluster import JobState
from jobmon.core.constants import FailureClass, TaskInstanceStatus
from jobmon.core.scheduler.dialect import Place
from jobmon.core.scheduler.shapes import Record
from jobmon.core.scheduler.states import Fate
from jobmon.core.scheduler.verdicts import Verdict, judge, vanished
from jobmon_slurm.dialect import SLURM
from jobmon_slurm.states import OVER

PLACE = Place("/home/me/state", "/env/bin/python")
[JOB] = jobs_of(batch(1), "77")
LOST, USER, FAULT = ("X", "infrastructure"), ("E", "user"), "n1"


def verdict(
    state: str, code: int | None = 0, signal: int | None = 0, started: bool = True, log: str = ""
) -> Verdict:
    job = replace(JOB, started=started, node="n9")
    record = Record("77", 0, JOB.name, "me", state, code, signal, "", "n1", 5 * 2**20, 3.0, 12.0)
    return judge(job, record, log, PLACE, SLURM)


@pytest.mark.promise("F29 F32 F33 F34 F35")
@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize(
    ("state", "signal", "status", "failure_class", "words"),
    [
        ("OUT_OF_MEMORY", 125, "Z", "resource", "ran out of memory"),
        ("TIMEOUT", 0, "Z", "resource", "ended at its time limit"),
        ("DEADLINE", 0, "Z", "resource", "ended at its time limit"),
        ("CANCELLED", 0, "F", "killed", "was cancelled, not by Jobmon"),
        ("NODE_FAIL", 0, "X", "infrastructure", "no fault of its own"),
        ("BOOT_FAIL", 0, "X", "infrastructure", "no fault of its own"),
        ("PREEMPTED", 0, "X", "infrastructure", "no fault of its own"),
        ("LAUNCH_FAILED", 0, "X", "infrastructure", "no fault of its own"),
    ],
)
def test_where_the_state_says_all_the_exit_code_does_not_count(
    state, signal, status, failure_class, words, started
):
    seen, bad_node = verdict(state, 0, signal, started)

    assert (seen.state, seen.status, seen.failure_class) == (JobState.OVER, status, failure_class)
    assert words in seen.message
    assert f"Slurm says {state} (job 77_0 on node n1)." in seen.message
    assert (bad_node, seen.node) == ("", "n1")


@pytest.mark.promise("F30 F33")
@pytest.mark.parametrize(
    ("state", "code", "signal", "expected", "words"),
    [
        ("FAILED", 3, 0, USER, "The command failed with exit code 3, as Slurm says"),
        ("FAILED", 127, 0, USER, "exit code 127"),
        ("FAILED", 0, 9, LOST, "The worker was killed by signal 9 without a report"),
        ("FAILED", 3, 9, LOST, "killed by signal 9"),
        ("FAILED", 75, 0, LOST, "ended with exit code 75"),
        ("FAILED", 198, 0, LOST, "ended with exit code 198"),
        ("FAILED", 199, 0, LOST, "ended with exit code 199"),
        ("COMPLETED", 0, 0, LOST, "ended with exit code 0 without a report"),
        ("FAILED", None, None, LOST, "ended with exit code 0"),
    ],
)
def test_the_exit_code_of_a_started_command_is_its_own_unless_it_is_the_workers(
    state, code, signal, expected, words
):
    seen, bad_node = verdict(state, code, signal)

    assert (seen.status, seen.failure_class) == expected
    assert words in seen.message
    assert bad_node == ""


@pytest.mark.promise("F42 F43")
@pytest.mark.parametrize(
    ("code", "signal", "words", "bad_node"),
    [
        (
            0,
            53,
            "Slurm could not open its log or folder there: is the file system of /home/me/state mounted",
            FAULT,
        ),
        (126, 0, "the worker's interpreter did not start there: is /env/bin/python on a file system", FAULT),
        (127, 0, "the worker's interpreter did not start there", FAULT),
        (198, 0, "(exit code 198): the worker failed", FAULT),
        (199, 0, "(exit code 199): the worker failed", FAULT),
        (1, 0, "(exit code 1): the worker failed", FAULT),
        (0, 9, "(signal 9): the worker failed", FAULT),
        (75, 0, "the worker did not reach the state server", ""),
        (0, 0, "its worker was told that it is not wanted", ""),
        (None, None, "(FAILED)", ""),
    ],
)
def test_a_command_that_never_started_is_lost_and_its_node_blamed_where_it_may_be_at_fault(
    code, signal, words, bad_node
):
    seen, blamed = verdict(
        "FAILED" if code or signal or code is None else "COMPLETED", code, signal, started=False
    )

    assert (seen.status, seen.failure_class) == LOST
    assert seen.message.startswith("The job ended before its command was started")
    assert words in seen.message
    assert blamed == bad_node


def test_usage_and_the_end_of_the_log_are_handed_on():
    seen, _ = verdict("OUT_OF_MEMORY", 0, 125, log="slurmstepd: error: Detected 1 oom_kill event")

    assert (seen.peak_memory_bytes, seen.cpu_seconds, seen.wall_seconds) == (5 * 2**20, 3.0, 12.0)
    assert seen.message.endswith("\nThe job's own log ends with:\nslurmstepd: error: Detected 1 oom_kill event")
    assert seen.exit_code == 0


@pytest.mark.promise("F51")
def test_usage_that_nobody_measured_is_not_zero():
    record = Record("77", 0, JOB.name, "me", "NODE_FAIL")
    seen = judge(JOB, record, "", PLACE, SLURM).observed

    assert (seen.exit_code, seen.peak_memory_bytes, seen.cpu_seconds, seen.wall_seconds) == (None,) * 4
    assert (seen.node, seen.message.endswith("(job 77_0).")) == ("", True)


@pytest.mark.promise("F49")
def test_a_job_that_vanished_is_gone_through_no_fault_of_its_own():
    seen = vanished(JOB, SLURM)

    assert (seen.state, seen.status, seen.failure_class) == (JobState.GONE, *LOST)
    assert "77_0 (jm-1-1) has vanished" in seen.message


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize("state", sorted(OVER))
def test_every_way_to_be_over_has_a_verdict_and_none_is_success(state, started):
    seen = verdict(state, None, None, started).observed

    assert seen.status in set("XEFZ")
    assert seen.status != TaskInstanceStatus.DONE
    assert seen.failure_class in set(FailureClass)
    assert (seen.status == "E") <= (OVER[state] is Fate.EXITED)
