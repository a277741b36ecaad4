from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmon.client.dag import Gates, check_acyclic
from jobmon.client.task import Task
from jobmon.client.task_template import TaskTemplate
from jobmon.client.tool import Tool
from jobmon.client.workflow import Workflow
from jobmon.core.exceptions import CyclicGraphError, NodeDependencyNotExistError

Step = Callable[..., Task]


def gates_of(workflow: Workflow) -> Gates:
    return Gates(workflow.task_list, workflow)


def edges_of(gates: Gates) -> list[set[int]]:
    return [set(gates.members_of(gate)) for gate in gates.of_task]


def test_tasks_that_wait_for_nothing_share_the_root_gate(workflow: Workflow, step: Step) -> None:
    workflow.add_tasks([step("a"), step("b")])
    gates = gates_of(workflow)

    assert (list(gates.of_task), len(gates), list(gates.members)) == ([0, 0], 1, [])


def test_the_root_gate_is_there_even_if_no_task_is_behind_it(workflow: Workflow, step: Step) -> None:
    a = step("a")
    a.add_upstream(a)
    workflow.add_task(a)

    assert len(gates_of(workflow)) == 2


def test_an_all_to_all_is_one_gate(workflow: Workflow, step: Step) -> None:
    first = [step(f"a{i}") for i in range(50)]
    second = [step(f"b{i}", *first) for i in range(50)]
    workflow.add_tasks([*first, *second])
    gates = gates_of(workflow)

    assert (len(gates), len(gates.members)) == (2, 50)


def test_the_same_set_in_another_order_and_with_repetitions_is_the_same_gate(
    workflow: Workflow, step: Step
) -> None:
    a, b = step("a"), step("b")
    workflow.add_tasks([a, b, step("c", a, b), step("d", b, a, b), step("e", a), step("f", a, a)])

    assert list(gates_of(workflow).of_task) == [0, 0, 1, 1, 2, 2]


@settings(max_examples=50)
@given(st.data())
def test_gates_say_the_same_as_the_edges_they_are_made_of(data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOBMON__HTTP__SERVICE_URL", "http://127.0.0.1:9")
        tool = Tool("tests")
    template = tool.get_task_template("t", "{x}", ["x"])
    workflow = tool.create_workflow()
    count = data.draw(st.integers(1, 12))
    tasks = [template.create_task(x=x) for x in range(count)]
    wanted = [data.draw(st.sets(st.integers(0, count - 1))) for _ in range(count)]
    for task, upstreams in zip(tasks, wanted, strict=True):
        task.add_upstreams(tasks[x] for x in upstreams)
    workflow.add_tasks(tasks)
    gates = gates_of(workflow)

    assert edges_of(gates) == wanted
    assert len(gates) == len({frozenset(one) for one in wanted} | {frozenset()})
    assert _refused(gates, tasks) == _has_cycle(wanted)


def _refused(gates: Gates, tasks: list[Task]) -> bool:
    try:
        check_acyclic(gates, tasks)
    except CyclicGraphError:
        return True
    return False


def _has_cycle(upstreams: list[set[int]]) -> bool:
    left = dict(enumerate(upstreams))
    while ready := [task for task, waits in left.items() if not waits & left.keys()]:
        for task in ready:
            del left[task]
    return bool(left)


@pytest.mark.promise("F69")
def test_the_shortest_cycle_is_printed_in_the_order_of_running(workflow: Workflow, step: Step) -> None:
    long = [step(f"long{i}") for i in range(5)]
    for before, after in zip(long, [*long[1:], long[0]], strict=True):
        before.add_downstream(after)
    x, y = step("x", long[0]), step("y")
    y.add_upstreams([x, long[3]])
    x.add_upstream(y)
    behind = step("behind", y)
    workflow.add_tasks([behind, *long, x, y])

    with pytest.raises(CyclicGraphError, match=r"circle of 2: (x -> y -> x|y -> x -> y) \(a -> b"):
        workflow.validate(raise_on_error=True)


@pytest.mark.promise("F69")
def test_a_task_that_waits_for_itself_is_refused(workflow: Workflow, step: Step) -> None:
    a = step("a")
    a.add_upstream(a)
    workflow.add_task(a)

    with pytest.raises(CyclicGraphError, match="circle of 1: a -> a"):
        workflow.validate(raise_on_error=True)


def test_tasks_may_be_added_before_those_they_wait_for(workflow: Workflow, step: Step) -> None:
    a = step("a")
    workflow.add_tasks([step("b", a), a])

    assert workflow.validate() == []


@pytest.mark.promise("F69")
def test_an_upstream_task_outside_the_workflow_is_refused(tool: Tool, workflow: Workflow, step: Step) -> None:
    stray = step("stray")
    task = workflow.add_task(step("a", stray))

    with pytest.raises(NodeDependencyNotExistError, match="'a'.*'stray', which was not added"):
        workflow.validate(raise_on_error=True)
    tool.create_workflow().add_task(stray)
    task.add_upstream(workflow.add_task(step("b")))
    with pytest.raises(NodeDependencyNotExistError, match="in another workflow"):
        workflow.validate(raise_on_error=True)


def test_a_task_belongs_to_one_workflow(tool: Tool, workflow: Workflow, fit: TaskTemplate, step: Step) -> None:
    task = workflow.add_task(step("a"))
    workflow.add_task(task)

    assert workflow.task_list == [task]
    with pytest.raises(ValueError, match="already"):
        tool.create_workflow().add_task(task)
