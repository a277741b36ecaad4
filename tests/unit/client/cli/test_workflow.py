"""`jobmon workflow status` and `jobmon workflow tasks`."""

import datetime
import getpass
import json
from pathlib import Path

import pytest

from fakes.canned_server import CannedServer
from fakes.command_line import Run
from jobmon.core.exceptions import InvalidRequest, NotFound
from jobmon.core.routes import TASKS, WORKFLOWS
from jobmon.core.wire import Counts, TaskList, TaskSummary, WorkflowList, WorkflowSummary

AT = 1_760_000_000.25

HERE = Path(__file__).parent


def workflow(id: int = 7, **more: object) -> WorkflowSummary:
    counts = Counts(total=3, pending=1, scheduled=0, running=0, done=2, fatal=0, retries=4)
    row = {"name": "study", "args": "a", "tool": "t", "owner": "ann", "status": "R", "workflow_run_id": 9}
    return WorkflowSummary(workflow_id=id, created_at=AT, counts=counts, **row | more)  # type: ignore[arg-type]


def task(id: int, status: str = "D", **more: object) -> TaskSummary:
    row = {"name": f"fit_{id}", "attempts": 1, "retries": 0, "message": ""}
    return TaskSummary(task_id=id, status=status, **row | more)  # type: ignore[arg-type]


def test_status_prints_the_table_people_know(server: CannedServer, run: Run) -> None:
    server.prepare(WORKFLOWS, WorkflowList(workflows=[workflow(), workflow(6, name="", status="D")]))
    at = datetime.datetime.fromtimestamp(int(AT)).astimezone().isoformat()

    result = run("workflow status -w 7 6")

    assert result.exit_code == 0
    assert result.stdout.replace(at, "2025-10-09T08:53:20+00:00") == (HERE / "workflow_status.txt").read_text()


@pytest.mark.parametrize(
    "line",
    [
        "workflow status -w 1 2 -u ann -l 9 -o json",
        "workflow status -w 1 -w 2 -u ann -l 9 -o json",
        "workflow_status --workflow_id 1 2 --user ann --limit 9 -n",
        "workflow_status -u ann --workflow-id 1 2 --json -l 9",
    ],
)
def test_status_understands_every_spelling(server: CannedServer, run: Run, line: str) -> None:
    server.prepare(WORKFLOWS, WorkflowList(workflows=[workflow()]))

    result = run(line)

    assert result.exit_code == 0
    assert result.stderr == ""
    assert server.asked(WORKFLOWS) == [{"workflow_id": ["1", "2"], "user": ["ann"], "limit": ["9"]}]
    assert json.loads(result.stdout)["WF_ID"] == {"0": 7}


def test_status_asks_for_ones_own_workflows(server: CannedServer, run: Run) -> None:
    server.prepare(WORKFLOWS, WorkflowList(workflows=[]))

    result = run("workflow status")

    assert result.exit_code == 0
    assert server.asked(WORKFLOWS) == [{"user": [getpass.getuser()], "limit": ["5"]}]


def test_more_ids_than_the_limit_are_all_shown(server: CannedServer, run: Run) -> None:
    server.prepare(WORKFLOWS, WorkflowList(workflows=[]))

    run("workflow status -w 1 2 3 4 5 6 7")

    assert server.asked(WORKFLOWS)[0]["limit"] == ["7"]


def test_json_is_column_then_row_with_dates_in_milliseconds(server: CannedServer, run: Run) -> None:
    server.prepare(WORKFLOWS, WorkflowList(workflows=[workflow(), workflow(6)]))

    columns = json.loads(run("workflow status -w 7 6 -o json").stdout)

    assert columns["WF_ID"] == {"0": 7, "1": 6}
    assert columns["CREATED_DATE"] == {"0": 1_760_000_000_000, "1": 1_760_000_000_000}
    assert columns["DONE"]["0"] == "2 (66.7%)"
    assert [*columns] == (
        [
            "WF_ID",
            "WF_NAME",
            "WF_STATUS",
            "CREATED_DATE",
            "TASKS",
            "PENDING",
            "SCHEDULED",
            "RUNNING",
            "DONE",
            "FATAL",
            "RETRIES",
        ]
    )


def test_an_error_is_one_message_without_a_traceback(server: CannedServer, run: Run) -> None:
    server.prepare(WORKFLOWS, NotFound("there is no workflow 99; look elsewhere"))

    result = run("workflow status -w 99")

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "Error: there is no workflow 99; look elsewhere\n"


def test_debug_shows_where_an_error_comes_from(server: CannedServer, run: Run) -> None:
    server.prepare(WORKFLOWS, NotFound("there is no workflow 99"))

    assert isinstance(run("--debug workflow status -w 99").exception, NotFound)


def test_a_server_that_is_away_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBMON__HTTP__SERVICE_URL", "http://127.0.0.1:9")

    result = run("workflow status -w 1")

    assert result.exit_code == 1
    assert "no answer from the Jobmon server at http://127.0.0.1:9" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "line", ["workflow status -w one", "workflow tasks", "workflow status --nope", "workflow nope"]
)
def test_a_command_that_cannot_be_read_ends_with_2(run: Run, line: str) -> None:
    result = run(line)

    assert result.exit_code == 2
    assert "Error: " in result.stderr


def test_tasks_have_the_columns_people_know(server: CannedServer, run: Run) -> None:
    server.prepare(TASKS, TaskList(tasks=[task(12), task(11, retries=2)], matching=2), workflow_id=7)

    result = run("workflow tasks -w 7")

    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout == (
        "+-----------+-------------+----------+-----------+\n"
        "|   TASK_ID | TASK_NAME   | STATUS   |   RETRIES |\n"
        "|-----------+-------------+----------+-----------|\n"
        "|        12 | fit_12      | DONE     |         0 |\n"
        "|        11 | fit_11      | DONE     |         2 |\n"
        "+-----------+-------------+----------+-----------+\n"
    )


def test_tasks_show_errors_and_waits_when_there_are_any(server: CannedServer, run: Run) -> None:
    rows = [task(12, "F", message="ValueError: x"), task(11, "G", waits_for="upstream fit_12 is FATAL")]
    server.prepare(TASKS, TaskList(tasks=rows, matching=9), workflow_id=7)

    result = run("workflow tasks -w 7 -l 2")

    header, _, first, second = result.stdout.splitlines()[1:5]
    assert header.split() == [
        "|",
        "TASK_ID",
        "|",
        "TASK_NAME",
        "|",
        "STATUS",
        "|",
        "RETRIES",
        "|",
        "ERROR",
        "|",
        "WAITS_FOR",
        "|",
    ]
    assert "ValueError: x" in first
    assert "upstream fit_12 is FATAL" in second
    assert result.stderr == "2 of 9 tasks; -l 9 shows all.\n"


@pytest.mark.parametrize(
    "line",
    [
        "workflow tasks -w 7 -s DONE FATAL -l 3",
        "workflow tasks -w 7 -s done -s fatal -l 3",
        "workflow_tasks --workflow_id 7 --status Done Fatal --limit 3 --json",
    ],
)
def test_statuses_are_a_list_in_either_case(server: CannedServer, run: Run, line: str) -> None:
    server.prepare(TASKS, TaskList(tasks=[], matching=0), workflow_id=7)

    result = run(line)

    assert result.exit_code == 0
    assert server.asked(TASKS, workflow_id=7) == [{"status": ["DONE", "FATAL"], "limit": ["3"]}]


def test_a_wrong_status_names_those_that_exist_and_asks_nobody(server: CannedServer, run: Run) -> None:
    result = run("workflow tasks -w 7 -s DOEN")

    assert result.exit_code == 2
    assert "'DOEN' is not a status of tasks; there are PENDING, SCHEDULED, RUNNING, DONE, FATAL." in result.stderr
    assert server.requests == []


def test_an_error_of_the_request_is_told_as_it_is(server: CannedServer, run: Run) -> None:
    server.prepare(TASKS, InvalidRequest("limit is too much"), workflow_id=7)

    assert run("workflow tasks -w 7").stderr == "Error: limit is too much\n"
