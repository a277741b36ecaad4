"""Which workflow is the same one: each row of the table of identity, through the public interface."""

import pytest

from end_to_end.graphs import holds, numbers, template, workflow_of
from jobmon.client.api import Tool
from jobmon.client.workflow import Workflow
from jobmon.core.exceptions import WorkflowAlreadyComplete, WorkflowAlreadyExists
from jobmon_conformance.home import Home

UNTIL_MENDED = "[ -e mended ] || { echo not mended >&2; exit 1; }"


def some(command: str = "true", args: str = "same", count: int = 3, tool: str = "identity", **options) -> Workflow:
    """A workflow of tasks in a row, built anew as another process would."""
    step = template(made := Tool(tool), command=command)
    tasks = [step.create_task(number=number, max_attempts=1) for number in range(count)]
    for above, below in zip(tasks, tasks[1:], strict=False):
        below.add_upstream(above)
    return workflow_of(made, tasks, workflow_args=args, **options)


def workflows(home: Home) -> list[int]:
    return home.column("SELECT id FROM workflow ORDER BY id")


def test_without_arguments_each_workflow_is_a_new_one(here: Home) -> None:
    assert [some(args="").run(), some(args="").run(resume=True)] == ["D", "D"]
    assert workflows(here) == [1, 2]
    holds(here)


def test_a_resume_without_a_match_is_a_new_workflow(here: Home) -> None:
    assert some().run(resume=True) == "D"
    holds(here)


def test_the_same_arguments_with_other_tasks_are_refused(here: Home) -> None:
    some(UNTIL_MENDED).run()

    for resume in (False, True):
        with pytest.raises(WorkflowAlreadyExists, match="other tasks"):
            some(UNTIL_MENDED, count=4).run(resume=resume)
    assert workflows(here) == [1]
    assert here.column("SELECT id FROM workflow_run") == [1]


def test_the_same_arguments_of_another_tool_or_tool_version_are_another_workflow(here: Home) -> None:
    assert [some().run(), some(tool="another").run()] == ["D", "D"]
    Tool("identity").get_new_tool_version()
    assert some().run() == "D"
    assert workflows(here) == [1, 2, 3]


def test_an_identical_one_that_is_not_done_is_refused_unless_it_is_resumed(here: Home) -> None:
    assert some(UNTIL_MENDED).run() == "E"

    with pytest.raises(WorkflowAlreadyExists, match="resume"):
        some(UNTIL_MENDED).run()
    (here.folder / "mended").touch()
    again = some(UNTIL_MENDED)
    assert again.run(resume=True) == "D"
    assert (workflows(here), again.result.num_previously_complete) == ([1], 0)
    holds(here)


def test_an_identical_one_that_is_done_is_refused(here: Home) -> None:
    some().run()

    for resume in (False, True):
        with pytest.raises(WorkflowAlreadyComplete):
            some().run(resume=resume)
    assert set(here.witness.starts().values()) == {1}


def test_one_that_was_bound_and_never_run_may_be_run(here: Home) -> None:
    some().bind()
    bound = some()

    assert bound.run(resume=True) == "D"
    assert workflows(here) == [1]
    holds(here)


@pytest.mark.promise("F74")
def test_name_description_and_operational_arguments_may_change_from_run_to_run(here: Home) -> None:
    def built(folder: str, **options) -> Workflow:
        tool = Tool("operational")
        step = tool.get_task_template(
            template_name="step",
            command_template="[ -e {folder}/mended ] # {number} of {total}",
            node_args=["number"],
            task_args=["total"],
            op_args=["folder"],
        )
        tasks = step.create_tasks(number=[1, 2], total=2, folder=folder, max_attempts=1)
        return workflow_of(tool, tasks, workflow_args="same", **options)

    (here.folder / "right").mkdir()
    (here.folder / "right" / "mended").touch()

    assert built("wrong", name="first", description="one").run() == "E"
    again = built("right", name="second", description="two")
    assert again.run(resume=True) == "D"
    assert here.query("SELECT id, name, description FROM workflow") == [(1, "second", "two")]
    assert set(here.column("SELECT command FROM task_spec")) == {f"[ -e right/mended ] # {i} of 2" for i in (1, 2)}
    here.check(witness=False)


@pytest.mark.promise("F74")
def test_name_and_description_alone_may_change_too(here: Home) -> None:
    some(UNTIL_MENDED, name="first", description="one").run()
    some(UNTIL_MENDED, name="second", description="two").run(resume=True)

    assert here.query("SELECT id, name, description FROM workflow") == [(1, "second", "two")]


def test_one_fails_and_a_resume_goes_on_from_there(here: Home) -> None:
    step = template(tool := Tool("one"), command=UNTIL_MENDED)
    plain = template(tool, "plain")

    def built() -> Workflow:
        tasks = [plain.create_task(number=0)]
        tasks.append(step.create_task(number=1, upstream_tasks=tasks[-1:], max_attempts=1))
        tasks.append(plain.create_task(number=2, upstream_tasks=tasks[-1:]))
        return workflow_of(tool, tasks, workflow_args="one")

    assert built().run() == "E"
    (here.folder / "mended").touch()
    again = built()
    assert again.run(resume=True) == "D"
    assert numbers(here, "start") == ["0", "1", "1", "2"]
    assert (again.result.num_previously_complete, again.result.done_count) == (1, 3)
    holds(here)


def test_a_workflow_that_ran_may_be_run_again_as_the_same_object(here: Home) -> None:
    workflow = some(UNTIL_MENDED)

    assert workflow.run() == "E"
    with pytest.raises(WorkflowAlreadyExists):
        workflow.run()
    (here.folder / "mended").touch()
    assert workflow.run(resume=True) == "D"
    holds(here)
