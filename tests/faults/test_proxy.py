"""A small but complete workflow through a network that loses, repeats, cuts and delays what the parts say."""

import os
from collections.abc import Callable, Iterator

import pytest

from end_to_end.graphs import holds, template, workflow_of
from faults.proxy import FAULTS, ROUTES, Plan, Proxy, Rule, rules, sometimes
from jobmon.client.api import Tool, task_status, workflow_status, workflow_tasks
from jobmon.client.workflow import Workflow
from jobmon.core import local_server, routes, wire
from jobmon.core.constants import TaskStatus
from jobmon.core.exceptions import WorkflowAlreadyComplete
from jobmon.core.resources import QueueLimits
from jobmon_conformance.home import Home

PROBES = ("GET /health", "GET /ready", "GET /metrics", "GET /openapi.json")
SEEDS = range(20 if os.environ.get("JOBMON_TEST_LONG") else 2)
Through = Callable[[Plan], Proxy]

pytestmark = pytest.mark.slow


@pytest.fixture
def through(here: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Through]:
    """All that this test starts meets the server through a proxy with that plan only."""
    made: list[Proxy] = []

    def through(plan: Plan) -> Proxy:
        address = local_server.ensure(here.data_dir)
        made.append(Proxy(lambda: local_server.read_server_file(here.data_dir).url, plan))
        token = here.folder / "site-token"  # elsewhere: the executor would find the server by its own note
        token.touch(mode=0o600)
        token.write_text(address.token)
        monkeypatch.setenv("JOBMON__HTTP__SERVICE_URL", made[-1].url)
        monkeypatch.setenv("JOBMON__HTTP__TOKEN_FILE", str(token))
        monkeypatch.setenv("JOBMON__HTTP__REQUEST_TIMEOUT_SECONDS", "10")
        return made[-1]

    yield through
    here.wait_until_quiet()  # the parts say their last words through the proxy
    for proxy in made:
        proxy.close()


def built(order: int = 1) -> Workflow:
    """A fork and join: one of the middle fails once, one as long as nothing is mended; one computes its resources.

    `order` -1 adds the same tasks the other way round.
    """
    tool = Tool("network")
    plain = template(tool)
    once = template(tool, "once", "mkdir tried 2>&- && exit 3 || true")
    never = template(tool, "never", "[ -e mended ] || { echo not mended >&2; exit 4; }")
    fork = plain.create_task(number=0, task_attributes={"colour": "blue"})
    middle = plain.create_tasks(number=range(1, 6), upstream_tasks=[fork], max_concurrently_running=3)
    middle += once.create_tasks(number=[6], upstream_tasks=[fork])
    bad = never.create_task(number=7, upstream_tasks=[fork], max_attempts=2)
    computed = plain.create_task(
        number=8, upstream_tasks=[fork], compute_resources_callable=lambda: {"runtime": "5m"}
    )
    join = plain.create_task(number=9, upstream_tasks=[*middle, computed])
    last = plain.create_task(number=10, upstream_tasks=[join, bad])
    tasks = [fork, *middle, bad, computed, join, last]
    return workflow_of(tool, tasks[::order], workflow_args="network")


def runs_to_its_right_end(home: Home) -> Workflow:
    """It ends in error for the one that cannot work, and well after a resume; nothing is lost or ran twice."""
    workflow = built()

    assert workflow.run() == "E"
    assert home.task_counts() == {"D": 9, "F": 1, "G": 1}
    assert sorted(home.witness.starts().values()) == [1] * 8 + [2, 2]
    holds(home)
    errors = workflow.get_errors()
    assert ["not mended" in entry["error_log"][0]["description"] for entry in errors.values()] == [True]

    done = set(home.column("SELECT id FROM task WHERE status = 'D'"))
    before = home.witness.count()
    (home.folder / "mended").touch()
    again = built(order=-1)
    assert again.run(resume=True) == "D"
    assert home.column("SELECT id FROM workflow") == [workflow.workflow_id]
    assert not done & {line.task for line in home.witness.lines()[before:]}
    assert set(again.result.task_final_statuses.values()) == {TaskStatus.DONE}
    assert home.column("SELECT status FROM workflow_run ORDER BY id") == ["E", "D"]
    holds(home)
    return again


def asks_everything(workflow: Workflow) -> None:
    """The routes that running alone does not take."""
    task = workflow.task_list[0]
    workflow.set_max_concurrently_running(5)
    workflow.add_attributes({"a": 1})
    task.add_attribute("b", 2)
    assert workflow_status(workflow.workflow_id)[0]["DONE"].startswith("11 ")
    assert workflow_tasks(workflow.workflow_id, limit=20).matching == 11
    assert task_status(task.task_id)[0]["STATUS"] == "DONE"
    assert task.array.task_template_version.template.resource_usage()["num_tasks"] == 9
    with pytest.raises(WorkflowAlreadyComplete):
        built().run()
    workflow.server.call(routes.CLUSTER_ADD, wire.ClusterRequest(name="mine", kind="dummy"))
    workflow.server.call(routes.CLUSTER_QUEUES, wire.QueuesRequest(name="mine", queues=[QueueLimits(name="a.q")]))
    assert list(workflow.get_cluster_by_name("mine").queues) == ["a.q"]
    newest = Tool("versions").get_new_tool_version()
    assert Tool("versions").ask_versions().version_ids == [newest]


@pytest.mark.promise("F07")
@pytest.mark.promise("F08")
@pytest.mark.parametrize("fault", ["drop_response", "drop_request", "truncate"])
def test_the_first_reply_of_every_route_is_lost(here: Home, through: Through, fault: str) -> None:
    proxy = through(rules(Rule(fault)))
    workflow = runs_to_its_right_end(here)
    asks_everything(workflow)

    # what is left: END of a run that is stopped, what probes ask, what a server with users knows
    others = {name for name in ROUTES if name.startswith(("GET /auth", "POST /auth")) or name in PROBES}
    left = {"POST /run/{run_id}/end", "POST /run/{run_id}/passes"}
    assert ROUTES.keys() - proxy.asked.keys() <= left | others
    assert proxy.done[fault] == len(proxy.asked)


@pytest.mark.promise("F08")
@pytest.mark.parametrize("nth", [2, 3])
def test_a_later_reply_of_every_route_is_lost(here: Home, through: Through, nth: int) -> None:
    proxy = through(rules(Rule("drop_response", nth=nth)))
    asks_everything(runs_to_its_right_end(here))

    assert proxy.done["drop_response"] >= 5


@pytest.mark.promise("F09")
@pytest.mark.promise("F10")
@pytest.mark.parametrize("fault", ["duplicate", "late"])
def test_every_request_arrives_twice(here: Home, through: Through, fault: str) -> None:
    proxy = through(rules(Rule(fault, nth=None)))
    asks_everything(runs_to_its_right_end(here))

    assert set(proxy.done) == {fault}


@pytest.mark.promise("F12")
@pytest.mark.promise("F13")
@pytest.mark.parametrize("fault", ["busy", "unavailable", "html", "login"])
def test_something_else_answers_first_on_every_route(here: Home, through: Through, fault: str) -> None:
    proxy = through(rules(Rule(fault)))
    asks_everything(runs_to_its_right_end(here))

    assert proxy.done[fault] == len(proxy.asked)


@pytest.mark.promise("F07")
@pytest.mark.promise("F08")
@pytest.mark.promise("F11")
@pytest.mark.parametrize("seed", SEEDS)
def test_any_fault_hits_one_request_in_ten(here: Home, through: Through, seed: int) -> None:
    proxy = through(sometimes(0.1, seed, FAULTS))
    asks_everything(runs_to_its_right_end(here))

    assert sum(proxy.done.values()) > 40, proxy.done


@pytest.mark.promise("F09")
def test_a_run_is_stopped_although_the_reply_is_lost_and_the_request_repeated(
    here: Home, through: Through
) -> None:
    through(rules(Rule("drop_response", path=".*/end"), Rule("late", path=".*", nth=None)))
    step = template(tool := Tool("stop"), command="sleep 1000")
    workflow = workflow_of(tool, step.create_tasks(number=range(3)))
    workflow.run(wait=False)
    here.wait_for(lambda: here.witness.count() == 2, "running commands")
    request = wire.EndRequest(reason="a test stops it")
    workflow.server.call(routes.END, request, run_id=workflow.last_workflow_run_id)
    here.wait_for(lambda: here.run_status() == "S", "the end of the run")

    assert set(here.column("SELECT status FROM task")) <= {"G", "Q"}
    holds(here)
