"""What commands write arrives byte by byte in their files, and what they are is run to the letter."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from end_to_end.graphs import workflow_of
from jobmon.client.api import Tool, task_status
from jobmon.client.task import Task
from jobmon_conformance.home import Home

SPLIT = "é".encode()

BYTES = {
    "latin-1": "Größe in Zürich\n".encode("latin-1"),
    "nul": b"before\0after\0\n",
    "ansi": b"\x1b[31mred\x1b[0m\r\n",
    "without-newline": b"the end",
    "nothing": b"",
    "all-of-them": bytes(range(256)) * 5,
    "long": ("ä" * 100_000).encode(),  # longer than any buffer, no newline
}

COMMANDS = {
    "quotes": """printf '%s|' "it's" 'a "quote"' `echo back` \\\\ \\'""",
    "newlines": "printf 'one\n two'\n# a comment\nprintf '\\nthree\\n'\n",
    "substitution": 'x=$(echo "a b"); printf "%s" "$x $((6*7)) ${x%b} {not,braces}"',
    "unicode": "printf '%s' 'naïve — 数据 🧪 ẞ\u0301'",
    "here-document": "cat <<'END'\n$HOME `x` \"y\"\nEND\n",
    "redirections": "{ echo out; echo err >&2; } 2>&1 | cat; echo $? >&2",
    "long": "printf %s " + "x" * 100_000,
    "longer-than-an-argument-may-be": ": " + "x" * 200_000 + "; printf done",
}


def output(task: Task, what: str) -> bytes:
    """Standard output or error of a task's newest attempt, from where its status says it is."""
    return Path(task_status(task.task_id)[-1][what]).read_bytes()


def commands(tool: Tool, texts: dict[str, str], **options) -> list[Task]:
    """A task for each command, whose text is an argument as people pass it."""
    run = tool.get_task_template(
        template_name="run", command_template="{command}", node_args=["command"], task_args=[], op_args=[]
    )
    return [run.create_task(name=f"run-{name}", command=text, **options) for name, text in texts.items()]


@pytest.mark.promise("F40")
@pytest.mark.promise("F39")
def test_output_is_kept_byte_by_byte(here: Home) -> None:
    for name, content in BYTES.items():
        (here.folder / f"{name}.bytes").write_bytes(content)
    tool = Tool("bytes")
    tasks = commands(tool, {name: f"cat {name}.bytes; cat {name}.bytes >&2" for name in BYTES})

    assert workflow_of(tool, tasks).run() == "D"
    for task, content in zip(tasks, BYTES.values(), strict=True):
        assert output(task, "STDOUT") == output(task, "STDERR") == content
    here.check(witness=False)


@pytest.mark.promise("F40")
def test_characters_split_between_two_writes_stay_whole(here: Home) -> None:
    halves = "for i in 1 2 3; do printf '\\303'; sleep 0.05; printf '\\251'; done; printf '\\303' >&2; exit 1"
    tool = Tool("split")
    (task,) = tasks = commands(tool, {"split": halves}, max_attempts=1)
    workflow = workflow_of(tool, tasks)

    assert workflow.run() == "E"
    assert output(task, "STDOUT") == SPLIT * 3
    assert output(task, "STDERR") == SPLIT[:1]
    assert "\\xc3" in task.get_errors()["error_log"][0]["description"]
    here.check(witness=False)


@pytest.mark.promise("F40")
def test_the_error_of_a_command_with_strange_output_can_be_read(here: Home) -> None:
    tool = Tool("strange")
    (task,) = tasks = commands(tool, {"strange": "printf 'a\\0b\\377c\\033[1md\\n' >&2; exit 4"}, max_attempts=1)
    workflow = workflow_of(tool, tasks)
    status = workflow.run()
    description = task.get_errors()["error_log"][0]["description"]

    assert status == "E"
    assert "b\\xffc" in description and "\0" not in description
    assert output(task, "STDERR") == b"a\0b\xffc\x1b[1md\n"
    assert "exit code 4" in description


@pytest.mark.promise("F72")
def test_commands_are_run_to_the_letter(here: Home) -> None:
    tool = Tool("letter")
    tasks = commands(tool, COMMANDS)

    assert workflow_of(tool, tasks).run() == "D"
    for task, command in zip(tasks, COMMANDS.values(), strict=True):
        script = here.folder / "script"
        script.write_text(command)
        wanted = subprocess.run(["bash", "script"], cwd=here.folder, capture_output=True)
        assert (output(task, "STDOUT"), output(task, "STDERR")) == (wanted.stdout, wanted.stderr), task.name
    here.check(witness=False)


@pytest.mark.promise("F72")
def test_a_nul_in_a_command_is_refused_before_anything_is_stored(here: Home) -> None:
    tool = Tool("nul")

    with pytest.raises(ValueError, match="NUL"):
        workflow_of(tool, commands(tool, {"nul": "echo a\0b"})).run()
    assert here.column("SELECT id FROM workflow") == []


@pytest.mark.promise("F72")
def test_quoted_arguments_reach_the_command_as_they_are(here: Home) -> None:
    values = ["it's", 'say "$HOME"', "a\nb", "$(reboot)", "*", "", "-n", "ünï 🧪", "a;b|c&d>e"]
    tool = Tool("quoted")
    show = tool.get_task_template("show", "printf '%s' {value!q}", node_args=["value"])
    tasks = [show.create_task(name=f"show-{i}", value=value) for i, value in enumerate(values)]

    assert workflow_of(tool, tasks).run() == "D"
    assert [output(task, "STDOUT").decode() for task in tasks] == values


def test_commands_know_who_they_are_and_have_the_users_environment(here: Home, monkeypatch) -> None:
    monkeypatch.setenv("ONLY_HERE", "it's mine")
    names = ["TASK_INSTANCE_ID", "WORKFLOW_RUN_ID", "TASK_ID", "WORKFLOW_ID"]
    tool = Tool("environment")
    shown = " ".join(f'"$JOBMON_{name}"' for name in names)
    (task,) = commands(tool, {"environment": f'printf \'%s|\' {shown} "$ONLY_HERE" "$PWD"'})
    workflow = workflow_of(tool, [task])

    assert workflow.run() == "D"
    attempt = here.value("SELECT id FROM task_instance")
    ids = [attempt, workflow.last_workflow_run_id, task.task_id, workflow.workflow_id]
    assert output(task, "STDOUT").decode() == "|".join([*map(str, ids), "it's mine", str(here.folder), ""])


@pytest.mark.promise("F41")
@pytest.mark.parametrize("where", ["/proc/nowhere", "a-file"])
def test_a_log_directory_that_cannot_be_written_does_not_keep_a_command_from_running(
    here: Home, where: str
) -> None:
    (here.folder / "a-file").touch()
    folder = where if where.startswith("/") else str(here.folder / where / "below")
    tool = Tool("unwritable")
    command = {"noisy": f"{sys.executable} -c 'print(\"x\" * 300000)'; echo ran > ran"}
    (task,) = commands(tool, command, compute_resources={"stdout": folder, "stderr": folder})
    workflow = workflow_of(tool, [task])

    assert workflow.run() == "D"
    assert (here.folder / "ran").read_text() == "ran\n"
    (row,) = task_status(task.task_id)
    assert folder in row["ERROR_TRACE"], row
    here.check(witness=False)


@pytest.mark.promise("F41")
def test_output_goes_where_the_user_wants_it(here: Home) -> None:
    tool = Tool("wanted")
    (task,) = commands(
        tool,
        {"wanted": "echo out; echo err >&2"},
        compute_resources={"stdout": str(here.folder / "o"), "stderr": str(here.folder / "e")},
    )

    assert workflow_of(tool, [task]).run() == "D"
    assert (output(task, "STDOUT"), output(task, "STDERR")) == (b"out\n", b"err\n")
    assert [len(list((here.folder / name).iterdir())) for name in "oe"] == [1, 1]


@pytest.mark.promise("F39")
@pytest.mark.slow
def test_a_gigabyte_without_a_newline(here: Home) -> None:
    megabytes = 1024 if os.environ.get("JOBMON_TEST_LONG") else 100
    tool = Tool("huge")
    command = {"huge": f"head -c {megabytes}M /dev/zero | tr '\\0' x; echo late >&2; exit 1"}
    (task,) = tasks = commands(tool, command, max_attempts=1)

    assert workflow_of(tool, tasks).run() == "E"
    assert Path(task_status(task.task_id)[-1]["STDOUT"]).stat().st_size == megabytes * 2**20
    assert task.get_errors()["error_log"][0]["description"].endswith("late")
