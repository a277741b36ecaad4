"""All attempts of an executor, by how far they are."""

from hypothesis import given, settings
from hypothesis import strategies as st

from jobmon.core.resources import Resources
from jobmon.core.wire import Batch, Claim, Denial, Outcome, WorkAnswer
from jobmon.distributor.local.attempt import Attempt
from jobmon.distributor.local.work import Work
from unit.distributor.local.building import batch, grant


def answer(of: Batch, claims: list[Claim]) -> WorkAnswer:
    """Everything is granted."""
    return WorkAnswer(grants=[grant(of, claim) for claim in claims])


def outcome(attempt: Attempt) -> Outcome:
    """It is done."""
    return Outcome(instance_id=attempt.instance_id, token=attempt.token, status="D")


def run_one(work: Work, of: Batch, now: float, seconds: float) -> None:
    """Claim, start and finish attempts for one exchange."""
    claims = work.claims(now)
    work.absorb(claims, answer(of, claims), now)
    while attempt := work.next_to_start(now):
        attempt.wall_seconds = seconds
        work.finished(attempt, outcome(attempt), now + seconds)


def asked(claims: list[Claim]) -> int:
    """How many attempts."""
    return sum(claim.count for claim in claims)


def test_claims_are_for_free_slots_only_as_long_as_nothing_is_known() -> None:
    work = Work(parallelism=3)
    work.add(batch(1, 100))

    assert asked(work.claims(0)) == 3
    assert work.claims(0) == []  # these are asked


def test_short_attempts_are_claimed_ahead_and_long_ones_are_not() -> None:
    for seconds, expected in ((0.002, 502), (0.05, 22), (1.1, 2)):
        work = Work(parallelism=2)
        work.add(batch(1, 1000))
        run_one(work, batch(1, 1000), 0, seconds)

        assert asked(work.claims(1)) == expected


def test_a_free_slot_asks_at_once_and_full_ones_at_a_pace() -> None:
    work, of = Work(parallelism=1), batch(1, 1000)
    work.add(of)

    assert work.send_at(5, last_sent=5) == 5
    run_one(work, of, 5, 0.001)
    claims = work.claims(5)
    work.absorb(claims, answer(of, claims), 5)
    assert work.next_to_start(5) is not None
    assert work.send_at(6, last_sent=5.99) == 5.001 + 0.3  # the outcome's patience ends first


def test_outcomes_go_at_once_when_somebody_may_wait_for_them() -> None:
    work, of = Work(parallelism=4), batch(1, 2)
    work.add(of)
    run_one(work, of, 5, 0.5)

    assert work.send_at(6, last_sent=6) == 6
    assert len(work.take_outcomes()) == 2
    assert work.send_at(6, last_sent=6) is None


def test_a_denied_attempt_is_forgotten_or_asked_for_again() -> None:
    work, of = Work(parallelism=2), batch(1, 2)
    work.add(of)
    claims = work.claims(0)
    denials = [
        Denial(batch_id=1, index=0, instance_id=1000, verdict="gone"),
        Denial(batch_id=1, index=1, instance_id=1001, verdict="wait", retry_after_seconds=3),
    ]

    work.absorb(claims, WorkAnswer(denials=denials), 10)

    assert (work.seen(1, 0, 1000), work.seen(1, 1, 1001)) == ("gone", "pending")
    assert work.claims(12) == [] and work.send_at(12, 0) == 13
    assert work.claims(13) == [Claim(batch_id=1, start=1)]


def test_a_claim_without_an_answer_is_made_again() -> None:
    work = Work(parallelism=2)
    work.add(batch(1, 2))
    claims = work.claims(0)

    work.absorb(claims, WorkAnswer(), 10)

    assert work.claims(10.5) == []
    assert asked(work.claims(11)) == 2


def test_a_cancelled_attempt_never_starts_wherever_it_is() -> None:
    work, of = Work(parallelism=3), batch(1, 4)
    work.add(of)
    claims = work.claims(0)

    assert work.withdraw(1, 3, 1003) == "dropped"
    assert work.withdraw(1, 0, 1000) == "gone"  # asked
    work.absorb(claims, answer(of, claims), 0)
    assert work.withdraw(1, 1, 1001) == "gone"  # ready
    started = work.next_to_start(0)
    assert started is not None and started.instance_id == 1002
    assert work.withdraw(1, 2, 1002) == "running"
    assert work.next_to_start(0) is None

    ends = {one.instance_id: (one.status, one.failure_class, one.token) for one in work.take_outcomes()}
    assert ends == {1000: ("F", "killed", "t1000"), 1001: ("F", "killed", "t1001")}
    assert work.withdraw(1, 0, 1000) == "ending"


def test_the_server_can_stop_what_runs_and_what_is_ready() -> None:
    work, of = Work(parallelism=1), batch(1, 3)
    work.add(of)
    run_one(work, of, 0, 0.001)
    claims = work.claims(0)
    work.absorb(claims, answer(of, claims), 0)
    running = work.next_to_start(0)
    assert running is not None

    stop = work.absorb([], WorkAnswer(stop=[running.instance_id, 1002, 99]), 0)
    work.finished(running, outcome(running), 1)

    assert stop == [running.instance_id]
    assert work.next_to_start(1) is None
    assert [one.status for one in work.outcomes] == ["D", "D", "F"]


def test_wide_attempts_take_their_slots_and_give_them_back() -> None:
    work = Work(parallelism=4)
    of = batch(1, 3, resources=Resources(cores=3))
    work.add(of)
    claims = work.claims(0)
    work.absorb(claims, answer(of, claims), 0)
    first = work.next_to_start(0)

    assert first is not None and asked(claims) == 1
    assert (work.used_slots, work.claims(0)) == (3, [])
    first.wall_seconds = 100
    work.finished(first, outcome(first), 100)
    assert (work.used_slots, asked(work.claims(100))) == (0, 1)


def test_dummy_attempts_are_done_when_they_are_granted() -> None:
    work, of = Work(parallelism=1, dummy=True), batch(1, 5000)
    work.add(of)
    claims = work.claims(0)

    work.absorb(claims, answer(of, claims), 0)

    assert asked(claims) == 2000 == len(work.outcomes)
    assert {one.status for one in work.outcomes} == {"D"}
    assert work.send_at(0, 0) == 0 and work.next_to_start(0) is None


def test_it_is_empty_when_everything_is_told() -> None:
    work, of = Work(parallelism=1), batch(1, 1)
    assert work.empty()

    work.add(of)
    assert not work.empty()
    run_one(work, of, 0, 1)
    outcomes = work.take_outcomes()
    assert not work.empty()
    work.reported(outcomes)

    assert work.empty()


steps = st.lists(
    st.tuples(st.sampled_from(["exchange", "start", "finish", "cancel"]), st.integers(0, 30)), max_size=60
)


@settings(max_examples=150)
@given(
    cores=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    parallelism=st.integers(1, 4),
    seconds=st.sampled_from([0.001, 0.05, 3.0]),
    steps=steps,
)
def test_nothing_starts_twice_and_slots_are_kept(
    cores: list[int], parallelism: int, seconds: float, steps: list[tuple[str, int]]
) -> None:
    work = Work(parallelism)
    batches = {id: batch(id, 7, resources=Resources(cores=n)) for id, n in enumerate(cores, 1)}
    for each in batches.values():
        work.add(each)
    started: list[int] = []
    cancelled: set[int] = set()
    running: list[Attempt] = []
    now = 0.0

    def step(verb: str, number: int) -> None:
        if verb == "exchange":
            work.reported(work.take_outcomes())
            claims = work.claims(now)
            grants = [grant(batches[claim.batch_id], claim) for claim in claims]
            work.absorb(claims, WorkAnswer(grants=grants), now)
        elif verb == "start":
            while attempt := work.next_to_start(now):
                started.append(attempt.instance_id)
                running.append(attempt)
        elif verb == "finish" and running:
            attempt = running.pop(number % len(running))
            attempt.wall_seconds = seconds
            work.finished(attempt, outcome(attempt), now)
        elif verb == "cancel":
            id, index = 1 + number % len(batches), number % 7
            if work.withdraw(id, index, id * 1000 + index) in ("dropped", "gone"):
                cancelled.add(id * 1000 + index)

    for verb, number in steps:
        now += 0.01
        before = set(started)
        step(verb, number)
        assert not (set(started) - before) & cancelled
        assert work.used_slots == sum(attempt.order.slots for attempt in running) <= parallelism
    while not work.empty():
        now += 1.0
        for verb in ("exchange", "start", "finish"):
            step(verb, 0)

    assert len(started) == len(set(started))
    assert set(started) | cancelled == {id * 1000 + index for id in batches for index in range(7)}
