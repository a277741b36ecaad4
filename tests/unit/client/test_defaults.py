from pathlib import Path

import pytest

from jobmon.client.task_template import TaskTemplate
from jobmon.client.tool import Tool
from jobmon.client.workflow import Workflow

ARGS = {"country": "Chad", "year": 1, "data": "/d", "python": "py"}
YAML = """
tool_resources: {slurm: {queue: all.q, memory: 1G}}
tool_scales: {slurm: {memory: 0.1}}
workflow_resources: {slurm: {memory: 3G}}
workflow_scales: {slurm: {memory: 0.3}}
task_template_resources: {fit: {slurm: {memory: 2G}}}
task_template_scales: {fit: {slurm: {memory: 0.2}}}
task_resources: {slurm: {memory: 9G}}
"""


@pytest.fixture
def yaml_file(tmp_path: Path) -> Path:
    file = tmp_path / "resources.yaml"
    file.write_text(YAML)
    return file


def test_task_beats_array_beats_template_beats_workflow_beats_tool_key_by_key(
    tool: Tool, workflow: Workflow, fit: TaskTemplate
) -> None:
    levels = ["tool", "workflow", "template", "array", "task"]
    tool.set_default_compute_resources_from_dict("c", dict.fromkeys(levels, "tool"))
    workflow.set_default_compute_resources_from_dict("c", dict.fromkeys(levels[1:], "workflow"))
    fit.set_default_compute_resources_from_dict("c", dict.fromkeys(levels[2:], "template"))
    own = dict.fromkeys(levels[3:], "array")
    [task] = fit.create_tasks(cluster_name="c", compute_resources=own, **ARGS)
    task.update_compute_resources(task="task")
    workflow.add_task(task)

    assert task.compute_resources == {name: name for name in levels}


def test_defaults_of_another_cluster_do_not_count(tool: Tool, fit: TaskTemplate) -> None:
    tool.set_default_compute_resources_from_dict("other", {"memory": "9G"})
    task = fit.create_task(cluster_name="mine", **ARGS)

    assert task.compute_resources == {}


def test_the_nearest_cluster_name_wins_and_local_is_the_last_word(tool: Tool, fit: TaskTemplate) -> None:
    workflow = tool.create_workflow()
    task = fit.create_task(**ARGS)
    workflow.add_task(task)
    seen = [task.cluster_name]
    tool.set_default_cluster_name("of-tool")
    seen.append(task.cluster_name)
    workflow.set_default_cluster_name("of-workflow")
    seen.append(task.cluster_name)
    fit.default_cluster_name = "of-template"
    seen.append(task.cluster_name)
    seen.append(fit.create_task(cluster_name="own", **ARGS).cluster_name)

    assert seen == ["local", "of-tool", "of-workflow", "of-template", "own"]


def test_three_attempts_unless_somebody_says_otherwise(tool: Tool, fit: TaskTemplate) -> None:
    workflow = tool.create_workflow()
    task = fit.create_task(**ARGS)
    workflow.add_task(task)
    seen = [task.max_attempts]
    tool.set_default_max_attempts(4)
    seen.append(task.max_attempts)
    workflow.set_default_max_attempts(5)
    seen.append(task.max_attempts)
    fit.set_default_max_attempts(6)
    seen.append(task.max_attempts)
    seen.append(fit.create_task(max_attempts=7, **ARGS).max_attempts)

    assert seen == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("value", [0, -1, True, "3", 1.5, 40000])
def test_a_number_of_attempts_that_cannot_be_is_refused(fit: TaskTemplate, value: object) -> None:
    with pytest.raises(ValueError, match="max_attempts"):
        fit.create_task(max_attempts=value, **ARGS)  # type: ignore[arg-type]


def test_memory_and_runtime_grow_by_a_half_unless_a_scale_is_given(fit: TaskTemplate) -> None:
    task = fit.create_task(resource_scales={"memory": 2}, **ARGS)

    assert task.resource_scales == {"memory": 2, "runtime": 0.5}


@pytest.mark.parametrize("scale", ["half", None, True, {}])
def test_a_scale_that_is_no_number_callable_or_iterator_is_refused(fit: TaskTemplate, scale: object) -> None:
    with pytest.raises(ValueError, match="resource_scales"):
        fit.create_task(resource_scales={"memory": scale}, **ARGS)


def test_updates_on_one_task_leave_its_siblings_alone(fit: TaskTemplate) -> None:
    one, other = fit.create_tasks(
        country=["Chad", "Mali"], year=1, data="/d", python="py", compute_resources={"memory": "1G", "cores": 2}
    )
    one.update_compute_resources(memory="2G")
    one.update_resource_scales(memory=1.0)

    assert one.compute_resources == {"memory": "2G", "cores": 2}
    assert one.resource_scales["memory"] == 1.0
    assert other.compute_resources == {"memory": "1G", "cores": 2}
    assert other.resource_scales["memory"] == 0.5


def test_a_later_change_of_the_dict_does_not_change_the_task(fit: TaskTemplate) -> None:
    resources = {"memory": "1G"}
    task = fit.create_task(compute_resources=resources, **ARGS)
    resources["memory"] = "9G"

    assert task.compute_resources == {"memory": "1G"}


def test_yaml_files_hold_defaults_of_every_level(
    tool: Tool, workflow: Workflow, fit: TaskTemplate, yaml_file: Path
) -> None:
    task = fit.create_task(cluster_name="slurm", **ARGS)
    workflow.add_task(task)
    seen = []
    tool.set_default_compute_resources_from_yaml("slurm", yaml_file)
    tool.set_default_resource_scales_from_yaml("slurm", yaml_file)
    seen.append((task.compute_resources["memory"], task.resource_scales["memory"]))
    workflow.set_default_compute_resources_from_yaml("slurm", yaml_file)
    workflow.set_default_resource_scales_from_yaml("slurm", yaml_file)
    seen.append((task.compute_resources["memory"], task.resource_scales["memory"]))
    fit.set_default_compute_resources_from_yaml(yaml_file, "slurm")
    fit.set_default_resource_scales_from_yaml(yaml_file, "slurm")
    seen.append((task.compute_resources["memory"], task.resource_scales["memory"]))
    task.set_compute_resources_from_yaml("slurm", yaml_file)

    assert seen == [("1G", 0.1), ("3G", 0.3), ("2G", 0.2)]
    assert task.compute_resources == {"queue": "all.q", "memory": "9G"}


def test_a_tool_can_set_its_templates_from_yaml(tool: Tool, fit: TaskTemplate, yaml_file: Path) -> None:
    tool.set_default_compute_resources_from_yaml("slurm", yaml_file, set_task_templates=True)

    assert fit.default_compute_resources_set == {"slurm": {"memory": "2G"}}


def test_a_template_can_be_made_with_a_yaml_file(tool: Tool, yaml_file: Path) -> None:
    template = tool.get_task_template(
        "fit",
        "{x}",
        ["x"],
        default_cluster_name="slurm",
        default_compute_resources={"cores": 2},
        yaml_file=yaml_file,
    )

    assert template.default_compute_resources_set == {"slurm": {"memory": "2G", "cores": 2}}
    assert template.default_resource_scales_set == {"slurm": {"memory": 0.2}}


def test_a_key_that_is_not_in_the_file_is_an_error_unless_ignored(tool: Tool, yaml_file: Path) -> None:
    with pytest.raises(KeyError, match="no entry for the cluster 'sge'"):
        tool.set_default_compute_resources_from_yaml("sge", yaml_file)
    tool.set_default_compute_resources_from_yaml("sge", yaml_file, ignore_missing_keys=True)
    with pytest.raises(KeyError, match="'unheard_of'"):
        tool.get_task_template("unheard_of", "{x}", ["x"], yaml_file=yaml_file)
