"""`jobmon task status`."""

import json
from pathlib import Path

import pytest

from fakes.canned_server import CannedServer
from fakes.command_line import Run
from jobmon.core.exceptions import NotFound
from jobmon.core.resources import Resources
from jobmon.core.routes import TASK_DETAILS
from jobmon.core.wire import Attempt, ErrorEntry, TaskDetail, TaskDetails

GIB = 1024**3

HERE = Path(__file__).parent


def attempt(number: int, status: str, *errors: str, **more: object) -> Attempt:
    row: dict[str, object] = {
        "failure_class": "", "exit_code": 1, "cluster": "slurm", "job_id": "5012_3", "node": "n1",
        "requested": Resources(memory_bytes=2 * GIB, runtime_seconds=90), "peak_memory_bytes": 3 * GIB // 2,
        "cpu_seconds": 1.0, "wall_seconds": 12.34, "submitted_at": 1.0, "started_at": 2.0, "ended_at": 3.0,
    }  # fmt: skip
    entries = [
        ErrorEntry(task_instance_error_log_id=i, error_time=1.0, description=text) for i, text in enumerate(errors)
    ]
    return Attempt(
        task_instance_id=100 + number,
        workflow_run_id=1,
        number=number,
        status=status,
        stdout_path=f"/logs/fit.o{100 + number}",
        stderr_path=f"/logs/fit.e{100 + number}",
        errors=entries,
        **row | more,
    )  # type: ignore[arg-type]


def detail(id: int, status: str, *attempts: Attempt) -> TaskDetail:
    return TaskDetail(
        task_id=id,
        workflow_id=7,
        name="fit",
        status=status,
        command="true",
        max_attempts=3,
        attempts=list(attempts),
    )


def test_every_attempt_is_a_row_and_its_error_stands_below(server: CannedServer, run: Run) -> None:
    unknown = {"peak_memory_bytes": None, "wall_seconds": None, "exit_code": None, "requested": Resources()}
    first, second = attempt(1, "Z", "Traceback\n  line 1\nMemoryError"), attempt(2, "R", **unknown)
    server.prepare(TASK_DETAILS, TaskDetails(tasks=[detail(12, "R", first, second), detail(13, "G")]))

    result = run("task status -t 12 13")

    assert result.exit_code == 0
    assert result.stdout == (HERE / "task_status.txt").read_text()


def test_of_a_long_error_the_end_is_printed(server: CannedServer, run: Run) -> None:
    error = "\n".join(f"line {n}" for n in range(100))
    server.prepare(TASK_DETAILS, TaskDetails(tasks=[detail(12, "F", attempt(1, "E", error))]))

    lines = run("task status -t 12").stdout.splitlines()

    assert lines[-1] == "    line 99"
    assert "    ... 60 lines before" in lines
    assert "    line 59" not in lines


def test_json_holds_everything(server: CannedServer, run: Run) -> None:
    server.prepare(TASK_DETAILS, TaskDetails(tasks=[detail(12, "F", attempt(1, "E", "one", "two"))]))

    columns = json.loads(run("task status -t 12 -o json").stdout)

    assert columns["task_status"] == {"0": "FATAL"}
    assert columns["STDERR"] == {"0": "/logs/fit.e101"}
    assert columns["ERROR_TRACE"] == {"0": "one\ntwo"}


@pytest.mark.parametrize(
    "line",
    [
        "task status -t 1 2 -s FATAL",
        "task status --task-id 1 --task-id 2 -s fatal",
        "task_status --task_ids 1 2 -s Fatal -l 5 -n",
    ],
)
def test_every_spelling_is_understood(server: CannedServer, run: Run, line: str) -> None:
    server.prepare(TASK_DETAILS, TaskDetails(tasks=[]))

    result = run(line)

    assert result.exit_code == 0
    assert result.stderr == ""
    assert server.asked(TASK_DETAILS) == [{"task_id": ["1", "2"], "status": ["FATAL"]}]


def test_an_unknown_task_ends_with_1_and_none_with_2(server: CannedServer, run: Run) -> None:
    server.prepare(TASK_DETAILS, NotFound("there is no task 5"))

    assert (run("task status -t 5").exit_code, run("task status").exit_code) == (1, 2)
