"""The cluster contract on a Slurm in memory, in a time of its own."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fakes.clock import Clock
from fakes.cluster import jobs_of
from fakes.server import batch as batch_of
from fakes.slurm_back_end import SlurmBackEnd
from jobmon.core.cluster import Connection, JobState
from jobmon.core.constants import FailureClass
from jobmon.core.exceptions import BatchTooLarge, ClusterError, SubmitRefused, SubmitUnknown
from jobmon.core.resources import Resources
from jobmon.core.scheduler.nodes import Nodes
from jobmon.core.scheduler.shapes import NoAnswer, Queued, Unreachable
from jobmon.core.wire import Batch, Job
from jobmon_slurm.api import Slurm
from jobmon_slurm.cluster import SlurmCluster
from jobmon_slurm.dialect import SLURM
from jobmon_slurm.limits import read_limits
from jobmon_slurm.options import Options

LAG_SECONDS = Options().lag_seconds
SETTLED_SECONDS = 2 * 10 + LAG_SECONDS  # 2 x MessageTimeout + the lag of accounting
REST_SECONDS = 5  # in which nothing is asked after a question without an answer
TWO, FIVE = batch_of(1, size=2), batch_of(2, size=5)
FOREIGN = Queued("9000", (), "mine", "RUNNING")


class Site:
    """A Slurm, one workflow's cluster object on it, and the time of both."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.clock = Clock()
        self.slurm = SlurmBackEnd(self.clock)
        self.folder = folder
        self.options = Options(**{"requests_per_second": 1000.0, "burst": 1000, **options})
        self.connect()

    def connect(self) -> None:
        """A distributor starts, or another one after it."""
        for name in ("state", "shared"):
            (self.folder / name).mkdir(exist_ok=True)
        connection = Connection(
            options=self.options,
            service_url="http://n1:1",
            token_file="/token",
            state_dir=self.folder / "state",
            shared_dir=self.folder / "shared",
            workflow_id=1,
            python="/bin/python",
            worker_argv=("/bin/python", "-m", "worker"),
        )
        verbs = Slurm(self.slurm, self.options, self.clock.sleep, self.clock)
        self.limits = read_limits(self.slurm.config(), None, self.options)
        self.cluster = SlurmCluster(connection, verbs, self.limits, self.clock)
        self.slurm.asked.clear()

    def submit(self, batch: Batch, state: str = "RUNNING") -> list[Job]:
        """Submitted, and in this state; its attempts as the server names them."""
        job_id = self.cluster.submit(batch)
        if state != "PENDING":
            self.slurm.start(job_id)
        return jobs_of(batch, job_id)

    def poll(self) -> list[tuple[int, str]]:
        """Wait for the next look at the queue; what it told."""
        self.clock.now += self.options.poll_seconds
        return self.events()

    def events(self) -> list[tuple[int, str]]:
        return [(one.instance_id, one.state) for one in self.cluster.events()]

    def states(self, jobs: list[Job]) -> set[str]:
        return {one.state for one in self.cluster.observe(jobs)}

    def absent(self, batch: Batch) -> bool:
        return self.cluster.look_up([batch])[batch.batch_id].absent


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# Submitting.


def test_a_batch_becomes_one_array_of_its_name_whose_tasks_know_the_batch(site):
    batch = replace(TWO, resources=Resources(queue="short", runtime_seconds=100, cores=3))
    site.cluster.submit(batch)
    [sent] = site.slurm.submissions

    assert (sent.name, sent.size, sent.requeue, sent.singleton) == ("jm-1-1", 2, False, False)
    assert sent.options == {"cpus-per-task": "3", "partition": "short", "time": "3"}
    own = ["--index-env=SLURM_ARRAY_TASK_ID", "--job-env=SLURM_JOB_ID"]
    assert list(sent.arguments[3:]) == ["--batch-id=1", *own, "--start-wait=25", "--reuse=30"]
    assert Path(sent.script).read_text() == SLURM.script
    assert Path(sent.log_pattern).parent.is_dir()


def test_a_script_that_was_cut_off_by_a_full_disk_is_written_again(site):
    (site.folder / "state" / "launch.sh").write_text(SLURM.script[:5])
    site.cluster.submit(TWO)

    assert Path(site.slurm.submissions[0].script).read_text() == SLURM.script


def test_a_run_time_at_the_limit_of_the_partition_is_cut_and_partitions_are_asked_once(site):
    for number in (1, 2):
        asked = Resources(queue="short", runtime_seconds=600)
        site.cluster.submit(replace(batch_of(number), resources=asked))

    assert {tuple(sent.options.items())[2:] for sent in site.slurm.submissions} == {
        (("signal", "B:USR1@30"), ("time", "10"))
    }
    assert site.slurm.asked == ["partitions", "submit", "submit"]


@pytest.mark.promise("F41 F42")
def test_a_folder_that_cannot_be_written_refuses_the_batch_with_the_way_out(site):
    (site.folder / "state" / "logs").write_text("a file")

    with pytest.raises(SubmitRefused, match=r"state: .*Mend that, or set JOBMON__SERVER__DATA_DIR") as refusal:
        site.cluster.submit(TWO)
    assert refusal.value.failure_class == FailureClass.POLICY
    assert site.slurm.submissions == []


@pytest.mark.promise("F48")
def test_a_controller_that_is_away_is_probed_and_otherwise_left_alone(site):
    site.slurm.down = True
    for _ in range(10):
        with pytest.raises(SubmitRefused) as refusal:
            site.cluster.submit(TWO)
        with pytest.raises(Unreachable):
            site.cluster.look_up([TWO])
        site.clock.now += 0.1
    assert refusal.value.failure_class == FailureClass.POLICY
    assert len(site.slurm.asked) == 1
    assert "Slurm has not answered since" in site.cluster.notice()

    site.slurm.down = False
    site.clock.now += 5
    site.cluster.submit(TWO)
    assert site.cluster.notice() == ""


@pytest.mark.promise("F48")
def test_no_attempt_changes_its_state_while_the_controller_is_away(site):
    jobs = site.submit(TWO)
    site.slurm.down = True
    for ask in (lambda: site.cluster.observe(jobs), lambda: site.cluster.cancel(jobs), site.poll):
        site.clock.now += 100
        with pytest.raises(ClusterError):
            ask()
    site.slurm.down = False
    site.clock.now += 100

    assert site.states(jobs) == {JobState.RUNNING}


# Unclear submissions.


@pytest.mark.promise("F47")
def test_a_submission_without_an_answer_is_found_by_its_name(site):
    site.slurm.script.append("time out taken")
    with pytest.raises(SubmitUnknown, match="Socket timed out"):
        site.cluster.submit(TWO)
    site.clock.now += REST_SECONDS
    looks = site.cluster.look_up([TWO])

    assert looks[TWO.batch_id].job_id == "100"
    assert len(site.slurm.submissions) == 1
    site.slurm.end("100")
    assert site.poll() == [(1000, "ended"), (1001, "ended")]


@pytest.mark.promise("F46")
def test_a_job_that_is_over_and_purged_from_the_queue_is_found_in_accounting(site):
    site.slurm.script.append("time out taken")
    with pytest.raises(SubmitUnknown):
        site.cluster.submit(TWO)
    site.slurm.end("100")
    site.clock.now += site.slurm.min_job_age

    assert site.cluster.look_up([TWO])[TWO.batch_id].job_id == "100"


@pytest.mark.promise("F46")
@pytest.mark.parametrize("accounting", ["on", "off"])
def test_a_job_is_absent_only_when_it_would_have_come_to_light_and_the_next_one_runs_alone(site, accounting):
    site.slurm.accounting = accounting
    site.connect()
    again = replace(TWO, look_first=True)
    for _ in range(int(SETTLED_SECONDS / 5)):
        assert site.cluster.look_up([again]) == {}
        site.clock.now += 5

    assert site.absent(again)
    site.cluster.submit(again)
    assert [sent.singleton for sent in site.slurm.submissions] == [True]


@pytest.mark.promise("F46 F47")
def test_each_unclear_submission_is_looked_for_as_long_as_the_first(site):
    site.slurm.script += ["time out", "time out", "sbatch: Rate limit exceeded, please retry momentarily"]
    for _ in range(2):
        with pytest.raises(SubmitUnknown):
            site.cluster.submit(TWO)
        site.clock.now += REST_SECONDS
        assert site.cluster.look_up([TWO]) == {}
        site.clock.now += SETTLED_SECONDS
        assert site.absent(TWO)
    with pytest.raises(SubmitRefused):
        site.cluster.submit(TWO)
    site.cluster.submit(TWO)

    assert [sent.singleton for sent in site.slurm.submissions] == [False, True, True, True]


@pytest.mark.promise("F46")
def test_after_a_crash_of_the_plugin_the_next_submission_runs_alone_too(site):
    submit, site.slurm.submit = site.slurm.submit, crash
    with pytest.raises(MemoryError):
        site.cluster.submit(TWO)
    site.slurm.submit = submit
    assert site.cluster.look_up([TWO]) == {}
    site.clock.now += SETTLED_SECONDS
    assert site.absent(TWO)
    site.cluster.submit(TWO)

    assert [sent.singleton for sent in site.slurm.submissions] == [True]


@pytest.mark.promise("F47")
def test_of_two_arrays_of_one_name_the_first_is_kept_and_the_other_cancelled(site):
    site.slurm.next_id = 99
    site.cluster.submit(TWO)
    site.slurm.take(site.slurm.submissions[0])
    site.slurm._arrays.reverse()  # squeue's order is not that of the ids, nor are ids texts: 99, 100

    assert site.cluster.look_up([TWO])[TWO.batch_id].job_id == "99"
    assert site.slurm.cancels == ["100"]
    assert site.slurm.alive() == ["jm-1-1"]


@pytest.mark.promise("F46 F51")
def test_while_accounting_is_down_what_the_queue_has_is_found_and_nothing_else_is_absent(site):
    site.cluster.submit(TWO)
    site.slurm.accounting = "down"
    for _ in range(5):
        site.clock.now += SETTLED_SECONDS
        assert {i: look.job_id for i, look in site.cluster.look_up([TWO, FIVE]).items()} == {TWO.batch_id: "100"}
    with pytest.raises(Unreachable):
        site.cluster.look_up([FIVE])


@pytest.mark.promise("F46")
def test_batches_that_were_adopted_are_looked_at_at_once(site):
    job_id = site.cluster.submit(TWO)
    site.slurm.end(job_id)
    site.connect()
    site.cluster.adopt([replace(TWO, job_id=job_id)])

    assert site.events() == [(1000, "ended"), (1001, "ended")]
    assert site.slurm.asked == ["queue"]


# Refusals.


@pytest.mark.promise("F56")
def test_what_can_never_work_is_fatal_in_the_words_of_slurm(site):
    site.slurm.script.append("sbatch: Batch job submission failed: Invalid account or account/partition")

    with pytest.raises(SubmitRefused, match="Invalid account") as refusal:
        site.cluster.submit(TWO)
    assert refusal.value.failure_class == FailureClass.FATAL


@pytest.mark.promise("F53")
def test_an_array_that_is_too_large_makes_all_later_ones_half_as_large(site):
    site.slurm.max_array = 3
    assert site.cluster.pace().max_batch == 1000
    with pytest.raises(BatchTooLarge):
        site.cluster.submit(FIVE)
    assert site.cluster.pace().max_batch == 2
    asked = len(site.slurm.asked)
    with pytest.raises(BatchTooLarge, match="takes 2 tasks in an array, this one has 5"):
        site.cluster.submit(FIVE)

    assert len(site.slurm.asked) == asked
    site.cluster.submit(TWO)


@pytest.mark.promise("F53")
def test_a_site_without_arrays_refuses_for_good_instead_of_halving_for_ever(site):
    site.slurm.max_array = 0

    with pytest.raises(SubmitRefused) as refusal:
        site.cluster.submit(batch_of(1))
    assert (type(refusal.value), refusal.value.failure_class) == (SubmitRefused, FailureClass.FATAL)


@pytest.mark.promise("F54")
def test_room_is_counted_with_the_jobs_of_other_workflows_and_comes_back_without_jobs_of_our_own(tmp_path):
    site = Site(tmp_path, max_submitted=6)
    site.cluster.submit(TWO)
    site.slurm.others = [replace_row(FOREIGN, indices=(0, 1, 2)), FOREIGN]
    site.slurm.end("100")
    site.poll()
    for _ in range(3):
        with pytest.raises(SubmitRefused) as refusal:
            site.cluster.submit(FIVE)
        site.clock.now += 1
    assert refusal.value.failure_class == FailureClass.POLICY
    assert "Slurm takes 6 jobs of this user at one time; 4 are there" in site.cluster.notice()
    assert site.slurm.asked == ["submit", "queue"]

    site.slurm.others = []
    site.clock.now += site.options.poll_seconds
    site.cluster.submit(FIVE)
    assert site.cluster.notice() == ""


@pytest.mark.promise("F54")
@pytest.mark.parametrize("others", [[FOREIGN], []], ids=["jobs of others fill it", "nothing else is there"])
def test_a_limit_makes_wait_unless_only_the_array_itself_is_too_much_for_it(site, others):
    site.slurm.max_submitted = 4
    site.slurm.others = others

    with pytest.raises(SubmitRefused, match="AssocMaxSubmitJobLimit") as refusal:
        site.cluster.submit(FIVE)
    assert refusal.value.failure_class == FailureClass.POLICY
    assert isinstance(refusal.value, BatchTooLarge) == (not others)
    assert site.cluster.pace().max_batch == (1000 if others else 2)
    assert ("AssocMaxSubmitJobLimit" in site.cluster.notice()) == bool(others)


@pytest.mark.promise("F54")
def test_what_has_nothing_to_do_with_the_size_makes_wait_at_the_same_size(site):
    site.slurm.script.append("sbatch: Batch job submission failed: Requested operation is presently disabled")

    with pytest.raises(SubmitRefused) as refusal:
        site.cluster.submit(FIVE)
    assert refusal.value.failure_class == FailureClass.POLICY
    assert site.cluster.pace().max_batch == 1000
    assert "presently disabled" in site.cluster.notice()


@pytest.mark.promise("F56")
def test_words_that_nobody_knows_are_doubted_twice_then_believed(site):
    site.slurm.script += ["sbatch: computer says no"] * 3
    for _ in range(2):
        with pytest.raises(SubmitUnknown, match="computer says no"):
            site.cluster.submit(TWO)
    with pytest.raises(SubmitRefused, match="computer says no") as refusal:
        site.cluster.submit(TWO)

    assert refusal.value.failure_class == FailureClass.INFRASTRUCTURE


@pytest.mark.promise("F43")
def test_nodes_that_are_avoided_never_make_a_workflow_fail(site):
    for task_id in range(3):
        Nodes(site.folder / "shared").failed("n1", task_id, "no interpreter")
    words = "sbatch: Batch job submission failed: Requested node configuration is not available"
    site.slurm.script += [words, words]
    refused = []
    for _ in range(2):
        with pytest.raises(SubmitRefused) as refusal:
            site.cluster.submit(TWO)
        refused.append(refusal.value.failure_class)

    assert [sent.options.get("exclude") for sent in site.slurm.submissions] == ["n1", None]
    assert refused == [FailureClass.POLICY, FailureClass.FATAL]


# Looking.


@pytest.mark.promise("F61")
def test_the_queue_is_looked_at_once_in_a_poll_for_all_arrays_together(site):
    for number in range(1, 6):
        site.submit(batch_of(number, size=100))
    for _ in range(100):
        site.clock.now += 0.5
        site.events()

    assert site.slurm.count("queue") == 1
    assert site.slurm.count("submit") == 5
    assert len(site.slurm.asked) == 6


@pytest.mark.promise("F61")
def test_a_batch_that_ends_before_the_first_poll_costs_its_submission_only(site):
    site.submit(TWO)
    for _ in range(59):
        site.clock.now += 0.5
        assert site.events() == []

    assert site.slurm.asked == ["submit"]
    assert site.poll() == []
    assert site.slurm.asked == ["submit", "queue"]


@pytest.mark.promise("F61")
@pytest.mark.parametrize(("query_seconds", "pause"), [(0.1, 30), (5, 50), (60, 180)])
def test_the_longer_a_look_takes_the_longer_is_the_pause_after_it(site, query_seconds, pause):
    site.submit(TWO)
    site.slurm.query_seconds = query_seconds
    site.poll()
    site.clock.now += pause - 0.1
    assert (site.events(), site.slurm.count("queue")) == ([], 1)
    site.clock.now += 0.2
    site.events()

    assert site.slurm.count("queue") == 2


def test_ends_are_told_once_each(site):
    site.submit(FIVE)
    site.slurm.end("100", indices=[1, 3])
    assert site.poll() == [(2001, "ended"), (2003, "ended")]
    assert site.poll() == []
    site.slurm.end("100", "FAILED", 1)

    assert site.poll() == [(2000, "ended"), (2002, "ended"), (2004, "ended")]
    asked = len(site.slurm.asked)
    assert (site.poll(), len(site.slurm.asked)) == ([], asked)


def test_ends_that_a_question_met_by_the_way_are_told_by_the_next_call(site):
    jobs = [*site.submit(TWO), *site.submit(FIVE)]
    site.slurm.end("100", "FAILED", 1)
    site.cluster.observe(jobs)
    site.slurm.down = True

    assert site.poll() == [(1000, "ended"), (1001, "ended")]


@pytest.mark.promise("F48 F61")
def test_a_look_that_failed_is_made_again_after_the_usual_pause(site):
    site.submit(TWO)
    site.slurm.down = True
    with pytest.raises(Unreachable):
        site.poll()
    for _ in range(59):
        site.clock.now += 0.5
        assert site.events() == []
    assert site.slurm.count("queue") == 1
    site.slurm.down = False
    site.poll()

    assert site.slurm.count("queue") == 2


def test_logs_of_an_array_that_said_nothing_go_when_it_has_ended(site):
    site.submit(TWO)
    folder = Path(site.slurm.submissions[0].log_pattern).parent
    (folder / "0.log").touch()
    site.slurm.end("100", indices=[0])
    site.poll()
    assert (folder / "0.log").exists()
    site.slurm.end("100")
    site.poll()

    assert not folder.exists()


@pytest.mark.promise("F55")
def test_why_tasks_wait_is_shown_unless_it_is_the_usual(site):
    site.submit(FIVE, state="PENDING")
    site.poll()
    assert site.cluster.notice() == ""
    site.slurm.wait("100", "AssocGrpCpuLimit")
    site.poll()

    assert site.cluster.notice() == "Slurm: 5 tasks wait (AssocGrpCpuLimit)"


@pytest.mark.promise("F55")
def test_a_task_that_can_never_start_is_cancelled_after_a_grace_and_fails_in_the_words_of_slurm(site):
    site.submit(TWO, state="PENDING")
    site.slurm.wait("100", "BadConstraints")
    site.poll()
    site.clock.now += site.options.impossible_seconds - site.options.poll_seconds - 1
    assert site.events() == []
    site.clock.now += site.options.poll_seconds + 1
    told = site.cluster.events()

    assert [(one.state, one.failure_class) for one in told] == [("over", "fatal")] * 2
    assert all("BadConstraints, no node of the partition can ever give" in one.message for one in told)
    assert site.slurm.cancels == ["100_[0-1]"]
    assert site.poll() == []


@pytest.mark.promise("F55")
def test_what_cannot_be_cancelled_now_is_not_forgotten_nor_are_the_ends_of_others(site):
    site.submit(TWO, state="PENDING")
    site.submit(FIVE)
    site.slurm.wait("100", "BadConstraints")
    site.poll()
    site.clock.now += site.options.impossible_seconds
    site.slurm.end("101", indices=[4])
    cancel, site.slurm.cancel = site.slurm.cancel, no_answer
    with pytest.raises(NoAnswer):
        site.events()
    assert site.events() == [(2004, "ended")]
    site.slurm.cancel = cancel
    site.clock.now += 100

    assert site.events() == [(1000, "over"), (1001, "over")]


# Silent attempts.


@pytest.mark.parametrize(
    ("state", "seen"),
    [("PENDING", "pending"), ("RUNNING", "running"), ("COMPLETING", "running"), ("A_NEW_STATE", "unknown")],
)
def test_what_the_queue_shows_alive_needs_no_accounting(site, state, seen):
    jobs = site.submit(TWO)
    site.slurm.show("100", state)

    assert site.states(jobs) == {seen}
    assert site.slurm.count("history") == 0


@pytest.mark.promise("F33 F34 F61")
def test_ended_attempts_are_judged_by_accounting_in_questions_of_500_at_most(site):
    batch = batch_of(1, size=1000)
    jobs = [*site.submit(batch), *site.submit(batch_of(2, size=3))]
    site.slurm.end("100", "OUT_OF_MEMORY", signal=125)
    site.slurm.end("101", "TIMEOUT")
    seen = site.cluster.observe(jobs)

    assert {(one.state, one.status, one.failure_class) for one in seen} == {("over", "Z", "resource")}
    assert len(seen) == 1003
    assert site.slurm.history_sizes == [500, 500, 3]
    assert site.slurm.count("queue") == 1


@pytest.mark.promise("F49")
def test_a_job_has_vanished_only_when_both_sources_were_silent_for_long_enough(site):
    jobs = site.submit(TWO)
    site.slurm.lose("100")
    for _ in range(3):
        assert site.states(jobs) == {JobState.UNKNOWN}
        site.clock.now += site.options.vanish_seconds / 3

    seen = site.cluster.observe(jobs)
    assert {(one.state, one.failure_class) for one in seen} == {("gone", "infrastructure")}
    assert "has vanished: neither squeue nor sacct" in seen[0].message


@pytest.mark.promise("F49")
def test_a_job_that_came_back_into_sight_is_missed_anew(site):
    jobs = site.submit(TWO)
    hidden, site.slurm._arrays = site.slurm._arrays, []
    site.slurm.accounting = "empty"
    assert site.states(jobs) == {JobState.UNKNOWN}
    site.slurm._arrays = hidden
    site.clock.now += site.options.vanish_seconds
    assert site.states(jobs) == {JobState.RUNNING}
    site.slurm._arrays = []
    site.clock.now += 10

    assert site.states(jobs) == {JobState.UNKNOWN}


@pytest.mark.promise("F49")
def test_an_id_that_was_given_out_again_stands_for_its_new_job_only(site):
    lost = site.submit(TWO)
    site.slurm.lose("100")
    kept = site.submit(FIVE)
    assert {job.job_id for job in (*lost, *kept)} == {"100"}
    assert site.poll() == []

    assert site.poll() == [(1000, "ended"), (1001, "ended")]
    site.cluster.observe([*lost, *kept])
    site.clock.now += site.options.vanish_seconds
    assert site.states(lost) == {JobState.GONE}
    assert site.states(kept) == {JobState.RUNNING}
    site.cluster.cancel(lost)
    assert site.slurm.alive() == [FIVE.name]


@pytest.mark.promise("F51")
@pytest.mark.parametrize("accounting", ["down", "empty", "off", "on"])
def test_without_word_from_accounting_what_the_queue_shows_decides_after_its_lag(site, accounting):
    site.slurm.accounting = accounting
    site.slurm.lag_seconds = 1000
    site.connect()
    jobs = site.submit(TWO)
    site.slurm.end("100", "OUT_OF_MEMORY", signal=125)
    if accounting != "off":
        assert site.states(jobs) == {JobState.UNKNOWN}
        site.clock.now += LAG_SECONDS
    [one, _] = site.cluster.observe(jobs)

    assert (one.state, one.status, one.exit_code) == ("over", "Z", None)
    assert site.slurm.count("history") == (0 if accounting == "off" else 2)


@pytest.mark.promise("F51")
def test_an_attempt_that_only_accounting_could_explain_waits_for_it(site):
    jobs = site.submit(TWO)
    site.slurm.end("100", "FAILED", 3)
    site.slurm.accounting = "down"
    site.clock.now += site.slurm.min_job_age
    for _ in range(5):
        assert site.states(jobs) == {JobState.UNKNOWN}
        site.clock.now += site.options.vanish_seconds
    assert "Slurm's accounting has not answered since" in site.cluster.notice()
    site.slurm.accounting = "on"
    site.clock.now += 60

    assert {one.exit_code for one in site.cluster.observe(jobs)} == {3}


@pytest.mark.promise("F51")
def test_the_queue_knows_better_than_accounting_that_is_behind(site):
    site.slurm.lag_seconds = 1000
    jobs = site.submit(TWO)
    site.slurm.end("100", "COMPLETED", indices=[0])

    seen = {one.instance_id: one.state for one in site.cluster.observe(jobs)}
    assert seen == {1000: JobState.UNKNOWN, 1001: JobState.RUNNING}


@pytest.mark.promise("F46")
def test_attempts_of_a_batch_that_was_called_refused_are_found_and_ended_by_its_name(site):
    jobs = [replace(job, job_id="") for job in site.submit(TWO)]
    site.clock.now += 1000

    assert site.states(jobs) == {JobState.RUNNING}
    assert site.cluster.cancel(jobs) == []
    assert site.slurm.cancels == ["100_[0-1]"]
    assert {one.state for one in site.cluster.cancel(jobs)} == {JobState.GONE}


@pytest.mark.promise("F43")
def test_a_node_where_three_tasks_did_not_start_is_avoided(site):
    jobs = [replace(job, task_id=job.instance_id) for job in site.submit(batch_of(1, size=3))]
    site.slurm.end("100", "FAILED", 127)
    site.cluster.observe(jobs)
    site.cluster.submit(TWO)

    assert site.slurm.submissions[-1].options["exclude"] == "n1"


@pytest.mark.promise("F42")
def test_the_end_of_the_jobs_own_log_is_part_of_the_verdict(site):
    jobs = site.submit(TWO)
    log = Path(site.slurm.submissions[0].log_pattern.replace("%a", "1"))
    log.write_text("slurmstepd: error: execve(): no such file\n")
    site.slurm.end("100", "FAILED", 126)
    site.poll()

    first, second = (one.message for one in site.cluster.observe(jobs))
    assert "no such file" in second
    assert "no such file" not in first
    assert log.exists()


# Ending.


@pytest.mark.promise("F50")
def test_a_cancel_that_was_lost_is_made_again_until_the_jobs_are_seen_gone(site):
    jobs = site.submit(TWO)
    site.slurm.lost_cancels = 2
    for _ in range(3):
        assert site.cluster.cancel(jobs) == []
        site.clock.now += 2
    gone = site.cluster.cancel(jobs)

    assert site.slurm.cancels == ["100_[0-1]"] * 3
    assert [(one.state, one.failure_class) for one in gone] == [("gone", "killed")] * 2
    assert site.slurm.alive() == []


@pytest.mark.promise("F50")
def test_attempts_are_seen_gone_also_when_they_are_named_in_turns(site):
    jobs = site.submit(FIVE)
    gone = []
    for turn in range(10):
        gone += site.cluster.cancel(jobs[:2] if turn % 2 else jobs[2:])
        site.clock.now += 1

    assert {one.instance_id for one in gone} == {job.instance_id for job in jobs}
    assert site.slurm.cancels == ["100_[2-4]", "100_[0-1]"]


@pytest.mark.promise("F50")
def test_what_was_submitted_a_moment_ago_is_cancelled_and_not_taken_for_gone(site):
    site.submit(TWO)
    site.cluster.look_up([TWO])
    jobs = site.submit(FIVE)

    assert site.cluster.cancel(jobs) == []
    assert site.slurm.alive() == [TWO.name]


def test_attempts_that_were_never_submitted_are_gone_without_a_scancel(site):
    assert {one.state for one in site.cluster.cancel(jobs_of(TWO))} == {JobState.GONE}
    assert site.slurm.cancels == []


@pytest.mark.parametrize("finished", [True, False])
def test_logs_go_with_a_finished_run_and_stay_with_one_that_was_stopped(site, finished):
    site.cluster.submit(TWO)
    site.cluster.close(finished)

    assert site.slurm.closed
    assert (site.folder / "state" / "logs").exists() == (not finished)


def crash(submission: object) -> str:
    raise MemoryError


def no_answer(expressions: object) -> None:
    raise NoAnswer("scancel did not answer within 30 s")


def replace_row(row: Queued, indices: tuple[int, ...]) -> Queued:
    return Queued(row.array_id, indices, row.name, row.state)
