"""The script and all that drives its run are killed; `jobmon workflow_resume` goes on; on the fake."""

import pytest

from fakes.slurm import FakeSlurm
from faults.place import Place
from jobmon_conformance.home import Home

pytestmark = pytest.mark.slow

DRIVEN = "SELECT holder <> '' AND id = 2 FROM workflow_run ORDER BY id DESC LIMIT 1"


@pytest.mark.promise("F46")
@pytest.mark.promise("F63")
@pytest.mark.parametrize("also", [("distributor",), ("distributor", "server")])
def test_running_jobs_are_adopted(fake: FakeSlurm, place: Place, also: tuple[str, ...]) -> None:
    place.start(6)
    running = place.runs(6)
    ids = place.launched()
    lose_all(place.home, also)
    again = place.resume()
    place.wait(lambda: place.home.value(DRIVEN), "a new driver")
    fake.call(["scancel", "1_5"])  # so that somebody has to watch
    place.wait(lambda: place.home.task_counts().get("F"), "a task that failed for good")
    place.release()
    place.wait(lambda: again.is_over, "the end of the resume")

    assert again.end() == 1
    assert place.job_ids() == ids
    assert place.home.task_counts() == {"D": 5, "F": 1}
    assert {line.attempt: line.pid for line in place.home.witness.lines() if line.word == "start"} == running
    assert len(fake.called("sbatch")) == 1
    place.holds()


@pytest.mark.promise("F46")
@pytest.mark.promise("F63")
def test_what_ended_while_nobody_drove_counts_and_pending_jobs_go_on(fake: FakeSlurm, place: Place) -> None:
    place.start(20)  # twelve find room
    place.runs(12)
    ids = place.launched()
    lose_all(place.home, ("distributor",))
    fake.end("1_0", "NODE_FAIL")  # only somebody who asks Slurm can know of it
    place.release()
    place.wait(lambda: len(place.home.witness.ends()) == 19, "the end of all other commands")
    again = place.resume()
    place.wait(lambda: again.is_over, "the end of the resume")

    assert again.end() == 0
    assert place.job_ids()[:1] == ids
    assert place.home.task_counts() == {"D": 20}
    assert place.failures() == [(0, 1)] + [(0, 0)] * 19
    assert len(fake.called("sbatch")) == 2
    place.holds()


def lose_all(home: Home, also: tuple[str, ...]) -> None:
    home.kill_client()
    for victim in also:
        home.kill(victim)
