"""What goes wrong while workers run further attempts in their places; three places for six tasks."""

import pytest

from fakes.slurm import FakeSlurm
from faults.place import Place
from jobmon_conformance.home import Script

COMMAND = (
    "[ $JOBMON_TASK_ID -le 3 ] && sign=go || sign=release; while [ ! -e ${WITNESS%/*}/$sign ]; do sleep 0.1; done"
)
UNKNOWN_TO_SLURM = "SELECT COUNT(*) FROM task_instance WHERE status = 'I'"
WIDE = '{"cores": 4}'
GUESTS = "SELECT id FROM task_instance WHERE place IS NOT NULL AND status = 'R' ORDER BY id"
FATES = "SELECT status FROM task_instance ORDER BY id"
LOST, DONE = ("X", "infrastructure"), ("D", "")


def with_guests(place: Place) -> Script:
    """Each of the three places has had its own attempt, and another runs there now."""
    place.option(reuse_seconds=300)
    script = place.start(6, "--command", COMMAND, "--resources", WIDE, "--attempts", "2")
    place.runs(3)
    place.wait(lambda: not place.home.value(UNKNOWN_TO_SLURM), "the launch of all")
    (place.home.folder / "go").touch()
    place.wait(lambda: len(place.home.column(GUESTS)) == 3, "a guest in each place")
    place.wait(lambda: len(place.home.witness.starts()) == 6, "their commands")
    return script


def place_of(place: Place, instance_id: int) -> str:
    """The job of an attempt, as Slurm calls it."""
    ((job_id, index),) = place.home.query(
        "SELECT b.job_id, i.place - b.first_instance_id FROM task_instance i JOIN batch b ON b.id = i.batch_id "
        f"WHERE i.id = {instance_id}"
    )
    return f"{job_id}_{index}"


@pytest.mark.promise("F30")
def test_a_worker_that_is_killed_takes_only_the_guest_with_it(place: Place) -> None:
    script = with_guests(place)
    victim = place.home.column(GUESTS)[0]
    command = place.kill_worker(victim)
    place.wait(lambda: place.home.column(FATES).count("X") == 1, "the loss")

    assert command not in place.home.processes()
    place.release()
    place.ends(script)
    assert sorted(place.attempts()) == sorted([DONE] * 6 + [LOST])
    assert sorted(place.failures()) == [(0, 0)] * 5 + [(0, 1)]


@pytest.mark.promise("F35")
def test_who_cancels_a_job_by_hand_cancels_the_guest_in_it(fake: FakeSlurm, place: Place) -> None:
    script = with_guests(place)
    victim = place.home.column(GUESTS)[0]
    fake.call(["scancel", place_of(place, victim)])
    place.wait(lambda: "F" in place.home.column(FATES), "the end of the guest")
    place.release()

    place.ends(script, "E")
    assert sorted(place.attempts()) == sorted([DONE] * 5 + [("F", "cancelled")])


@pytest.mark.promise("F46")
def test_guests_are_adopted_by_the_next_distributor(place: Place) -> None:
    script = with_guests(place)
    place.home.kill("distributor")
    place.wait(lambda: place.log().count("lease taken") == 2, "another distributor")
    place.release()

    place.ends(script)
    place.ran_once(6)


@pytest.mark.promise("F07")
def test_a_server_that_is_killed_while_places_are_lent_loses_nothing(place: Place) -> None:
    script = place.start(60, "--command", "true", "--resources", WIDE)
    for ended in (5, 20, 40):
        place.wait(lambda ended=ended: len(place.home.witness.ends()) >= ended, f"{ended} ends")
        place.home.kill("server")

    place.ends(script)
    place.ran_once(60)


def test_a_job_that_is_put_back_ends_when_its_own_attempt_is_over_and_the_guest_is_tried_again(
    fake: FakeSlurm, place: Place
) -> None:
    place.option(requeue="true")
    script = with_guests(place)
    victim = place.home.column(GUESTS)[0]
    fake.call(["scontrol", "requeue", place_of(place, victim)])
    place.wait(lambda: place.home.column(FATES).count("X") == 1, "the loss")
    place.release()

    place.ends(script)
    assert sorted(place.attempts()) == sorted([DONE] * 6 + [LOST])


def test_with_nothing_to_spare_no_place_is_lent(place: Place) -> None:
    place.option(reuse_seconds=0)
    script = place.start(6, "--command", "true", "--resources", WIDE)

    place.ends(script)
    place.ran_once(6)
    assert place.home.value("SELECT COUNT(*) FROM task_instance WHERE place IS NOT NULL") == 0
