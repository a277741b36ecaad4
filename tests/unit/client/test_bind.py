"""What is sent when a workflow is bound; the server's answers are prepared."""

import datetime
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fakes.canned_server import CannedServer
from jobmon.client import bind as binding
from jobmon.client.bind import Graph
from jobmon.client.task import Task
from jobmon.client.task_template import TaskTemplate
from jobmon.client.tool import Tool
from jobmon.client.workflow import Workflow
from jobmon.core import hashing, routes, wire
from jobmon.core.exceptions import (
    DuplicateNodeArgsError,
    EmptyWorkflowError,
    InvalidResources,
    UnknownCluster,
    WorkflowAlreadyExists,
)

SHARED = {"data": "/d", "python": "py"}
Step = Callable[..., Task]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CannedServer]:
    with CannedServer() as server:
        monkeypatch.setenv("JOBMON__HTTP__SERVICE_URL", server.url)
        yield server


def answer(**changes: Any) -> wire.BindAnswer:
    values: dict[str, Any] = {
        "workflow_id": 3,
        "first_task_id": 100,
        "first_gate_id": 50,
        "array_ids": [7, 8],
        "resources_ids": [20, 21],
        "send": "all",
    }
    return wire.BindAnswer(**values | changes)


def map_of(tool: Tool, count: int, **options: Any) -> tuple[Workflow, TaskTemplate, list[Task]]:
    template = tool.get_task_template("t", "echo {x} {y} {z}", ["x"], ["y"], ["z"])
    workflow = tool.create_workflow(workflow_args="v1", default_cluster_name="dummy", **options)
    tasks = template.create_tasks(x=range(count), y=1, z=1)
    workflow.add_tasks(tasks)
    return workflow, template, tasks


def test_a_workflow_travels_as_an_announcement_and_chunks_of_columns(server: CannedServer) -> None:
    workflow, _, tasks = map_of(Tool("tests"), 5, name="wf", chunk_size=2)
    last = tasks[4]
    last.add_upstreams(tasks[:2])
    server.prepare(routes.BIND, answer(array_ids=[7], resources_ids=[20]))
    server.prepare(routes.CHUNK, wire.Done(), workflow_id=3)
    workflow.bind()
    [announced] = server.asked(routes.BIND)
    chunks = server.asked(routes.CHUNK, workflow_id=3)

    assert (announced["task_count"], announced["gate_count"], announced["name"]) == (5, 2, "wf")
    assert [chunk["first"] for chunk in chunks] == [0, 2, 4]
    assert [chunk["last"] for chunk in chunks] == [False, False, True]
    assert sum((chunk["command"] for chunk in chunks), []) == [f"echo {x} 1 1" for x in range(5)]
    assert sum((chunk["gate"] for chunk in chunks), []) == [0, 0, 0, 0, 1]
    assert chunks[0]["gate_remaining"] == [0]
    assert (chunks[2]["gate_first"], chunks[2]["gate_remaining"]) == (1, [2])
    assert (chunks[2]["member_task"], chunks[2]["member_gate"]) == ([0, 1], [1, 1])
    assert {*chunks[0]["array"], *chunks[0]["resources"]} == {7, 20}
    assert chunks[2]["node_args"] == ['{"x":4}']
    key = announced["templates"][0]["key"]
    assert chunks[2]["node_hash"] == hashing.node_hash(key, {"x": 4}).hex()
    assert (last.task_id, workflow.workflow_id, workflow.arrays["t"].array_id) == (104, 3, 7)


def test_the_members_of_a_huge_gate_are_spread_over_requests(
    tool: Tool, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    monkeypatch.setattr(binding, "CHUNK_MEMBERS", 40)
    workflow, _, tasks = map_of(tool, 100)
    workflow.add_task(step("all", *tasks))
    workflow.add_task(step("few", *tasks[:3]))
    chunks = list(Graph(workflow, chunk_tasks=101).chunks(answer()))
    pairs = [pair for chunk in chunks for pair in zip(chunk.member_task, chunk.member_gate, strict=True)]

    assert all(len(chunk.member_task) <= 40 for chunk in chunks)
    assert sorted(pairs) == sorted([*((x, 1) for x in range(100)), *((x, 2) for x in range(3))])
    assert sum(len(chunk.name) for chunk in chunks) == 102
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_long_commands_make_small_chunks(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "CHUNK_BYTES", 1000)
    workflow, _, _ = map_of(tool, 100)
    chunks = list(Graph(workflow).chunks(answer()))

    assert len(chunks) > 1
    assert [name for chunk in chunks for name in chunk.name] == [f"t_x-{x}" for x in range(100)]


@pytest.mark.promise("F62")
def test_an_interrupted_bind_goes_on_at_the_next_chunk(server: CannedServer) -> None:
    workflow, _, _ = map_of(Tool("tests"), 6, chunk_size=2)
    server.prepare(routes.BIND, answer(next_chunk=2))
    server.prepare(routes.CHUNK, wire.Done(), workflow_id=3)
    workflow.bind()

    assert [chunk["index"] for chunk in server.asked(routes.CHUNK, workflow_id=3)] == [2]


def test_a_workflow_that_the_server_knows_is_not_sent_again(server: CannedServer) -> None:
    workflow, _, _ = map_of(Tool("tests"), 6)
    server.prepare(routes.BIND, answer(send="none"))
    workflow.bind()

    assert workflow.is_bound
    assert [path for path, _ in server.requests] == ["/workflow"]


def test_tasks_in_another_order_take_the_order_of_the_server_and_are_announced_again(server: CannedServer) -> None:
    workflow, _, tasks = map_of(Tool("tests"), 3)
    hashes = [node.hex() for node in Graph(workflow).node_hashes]
    page = wire.TaskIdentities(task_ids=[100, 101, 102], node_hashes=hashes[::-1], statuses=["G"] * 3)
    server.prepare(routes.BIND, answer(send="none", same_order=False))
    server.prepare(routes.IDENTITIES, page, workflow_id=3)
    workflow.bind()
    first, second = (body["order_hash"] for path, body in server.requests if path == "/workflow")

    assert workflow.task_list == tasks[::-1]
    assert [task.task_id - tasks[2].task_id for task in tasks] == [2, 1, 0]
    assert first != second


def test_what_the_server_says_against_it_is_raised(server: CannedServer) -> None:
    workflow, _, _ = map_of(Tool("tests"), 3)
    server.prepare(routes.BIND, WorkflowAlreadyExists("workflow 3 exists"))

    with pytest.raises(WorkflowAlreadyExists, match="workflow 3 exists"):
        workflow.bind()
    assert not workflow.is_bound


def test_nothing_can_be_added_to_a_bound_workflow(server: CannedServer) -> None:
    workflow, template, tasks = map_of(Tool("tests"), 3)
    server.prepare(routes.BIND, answer(send="none"))
    workflow.bind()

    with pytest.raises(ValueError, match="bound"):
        workflow.add_task(template.create_task(x=9, y=1, z=1))
    with pytest.raises(ValueError, match="bound"):
        tasks[0].add_upstream(tasks[1])


def test_limits_and_attributes_of_a_bound_workflow_go_to_the_server(server: CannedServer) -> None:
    workflow, template, tasks = map_of(Tool("tests"), 3)
    server.prepare(routes.BIND, answer(send="none"))
    server.prepare(routes.LIMIT, wire.Done(), workflow_id=3)
    server.prepare(routes.WORKFLOW_ATTRIBUTES, wire.Done(), workflow_id=3)
    server.prepare(routes.TASK_ATTRIBUTES, wire.Done(), task_id=101)
    workflow.bind()
    workflow.set_max_concurrently_running(4)
    workflow.set_max_concurrently_running(template, 2)
    workflow.add_attributes({"release": 7})
    tasks[1].add_attribute("seen", None)

    assert server.asked(routes.LIMIT, workflow_id=3) == [
        {"max_concurrently_running": 4, "array": ""},
        {"max_concurrently_running": 2, "array": "t"},
    ]
    assert server.asked(routes.WORKFLOW_ATTRIBUTES, workflow_id=3) == [{"attributes": {"release": "7"}}]
    assert server.asked(routes.TASK_ATTRIBUTES, task_id=101) == [{"attributes": {"seen": None}}]


# --- identity -----------------------------------------------------------------------------------------------


def hashes_of(workflow: Workflow) -> tuple[str, str, str]:
    graph = Graph(workflow)
    return graph.identity_hash, graph.order_hash, graph.spec_hash


def test_the_same_script_gives_the_same_hashes(tool: Tool) -> None:
    assert hashes_of(map_of(tool, 10)[0]) == hashes_of(map_of(Tool("tests"), 10)[0])


def test_another_order_is_the_same_identity(tool: Tool) -> None:
    template = tool.get_task_template("t", "{x}", ["x"])
    seen = []
    for order in ([0, 1, 2], [2, 0, 1]):
        workflow = tool.create_workflow(default_cluster_name="dummy")
        tasks = [template.create_task(x=x) for x in range(3)]
        tasks[0].add_upstreams([tasks[1], tasks[2]])
        workflow.add_tasks(tasks[x] for x in order)
        seen.append(hashes_of(workflow))

    assert seen[0][0] == seen[1][0]
    assert seen[0][1] != seen[1][1]


def test_what_makes_it_another_workflow_and_what_only_another_specification(tool: Tool) -> None:
    def build(x: int = 1, y: int = 1, z: int = 1, upstream: bool = False, **options: Any) -> tuple[str, str, str]:
        template = tool.get_task_template("t", "echo {x} {y} {z}", ["x"], ["y"], ["z"])
        workflow = tool.create_workflow(default_cluster_name="dummy")
        first = template.create_task(x=0, y=1, z=1)
        second = template.create_task(x=x, y=y, z=z, upstream_tasks=[first] if upstream else [], **options)
        workflow.add_tasks([first, second])
        return hashes_of(workflow)

    base = build()
    identities = {build(x=2)[0], build(y=2)[0], build(upstream=True)[0], base[0]}
    specs = {
        build(z=2)[2],
        build(name="other")[2],
        build(max_attempts=5)[2],
        build(compute_resources={"memory": "2G"})[2],
        build(task_attributes={"k": 1})[2],
        base[2],
    }

    assert len(identities) == 4
    assert len(specs) == 6
    assert build(z=2)[:2] == build(name="other")[:2] == build(max_attempts=5)[:2] == base[:2]


def test_odd_arguments_have_their_hashes(tool: Tool) -> None:
    template = tool.get_task_template("t", "{x}", ["x"])
    workflow = tool.create_workflow(default_cluster_name="dummy")
    odd = [float("nan"), datetime.date(2026, 11, 20), None, True, 1, 1.0, "1", (1, 2)]
    workflow.add_tasks([template.create_task(x=x) for x in odd])

    assert len(set(Graph(workflow).node_hashes)) == len(odd)


# --- refused before anything is sent ------------------------------------------------------------------------


@pytest.fixture
def refused(server: CannedServer) -> Iterator[Tool]:
    """A tool whose workflow must be refused without a word to the server (but for what clusters it knows)."""
    server.prepare(routes.CLUSTERS, wire.ClusterList(clusters=[]))
    yield Tool("tests")

    assert [path for path, _ in server.requests if path != "/clusters"] == []


def test_an_empty_workflow_is_refused(refused: Tool) -> None:
    with pytest.raises(EmptyWorkflowError, match="add_tasks"):
        refused.create_workflow().bind()


@pytest.mark.promise("F70")
def test_the_first_five_duplicates_are_listed(refused: Tool) -> None:
    workflow, template, _ = map_of(refused, 10)
    workflow.add_tasks(template.create_task(x=x, y=2, z=2) for x in range(8))

    with pytest.raises(DuplicateNodeArgsError) as caught:
        workflow.bind()
    assert "8 of 18 tasks" in str(caught.value)
    assert [f"x={x}" in str(caught.value) for x in range(8)] == [True] * 5 + [False] * 3
    assert len(workflow.validate()) == 1


def test_an_unknown_cluster_is_refused(refused: Tool) -> None:
    workflow, template, _ = map_of(refused, 1)
    workflow.add_task(template.create_task(x=9, y=1, z=1, cluster_name="nowhere"))

    with pytest.raises(UnknownCluster, match="'nowhere'.*dummy"):
        workflow.bind()


def test_an_unknown_queue_is_refused(refused: Tool) -> None:
    workflow, template, _ = map_of(refused, 1)
    workflow.add_task(template.create_task(x=9, y=1, z=1, compute_resources={"queue": "gold.q"}))

    with pytest.raises(InvalidResources, match=r"template 't'.*gold\.q"):
        workflow.bind()


@pytest.mark.promise("F72")
@pytest.mark.parametrize(("value", "word"), [("a\0b", "NUL"), ("\udcff", "Unicode")])
def test_a_command_that_no_shell_takes_is_refused(refused: Tool, value: str, word: str) -> None:
    workflow, template, _ = map_of(refused, 1)
    workflow.add_task(template.create_task(x=9, y=1, z=value))

    with pytest.raises(ValueError, match=word):
        workflow.bind()


def test_a_command_that_cannot_be_made_is_refused_with_its_arguments(refused: Tool) -> None:
    template = refused.get_task_template("t", "{x:d}", ["x"])
    workflow = refused.create_workflow(default_cluster_name="dummy")
    workflow.add_tasks(template.create_tasks(x=[1, "two"]))

    with pytest.raises(ValueError, match="'t'.*x='two'"):
        workflow.bind()


def test_an_argument_without_a_canonical_form_is_refused(refused: Tool) -> None:
    workflow, template, _ = map_of(refused, 1)
    workflow.add_task(template.create_task(x=object(), y=1, z=1))

    with pytest.raises(TypeError, match="'t'"):
        workflow.bind()


# --- resources ----------------------------------------------------------------------------------------------


def test_tasks_with_the_same_resources_share_one_set(tool: Tool) -> None:
    template = tool.get_task_template("t", "{x}", ["x"])
    workflow = tool.create_workflow(default_cluster_name="dummy")
    for x in range(6):
        memory = "1G" if x % 2 else "2G"
        workflow.add_task(template.create_task(x=x, compute_resources={"memory": memory}))
    workflow.add_task(template.create_task(x=9, compute_resources={"memory": 1.0}))
    graph = Graph(workflow)

    assert len(graph.resolver.resources) == 2
    assert graph.columns(0, 7).resources == [0, 1, 0, 1, 0, 1, 1]


def test_tasks_of_one_workflow_may_run_on_several_clusters(tool: Tool) -> None:
    workflow, template, _ = map_of(tool, 1)
    workflow.add_task(template.create_task(x=9, y=1, z=1, cluster_name="sequential"))
    graph = Graph(workflow)

    assert [one.cluster for one in graph.resolver.resources] == ["dummy", "sequential"]


def test_scales_are_drawn_once_however_many_tasks_share_an_iterator(tool: Tool) -> None:
    template = tool.get_task_template("t", "{x}", ["x"])
    workflow = tool.create_workflow(default_cluster_name="dummy")
    memory = iter(["2G", "4G", "8G", "16G"])
    for x in range(2):
        workflow.add_task(
            template.create_task(
                x=x,
                max_attempts=4,
                compute_resources={"memory": "1G", "cores": 1 + x, "runtime": 10},
                resource_scales={"memory": memory, "runtime": lambda seconds: seconds + 5},
            )
        )
    expected = {"memory": [2 * 2**30, 4 * 2**30, 8 * 2**30], "runtime": [15, 20, 25]}

    assert [one.scales for one in Graph(workflow).resolver.resources] == [expected, expected]
    assert [one.scales for one in Graph(workflow).resolver.resources] == [expected, expected]


def test_tasks_whose_resources_are_computed_later_are_marked(tool: Tool) -> None:
    workflow, template, _ = map_of(tool, 1)
    workflow.add_task(template.create_task(x=9, y=1, z=1, compute_resources_callable=lambda: {"memory": "1G"}))

    assert Graph(workflow).columns(0, 2).deferred == [1]


# --- size ---------------------------------------------------------------------------------------------------


@pytest.mark.promise("F71")
def test_a_task_takes_less_than_1500_bytes_at_the_peak_of_a_bind(tool: Tool) -> None:
    count = 20_000
    fit = tool.get_task_template(
        "fit", "{python} fit.py --country {country} --data {data}", ["country"], ["data"], ["python"]
    )
    workflow = tool.create_workflow(default_cluster_name="dummy")
    tracemalloc.start()
    maps = fit.create_tasks(country=range(count // 2), **SHARED)
    workflow.add_tasks(maps)
    workflow.add_tasks(
        fit.create_task(country=f"after-{x}", upstream_tasks=[task], **SHARED) for x, task in enumerate(maps)
    )
    for _ in Graph(workflow, chunk_tasks=2000).chunks(answer()):
        pass
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes / count <= 1500


def test_a_fan_in_of_100_000_is_one_gate_in_bounded_requests(tool: Tool, step: Step) -> None:
    workflow, _, tasks = map_of(tool, 100_000)
    workflow.add_task(step("all", *tasks))
    chunks = list(Graph(workflow).chunks(answer()))

    assert max(len(chunk.name) for chunk in chunks) <= 20_000
    assert sum(len(chunk.member_task) for chunk in chunks) == 100_000
    assert sum(len(chunk.gate_remaining) for chunk in chunks) == 2
