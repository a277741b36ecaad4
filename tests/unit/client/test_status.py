"""The status functions as a script calls them."""

import json
from collections.abc import Iterator

import pytest

from fakes.canned_server import CannedServer
from jobmon.client import status_commands
from jobmon.client.api import task_status, workflow_status, workflow_tasks
from jobmon.client.table import Table
from jobmon.core.routes import TASK_DETAILS, TASKS, WORKFLOWS
from jobmon.core.wire import TaskDetails, TaskList, TaskSummary, WorkflowList


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CannedServer]:
    with CannedServer() as server:
        monkeypatch.setenv("JOBMON__HTTP__SERVICE_URL", server.url)
        yield server


@pytest.mark.parametrize("ids", [7, [7], (7,)])
def test_one_id_is_as_good_as_a_list(server: CannedServer, ids: int | list[int]) -> None:
    server.prepare(WORKFLOWS, WorkflowList(workflows=[]))
    server.prepare(TASK_DETAILS, TaskDetails(tasks=[]))
    workflow_status(ids, user="ann")
    task_status(ids, status="DONE")

    assert server.asked(WORKFLOWS) == [{"workflow_id": ["7"], "user": ["ann"], "limit": ["5"]}]
    assert server.asked(TASK_DETAILS) == [{"task_id": ["7"], "status": ["DONE"]}]


def test_ids_may_come_from_numpy(server: CannedServer) -> None:
    numpy = pytest.importorskip("numpy")
    server.prepare(TASK_DETAILS, TaskDetails(tasks=[]))
    task_status(numpy.array([3, 4]))
    task_status(numpy.int64(5))

    assert [sent["task_id"] for sent in server.asked(TASK_DETAILS)] == [["3", "4"], ["5"]]


def test_a_table_comes_back_or_its_json(server: CannedServer) -> None:
    task = TaskSummary(task_id=12, name="fit", status="Q", attempts=0, retries=0, message="")
    server.prepare(TASKS, TaskList(tasks=[task], matching=3), workflow_id=7)

    table, text = workflow_tasks(7), workflow_tasks(7, json=True)

    assert isinstance(table, Table)
    assert list(table) == [{"TASK_ID": 12, "TASK_NAME": "fit", "STATUS": "SCHEDULED", "RETRIES": 0}]
    assert table.matching == 3
    assert isinstance(text, str)
    assert json.loads(text)["STATUS"] == {"0": "SCHEDULED"}


def test_the_functions_have_their_old_place_too() -> None:
    assert status_commands.workflow_status is workflow_status
    assert status_commands.task_status is task_status
