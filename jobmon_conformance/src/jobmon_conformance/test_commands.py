"""A command's way through client, server, distributor, plugin and worker, and what comes back of it."""

import subprocess
import sys

import pytest

from jobmon.core import cluster
from jobmon_conformance.bench import MEMORY
from jobmon_conformance.work import EATS_200_MIB, MIB, ONCE, attempts, output, tasks, to_the_letter, workflow_of

COMMANDS = {
    "quotes": """printf '%s|' "it's" 'a "quote"' `echo back` \\\\ \\'""",
    "newlines": "printf 'one\n two'\n# a comment\nprintf '\\nthree\\n'\n",
    "substitution": 'x=$(echo "a b"); printf "%s" "$x $((6*7)) ${x%b} {not,braces} %j %A \\$x"',
    "unicode": "printf '%s' 'naïve — 数据 🧪 ẞ\u0301'",
    "here-document": "cat <<'END'\n$HOME `x` \"y\"\nEND\n",
    "redirections": "{ echo out; echo err >&2; } 2>&1 | cat; echo $? >&2",
    "tabs-and-bells": "printf '%s' 'a\tb\x07c\x1b[31md\r'",
    "long": ": " + "x" * 200_000 + "; printf done",
}
ODD = {
    "ODD_PLAIN": "plain",
    "ODD_BLANKS": "  two  words ",
    "ODD_LINES": "one\ntwo\n",
    "ODD_EQUALS": "a=b=c",
    "ODD_EMPTY": "",
    "ODD_QUOTES": 'it\'s "$HOME" `x` \\',
    "ODD_UNICODE": "Größe 数据",
}


def test_tasks_wait_for_those_before_them(bench, home):
    workflow = workflow_of(bench, ["true"] * 7)
    root, *others = tasks(workflow)
    for task in others[:4]:
        task.add_upstream(root)
    for task in others[4:]:
        for earlier in others[:4]:
            task.add_upstream(earlier)

    assert workflow.run() == "D"
    order = [(line.task, line.word) for line in home.witness.lines()]
    place = {one: number for number, one in enumerate(order)}
    for before, after in [([root], others[:4]), (others[:4], others[4:])]:
        last = max(place[task.task_id, "end"] for task in before)
        assert last < min(place[task.task_id, "start"] for task in after)
    assert sorted(home.witness.starts().values()) == [1] * 7


@pytest.mark.promise("I13")
def test_a_failure_has_its_code_and_its_last_words_and_is_tried_again(bench, home):
    once = 'if [ -e tried ]; then true; else touch tried; echo "not yet" >&2; exit 5; fi'
    workflow = workflow_of(bench, ["echo alas >&2; exit 3", once, "kill -9 $$"], max_attempts=2)
    never, mended, killed = tasks(workflow)

    assert workflow.run() == "E"
    assert [task.final_status for task in (never, mended, killed)] == ["F", "D", "F"]
    assert [one.status for one in attempts(never)] == ["E", "E"]
    assert [one.exit_code for one in attempts(never)] == [3, 3]
    assert [one.status for one in attempts(mended)] == ["E", "D"]
    for one, words in [(attempts(never)[0], "alas"), (attempts(mended)[0], "not yet")]:
        assert one.failure_class == "user"
        assert one.errors[0].description.endswith(words)
    assert [one.failure_class for one in attempts(killed)] == ["user", "user"]
    assert "signal 9" in attempts(killed)[0].errors[0].description


@pytest.mark.needs(MEMORY)
@pytest.mark.promise("F32")
def test_after_too_little_memory_comes_more(bench, home):
    (home.folder / "tries").mkdir()
    asked = {"memory": "60M", "runtime": "5m"}
    workflow = workflow_of(bench, [EATS_200_MIB], compute_resources=asked, resource_scales={"memory": 9})

    assert workflow.run() == "D"
    first, second = attempts(tasks(workflow)[0])
    assert (first.status, first.failure_class, second.status) == ("Z", "resource", "D")
    assert second.requested.memory_bytes == 10 * first.requested.memory_bytes
    assert second.peak_memory_bytes > 200 * MIB


@pytest.mark.promise("F34")
def test_after_too_little_time_comes_more(bench, home):
    asked = {"runtime": "1s"}
    workflow = workflow_of(bench, [f"{ONCE}; sleep 3"], compute_resources=asked, resource_scales={"runtime": 99})

    assert workflow.run() == "D"
    first, second = attempts(tasks(workflow)[0])
    assert (first.status, first.failure_class, second.status) == ("Z", "resource", "D")
    assert (first.requested.runtime_seconds, second.requested.runtime_seconds) == (1, 100)
    assert first.wall_seconds >= 1 and second.wall_seconds >= 2


@pytest.mark.promise("F68")
def test_commands_have_the_submitters_environment_but_not_what_belongs_to_the_login(bench, home, monkeypatch):
    kind = cluster.load(bench.cluster)
    login = {f"{prefix}ODD": "of the login" for prefix in kind.login_only if kind.on_nodes}
    folder = home.folder / "a bin"
    for name, value in {**ODD, **login, "PATH": f"{folder}:{home.environment['PATH']}"}.items():
        monkeypatch.setenv(name, value)
    workflow = to_the_letter(bench, {"environment": "env -0"})

    assert workflow.run() == "D"
    (task,) = tasks(workflow)
    entries = [entry.partition("=") for entry in output(task).decode().split("\0") if entry]
    seen = {name: value for name, _, value in entries}
    assert {name: seen.get(name) for name in ODD} == ODD
    assert seen["PATH"].startswith(f"{folder}:")
    assert not login.keys() & seen.keys()
    assert seen["JOBMON_TASK_ID"] == str(task.task_id)
    assert seen["JOBMON_WORKFLOW_ID"] == str(workflow.workflow_id)


@pytest.mark.promise("F41")
def test_folders_are_those_that_were_asked_for(bench, home):
    place, out, err = (home.folder / name for name in ("a place", "out put", "err%j"))
    place.mkdir()
    asked = {"working_dir": str(place), "stdout": str(out), "stderr": str(err)}
    elsewhere = to_the_letter(bench, {"elsewhere": "pwd; pwd >&2"}, compute_resources=asked)
    here = to_the_letter(bench, {"here": "pwd"})

    assert (elsewhere.run(), here.run()) == ("D", "D")
    (task,) = tasks(elsewhere)
    assert output(task, "STDOUT") == output(task, "STDERR") == f"{place}\n".encode()
    assert [len(list(folder.iterdir())) for folder in (out, err)] == [1, 1]
    assert output(tasks(here)[0]) == f"{home.folder}\n".encode()


@pytest.mark.promise("F72")
def test_commands_are_run_to_the_letter(bench, home):
    workflow = to_the_letter(bench, COMMANDS)

    assert workflow.run() == "D"
    for task, command in zip(tasks(workflow), COMMANDS.values(), strict=True):
        (home.folder / "script").write_text(command)
        wanted = subprocess.run(["bash", "script"], cwd=home.folder, capture_output=True)
        assert (output(task), output(task, "STDERR")) == (wanted.stdout, wanted.stderr), task.name


def test_usage_is_measured(bench, home):
    eats = f"{sys.executable} -c 'import time; eaten = bytearray(b\"x\") * (60 * {MIB}); time.sleep(1.5)'"
    workflow = workflow_of(bench, [eats], compute_resources={"memory": "500M", "runtime": "5m"})

    assert workflow.run() == "D"
    (one,) = attempts(tasks(workflow)[0])
    assert one.peak_memory_bytes > 60 * MIB
    assert 0.5 <= one.wall_seconds < 60
    assert one.cpu_seconds > 0
    assert one.node


@pytest.mark.promise("F75")
def test_no_more_run_at_a_time_than_the_limit_says(bench, home):
    workflow = workflow_of(bench, ["sleep 0.2"] * 6, run={"max_concurrently_running": 2})

    assert workflow.run() == "D"
    assert home.witness.most_at_once() <= 2
    assert sorted(home.witness.starts().values()) == [1] * 6


def test_many_attempts_come_to_their_end(bench, home):
    workflow = to_the_letter(bench, {f"many-{number}": f"true {number}" for number in range(bench.many)})

    assert workflow.run() == "D"
    counts = "SELECT status, COUNT(*) FROM task WHERE workflow_id = ? GROUP BY status"
    assert home.query(counts, workflow.workflow_id) == [("D", bench.many)]
    tries = "SELECT COUNT(*) FROM task_instance WHERE workflow_id = ?"
    assert home.value(tries, workflow.workflow_id) == bench.many
