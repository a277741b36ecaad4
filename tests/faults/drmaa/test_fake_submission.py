"""Submissions of which nobody knows whether they were taken, and those that are refused; on the fake."""

import pytest

from fakes.drmaa import FakeGridEngine, faults
from faults.place import Place

pytestmark = pytest.mark.slow


@pytest.mark.promise("F46")
@pytest.mark.promise("F03")
def test_a_distributor_killed_while_it_submits_is_followed_by_one_that_adopts_the_job(
    fake: FakeGridEngine, place: Place
) -> None:
    stuck = fake.fault("runBulkJobs", faults.hangs(taken=True))
    script = place.start()
    place.wait(lambda: stuck.met, "a submission")
    place.home.kill("distributor")
    ids = place.launched()
    place.release()

    place.ends(script)
    place.ran_once()
    assert [str(job.number) for job in fake.jobs] == ids
    assert len(fake.called("runBulkJobs")) == 1


@pytest.mark.promise("F47")
@pytest.mark.parametrize("late", [None, 2.0])
def test_a_submission_that_timed_out_and_was_taken_is_found_by_its_name(
    fake: FakeGridEngine, place: Place, late: float | None
) -> None:
    fake.fault("runBulkJobs", faults.timed_out(taken=late is None, late=late))
    script = place.start()
    place.runs()
    place.launched()
    place.release()

    place.ends(script)
    place.ran_once()
    assert place.job_ids() == ["1"]
    assert len(fake.called("runBulkJobs")) == 1


@pytest.mark.promise("F53")
def test_more_tasks_than_an_array_may_have_go_as_several(fake: FakeGridEngine, place: Place) -> None:
    fake.settings.max_array = 10
    script = place.start(50, "--command", "true")

    place.ends(script)
    place.ran_once(50)
    assert max(len(job.tasks) for job in fake.jobs) == 10
    assert len(fake.called("runBulkJobs")) == 5


@pytest.mark.promise("F56")
@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ('{"project": "nope"}', 'the requested project "nope" does not exist'),
        ('{"l": "hostname=nope|other"}', "no suitable queues"),
    ],
)
def test_what_is_refused_ends_the_template_at_once(
    fake: FakeGridEngine, place: Place, resources: str, words: str
) -> None:
    script = place.start(1500, "--command", "true", "--resources", resources, "--attempts", "3")

    place.ends(script, "E")
    assert len(fake.called("runBulkJobs")) == 1
    assert words in place.errors()
    assert place.home.task_counts() == {"F": 1500}
    assert place.home.witness.count() == 0


@pytest.mark.promise("F54")
def test_a_limit_on_jobs_makes_the_rest_wait(fake: FakeGridEngine, place: Place) -> None:
    fake.settings.max_jobs = 1
    place.option(max_batch=5)
    script = place.start(10)
    place.runs(5)
    place.says("only 1 jobs are allowed per user")
    place.release()

    place.ends(script)
    place.ran_once(10)
    assert place.failures() == [(0, 0)] * 10
