import math
from itertools import pairwise

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fakes.cluster import FakeCluster, jobs_of
from fakes.server import batch
from jobmon.core.cluster import JobState, Look
from jobmon.core.exceptions import ClusterError, SubmitRefused, SubmitUnknown
from jobmon.core.resources import Resources
from jobmon.core.wire import Batch, Launched, Observed, Refused
from jobmon.distributor.actions import Cancel, Drop, Listen, LookUp, Observe, Prune, Report, Submit
from jobmon.distributor.patience import Pause, Pauses, rest_seconds
from jobmon.distributor.plan import SETTLED_KEPT, Plan

ONE, TWO = batch(1), batch(2, size=3)
SUBMISSIONS = ["accept", "refuse fatal no", "refuse policy wait", "time out", "time out taken", "crash"]


class Desk:
    """A plan with its reports and its time."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.plan = Plan(self.reports.append)
        self.now = 0.0

    def told(self, submit=(), cancel=(), suspects=(), active=False, complete=True) -> int:
        return self.plan.told(submit, cancel, suspects, self.now, active, complete)

    def next(self, may_submit=True):
        return self.plan.next(self.now, may_submit)

    def wait(self) -> None:
        """Let the time go by until something is due."""
        due_at = self.plan.next_at()
        assert self.now < due_at < math.inf, due_at
        self.now = due_at

    def next_batch(self) -> Batch:
        """The next batch to submit, however long it takes; listens meanwhile."""
        while not isinstance(action := self.next(), Submit):
            if action == Listen():
                self.plan.heard([], self.now)
            else:
                self.wait()
        return action.batch

    def launch(self, *batches, job_id="77") -> None:
        self.told(batches)
        for one in batches:
            assert self.next() == Submit(one)
            self.plan.launched(one, job_id, self.now)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_new_plan_has_nothing_to_do(desk):
    assert desk.next() is None
    assert desk.plan.next_at() == math.inf


def test_a_batch_is_submitted_at_once_and_reported_when_the_cluster_took_it(desk):
    assert desk.told([ONE]) == 1
    assert desk.plan.in_hand == [1]
    assert desk.next() == Submit(ONE)
    assert desk.plan.in_hand == [1]
    desk.plan.launched(ONE, "77", desk.now)

    assert desk.reports == [Launched(batch_id=1, job_id="77")]
    assert desk.plan.in_hand == []
    assert desk.next() is None


def test_batches_are_submitted_in_the_order_of_their_offer(desk):
    desk.told([TWO, ONE])
    first = desk.next()
    desk.plan.launched(TWO, "1", 0)

    assert [first, desk.next()] == [Submit(TWO), Submit(ONE)]


@pytest.mark.parametrize("moment", ["waiting", "being submitted"])
def test_a_batch_in_hand_that_is_offered_again_is_nothing_new(desk, moment):
    desk.told([ONE])
    if moment == "being submitted":
        desk.next()

    assert desk.told([ONE]) == 0
    assert desk.plan.in_hand == [1]


def test_a_settled_batch_that_is_offered_again_is_reported_again_and_never_submitted(desk):
    desk.launch(ONE)

    assert desk.told([ONE]) == 0
    assert desk.reports == [Launched(batch_id=1, job_id="77")] * 2
    assert desk.next() is None


def test_memory_of_settled_batches_is_bounded(desk):
    for number in range(SETTLED_KEPT + 5):
        desk.launch(batch(number))

    assert len(desk.plan._settled) == SETTLED_KEPT


@pytest.mark.parametrize("failure_class", ["fatal", "infrastructure"])
def test_a_refusal_is_reported_in_the_words_of_the_cluster(desk, failure_class):
    desk.told([ONE])
    desk.next()
    desk.plan.refused(ONE, failure_class, "Invalid account", 0)

    assert desk.reports == [Refused(batch_id=1, failure_class=failure_class, message="Invalid account")]
    assert desk.plan.in_hand == []
    assert desk.plan.notice == ""


@pytest.mark.promise("F56")
def test_what_asks_for_the_same_as_a_batch_that_can_never_run_is_refused_unasked(desk):
    other = msgspec.structs.replace(batch(4), resources=Resources(cores=2))
    desk.told([ONE, TWO])
    desk.next()
    desk.plan.refused(ONE, "fatal", "Invalid account", 0)
    desk.told([batch(3), other])

    assert [(report.batch_id, report.message) for report in desk.reports] == [
        (1, "Invalid account"), (2, "Invalid account"), (3, "Invalid account"),
    ]  # fmt: skip
    assert desk.next() == Submit(other)


@pytest.mark.promise("F54")
def test_a_limit_of_the_site_is_not_a_failure_but_a_wait_with_the_reason_shown(desk):
    desk.told([ONE])
    desk.next()
    desk.plan.refused(ONE, "policy", "QOSMaxSubmitJobPerUserLimit", desk.now)

    assert desk.reports == []
    assert desk.plan.in_hand == [1]
    assert desk.plan.notice == "QOSMaxSubmitJobPerUserLimit"
    assert desk.next() is None
    desk.wait()
    assert desk.next() == Submit(ONE)


@pytest.mark.promise("F54")
def test_pauses_under_a_limit_grow_and_shrink_again_batch_by_batch(desk):
    desk.told([batch(number) for number in range(7)])
    tried_at = []
    for _ in range(8):
        one = desk.next_batch()
        tried_at.append(desk.now)
        desk.plan.refused(one, "policy", "AssocMaxSubmitJobLimit", desk.now)
    while desk.plan.in_hand:
        one = desk.next_batch()
        tried_at.append(desk.now)
        desk.plan.launched(one, "1", desk.now)

    pauses = [later - earlier for earlier, later in pairwise(tried_at)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 30, 15, 7.5, 3.75, 1.875, 0]
    assert desk.plan.notice == ""


def test_under_a_limit_each_batch_gets_its_turn(desk):
    desk.told([ONE, TWO])
    tried = []
    for _ in range(4):
        action = desk.next()
        tried.append(action.batch)
        desk.plan.refused(action.batch, "policy", "limit", desk.now)
        desk.wait()

    assert tried == [ONE, TWO, ONE, TWO]


@pytest.mark.promise("F47")
def test_a_batch_that_the_cluster_may_have_taken_is_looked_up_until_found(desk):
    desk.told([ONE])
    desk.next()
    desk.plan.unclear(ONE, "timed out", desk.now)
    pauses = []
    for _ in range(6):
        assert desk.next() is None
        before = desk.now
        desk.wait()
        pauses.append(desk.now - before)
        assert desk.next() == LookUp((ONE,))
        desk.plan.looked_up([ONE], {}, desk.now)
    desk.wait()
    desk.next()
    desk.plan.looked_up([ONE], {1: Look(job_id="88")}, desk.now)

    assert pauses == [2, 4, 8, 16, 30, 30]
    assert desk.reports == [Launched(batch_id=1, job_id="88")]
    assert desk.plan.in_hand == []


@pytest.mark.promise("F46")
def test_a_batch_of_an_earlier_distributor_is_looked_up_before_anything_else(desk):
    inherited = batch(1, look_first=True)
    desk.told([inherited])
    assert desk.next() == LookUp((inherited,))
    desk.plan.looked_up([inherited], {1: Look(job_id="5")}, desk.now)

    assert desk.reports == [Launched(batch_id=1, job_id="5")]
    assert desk.next() is None


@pytest.mark.promise("F46")
def test_an_absent_batch_is_submitted(desk):
    inherited = batch(1, look_first=True)
    desk.told([inherited])
    desk.next()
    desk.plan.looked_up([inherited], {1: Look(absent=True)}, desk.now)

    assert desk.next() == Submit(inherited)


@pytest.mark.promise("F48")
def test_a_cluster_that_does_not_answer_look_ups_gets_no_submissions_meanwhile(desk):
    desk.told([batch(1, look_first=True)])
    desk.next()
    desk.plan.looked_up([batch(1)], {}, desk.now, trouble="connect failure")
    desk.told([TWO])

    assert desk.next() is None
    assert desk.plan.notice == "connect failure"


@pytest.mark.promise("F66")
def test_nothing_is_submitted_while_the_lease_may_be_lost(desk):
    desk.told([ONE], cancel=jobs_of(TWO, "9"))

    assert desk.next(may_submit=False) == Cancel(tuple(jobs_of(TWO, "9")))
    desk.plan.cancelled(jobs_of(TWO), [], desk.now)
    assert desk.next(may_submit=False) is None
    assert desk.plan.next_at(may_submit=False) == 2
    assert desk.next() == Submit(ONE)


@pytest.mark.promise("F50")
def test_a_cancel_is_repeated_with_growing_pauses_until_the_server_wants_it_no_more(desk):
    jobs = jobs_of(TWO, "9")
    pauses = []
    for _ in range(6):
        desk.told(cancel=jobs)
        assert desk.next() == Cancel(tuple(jobs))
        desk.plan.cancelled(jobs, [], desk.now)
        assert desk.next() is None
        before = desk.now
        desk.wait()
        pauses.append(desk.now - before)
    desk.told(cancel=[])

    assert pauses == [2, 4, 8, 16, 30, 30]
    assert desk.next() is None
    assert desk.plan.next_at() == math.inf


def test_a_wish_that_comes_and_goes_does_not_shorten_the_pauses(desk):
    jobs = jobs_of(TWO, "9")
    desk.told(cancel=jobs)
    desk.next()
    desk.plan.cancelled(jobs, [], desk.now)
    desk.told(cancel=[])

    assert desk.told(cancel=jobs) == 0
    assert desk.next() is None


def test_an_incomplete_answer_takes_no_wish_back(desk):
    desk.told(cancel=jobs_of(TWO, "9"), complete=True)
    desk.told(cancel=jobs_of(ONE, "8"), complete=False)

    assert desk.next() == Cancel((*jobs_of(TWO, "9"), *jobs_of(ONE, "8")))


def test_spare_places_are_ended_once_together_and_ever_more_rarely(desk):
    first, second, third = jobs_of(TWO, "9")

    assert desk.plan.told((), (), (), desk.now, active=False, spare=[first, second]) == 2
    assert desk.plan.told((), (), (), desk.now, active=False, spare=[second]) == 0
    assert desk.next() is None
    desk.wait()
    assert (desk.now, desk.next()) == (1, Prune((first, second)))
    desk.plan.pruned((first, second), desk.now)
    assert desk.plan.spare == ()
    pauses = []
    for _ in range(3):
        desk.plan.told((), (), (), desk.now, active=False, spare=[third])
        assert desk.next() is None
        before = desk.now
        desk.wait()
        pauses.append(desk.now - before)
        assert desk.next() == Prune((third,))
        desk.plan.pruned((third,), desk.now)

    assert pauses == [2, 4, 8]
    assert desk.reports == []


def test_attempts_seen_gone_by_a_cancel_are_reported(desk):
    gone = [Observed(instance_id=1000, state=JobState.GONE)]
    desk.told(cancel=jobs_of(ONE, "9"))
    desk.next()
    desk.plan.cancelled(jobs_of(ONE), gone, desk.now)

    assert desk.reports == gone


def test_a_batch_that_is_wanted_gone_before_it_was_handed_over_never_is(desk):
    desk.told([TWO])
    desk.told(cancel=jobs_of(TWO))
    assert desk.next() == Drop(TWO)
    desk.plan.dropped(TWO)

    assert [(type(report), report.batch_id, report.failure_class) for report in desk.reports] == [
        (Refused, TWO.batch_id, "killed")
    ]
    assert desk.plan.in_hand == []
    desk.told([TWO])
    assert desk.next() is None


def test_a_batch_that_is_wanted_gone_in_part_is_submitted_and_then_cancelled_in_part(desk):
    some = jobs_of(TWO)[:2]
    desk.told([TWO], cancel=some)
    assert desk.next() == Submit(TWO)
    desk.plan.launched(TWO, "9", desk.now)

    assert desk.next() == Cancel(tuple(jobs_of(TWO, "9")[:2]))


def test_attempts_of_a_batch_in_hand_are_neither_cancelled_nor_observed(desk):
    desk.told([ONE], cancel=jobs_of(ONE), suspects=jobs_of(ONE))
    desk.plan.next(desk.now, may_submit=False)

    assert desk.next(may_submit=False) is None
    assert desk.plan.next_at(may_submit=False) == math.inf


@pytest.mark.promise("F52")
def test_a_suspect_is_observed_and_only_an_answer_is_reported(desk):
    jobs = jobs_of(ONE, "9")
    desk.told(suspects=jobs)
    assert desk.next() == Observe(tuple(jobs))
    desk.plan.observed(jobs, [], desk.now)
    assert desk.reports == []
    desk.wait()
    assert desk.next() == Observe(tuple(jobs))
    seen = [Observed(instance_id=1000, state=JobState.RUNNING)]
    desk.plan.observed(jobs, seen, desk.now)

    assert desk.reports == seen


def test_what_is_on_a_cluster_is_listened_to(desk):
    desk.told(active=True)
    assert desk.next() is None
    desk.wait()
    assert desk.next() == Listen()
    desk.plan.heard([Observed(instance_id=1, state=JobState.GONE)], desk.now)

    assert desk.reports == [Observed(instance_id=1, state=JobState.GONE)]
    desk.told(active=False)
    assert desk.plan.next_at() == math.inf


def test_every_kind_of_action_gets_its_turn_however_much_there_is_to_submit(desk):
    batches = [*(batch(number) for number in range(1, 9)), batch(30, look_first=True)]
    desk.told(batches, jobs_of(batch(20), "1"), jobs_of(batch(21), "2"), active=True)
    desk.now = 1.0
    kinds = []
    for _ in range(5):
        action = desk.next()
        kinds.append(type(action))
        match action:
            case Submit(one):
                desk.plan.launched(one, "3", desk.now)
            case LookUp(batches):
                desk.plan.looked_up(batches, {}, desk.now)
            case Cancel(jobs):
                desk.plan.cancelled(jobs, [], desk.now)
            case Observe(jobs):
                desk.plan.observed(jobs, [], desk.now)
            case Listen():
                desk.plan.heard([], desk.now)

    assert set(kinds) == {Submit, LookUp, Cancel, Observe, Listen}


def test_rests_grow_only_after_several_quick_answers_without_news():
    assert [rest_seconds(quiet, repeats=True) for quiet in range(4)] == [0, 0, 0, 0]
    assert rest_seconds(4, repeats=True) == pytest.approx(0.032)
    assert rest_seconds(50, repeats=True) == 1.0
    assert rest_seconds(50, repeats=False) == 0.1


def test_a_pause_doubles_up_to_its_longest():
    assert Pause(2, 30).after(0) == 2
    assert Pause(2, 30).after(2) == 4
    assert Pause(2, 30).after(29) == 30


@pytest.mark.promise("F46")
@pytest.mark.promise("F47")
class NoBatchTwice(RuleBasedStateMachine):
    """A plan against a batch system that lags, times out, crashes and refuses; answers cross reports."""

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[Report] = []
        self.plan = Plan(self.reports.append, Pauses())
        self.cluster = FakeCluster()
        self.offered: dict[int, object] = {}

    @initialize(lag=st.sampled_from([0, 10, 300]))
    def start(self, lag):
        self.cluster.lag_seconds = lag
        self.cluster.advance(1000)

    @rule(size=st.integers(1, 3), inherited=st.sampled_from(["no", "absent", "there"]))
    def offer(self, size, inherited):
        one = batch(len(self.offered) + 1, size, look_first=inherited != "no")
        if inherited == "there":
            self.cluster.accept(one)
        self.offered[one.batch_id] = one
        self._told()

    @rule(whats=st.lists(st.sampled_from(SUBMISSIONS), max_size=3))
    def next_submissions(self, whats):
        self.cluster.script.extend(whats)

    @rule()
    def an_answer_repeats_everything(self):
        self._told()

    @precondition(lambda self: self.offered)
    @rule(data=st.data())
    def somebody_wants_a_batch_gone(self, data):
        one = data.draw(st.sampled_from(list(self.offered.values())))
        self.plan.told([], jobs_of(one), [], self.cluster.now)

    @rule(seconds=st.sampled_from([0.1, 2, 100]))
    def time_goes_by(self, seconds):
        self.cluster.advance(seconds)

    @rule(answers=st.booleans())
    def the_controller_goes_or_comes(self, answers):
        self.cluster.answers = answers

    @rule(times=st.integers(1, 5))
    def act(self, times):
        for _ in range(times):
            self._act()
            self.cluster.advance(1)

    @invariant()
    def no_batch_is_there_twice(self):
        names = self.cluster.names()
        assert len(names) == len(set(names)), names

    @invariant()
    def every_batch_is_in_hand_or_settled(self):
        settled = set(self.plan._settled)
        assert settled | set(self.plan.in_hand) == set(self.offered)
        assert not settled & set(self.plan.in_hand)

    def teardown(self):
        self.cluster.script.clear()
        self.cluster.answers = True
        for _ in range(400):
            while self._act():
                pass
            self.cluster.advance(30)

        assert self.plan.in_hand == []
        self.no_batch_is_there_twice()
        launched = {r.batch_id: r.job_id for r in self.reports if isinstance(r, Launched)}
        assert {job.batch.batch_id: job.job_id for job in self.cluster.jobs.values()} == launched

    def _told(self):
        self.plan.told(list(self.offered.values()), [], [], self.cluster.now, complete=False)

    def _act(self):
        now = self.cluster.now
        action = self.plan.next(now)
        match action:
            case Submit(one):
                self._submit(one, now)
            case Drop(one):
                self.plan.dropped(one)
            case LookUp(batches):
                try:
                    self.plan.looked_up(batches, self.cluster.look_up(batches), now)
                except ClusterError as error:
                    self.plan.looked_up(batches, {}, now, str(error))
            case Cancel(jobs):
                self.plan.cancelled(jobs, [], now)
            case Observe(jobs):
                self.plan.observed(jobs, [], now)
            case Listen():
                self.plan.heard([], now)
        return action

    def _submit(self, one, now):
        try:
            job_id = self.cluster.submit(one)
            self._told()  # an answer that does not know of it yet
            self.plan.launched(one, job_id, now)
        except SubmitRefused as refused:
            self.plan.refused(one, refused.failure_class, str(refused), now)
        except (SubmitUnknown, OSError) as error:
            self._told()
            self.plan.unclear(one, str(error), now)


NoBatchTwice.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
test_no_batch_is_ever_on_the_cluster_twice = NoBatchTwice.TestCase
