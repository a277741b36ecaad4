from collections.abc import Callable
from pathlib import Path

import pytest

from jobmon.client.array import Array
from jobmon.client.node import Node
from jobmon.client.task import Task
from jobmon.client.task_template import TaskTemplate
from jobmon.client.tool import InvalidToolError, InvalidToolVersionError, Tool
from jobmon.client.workflow import Workflow
from jobmon.core.exceptions import InvalidMemoryFormat

SHARED = {"data": "/d", "python": "py"}


@pytest.mark.parametrize(
    ("command", "kinds", "word"),
    [
        ("{x} {y}", {"node_args": ["x"]}, "y"),
        ("{x}", {"node_args": ["x"], "op_args": ["x"]}, "more than once"),
        ("{x}", {"node_args": ["x", "z"]}, "z"),
        ("{name}", {"node_args": ["name"]}, "'name'"),
        ("{x}", {"node_args": "x"}, "list"),
    ],
)
def test_each_argument_is_listed_exactly_once(tool: Tool, command: str, kinds: dict, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        tool.get_task_template("t", command, **kinds)


def test_missing_and_unexpected_arguments_are_named(fit: TaskTemplate) -> None:
    with pytest.raises(ValueError, match="missing country, year; unexpected colour"):
        fit.create_task(colour=1, **SHARED)
    with pytest.raises(ValueError, match="missing country, year; unexpected colour"):
        fit.create_tasks(colour=[1], **SHARED)


def test_node_arguments_are_crossed_the_last_one_varying_fastest(fit: TaskTemplate) -> None:
    tasks = fit.create_tasks(country=["Chad", "Mali"], year=range(2), **SHARED)

    assert [task.node_args for task in tasks] == [
        {"country": "Chad", "year": 0},
        {"country": "Chad", "year": 1},
        {"country": "Mali", "year": 0},
        {"country": "Mali", "year": 1},
    ]
    assert tasks[1].command == "py fit.py Chad 1 /d"
    assert Array.expand_dict(a=[1, 2], b="xy") == [{"a": 1, "b": "xy"}, {"a": 2, "b": "xy"}]


def test_iterators_are_values_too_and_an_empty_one_makes_no_task(fit: TaskTemplate) -> None:
    assert len(fit.create_tasks(country=(c for c in "ab"), year={1}, **SHARED)) == 2
    assert fit.create_tasks(country=[], year=[1], **SHARED) == []


def test_create_tasks_takes_attributes_queues_and_a_pattern_for_names(fit: TaskTemplate) -> None:
    tasks = fit.create_tasks(
        country=["Costa Rica"], year=[1], name="model_{country}_{year}", task_attributes={"k": 1},
        fallback_queues=["long.q"], **SHARED,
    )  # fmt: skip

    assert [task.name for task in tasks] == ["model_Costa_Rica_1"]
    assert tasks[0].task_attributes == {"k": "1"}
    assert tasks[0].fallback_queues == ["long.q"]


def test_several_calls_make_one_array_of_the_workflow(workflow: Workflow, fit: TaskTemplate) -> None:
    first = fit.create_tasks(country=["a"], year=[1], max_concurrently_running=5, **SHARED)
    second = fit.create_tasks(country=["b"], year=[1], **SHARED)
    single = fit.create_task(country="c", year=1, **SHARED)
    workflow.add_tasks([*first, *second, single])

    assert list(workflow.arrays) == ["fit"]
    assert workflow.arrays["fit"].tasks == [*first, *second, single]
    assert workflow.arrays["fit"].max_concurrently_running == 5
    assert single.array is workflow.arrays["fit"]


def test_a_named_call_is_an_array_of_its_own(workflow: Workflow, fit: TaskTemplate) -> None:
    workflow.add_tasks(fit.create_tasks(country=["a"], year=[1], **SHARED))
    workflow.add_tasks(
        fit.create_tasks(country=["b"], year=[1], name="more", max_concurrently_running=2, **SHARED)
    )

    assert {name: array.max_concurrently_running for name, array in workflow.arrays.items()} == {
        "fit": 2147483647,
        "more": 2,
    }


def test_two_limits_for_one_array_are_refused(workflow: Workflow, fit: TaskTemplate) -> None:
    workflow.add_tasks(fit.create_tasks(country=["a"], year=[1], max_concurrently_running=5, **SHARED))

    with pytest.raises(ValueError, match="name="):
        workflow.add_tasks(fit.create_tasks(country=["b"], year=[1], max_concurrently_running=6, **SHARED))


def test_tasks_of_one_call_may_go_to_two_workflows(tool: Tool, fit: TaskTemplate) -> None:
    one, other = fit.create_tasks(country=["a", "b"], year=[1], **SHARED)
    first, second = tool.create_workflow(), tool.create_workflow()
    first.add_task(one)
    second.add_task(other)

    assert first.arrays["fit"].tasks == [one]
    assert second.arrays["fit"].tasks == [other]


def test_a_changed_command_is_another_version(tool: Tool, workflow: Workflow) -> None:
    template = tool.get_task_template("t", "echo {x}", ["x"])
    before = template.create_task(x=1)
    again = tool.get_task_template("t", "echo now {x}", ["x"])

    assert again is template
    assert len({version.id for version in template.task_template_versions}) == 2
    assert (before.command, template.create_task(x=1).command) == ("echo 1", "echo now 1")
    workflow.add_task(before)
    with pytest.raises(ValueError, match="another version"):
        workflow.add_task(template.create_task(x=2))


def test_values_that_are_equal_but_not_the_same_stay_apart(tool: Tool) -> None:
    template = tool.get_task_template("t", "{x} {flag}", ["x"], ["flag"])
    commands = [template.create_task(x=0, flag=flag).command for flag in (1, True, 1.0, 1, -0.0, 0.0)]

    assert commands == ["0 1", "0 True", "0 1.0", "0 1", "0 -0.0", "0 0.0"]


def test_a_task_can_be_made_by_hand(fit: TaskTemplate) -> None:
    node = Node(fit.active_task_template_version, {"country": "Chad", "year": 1})
    task = Task(node, {"data": "/d"}, {"python": "py"}, name="by-hand", max_attempts=2)

    assert (task.name, task.command, task.max_attempts) == ("by-hand", "py fit.py Chad 1 /d", 2)


def test_upstream_and_downstream_are_two_sides_of_the_same(workflow: Workflow, step: Callable[..., Task]) -> None:
    a, b, c = step("a"), step("b"), step("c")
    workflow.add_tasks([a, b, c])
    b.add_upstream(a)
    a.add_downstream(c)
    c.add_upstreams([b])

    assert (b.upstream_tasks, c.upstream_tasks) == ({a}, {a, b})
    assert a.downstream_tasks == {b, c}


def test_adding_an_upstream_to_one_task_leaves_those_alone_that_shared_its_upstreams(fit: TaskTemplate) -> None:
    first, second = fit.create_tasks(country=["a", "b"], year=1, **SHARED)
    one, other = fit.create_tasks(country=["c", "d"], year=1, upstream_tasks=[first], **SHARED)
    one.add_upstream(second)

    assert (one.upstream_tasks, other.upstream_tasks) == ({first, second}, {first})


def test_equal_upstream_lists_are_kept_once(fit: TaskTemplate) -> None:
    ups = fit.create_tasks(country=["a", "b"], year=1, **SHARED)
    one, other = (fit.create_task(country=c, year=1, upstream_tasks=list(ups), **SHARED) for c in "xy")

    assert one._upstreams is other._upstreams


@pytest.mark.parametrize("attributes", ["name", {"x" * 256: 1}, {"k": "v" * 256}, {"": 1}])
def test_impossible_attributes_are_refused(fit: TaskTemplate, attributes: object) -> None:
    with pytest.raises(ValueError, match="attribute"):
        fit.create_task(country="a", year=1, task_attributes=attributes, **SHARED)  # type: ignore[arg-type]


def test_attributes_are_names_with_or_without_texts(fit: TaskTemplate) -> None:
    task = fit.create_task(country="a", year=1, task_attributes=["seen"], **SHARED)
    task.add_attribute("n", 3)

    assert task.task_attributes == {"seen": None, "n": "3"}


def test_a_bad_memory_size_is_refused_where_it_is_written(fit: TaskTemplate) -> None:
    with pytest.raises(InvalidMemoryFormat):
        fit.create_task(country="a", year=1, compute_resources={"memory": "much"}, **SHARED)


def test_ids_are_not_known_before_the_workflow_is_bound(workflow: Workflow, fit: TaskTemplate) -> None:
    task = workflow.add_task(fit.create_task(country="a", year=1, **SHARED))

    assert not task.is_bound
    for ask in (lambda: task.task_id, lambda: workflow.workflow_id, lambda: workflow.arrays["fit"].array_id):
        with pytest.raises(AttributeError, match="bind"):
            ask()


def test_tasks_are_found_by_their_node_arguments(workflow: Workflow, fit: TaskTemplate) -> None:
    workflow.add_tasks(fit.create_tasks(country=["a", "b"], year=[1, 2], **SHARED))
    found = workflow.get_tasks_by_node_args("fit", country="a", year=[2, 3])

    assert [task.node_args for task in found] == [{"country": "a", "year": 2}]
    assert len(workflow.arrays["fit"].get_tasks_by_node_args(year=1)) == 2
    with pytest.raises(ValueError, match="colour"):
        workflow.get_tasks_by_node_args("fit", colour=1)
    with pytest.raises(ValueError, match="no task template 'nothing'"):
        workflow.get_tasks_by_node_args("nothing")


def test_a_limit_for_an_unknown_template_is_a_key_error(workflow: Workflow, fit: TaskTemplate) -> None:
    workflow.add_tasks(fit.create_tasks(country=["a"], year=[1], **SHARED))
    workflow.set_task_template_max_concurrency_limit("fit", 7)
    workflow.set_max_concurrently_running(9)

    assert (workflow.arrays["fit"].max_concurrently_running, workflow.max_concurrently_running) == (7, 9)
    with pytest.raises(KeyError, match="unknown"):
        workflow.set_task_template_max_concurrency_limit("unknown", 7)


def test_a_tool_has_a_name_and_a_version_that_can_be(tool: Tool, tmp_path: Path) -> None:
    assert Tool().name.startswith("unknown-")
    with pytest.raises(InvalidToolError):
        Tool("x" * 300)
    with pytest.raises(InvalidToolVersionError):
        Tool("x", active_tool_version_id="newest")
