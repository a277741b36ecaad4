import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmon.client.task_generator import TaskGenerator, get_tasks_by_node_args, main, task_generator
from jobmon.client.tool import Tool
from jobmon.client.typed_values import deserialize, serialize


class Point:
    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y


POINTS = {Point: (lambda point: f"{point.x};{point.y}", lambda text: Point(*map(int, text.split(";"))))}
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@task_generator(tool_name="tests", naming_args=["x"])
def write(x: int, words: list[str], out: str, scale: "float | None" = None) -> None:
    """Write what it was given."""
    Path(out).write_text(repr((x, words, scale)))


@pytest.fixture
def generator(tool: Tool) -> TaskGenerator:
    """As `write`, with a template of its own for every test."""
    return TaskGenerator(write.task_function, {}, "tests", ["x"], module_source_path=__file__)


@given(x=st.integers(), words=st.lists(TEXT), scale=st.none() | st.floats(allow_nan=False))
def test_values_come_back_as_they_went(x: int, words: list[str], scale: float | None) -> None:
    for value, annotation in (
        (x, int),
        (words, list[str]),
        (scale, float | None),
        ({"k": [x]}, dict[str, list[int]]),
    ):
        assert deserialize(serialize(value, annotation, {}), annotation, {}) == value


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ((1, "a"), tuple[int, str]),
        ({1, 2}, set[int]),
        ("None", str | None),
        (None, str | None),
        ("1", int | str),
        (1, int | str),
        (True, bool),
        ([[1], []], list[list[int]]),
        ({"a": None}, Any),
    ],
)
def test_types_are_kept(value: object, annotation: Any) -> None:
    back = deserialize(serialize(value, annotation, {}), annotation, {})

    assert back == value
    assert type(back) is type(value)


def test_a_type_of_ones_own_needs_a_serializer() -> None:
    point = deserialize(serialize([Point(1, 2)], list[Point], POINTS), list[Point], POINTS)[0]

    assert (point.x, point.y) == (1, 2)
    with pytest.raises(TypeError, match="Point"):
        serialize(Point(1, 2), Point, {})


@pytest.mark.parametrize(
    ("value", "annotation"), [("1", int), (True, int), (1, str), ([1], list[str]), (None, int)]
)
def test_a_value_of_another_type_is_refused(value: object, annotation: Any) -> None:
    with pytest.raises(TypeError, match="not of the type"):
        serialize(value, annotation, {})


def test_the_command_calls_the_function_with_any_value(generator: TaskGenerator, tmp_path: Path) -> None:
    out = str(tmp_path / "it's here=now")
    task = generator.create_task(x=1, words=["a b", "c='d'", "$(e)\n"], out=out)
    subprocess.run(["bash", "-c", task.command], check=True, cwd=tmp_path)

    assert Path(out).read_text() == repr((1, ["a b", "c='d'", "$(e)\n"], None))


def test_arguments_are_crossed_unless_they_are_one_value_of_the_type(generator: TaskGenerator) -> None:
    tasks = generator.create_tasks(x=[1, 2], words=["a", "b"], out="o", scale=[None, 0.5])

    assert [task.node_args["x"] for task in tasks] == ["1", "1", "2", "2"]
    assert [task.node_args["scale"] for task in tasks] == ["null", "0.5", "null", "0.5"]
    assert {task.node_args["words"] for task in tasks} == {'["a","b"]'}
    assert tasks[0].name == "write_x-1"


def test_tasks_are_found_by_the_functions_arguments(generator: TaskGenerator, tool: Tool) -> None:
    workflow = tool.create_workflow()
    workflow.add_tasks(generator.create_tasks(x=[1, 2, 3], words=[], out="o"))
    found = get_tasks_by_node_args(workflow, generator, {"x": [1, 3]})

    assert [task.node_args["x"] for task in found] == ["1", "3"]
    assert get_tasks_by_node_args(workflow, generator, {"x": 9}, error_on_empty=False) == []
    with pytest.raises(ValueError, match="no task"):
        get_tasks_by_node_args(workflow, generator, {"x": 9})


def test_missing_unknown_and_wrong_arguments_are_named(generator: TaskGenerator) -> None:
    with pytest.raises(ValueError, match="'words'"):
        generator.create_task(x=1)
    with pytest.raises(ValueError, match="colour"):
        generator.create_task(x=1, words=[], out="o", colour=1)
    with pytest.raises(TypeError, match="argument 'x' of write"):
        generator.create_task(x="1", words=[], out="o")


def test_an_argument_without_a_type_is_refused() -> None:
    with pytest.raises(TypeError, match="needs a type"):
        TaskGenerator(lambda x: x, {}, "tests").params  # noqa: B018


def test_calling_it_calls_the_function(tmp_path: Path) -> None:
    write(1, [], str(tmp_path / "out"), scale=2.0)

    assert (tmp_path / "out").read_text() == "(1, [], 2.0)"


def test_a_function_of_a_script_finds_its_way_to_the_node(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os\n"
        "from jobmon.client.task_generator import task_generator\n"
        "@task_generator(tool_name='tests')\n"
        "def double(name: str, n: int):\n"
        "    print(name, 2 * n)\n"
        "if __name__ == '__main__':\n"
        "    os.environ['JOBMON__HTTP__SERVICE_URL'] = 'http://127.0.0.1:9'\n"
        "    print(double.create_task(name='it', n=4).command)\n"
    )
    command = subprocess.run([sys.executable, str(script)], check=True, capture_output=True, text=True).stdout
    printed = subprocess.run(["bash", "-c", command], check=True, capture_output=True, text=True, cwd="/").stdout

    assert printed == "it 8\n"


def test_the_entry_point_names_what_is_missing() -> None:
    words = shlex.split(f"run --module {__name__} --func write --source {shlex.quote(__file__)} x=1")

    with pytest.raises(ValueError, match="out, scale, words"):
        main(words)
