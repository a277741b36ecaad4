"""What becomes of jobs under a run: limits, errors, somebody else's commands; on the fake."""

import re

import pytest

from fakes.drmaa import FakeGridEngine
from faults.place import Place

pytestmark = pytest.mark.slow

GIB = 2**30
LOST, DONE = ("X", "infrastructure"), ("D", "")


def requests(fake: FakeGridEngine, name: str) -> list[str]:
    """What each submission asked for under this name."""
    return [word for call in fake.called("runBulkJobs") for word in re.findall(rf"{name}=(\w+)", call.argv[1])]


@pytest.mark.promise("F35")
def test_a_job_that_its_user_deletes_is_not_tried_again(fake: FakeGridEngine, place: Place) -> None:
    script = place.start(2, "--attempts", "3")
    place.runs(2)
    place.launched()
    fake.call(["qdel", "1.1"])
    place.wait(lambda: place.home.task_counts().get("F"), "a task that failed for good")
    place.release()

    place.ends(script, "E")
    assert sorted(place.attempts()) == [DONE, ("F", "cancelled")]
    assert "qdel" in place.errors() or "not by Jobmon" in place.errors()


@pytest.mark.promise("F33")
@pytest.mark.promise("F34")
@pytest.mark.parametrize(
    ("asked", "used", "name"),
    [('{"memory": "1G"}', 4 * GIB, "h_vmem"), ('{"memory": "1G", "runtime": "600s"}', 0, "h_rt")],
)
def test_a_job_that_is_killed_at_a_limit_gets_more(
    fake: FakeGridEngine, place: Place, asked: str, used: int, name: str
) -> None:
    """By Grid Engine itself: its worker is killed too, and tells nothing."""
    scaled = '{"memory": 1.0}' if name == "h_vmem" else '{"runtime": 1.0}'
    script = place.start(1, "--attempts", "2", "--resources", asked, "--scales", scaled)
    place.runs(1)
    place.launched()
    if name == "h_rt":
        fake.advance(700)
    fake.wait(lambda: not any(fake.states(1).values()), 120) if name == "h_rt" else fake.exceed("1.1", used)
    place.runs(2)
    place.release()

    place.ends(script)
    assert place.attempts() == [("Z", "resource"), DONE]
    first, second = requests(fake, name)
    assert first != second


@pytest.mark.promise("F60")
def test_an_error_state_is_told_with_its_reason_and_costs_no_attempt(fake: FakeGridEngine, place: Place) -> None:
    fake.settings.start_delay = 3600
    script = place.start(2)
    place.launched()
    fake.put_into_error("1.1", "error: can't chdir to /nowhere: No such file or directory")
    fake.settings.start_delay = 0
    place.release()
    place.wait(lambda: place.home.task_counts().get("D"), "the end of another attempt")
    fake.advance(3600)

    place.ends(script)
    assert place.failures() == [(0, 1), (0, 0)]
    assert "can't chdir to /nowhere: No such file or directory" in place.errors()
    place.wait(lambda: not any(fake.states(1).values()), "a queue without it")


@pytest.mark.promise("F36")
def test_a_job_that_is_rescheduled_by_hand_is_another_attempt(fake: FakeGridEngine, place: Place) -> None:
    fake.settings.again_delay = 3600  # longer than the silence that makes the server ask
    script = place.start(2)
    place.runs(2)
    place.launched()
    fake.reschedule("1.1")
    place.runs(3)
    place.release()

    place.ends(script)
    assert place.failures() == [(0, 1), (0, 0)]


@pytest.mark.promise("F60")
@pytest.mark.parametrize("code", [99, 100])
def test_exit_codes_that_are_orders_to_grid_engine_are_failures_like_others(
    fake: FakeGridEngine, place: Place, code: int
) -> None:
    script = place.start(2, "--command", f"exit {code}", "--attempts", "2")

    place.ends(script, "E")
    assert set(place.attempts()) == {("E", "user")}
    assert place.home.column("SELECT exit_code FROM attempt_result") == [code] * 4
    assert sorted(place.home.witness.starts().values()) == [2, 2]
    assert {entry.failed for entry in fake.entries} == {0}


@pytest.mark.promise("F42")
def test_a_folder_of_our_own_that_cannot_be_written_is_named_until_it_can(place: Place) -> None:
    logs = place.home.data_dir / "clusters" / "1-sge" / "logs"
    logs.parent.mkdir(parents=True)
    logs.touch()
    place.release()
    script = place.start(1)
    place.says(f"cannot write to {logs.parent}")
    logs.unlink()

    place.ends(script)
    place.ran_once(1)


@pytest.mark.promise("F60")
def test_what_ends_while_execd_is_away_counts_and_who_died_then_is_tried_again(
    fake: FakeGridEngine, place: Place
) -> None:
    script = place.start(3)
    place.runs(3)
    place.launched()
    fake.lose_execd()
    place.kill_worker(1)
    place.release()
    place.wait(lambda: place.home.task_counts().get("D") == 2, "the reports of the other workers")
    fake.restore_execd()

    place.ends(script)
    assert place.failures() == [(0, 1), (0, 0), (0, 0)]
