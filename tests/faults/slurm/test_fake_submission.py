"""A submission of which nobody knows whether it was taken, on the fake."""

from collections import Counter

import pytest

from fakes.slurm import Association, FakeSlurm, faults
from faults.place import Place

pytestmark = pytest.mark.slow


@pytest.mark.promise("F46")
@pytest.mark.promise("F03")
@pytest.mark.parametrize("taken", [True, False])
def test_a_distributor_killed_around_sbatch_is_followed_by_one_that_knows(
    fake: FakeSlurm, place: Place, taken: bool
) -> None:
    """After a job was taken it is adopted by its name; before, it is handed in once it is proven absent."""
    stuck = fake.fault("sbatch", faults.hangs(taken=taken))
    script = place.start()
    place.wait(lambda: stuck.met, "an sbatch")
    place.home.kill("distributor")
    ids = place.launched()
    place.release()

    place.ends(script)
    place.ran_once()
    assert [str(job.job_id) for job in fake.jobs] == ids
    assert len(fake.called("sbatch")) == (1 if taken else 2)


@pytest.mark.promise("F47")
@pytest.mark.parametrize("late", [None, 2.0])
def test_a_submission_that_timed_out_and_was_taken_is_found_by_its_name(
    fake: FakeSlurm, place: Place, late: float | None
) -> None:
    fake.fault("sbatch", faults.timed_out(taken=late is None, late=late))
    script = place.start()
    place.runs()
    place.launched()
    place.release()

    place.ends(script)
    place.ran_once()
    assert place.job_ids() == ["1"]
    assert len(fake.called("sbatch")) == 1


@pytest.mark.promise("F57")
@pytest.mark.promise("F58")
@pytest.mark.parametrize("noise", ["before", "after", "cluster"])
def test_words_of_a_site_around_the_job_id_do_no_harm(fake: FakeSlurm, place: Place, noise: str) -> None:
    """What hides the id leaves the submission unclear: it is found by its name."""
    greeting = "Bienvenue sur la grappe 7\nEstimation: 12 h CPU\n"
    fake.settings.tells_cluster = noise == "cluster"
    if noise != "cluster":
        fake.fault("sbatch", faults.warned(**{noise: greeting}, stderr="sbatch: lua: be gentle\n"), times=None)
    script = place.start()
    place.runs()
    place.launched()
    place.release()

    place.ends(script)
    place.ran_once()
    assert place.job_ids() == ["1"]
    assert len(fake.called("sbatch")) == 1


@pytest.mark.promise("F53")
def test_more_tasks_than_an_array_may_have_go_as_several(fake: FakeSlurm, place: Place) -> None:
    fake.settings.max_array_size = 11
    script = place.start(50, "--command", "true")

    place.ends(script)
    place.ran_once(50)
    assert max(job.size for job in fake.jobs) == 10
    assert len(fake.called("sbatch")) == 5


@pytest.mark.promise("F56")
def test_an_account_that_is_refused_ends_the_template_at_once(fake: FakeSlurm, place: Place) -> None:
    fake.settings.associations = [Association(fake.user)]
    script = place.start(3000, "--command", "true", "--resources", '{"account": "nope"}', "--attempts", "3")

    place.ends(script, "E")
    assert len(fake.called("sbatch")) == 1
    assert "Invalid account or account/partition combination specified" in place.errors()
    assert place.home.task_counts() == {"F": 3000}
    assert place.home.witness.count() == 0


@pytest.mark.promise("F54")
def test_a_limit_on_submitted_jobs_makes_the_rest_wait(fake: FakeSlurm, place: Place) -> None:
    fake.settings.associations = [Association(fake.user, max_submit=5)]
    script = place.start(20)
    place.runs(5)
    place.says("Slurm takes 5 jobs of this user at one time")
    place.release()

    place.ends(script)
    place.ran_once(20)
    assert all(job.size <= 5 for job in fake.jobs)
    assert [call.rc for call in fake.called("sbatch")] == [0] * 4


@pytest.mark.promise("F54")
def test_a_limit_that_only_a_refusal_tells_of_is_waited_for(fake: FakeSlurm, place: Place) -> None:
    refusal = fake.fault("sbatch", faults.over_limit(), after=1, times=None)
    place.option(max_batch=4)
    script = place.start(8)
    place.runs(4)
    place.says("QOSMaxSubmitJobPerUserLimit")
    place.wait(lambda: len(refusal.met) >= 3, "three refusals")
    refusal.lift()
    place.release()

    place.ends(script)
    place.ran_once(8)
    assert place.failures() == [(0, 0)] * 8
    assert set(place.attempts()) == {("D", ""), ("W", "policy")}


@pytest.mark.promise("F54")
def test_a_controller_that_is_full_is_waited_for(fake: FakeSlurm, place: Place) -> None:
    """`sbatch` would sleep and try for ever: it is ended, and nobody knows whether it had success."""
    place.option(answer_seconds=3)
    full = fake.fault("sbatch", faults.temporarily_unable(), times=None)
    place.release()
    script = place.start()
    place.says("temporarily unable to accept job")
    full.lift()

    place.ends(script)
    place.ran_once()
    assert len(fake.jobs) == 1


@pytest.mark.promise("F55")
def test_a_job_that_can_never_start_fails_with_slurms_reason(fake: FakeSlurm, place: Place) -> None:
    fake.settings.start_delay = 3600
    script = place.start(4, "--attempts", "3")
    place.launched()
    fake.block(1, "PartitionNodeLimit")
    fake.advance(3600)

    place.ends(script, "E")
    assert place.attempts() == [("F", "fatal")] * 4
    assert "PartitionNodeLimit" in place.errors()
    assert set(fake.states(1).values()) == {"CANCELLED"}


@pytest.mark.promise("F61")
def test_the_number_of_commands_does_not_grow_with_the_tasks(fake: FakeSlurm, place: Place) -> None:
    place.option(poll_seconds=300, poll_seconds_max=300, reuse_seconds=0)  # no spare places to be cancelled
    place.be_patient()
    script = place.start(200, "--command", "true")

    place.ends(script)
    place.ran_once(200)
    counts = Counter(call.command for call in fake.calls)
    assert (counts["sbatch"], counts["sacct"], counts["scancel"]) == (1, 0, 0)
    assert counts.total() <= 12, counts
