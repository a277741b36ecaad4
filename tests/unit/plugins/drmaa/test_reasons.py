import pytest

from jobmon.core.scheduler.shapes import Queued
from jobmon_drmaa.reasons import AT_ONCE, FRESH_SECONDS, Reasons
from jobmon_drmaa.text import Told


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reasons(clock):
    return Reasons(clock)


def row(number: int, state: str, reason: str = "") -> Queued:
    return Queued(str(number), [0], "jm", state, reason)


def test_only_what_waits_or_is_in_error_has_a_reason(reasons):
    rows = [row(1, "r"), row(2, "qw"), row(3, "dr"), row(4, "Eqw"), row(5, "hqw", "held")]

    assert reasons.to_ask(rows) == ["4", "2"]
    assert reasons.of(rows[4]) == "held"
    assert reasons.of(rows[1]) == ""


def test_what_is_known_is_not_asked_again_soon(reasons, clock):
    rows = [row(2, "qw"), row(4, "Eqw")]
    reasons.learn(reasons.to_ask(rows), {"2": Told(waits="is disabled"), "4": Told("can't chdir")})
    assert reasons.to_ask(rows) == []
    assert [reasons.of(one) for one in rows] == ["is disabled", "can't chdir"]

    clock.now += FRESH_SECONDS
    assert reasons.to_ask(rows) == ["2"]


def test_tasks_of_one_job_can_wait_or_be_in_error(reasons):
    rows = [row(2, "qw"), row(2, "Eqw")]
    reasons.learn(reasons.to_ask(rows), {"2": Told("can't chdir", "is disabled")})

    assert [reasons.of(one) for one in rows] == ["is disabled", "can't chdir"]


def test_a_job_that_comes_into_error_later_is_asked_about_once_more(reasons):
    reasons.learn(reasons.to_ask([row(2, "qw")]), {"2": Told(waits="is disabled")})

    assert reasons.to_ask([row(2, "Eqw")]) == ["2"]
    reasons.learn(["2"], {"2": Told("can't chdir")})
    assert reasons.to_ask([row(2, "Eqw")]) == []
    assert reasons.of(row(2, "Eqw")) == "can't chdir"


def test_one_question_is_about_few_jobs_those_in_error_first(reasons):
    rows = [*(row(number, "qw") for number in range(100)), row(200, "Eqw")]
    asked = reasons.to_ask(rows)

    assert (len(asked), asked[0]) == (AT_ONCE, "200")


def test_what_has_left_the_queue_is_forgotten(reasons):
    reasons.learn(reasons.to_ask([row(2, "qw")]), {"2": Told(waits="is disabled")})
    reasons.to_ask([])

    assert reasons.to_ask([row(2, "qw")]) == ["2"]
