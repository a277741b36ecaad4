"""Real time, real commands, real batch scripts."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.scheduler.processes import MARK
from fakes.slurm import FakeSlurm, Node, faults


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[FakeSlurm]:
    with FakeSlurm(tmp_path, [Node("n1", cpus=4), Node("n2", cpus=4)], kill_wait=0.2) as slurm:
        yield slurm


@pytest.fixture
def run(slurm, tmp_path):
    def run(*argv, rc=0, stdin=None, timeout=120):
        done = subprocess.run(
            argv,
            env=os.environ | slurm.environment,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            input=stdin,
            timeout=timeout,
        )
        assert done.returncode == rc, done.stderr
        return done.stdout or done.stderr

    return run


@pytest.fixture
def submit(run, tmp_path):
    def submit(text, *options):
        script = tmp_path / "script.sh"
        script.write_text(f"#!/bin/sh\n{text}\n")
        output = f"--output={tmp_path}/%A_%a.out"
        return run("sbatch", "--parsable", "--chdir=/", output, *options, str(script), "some argument").strip()

    return submit


def over(slurm, *references):
    return lambda: all(slurm.state(reference) not in ("PENDING", "RUNNING") for reference in references)


def lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def stands_still(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def written(file):
    return file.exists() and file.read_text().endswith("\n")


def test_a_script_runs_with_slurms_environment_and_output_file(slurm, submit, tmp_path):
    names = (
        "ARRAY_JOB_ID ARRAY_TASK_ID JOB_ID ARRAY_TASK_MIN ARRAY_TASK_MAX ARRAY_TASK_COUNT JOB_NAME CPUS_PER_TASK"
    )
    words = " ".join(f"$SLURM_{name}" for name in names.split())
    text = f"echo {words} $SLURMD_NODENAME [$SLURM_RESTART_COUNT] $1"
    submit(text, "--array=3-4", "--job-name=fit", "--cpus-per-task=2")
    slurm.wait(over(slurm, "1_3", "1_4"))

    assert (tmp_path / "1_3.out").read_text() == "1 3 2 3 4 2 fit 2 n1 [] some argument\n"
    assert (tmp_path / "1_4.out").read_text() == "1 4 1 3 4 2 fit 2 n1 [] some argument\n"


@pytest.mark.parametrize(
    ("text", "options", "accounting"),
    [
        ("exit 0", [], "COMPLETED|0:0\nCOMPLETED|0:0\n"),
        ("exit 77", [], "FAILED|77:0\nFAILED|77:0\n"),
        ("kill -9 $$", [], "FAILED|0:9\nCANCELLED|0:9\n"),
        ("exit 0", ["--chdir=/no/where"], "FAILED|0:53\nFAILED|0:53\n"),
        ("exit 0", ["--output=/no/where/x"], "FAILED|0:53\nFAILED|0:53\n"),
    ],
)
def test_its_end_is_its_state(slurm, submit, run, text, options, accounting):
    submit(text, *options)
    slurm.wait(over(slurm, "1"))

    assert run("sacct", "-n", "-P", "--jobs=1", "--format=State,ExitCode") == accounting


def test_memory_is_measured(slurm, submit, run):
    submit("exit 0")
    slurm.wait(over(slurm, "1"))
    measured = run("sacct", "-n", "-P", "--jobs=1", "--format=MaxRSS").splitlines()

    assert measured[0] == ""
    assert int(measured[1].removesuffix("K")) > 500


def test_scancel_sends_term_to_all_of_a_job_then_kill(slurm, submit, run, tmp_path):
    submit(
        f"trap 'echo term >> {tmp_path}/heard' TERM\n"
        f"(trap '' TERM; setsid sleep 1000) & echo $! > {tmp_path}/child\n"
        "while :; do sleep 0.05; done"
    )
    slurm.wait(lambda: written(tmp_path / "child"))
    batch, child = slurm.pid("1"), int((tmp_path / "child").read_text())
    slurm.settings.kill_wait = 1000
    run("scancel", "1")
    slurm.wait(lambda: written(tmp_path / "heard"))
    waits = lives(batch)
    slurm.advance(1000)
    slurm.wait(lambda: not lives(batch) and not lives(child))

    assert waits
    assert (tmp_path / "heard").read_text() == "term\n"
    assert (
        run("sacct", "-n", "-P", "-X", "--jobs=1", "--format=State,ExitCode")
        == f"CANCELLED by {os.getuid()}|0:0\n"
    )


def test_a_warning_signal_comes_before_the_limit(slurm, submit, tmp_path):
    trap = f"trap 'echo warned > {tmp_path}/heard' USR1\necho > {tmp_path}/ready"
    submit(f"{trap}\nwhile :; do sleep 0.02; done", "--time=60", "--signal=B:USR1@1800")
    slurm.wait(lambda: written(tmp_path / "ready"))
    slurm.advance(1800)
    slurm.wait(lambda: written(tmp_path / "heard"))
    state = slurm.state("1")
    slurm.advance(1800)

    assert state == "RUNNING"
    assert slurm.state("1") == "TIMEOUT"


def test_a_requeued_task_runs_again_while_its_first_copy_may_go_on(slurm, submit, tmp_path):
    submit(f'echo "copy [$SLURM_RESTART_COUNT] $$" >> {tmp_path}/copies\nsleep 1000')
    slurm.wait(lambda: written(tmp_path / "copies"))
    first = slurm.pid("1")
    slurm.requeue("1", survives=True)
    slurm.wait(lambda: (tmp_path / "copies").exists() and "[1]" in (tmp_path / "copies").read_text())
    second = slurm.pid("1")

    assert lives(first)
    assert (tmp_path / "copies").read_text() == f"copy [] {first}\ncopy [1] {second}\n"
    os.kill(first, signal.SIGKILL)
    assert slurm.state("1") == "RUNNING"


def test_tasks_of_a_failed_node_die_unless_they_do_not_notice(slurm, submit, tmp_path):
    submit(f"echo $$ > {tmp_path}/pid.$SLURM_ARRAY_TASK_ID\nsleep 1000", "--no-requeue", "--array=0-4")
    slurm.wait(lambda: all(written(tmp_path / f"pid.{index}") for index in range(5)))
    dead, alive = slurm.pid("1_0"), slurm.pid("1_4")
    slurm.fail_node("n1")
    slurm.fail_node("n2", survives=True)

    assert set(slurm.states(1).values()) == {"NODE_FAIL"}
    slurm.wait(lambda: not lives(dead))
    assert lives(alive)


def test_what_stands_still_with_its_node_runs_for_slurm_and_goes_on_with_it(slurm, submit, tmp_path):
    submit(f"sleep 1000 &\necho $! > {tmp_path}/child.$SLURM_ARRAY_TASK_ID\nwait", "--array=0-4")
    slurm.wait(lambda: all(written(tmp_path / f"child.{index}") for index in range(5)))
    there = slurm.pid("1_0"), int((tmp_path / "child.0").read_text())
    elsewhere = slurm.pid("1_4")
    slurm.freeze_node("n1")
    slurm.wait(lambda: all(map(stands_still, there)))

    assert not stands_still(elsewhere)
    assert set(slurm.states(1).values()) == {"RUNNING"}
    slurm.thaw_node("n1")
    slurm.wait(lambda: not any(map(stands_still, there)))


def test_nothing_survives_the_cluster(tmp_path):
    script = tmp_path / "script.sh"
    script.write_text(f"#!/bin/sh\nsetsid sleep 1000 &\necho $! > {tmp_path}/child\nsleep 1000\n")
    with FakeSlurm(tmp_path / "it") as slurm:
        slurm.call(["sbatch", str(script)])
        slurm.wait(lambda: written(tmp_path / "child"))
        slurm.requeue("1", survives=True)
        environment = Path(f"/proc/{slurm.pid('1')}/environ").read_bytes()
    child = int((tmp_path / "child").read_text())

    assert MARK.encode() in environment
    assert not lives(child)


# The executables.


def test_a_script_may_come_by_stdin(run):
    assert run("sbatch", "--parsable", stdin="#!/bin/sh\nexit 0\n") == "1\n"


def test_executables_print_and_exit_as_told(slurm, run):
    slurm.fault("squeue", faults.controller_down(delay=0.05))

    assert run("squeue", rc=1) == "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"
    assert run("sbatch", "--version") == "slurm-wlm 22.05.8\n"


def test_an_executable_hangs_until_it_is_killed_and_says_what_it_has_to_before(slurm):
    slurm.fault("sbatch", faults.temporarily_unable())
    with subprocess.Popen([slurm.path / "sbatch", "/bin/sh"], stderr=subprocess.PIPE, text=True) as caller:
        words = caller.stderr.readline()
        still_there = caller.poll() is None
        caller.kill()

    assert words == "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n"
    assert still_there


def test_much_output_goes_through(slurm, submit, run):
    submit("sleep 1000", "--array=0-1000")
    lines = run("squeue", "-h", "-r", "--format=%i " + 100 * "x").splitlines()

    assert len(lines) == 1001


def test_callers_are_let_go_when_it_closes(tmp_path):
    slurm = FakeSlurm(tmp_path)
    slurm.fault("squeue", faults.hangs())
    caller = subprocess.Popen([slurm.path / "squeue"], stderr=subprocess.PIPE)
    slurm.wait(lambda: slurm.calls)
    slurm.close()

    assert caller.wait(120) == 1
    assert subprocess.run([slurm.path / "squeue"], capture_output=True).stderr == b"the fake Slurm is gone\n"
    caller.communicate()
