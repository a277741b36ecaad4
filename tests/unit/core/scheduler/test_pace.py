"""The bucket for requests, the breaker for silence, in a time of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.clock import Clock
from jobmon.core.scheduler.pace import LONGEST_REST_SECONDS, SLOWEST, Breaker, Bucket, Gate
from jobmon.core.scheduler.shapes import NoAnswer, Refused, Unreachable


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
    breaker = Breaker("It", clock, lambda: 0.0)
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
                assert "It has not answered since" in str(error)
                assert "no route" in str(error)
                clock.now += 1
        rests.append(clock() - asked_at)

    assert rests == [5, 10, 20, 40, LONGEST_REST_SECONDS, LONGEST_REST_SECONDS]


def test_an_answer_ends_the_trouble_and_the_next_one_begins_with_a_short_rest(clock):
    breaker = Breaker("It", clock)
    for _ in range(3):
        breaker.failed("away")
    breaker.worked()
    breaker.check()
    assert breaker.trouble == ""
    breaker.failed("away")
    clock.now += 5

    breaker.check()
    assert breaker.trouble != ""


@pytest.mark.promise("F48 F61")
@pytest.mark.parametrize(
    ("error", "slower", "rests"),
    [
        (NoAnswer("nothing within 30 s"), True, True),
        (Unreachable("no route"), True, True),
        (Refused("not so fast"), True, False),
        (Refused("no such job"), False, False),
    ],
)
def test_silence_brings_a_rest_and_silence_or_words_for_patience_a_slower_rate(clock, error, slower, rests):
    tokens, breaker = bucket(clock, rate=2), Breaker("It", clock)
    gate = Gate(tokens, lambda words: words == "not so fast")
    with pytest.raises(type(error)):
        gate.ask(breaker, failing(error))

    assert (tokens.rate < 2, breaker.trouble != "") == (slower, rests)
    if rests:
        with pytest.raises(Unreachable, match="It has not answered since"):
            gate.ask(breaker, lambda: 7)
        clock.now += 5
    assert gate.ask(breaker, lambda: 7) == 7
    assert (breaker.trouble, gate.requests) == ("", 2)


def failing(error: Exception):
    def fail():
        raise error

    return fail
