"""A controller, or accounting, that is away, wrong or forgetful while a run is under way; on the fake."""

from collections.abc import Callable

import pytest

from fakes.slurm import FakeSlurm, faults
from fakes.slurm.faults import Fault
from faults.place import Place

pytestmark = pytest.mark.slow

SILENT = "has not answered since"


@pytest.mark.promise("F48")
@pytest.mark.parametrize("returns", [True, False])
def test_a_controller_that_is_away_changes_no_task(fake: FakeSlurm, place: Place, returns: bool) -> None:
    place.be_patient()
    script = place.start()
    place.runs()
    place.launched()
    before = place.audited()
    away = fake.fault("*", faults.controller_down(), times=None)
    place.says(SILENT)
    fake.wait(lambda: len(away.met) >= 2)

    assert place.audited() == before
    if returns:
        away.lift()
        place.wait(lambda: SILENT not in place.notice(), "a controller that is back")
    place.release()
    place.ends(script)
    place.ran_once()


@pytest.mark.promise("F48")
def test_what_is_ready_while_the_controller_is_away_is_submitted_later(fake: FakeSlurm, place: Place) -> None:
    away = fake.fault("sbatch", faults.controller_down(), times=None)
    place.release()
    script = place.start()
    place.says(SILENT)
    away.lift()

    place.ends(script)
    place.ran_once()
    assert (len(fake.called("sbatch")), len(fake.jobs)) == (len(away.met) + 1, 1)


@pytest.mark.promise("F49")
@pytest.mark.parametrize("again", [True, False])
def test_a_job_that_slurm_lost_is_run_again_at_the_systems_cost(
    fake: FakeSlurm, place: Place, again: bool
) -> None:
    """Also when Slurm gives its id to the next job."""
    script = place.start()
    place.runs()
    place.launched()
    fake.lose(1, reuse_ids=again)
    place.runs(8)
    place.release()

    place.ends(script)
    assert (place.job_ids()[:2] == ["1", "1"]) == again
    assert place.failures() == [(0, 1)] * 4
    assert place.attempts() == [("X", "infrastructure")] * 4 + [("D", "")] * 4
    assert "vanished" in place.errors()


@pytest.mark.promise("F52")
@pytest.mark.parametrize(
    "fault",
    [
        faults.timed_out(),
        faults.rate_limited(refuses=True),
        faults.refused("slurm_load_jobs error: Unexpected message received"),
        faults.refused("slurm_load_jobs error: something new"),
        faults.lost(),
        faults.duplicated(),
        faults.cut_short(10),
    ],
    ids=["timed out", "rate limit", "strange", "unknown", "empty", "twice", "cut short"],
)
def test_an_answer_of_squeue_that_is_none_ends_nothing(fake: FakeSlurm, place: Place, fault: Fault) -> None:
    place.option(requests_per_second=100)
    place.be_patient()  # a worker that was silent for so long is lost for a queue without it
    script = place.start(2)
    place.runs(2)
    met = fake.fault("squeue", fault, times=None).met
    place.wait(lambda: len(met) >= 2, "two looks at the queue")
    place.release()

    place.ends(script)
    place.ran_once(2)
    assert place.attempts() == [("D", "")] * 2


@pytest.mark.promise("F50")
def test_a_kill_that_got_lost_is_repeated_until_the_job_is_gone(fake: FakeSlurm, place: Place) -> None:
    fake.change_partition("all", state="DOWN")
    script = place.start()
    place.launched()
    lost = fake.fault("scancel", faults.lost(), times=2)
    place.stop(script)
    place.wait(lambda: place.home.run_status() == "S", "the end of the run")

    assert len(lost.met) == 2
    assert set(fake.states(1).values()) == {"CANCELLED"}
    assert place.home.witness.count() == 0
    place.holds()


@pytest.mark.promise("F51")
@pytest.mark.parametrize(
    "break_it",
    [
        lambda fake: fake.fault("sacct", faults.accounting_down(), times=None),
        lambda fake: setattr(fake.settings, "accounting", False),
        lambda fake: setattr(fake.settings, "accounting_lag", 3),
    ],
    ids=["down", "none", "behind"],
)
def test_without_accounting_the_queue_says_how_a_job_ended(
    fake: FakeSlurm, place: Place, break_it: Callable[[FakeSlurm], object]
) -> None:
    break_it(fake)
    script = place.start(2, "--attempts", "2")
    place.runs(2)
    place.launched()
    fake.out_of_memory("1_0")
    place.runs(3)
    place.release()

    place.ends(script)
    assert sorted(place.attempts()) == [("D", "")] * 2 + [("Z", "resource")]


@pytest.mark.promise("F51")
def test_a_job_that_neither_queue_nor_accounting_remember_costs_no_attempt(fake: FakeSlurm, place: Place) -> None:
    fake.settings.min_job_age = fake.settings.accounting_keeps = 0
    script = place.start(2)
    place.runs(2)
    place.launched()
    fake.end("1_0", "FAILED", "1:0")
    place.runs(3)
    place.release()

    place.ends(script)
    assert place.failures() == [(0, 1), (0, 0)]
