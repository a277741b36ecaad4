"""Graphs of all shapes come to their right end: every task after those it waits for, none twice, none lost."""

import asyncio

import pytest

from end_to_end.graphs import holds, numbers, template, workflow_of
from jobmon.client.api import Tool
from jobmon.core.exceptions import DuplicateNodeArgsError, EmptyWorkflowError
from jobmon_conformance.home import Home
from jobmon_conformance.witness import noted


def test_one_task(here: Home) -> None:
    tool = Tool("one")
    task = template(tool).create_task(number=1)
    workflow = workflow_of(tool, [task])

    assert workflow.run() == "D"
    assert task.final_status == "D"
    assert workflow.result.done_task_ids == (task.task_id,)
    assert task.resource_usage()["num_attempts"] == 1
    assert workflow.get_errors() == {}
    holds(here)


def test_three_in_a_row(here: Home) -> None:
    step = template(tool := Tool("row"))
    tasks = [step.create_task(number=number) for number in range(3)]
    tasks[1].add_upstream(tasks[0])
    tasks[1].add_downstream(tasks[2])

    assert workflow_of(tool, tasks).run() == "D"
    assert numbers(here, "start") == numbers(here, "end") == ["0", "1", "2"]
    holds(here)


def fork_and_join(tool, middle="true", max_attempts=3):
    """One task, five that wait for it, one that waits for these; `middle` is what number 3 does."""
    plain, other = template(tool), template(tool, "other", middle)
    fork = plain.create_task(number=0)
    middles = [
        (other if number == 3 else plain).create_task(
            number=number, upstream_tasks=[fork], max_attempts=max_attempts
        )
        for number in range(1, 6)
    ]
    return fork, middles, plain.create_task(number=6, upstream_tasks=middles)


def test_fork_and_join(here: Home) -> None:
    fork, middles, join = fork_and_join(tool := Tool("fork"))

    assert workflow_of(tool, [fork, *middles, join]).run() == "D"
    order = numbers(here, "end")
    assert (order[0], set(order[1:6]), order[6]) == ("0", set("12345"), "6")
    holds(here)


def test_fork_and_join_with_an_error_that_goes_away(here: Home) -> None:
    fork, middles, join = fork_and_join(tool := Tool("fork"), "mkdir tried 2>&- && exit 3 || true")
    workflow = workflow_of(tool, [fork, *middles, join])

    assert workflow.run() == "D"
    assert sorted(here.witness.starts().values()) == [1] * 6 + [2]
    assert here.witness.starts()[middles[2].task_id] == 2
    assert here.query("SELECT attempts, failures FROM task WHERE id = ?", middles[2].task_id) == [(2, 1)]
    holds(here)


@pytest.mark.promise("I13")
def test_fork_and_join_with_an_error_that_stays(here: Home) -> None:
    fork, middles, join = fork_and_join(tool := Tool("fork"), "echo bad luck >&2; exit 3", max_attempts=2)
    workflow = workflow_of(tool, [fork, *middles, join])

    assert workflow.run() == "E"
    assert workflow.result.failed_task_ids == (middles[2].task_id,)
    assert (middles[2].final_status, join.final_status) == ("F", "G")
    assert here.witness.starts()[middles[2].task_id] == 2
    assert join.task_id not in here.witness.starts()
    errors = workflow.get_errors()
    assert errors.keys() == {middles[2].task_id}
    description = errors[middles[2].task_id]["error_log"][0]["description"]
    assert "bad luck" in description and "exit code 3" in description, description
    assert errors == workflow.task_errors
    holds(here)


def test_two_tasks_with_the_same_failing_command_have_an_error_each(here: Home) -> None:
    step = template(tool := Tool("same"), command="exit 1")
    tasks = step.create_tasks(number=[1, 2], max_attempts=1)
    workflow = workflow_of(tool, tasks)

    assert workflow.run() == "E"
    assert workflow.get_errors().keys() == {task.task_id for task in tasks}
    holds(here)


def test_a_bushy_graph_of_layers_with_gates_of_many_kinds(here: Home) -> None:
    step = template(tool := Tool("bushy"))
    layers = [[step.create_task(number=f"{layer}x{place}") for place in range(6)] for layer in range(5)]
    for above, below in zip(layers, layers[1:], strict=False):
        for place, task in enumerate(below):
            task.add_upstreams(above[max(0, place - 1) : place + 2])
    layers[4][0].add_upstream(layers[0][5])  # a long way round

    assert workflow_of(tool, [task for layer in reversed(layers) for task in layer]).run() == "D"
    assert set(here.witness.starts().values()) == {1} and len(here.witness.starts()) == 30
    holds(here)


def test_a_cross_product_of_node_arguments(here: Home) -> None:
    tool = Tool("cross")
    body = noted("true").replace("{", "{{").replace("}", "}}") + " # {place} {year} {what}"
    step = tool.get_task_template(
        template_name="step", command_template=body, node_args=["place", "year"], task_args=["what"]
    )
    workflow = workflow_of(tool, step.create_tasks(place=["a", "b"], year=range(2000, 2003), what="x"))

    assert workflow.run() == "D"
    assert len(here.witness.ends()) == 6
    (found,) = workflow.get_tasks_by_node_args("step", place="b", year=2001)
    assert found.command.endswith("# b 2001 x")
    holds(here)


def test_an_empty_array_is_no_task_and_a_workflow_of_nothing_is_refused(here: Home) -> None:
    step = template(tool := Tool("empty"))
    workflow = workflow_of(tool, step.create_tasks(number=[]))

    with pytest.raises(EmptyWorkflowError):
        workflow.run()
    assert here.column("SELECT id FROM workflow") == []
    workflow.add_task(step.create_task(number=1))
    assert workflow.run() == "D"


def test_create_tasks_may_be_called_more_than_once_for_a_template(here: Home) -> None:
    step = template(tool := Tool("twice"))
    first = step.create_tasks(number=[1, 2])
    second = step.create_tasks(number=[3, 4], upstream_tasks=first)
    workflow = workflow_of(tool, [*first, *second])

    assert workflow.run() == "D"
    assert set(numbers(here, "end")[:2]) == {"1", "2"}
    assert list(workflow.arrays) == ["step"]
    holds(here)


@pytest.mark.promise("F70")
def test_the_same_node_arguments_twice_are_refused_before_anything_is_stored(here: Home) -> None:
    step = template(tool := Tool("double"))

    with pytest.raises(DuplicateNodeArgsError, match="number=1"):
        workflow_of(tool, [step.create_task(number=1), step.create_task(number=1)]).run()
    assert here.column("SELECT id FROM workflow") == []


def test_it_runs_inside_a_running_event_loop(here: Home) -> None:
    async def notebook() -> str:
        tool = Tool("loop")
        return workflow_of(tool, [template(tool).create_task(number=1)]).run()

    assert asyncio.run(notebook()) == "D"
    holds(here)


def test_several_clusters_in_one_workflow(here: Home) -> None:
    step = template(tool := Tool("clusters"))
    clusters = ["multiprocess", "sequential", "dummy", "local"]
    tasks = [step.create_task(number=number, cluster_name=name) for number, name in enumerate(clusters)]
    for above, below in zip(tasks, tasks[1:], strict=False):
        below.add_upstream(above)

    assert workflow_of(tool, tasks).run() == "D"
    assert numbers(here, "end") == ["0", "1", "3"]  # nothing is run on dummy
    here.check(witness=False)
    here.witness.check()
