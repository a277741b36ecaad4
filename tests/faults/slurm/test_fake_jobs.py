"""What becomes of jobs and nodes under a run: deaths, limits, somebody else's commands; on the fake."""

import pytest

from fakes.slurm import FakeSlurm, Simulated
from fakes.slurm.plan import Behaviour, RunScript
from faults.place import Place

pytestmark = pytest.mark.slow

LOST = [("X", "infrastructure")]
DONE = [("D", "")]


def nodes_of(place: Place) -> list[str]:
    """Where the attempts of the first task ran."""
    return place.home.column("SELECT node FROM task_instance WHERE task_id = 1 ORDER BY id")


@pytest.mark.promise("F35")
def test_a_running_job_that_its_user_cancels_is_not_tried_again(fake: FakeSlurm, place: Place) -> None:
    script = place.start(2, "--attempts", "3")
    place.runs(2)
    place.launched()
    fake.call(["scancel", "1_0"])
    place.wait(lambda: place.home.task_counts().get("F"), "a task that failed for good")
    place.release()

    place.ends(script, "E")
    assert sorted(place.attempts()) == [*DONE, ("F", "cancelled")]
    assert "cancelled, not by Jobmon" in place.errors()


@pytest.mark.promise("F35")
@pytest.mark.parametrize("kept_seconds", [300, 0])
def test_a_pending_job_that_its_user_cancels_is_not_tried_again(
    fake: FakeSlurm, place: Place, kept_seconds: float
) -> None:
    """Also when only accounting remembers it, and that as one record for the whole array."""
    fake.settings.min_job_age = kept_seconds
    fake.change_partition("all", state="DOWN")
    script = place.start(2, "--attempts", "3")
    place.launched()
    fake.call(["scancel", "1"])

    place.ends(script, "E")
    assert place.attempts() == [("F", "cancelled")] * 2
    assert place.home.witness.count() == 0


@pytest.mark.promise("F36")
@pytest.mark.parametrize("preempted", [True, False])
def test_a_job_that_is_put_back_into_the_queue_is_another_attempt(
    fake: FakeSlurm, place: Place, preempted: bool
) -> None:
    fake.settings.requeue_delay = 3600  # longer than the silence that makes the server ask
    script = place.start(2)
    place.runs(2)
    place.launched()
    fake.preempt("1_0", requeue=True) if preempted else fake.requeue("1_0")
    place.runs(3)
    place.release()

    place.ends(script)
    assert place.failures() == [(0, 1), (0, 0)]
    assert place.attempts() == [*LOST, *DONE, *DONE]


@pytest.mark.promise("F36")
def test_a_job_that_is_preempted_for_good_is_another_attempt(fake: FakeSlurm, place: Place) -> None:
    script = place.start(2)
    place.runs(2)
    place.launched()
    fake.preempt("1_0")
    place.runs(3)
    place.release()

    place.ends(script)
    assert place.failures() == [(0, 1), (0, 0)]
    assert "PREEMPTED" in place.errors()


@pytest.mark.promise("F29")
def test_what_ran_on_a_node_that_died_runs_again_elsewhere(fake: FakeSlurm, place: Place) -> None:
    script = place.start(4)
    place.runs(4)
    place.launched()
    fake.fail_node("n1")
    place.runs(8)
    place.release()

    place.ends(script)
    assert place.failures() == [(0, 1)] * 4
    assert nodes_of(place) == ["n1", "n2"]
    assert "NODE_FAIL" in place.errors()


@pytest.mark.promise("F28")
def test_a_worker_that_lives_on_a_node_held_for_dead_keeps_its_attempt(fake: FakeSlurm, place: Place) -> None:
    place.be_patient(10)  # a worker that stands still for longer than its lease is rightly held for dead
    script = place.start(2)
    place.runs(2)
    place.launched()
    fake.fail_node("n1", survives=True)
    place.wait(lambda: suspected(place), "a doubt")
    place.wait(lambda: place.home.task_counts() == {"R": 2} and not in_doubt(place), "a sign of life")
    place.release()

    place.ends(script)
    place.ran_once(2)


@pytest.mark.promise("F28")
def test_a_second_copy_waits_while_the_first_one_lives(fake: FakeSlurm, place: Place) -> None:
    place.option(requeue="true")
    fake.settings.requeue_delay = 0
    script = place.start(2)
    place.runs(2)
    place.launched()
    fake.fail_node("n1", survives=True)
    fake.wait(lambda: set(fake.states(1).values()) == {"RUNNING"} and fake.pid("1_0") and fake.pid("1_1"), 120)
    place.release()

    place.ends(script)
    place.ran_once(2)
    assert nodes_of(place) == ["n1"]


def suspected(place: Place) -> bool:
    return bool(place.home.value("SELECT COUNT(*) FROM audit WHERE kind = 'I' AND new = 'T'"))


def in_doubt(place: Place) -> bool:
    return bool(place.home.value("SELECT COUNT(*) FROM task_instance WHERE status = 'T'"))


@pytest.mark.promise("F30")
def test_the_death_of_a_worker_costs_no_attempt_and_its_command_dies_with_it(place: Place) -> None:
    script = place.start(2)
    place.runs(2)
    place.launched()
    command = place.kill_worker(1)
    place.runs(3)

    assert command not in place.home.processes()
    place.release()
    place.ends(script)
    assert place.failures() == [(0, 1), (0, 0)]


@pytest.mark.promise("F31")
def test_what_a_command_leaves_behind_is_ended(place: Place) -> None:
    script = place.start(2, "--command", "(setsid sleep 1000 &) ; (sleep 1000 & exec setsid sleep 1000 &); true")

    place.ends(script)
    place.ran_once(2)
    place.wait(lambda: not any("sleep 1000" in line for line in place.home.processes().values()), "quiet")


@pytest.mark.promise("F33")
def test_a_job_that_runs_out_of_memory_with_its_worker_gets_more(fake: FakeSlurm, place: Place) -> None:
    words = ("--attempts", "2", "--resources", '{"memory": "100M"}', "--scales", '{"memory": 1.0}')
    script = place.start(1, *words)
    place.runs(1)
    place.launched()
    fake.out_of_memory("1_0")
    place.runs(2)
    place.release()

    place.ends(script)
    assert place.attempts() == [("Z", "resource"), *DONE]
    assert [option for call in fake.called("sbatch") for option in call.argv if "--mem" in option] == [
        "--mem=100M",
        "--mem=200M",
    ]


@pytest.mark.promise("F34")
def test_a_job_that_slurm_ends_at_its_time_limit_gets_more(fake: FakeSlurm, place: Place) -> None:
    words = ("--attempts", "2", "--resources", '{"runtime": "600s"}', "--scales", '{"runtime": 1.0}')
    script = place.start(1, *words)
    place.runs(1)
    place.launched()
    fake.time_out("1_0")
    place.runs(2)
    place.release()

    place.ends(script)
    assert place.attempts() == [("Z", "resource"), *DONE]
    assert [option for call in fake.called("sbatch") for option in call.argv if "--time" in option] == [
        "--time=11",
        "--time=21",
    ]


@pytest.mark.promise("F41")
def test_an_output_folder_that_cannot_be_written_is_told_and_costs_nothing(place: Place) -> None:
    file = place.home.folder / "file"
    file.touch()
    resources = f'{{"stdout": "{file}/out", "stderr": "{file}/err"}}'
    script = place.start(1, "--command", "echo spoken", "--resources", resources)

    place.ends(script)
    place.ran_once(1)
    assert str(file) in place.errors()


@pytest.mark.promise("F42")
def test_a_folder_of_our_own_that_cannot_be_written_is_named_until_it_can(place: Place) -> None:
    logs = place.home.data_dir / "clusters" / "1-slurm" / "logs"
    logs.parent.mkdir(parents=True)
    logs.touch()
    place.release()
    script = place.start(1)
    place.says(f"cannot write to {logs.parent}")
    logs.unlink()

    place.ends(script)
    place.ran_once(1)


def cannot_start_first() -> Behaviour:
    """The first array meets a node without the interpreter."""
    names: list[str] = []

    def behave(name: str, *_: object) -> RunScript | Simulated:
        names.append(name)
        return Simulated(0, "FAILED", "127:0") if name == names[0] else RunScript()

    return behave


@pytest.mark.promise("F43")
def test_a_node_without_the_interpreter_is_named_and_avoided(fake: FakeSlurm, place: Place) -> None:
    fake._controller.behave = cannot_start_first()
    place.release()
    script = place.start(3)

    place.ends(script)
    assert place.failures() == [(0, 1)] * 3
    assert "the worker's interpreter did not start there" in place.errors()
    assert nodes_of(place)[-1] == "n2"
    assert any("--exclude=n1" in call.argv for call in fake.called("sbatch"))
    assert "n1 (The job ended before its command was started" in place.home.jobmon("cluster", "show", "slurm")
