"""A qmaster, or accounting, that is away, silent or forgetful while a run is under way; on the fake."""

import pytest

from fakes.drmaa import FakeGridEngine, faults
from fakes.drmaa.faults import Fault
from faults.place import Place

pytestmark = pytest.mark.slow

SILENT = "has not answered since"


@pytest.mark.promise("F48")
def test_a_qmaster_that_is_away_changes_no_task(fake: FakeGridEngine, place: Place) -> None:
    place.be_patient()
    script = place.start()
    place.runs()
    place.launched()
    before = place.audited()
    away = fake.qmaster_down()
    place.says(SILENT)
    fake.wait(lambda: len(away.met) >= 2)

    assert place.audited() == before
    away.lift()
    place.wait(lambda: SILENT not in place.notice(), "a qmaster that is back")
    place.release()
    place.ends(script)
    place.ran_once()


@pytest.mark.promise("F48")
def test_what_is_ready_while_the_qmaster_is_away_is_submitted_later(fake: FakeGridEngine, place: Place) -> None:
    away = fake.fault("runBulkJobs", faults.qmaster_down(), times=None)
    place.release()
    script = place.start()
    place.says(SILENT)
    away.lift()

    place.ends(script)
    place.ran_once()
    assert (len(fake.called("runBulkJobs")), len(fake.jobs)) == (len(away.met) + 1, 1)


@pytest.mark.promise("F49")
@pytest.mark.promise("F60")
def test_a_job_that_was_lost_and_whose_number_is_given_again_is_run_again(
    fake: FakeGridEngine, place: Place
) -> None:
    """At the system's cost."""
    script = place.start()
    place.runs()
    place.launched()
    fake.lose(1)
    place.runs(8)
    place.release()

    place.ends(script)
    assert place.job_ids()[:2] == ["1", "1"]
    assert place.failures() == [(0, 1)] * 4
    assert place.attempts() == [("X", "infrastructure")] * 4 + [("D", "")] * 4


@pytest.mark.promise("F52")
@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("qstat", faults.hangs()),
        ("qstat", faults.lost()),
        ("qacct", faults.hangs()),
    ],
    ids=["qstat hangs", "qstat is empty", "qacct hangs"],
)
def test_an_answer_that_is_none_ends_nothing(
    fake: FakeGridEngine, place: Place, command: str, fault: Fault
) -> None:
    place.option(requests_per_second=100, answer_seconds=3)
    script = place.start(2)
    place.runs(2)
    place.launched()
    met = fake.fault(command, fault, times=None)
    if command == "qacct":
        place.kill_worker(1)
    place.wait(lambda: len(met.met) >= 2, "two questions")
    met.lift()
    place.runs(3 if command == "qacct" else 2)
    place.release()

    place.ends(script)
    assert place.failures() == [(0, int(command == "qacct")), (0, 0)]


@pytest.mark.promise("F50")
def test_a_qdel_that_got_lost_is_repeated_until_the_job_is_gone(fake: FakeGridEngine, place: Place) -> None:
    fake.settings.start_delay = 3600
    script = place.start()
    place.launched()
    lost = fake.fault("qdel", faults.lost(), times=2)
    place.stop(script)
    place.wait(lambda: place.home.run_status() == "S", "the end of the run")

    assert len(lost.met) == 2
    assert not any(fake.states(1).values())
    assert place.home.witness.count() == 0
    place.holds()


@pytest.mark.promise("F51")
@pytest.mark.promise("F60")
def test_a_job_that_neither_queue_nor_accounting_remember_costs_no_attempt(
    fake: FakeGridEngine, place: Place
) -> None:
    fake.settings.accounting_lag = float("inf")
    script = place.start(2, "--attempts", "2")
    place.runs(2)
    place.launched()
    place.kill_worker(1)
    place.runs(3)
    place.release()

    place.ends(script)
    assert place.failures() == [(0, 1), (0, 0)]
