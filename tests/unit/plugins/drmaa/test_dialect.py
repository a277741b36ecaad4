"""Grid Engine's own words: the script that stays with each worker, what the end of a job means."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from fakes.cluster import jobs_of
from fakes.server import batch
from jobmon.core.cluster import JobState
from jobmon.core.constants import FailureClass
from jobmon.core.scheduler.dialect import Place
from jobmon.core.scheduler.shapes import Record
from jobmon.core.scheduler.states import Fate
from jobmon.core.scheduler.verdicts import Verdict, judge
from jobmon_drmaa.dialect import GRID_ENGINE
from jobmon_drmaa.states import (
    BROKEN,
    DELETED,
    EXITED,
    KILLED,
    MEMORY,
    NOT_STARTED,
    OVER,
    SIGNALLED,
    TIME,
)

[JOB] = jobs_of(batch(1), "77")
LOST = ("X", "infrastructure")


# The script.


@pytest.fixture
def launch(tmp_path: Path) -> Path:
    script = tmp_path / "launch.sh"
    script.write_text(GRID_ENGINE.script)
    return script


def launched(launch: Path, command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["/bin/sh", str(launch), "/bin/sh", "-c", command, "worker"],
        env={**os.environ, "HOSTNAME": "n1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.promise("F30")
@pytest.mark.parametrize(
    ("command", "code"),
    [("exit 0", 0), ("exit 3", 3), ("exit 126", 126), ("kill -9 $$", 137), ("kill -11 $$", 139), ("exit 75", 75)],
)
def test_the_script_ends_as_its_worker_did(launch, command, code):
    process = launched(launch, command)
    process.communicate(timeout=90)

    assert process.returncode == code


@pytest.mark.parametrize("code", [99, 100])
def test_codes_that_are_orders_to_grid_engine_are_never_given_and_the_log_has_them(launch, code):
    _, errors = (process := launched(launch, f"exit {code}")).communicate(timeout=90)

    assert process.returncode == 1
    assert f"exit code {code} is told to Grid Engine as 1" in errors


def test_the_worker_is_told_its_node(launch):
    output, _ = launched(launch, 'echo "$1"').communicate(timeout=90)

    assert output == "--node=n1\n"


@pytest.mark.promise("F34")
def test_the_script_outlives_the_warnings_that_its_worker_gets_too(launch):
    process = launched(launch, "trap 'echo warned; exit 7' USR1; echo ready; while :; do sleep 0.05; done")
    assert process.stdout and process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGUSR1)
    output, _ = process.communicate(timeout=90)

    assert (output, process.returncode) == ("warned\n", 7)


def test_a_log_has_the_number_that_grid_engine_gives_its_task():
    assert GRID_ENGINE.log_path(Path("/logs/jm-1")) == "/logs/jm-1/$TASK_ID.log"
    assert GRID_ENGINE.first_index == 1
    assert GRID_ENGINE.index_words[:2] == ("--index-env=SGE_TASK_ID", "--index-offset=-1")


# What the end of a silent job means.


def verdict(
    state: str, code: int | None = 0, number: int | None = None, started: bool = True, detail: str = ""
) -> Verdict:
    job = replace(JOB, started=started, node="n9")
    record = Record("77", 0, JOB.name, "me", state, code, number, nodes="n1", detail=detail)
    return judge(job, record, "", Place("/home/me/state", "/env/bin/python"), GRID_ENGINE)


@pytest.mark.promise("F29 F32 F33 F34 F35")
@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize(
    ("state", "status", "failure_class", "words"),
    [
        (MEMORY, "Z", "resource", "ran out of memory"),
        (TIME, "Z", "resource", "ended at its time limit"),
        (KILLED, "F", "killed", "was cancelled, not by Jobmon (qdel)"),
        (DELETED, "F", "killed", "was cancelled, not by Jobmon (qdel)"),
        (BROKEN, "X", "infrastructure", "no fault of its own"),
        ("Eqw", "X", "infrastructure", "no fault of its own"),
    ],
)
def test_where_the_state_says_all_the_exit_code_does_not_count(started, state, status, failure_class, words):
    seen, bad_node = verdict(state, 137, 9, started)

    assert (seen.state, seen.status, seen.failure_class) == (JobState.OVER, status, failure_class)
    assert words in seen.message
    assert f"Grid Engine says {state} (job 77_0 on node n1)." in seen.message
    assert bad_node == ""


@pytest.mark.promise("F30 F33")
@pytest.mark.parametrize(
    ("state", "code", "number", "expected", "words"),
    [
        (EXITED, 3, None, ("E", "user"), "The command failed with exit code 3, as Grid Engine says"),
        (EXITED, None, 9, LOST, "The worker was killed by signal 9 without a report"),
        (SIGNALLED, None, 11, LOST, "The worker was killed by signal 11 without a report"),
        (EXITED, 75, None, LOST, "ended with exit code 75"),
        (EXITED, 0, None, LOST, "ended with exit code 0 without a report"),
    ],
)
def test_the_exit_code_of_a_started_command_is_its_own_unless_it_is_the_workers(
    state, code, number, expected, words
):
    seen, bad_node = verdict(state, code, number)

    assert (seen.status, seen.failure_class) == expected
    assert words in seen.message
    assert bad_node == ""


@pytest.mark.promise("F42 F43")
@pytest.mark.parametrize(
    ("state", "code", "detail", "words", "bad_node"),
    [
        (
            NOT_STARTED,
            0,
            "its log could not be opened",
            "its log could not be opened: is the file system of /home/me/state mounted on that node?",
            "n1",
        ),
        (NOT_STARTED, None, "", "Grid Engine could not start it: is the file system", "n1"),
        (EXITED, 127, "", "the worker's interpreter did not start there: is /env/bin/python", "n1"),
        (EXITED, 75, "", "the worker did not reach the state server", ""),
        (EXITED, 0, "", "its worker was told that it is not wanted", ""),
    ],
)
def test_a_command_that_never_started_is_lost_and_its_node_blamed_where_it_may_be_at_fault(
    state, code, detail, words, bad_node
):
    seen, blamed = verdict(state, code, None, started=False, detail=detail)

    assert (seen.status, seen.failure_class) == LOST
    assert words in seen.message
    assert blamed == bad_node


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize("state", sorted(OVER))
def test_every_way_to_be_over_has_a_verdict_and_none_is_success(state, started):
    seen = verdict(state, None, None, started).observed

    assert seen.status in set("XEFZ")
    assert seen.failure_class in set(FailureClass)
    assert (seen.status == "E") <= (OVER[state] is Fate.EXITED)
