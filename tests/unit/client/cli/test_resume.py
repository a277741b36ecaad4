"""`jobmon workflow resume`: what it asks of the server; that tasks really run is an end-to-end matter."""

from pathlib import Path

import pytest

from fakes.canned_server import CannedServer
from fakes.command_line import Run
from jobmon.core.exceptions import NotFound, WorkflowAlreadyComplete
from jobmon.core.resources import Resources
from jobmon.core.routes import CLUSTERS, START_RUN, TASK_DETAILS, TASKS, WATCH, WORKFLOWS
from jobmon.core.wire import (
    Attempt,
    ClusterInfo,
    ClusterList,
    Counts,
    StartRunAnswer,
    TaskDetail,
    TaskDetails,
    TaskList,
    TaskSummary,
    WatchAnswer,
    WorkflowList,
    WorkflowSummary,
)

DRIVEN: list[int] = []


class NoDistributor:
    """Takes the place of the process, which the server with its prepared answers could not serve."""

    def __init__(self, log_dir: Path, startup_timeout_seconds: float) -> None:
        pass

    def drive(self, run_id: int) -> None:
        DRIVEN.append(run_id)

    def check(self, alive: bool, described: str = "") -> None:
        pass

    def finish(self, seconds: float = 0) -> None:
        pass

    def release(self) -> None:
        pass


def watched(status: str, **more: object) -> WatchAnswer:
    row: dict[str, object] = {
        "workflow_run_id": 31, "reason": "", "version": "v", "counts": Counts(total=3, done=3), "arrays": [],
        "failures": [], "failures_upto": 0, "notices": [], "deferred": [], "distributor_alive": True,
        "distributor": "h pid 1", "elapsed_seconds": 1.5,
    }  # fmt: skip
    return WatchAnswer(status=status, **row | more)  # type: ignore[arg-type]


def tried_on(cluster: str) -> TaskDetails:
    attempt = Attempt(
        task_instance_id=5, workflow_run_id=30, number=1, status="E", failure_class="user", exit_code=1,
        cluster=cluster, job_id="1", node="n", requested=Resources(), peak_memory_bytes=None, cpu_seconds=None,
        wall_seconds=None, submitted_at=1.0, started_at=None, ended_at=None, stdout_path="", stderr_path="",
        errors=[],
    )  # fmt: skip
    row = {"workflow_id": 7, "name": "fit_usa", "status": "F", "command": "", "max_attempts": 1}
    return TaskDetails(tasks=[TaskDetail(task_id=12, attempts=[attempt], **row)])  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _prepared(server: CannedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("jobmon.client.run.Distributor", NoDistributor)
    monkeypatch.setenv("JOBMON__RUN__DIR", str(tmp_path))
    DRIVEN.clear()
    row = {"name": "study", "args": "a", "tool": "t", "owner": "ann", "status": "F", "created_at": 1.0}
    found = WorkflowSummary(workflow_id=7, workflow_run_id=30, counts=Counts(), **row)  # type: ignore[arg-type]
    failed = TaskSummary(task_id=12, name="fit_usa", status="F", attempts=1, retries=0, message="")
    server.prepare(WORKFLOWS, WorkflowList(workflows=[found]))
    server.prepare(TASKS, TaskList(tasks=[failed], matching=1), workflow_id=7)
    server.prepare(TASK_DETAILS, tried_on("multiprocess"))
    server.prepare(START_RUN, StartRunAnswer(workflow_run_id=31, previously_complete=2, total=3), workflow_id=7)
    server.prepare(WATCH, watched("R"), watched("D"), run_id=31)


@pytest.mark.parametrize(
    ("line", "cold", "seconds"),
    [
        ("workflow resume -w 7 -c multiprocess", False, 36000),
        ("workflow resume -w 7 --cluster local --reset-running -t 5 --execution-timeout 60", True, 60),
        (
            "workflow_resume --workflow_id 7 --cluster_name multiprocess --reset-running-jobs "
            "--seconds-until-timeout 60 --use-original-resources --force-cleanup",
            True,
            60,
        ),
    ],
)
def test_a_run_of_what_remains_is_begun_driven_and_followed(
    server: CannedServer, run: Run, line: str, cold: bool, seconds: int
) -> None:
    result = run(line)

    assert result.exit_code == 0, result.stderr
    assert "Workflow 7 study: run 31, 3 tasks, 2 done before" in result.stderr
    [sent] = server.asked(START_RUN, workflow_id=7)
    assert (sent["resume"], sent["reset_running_jobs"]) == (True, cold)
    assert sent["seconds_until_timeout"] == seconds
    assert DRIVEN == [31]
    assert len(server.asked(WATCH, run_id=31)) == 2


@pytest.mark.parametrize("status", ["E", "S"])
def test_a_run_that_ends_otherwise_than_done_ends_with_1(server: CannedServer, run: Run, status: str) -> None:
    server.prepare(WATCH, watched(status), run_id=31)

    assert run("workflow resume -w 7 -c multiprocess").exit_code == 1


def test_tasks_of_another_cluster_are_not_moved(server: CannedServer, run: Run) -> None:
    result = run("workflow resume -w 7 -c sequential")

    assert result.exit_code == 1
    assert "task 12 (fit_usa) of workflow 7 is bound to cluster 'multiprocess'" in result.stderr
    assert server.asked(START_RUN, workflow_id=7) == []
    assert DRIVEN == []


def test_a_cluster_that_does_not_exist_is_refused(server: CannedServer, run: Run) -> None:
    server.prepare(CLUSTERS, ClusterList(clusters=[]))

    result = run("workflow resume -w 7 -c slrum")

    assert result.exit_code == 1
    assert "there is no cluster 'slrum'" in result.stderr
    assert [path for path, _ in server.requests] == ["/clusters"]


def test_a_cluster_that_the_server_knows_may_be_named(server: CannedServer, run: Run) -> None:
    server.prepare(CLUSTERS, ClusterList(clusters=[ClusterInfo(name="mine", kind="dummy", queues={})]))
    server.prepare(TASK_DETAILS, tried_on("mine"))

    assert run("workflow resume -w 7 -c mine").exit_code == 0
    server.prepare(TASK_DETAILS, tried_on("multiprocess"))
    assert "bound to cluster 'multiprocess'" in run("workflow resume -w 7 -c mine").stderr


def test_an_unknown_workflow_is_refused(server: CannedServer, run: Run) -> None:
    server.prepare(WORKFLOWS, NotFound("there is no workflow 7"))

    result = run("workflow resume -w 7 -c local")

    assert (result.exit_code, result.stderr) == (1, "Error: there is no workflow 7\n")


def test_a_done_workflow_is_refused(server: CannedServer, run: Run) -> None:
    server.prepare(START_RUN, WorkflowAlreadyComplete("workflow 7 is done already"), workflow_id=7)

    result = run("workflow resume -w 7 -c local")

    assert (result.exit_code, result.stderr) == (1, "Error: workflow 7 is done already\n")
    assert DRIVEN == []


def test_a_task_that_needs_its_script_says_so(server: CannedServer, run: Run) -> None:
    server.prepare(WATCH, watched("R", deferred=[12]), run_id=31)

    result = run("workflow resume -w 7 -c local")

    assert result.exit_code == 1
    assert "task 12 of workflow 7 computes its resources in its script" in result.stderr


@pytest.mark.parametrize("line", ["workflow resume -w 7", "workflow resume -c local"])
def test_workflow_and_cluster_must_be_given(run: Run, line: str) -> None:
    assert run(line).exit_code == 2
