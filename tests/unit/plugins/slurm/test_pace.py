"""The bucket for requests, the breaker for silence, and the verbs that use them, in a time of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.slurm_back_end import Clock, SlurmBackEnd
from jobmon_slurm.api import Slurm
from jobmon_slurm.options import Options
from jobmon_slurm.pace import LONGEST_REST_SECONDS, SLOWEST, Breaker, Bucket
from jobmon_slurm.shapes import NoAnswer, Refused, Unreachable


@pytest.fixture
def clock() -> Clock:
    return Clock()


def bucket(clock: Clock, rate: float = 1.0, burst: int = 10) -> Bucket:
    return Bucket(rate, burst, clock, clock.sleep)


@pytest.mark.promise("F61")
@given(st.floats(0.1, 10), st.integers(1, 20), st.lists(st.floats(0, 5), max_size=100))
def test_never_more_than_the_burst_and_the_rate_pass(rate, burst, pauses):
    clock = Clock()
    tokens = bucket(clock, rate, burst)
    began = clock()
    for taken, pause in enumerate(pauses, start=1):
        clock.now += pause
        tokens.take()

        assert taken <= burst + rate * (clock() - began) + 1e-6


def test_a_full_bucket_lets_its_burst_pass_at_once_then_one_a_second(clock):
    tokens = bucket(clock)
    for _ in range(10):
        tokens.take()
    assert clock.slept == 0
    for _ in range(5):
        tokens.take()

    assert clock.slept == pytest.approx(5)


@pytest.mark.promise("F48")
def test_the_rate_halves_down_to_a_floor_and_recovers_to_what_it_was(clock):
    tokens = bucket(clock, rate=2)
    tokens.slow_down()
    assert tokens.rate == 1
    tokens.take()
    tokens.take()
    assert clock.slept == pytest.approx(1)  # the burst is spent too
    for _ in range(20):
        tokens.slow_down()
    assert tokens.rate == 2 * SLOWEST
    for _ in range(50):
        tokens.recover()

    assert tokens.rate == 2


@pytest.mark.promise("F48")
def test_one_probe_passes_after_each_rest_and_rests_grow(clock):
    breaker = Breaker("Slurm", clock, lambda: 0.0)
    rests = []
    for _ in range(6):
        breaker.check()
        breaker.failed("no route")
        asked_at = clock()
        while True:
            try:
                breaker.check()
                break
            except Unreachable as error:
                assert "Slurm has not answered since" in str(error)
                assert "no route" in str(error)
                clock.now += 1
        rests.append(clock() - asked_at)

    assert rests == [5, 10, 20, 40, LONGEST_REST_SECONDS, LONGEST_REST_SECONDS]


def test_an_answer_ends_the_trouble_and_the_next_one_begins_with_a_short_rest(clock):
    breaker = Breaker("Slurm", clock)
    for _ in range(3):
        breaker.failed("away")
    breaker.worked()
    breaker.check()
    assert breaker.trouble == ""
    breaker.failed("away")
    clock.now += 5

    breaker.check()
    assert breaker.trouble != ""


def verbs(clock: Clock) -> tuple[Slurm, SlurmBackEnd]:
    back_end = SlurmBackEnd(clock)
    return Slurm(back_end, Options(), clock.sleep, clock), back_end


@pytest.mark.promise("F48 F51")
def test_silent_accounting_keeps_nobody_from_the_controller(clock):
    slurm, back_end = verbs(clock)
    back_end.accounting = "down"
    for _ in range(3):
        with pytest.raises(Unreachable):
            slurm.history(["7_1"], 1)
    slurm.queue()

    assert back_end.asked == ["history", "queue"]
    assert slurm.requests == 2
    assert slurm.trouble.startswith("Slurm's accounting has not answered since")


@pytest.mark.promise("F48 F61")
@pytest.mark.parametrize(
    ("error", "waits"),
    [
        (NoAnswer("squeue did not answer within 30 s"), True),
        (Refused("squeue: Rate limit exceeded, please retry momentarily"), True),
        (Refused("scancel: Invalid job id specified"), False),
    ],
)
def test_after_silence_and_words_for_patience_requests_are_rarer(clock, error, waits):
    slurm, back_end = verbs(clock)
    answer, back_end.queue = back_end.queue, failing(error)
    with pytest.raises(type(error)):
        slurm.queue()
    back_end.queue = answer
    clock.now += 5
    for _ in range(8):
        slurm.queue()

    assert (clock.slept > 0) == waits
    assert slurm.trouble == ""


def failing(error: Exception):
    def fail(*_: object):
        raise error

    return fail
