"""The verbs, gentle with Slurm, in a time of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.clock import Clock
from fakes.slurm_back_end import SlurmBackEnd
from jobmon.core.scheduler.indices import parse_indices
from jobmon.core.scheduler.shapes import NoAnswer, Refused, Unreachable
from jobmon_slurm.api import Slurm
from jobmon_slurm.options import Options


@pytest.fixture
def clock() -> Clock:
    return Clock()


def verbs(clock: Clock) -> tuple[Slurm, SlurmBackEnd]:
    back_end = SlurmBackEnd(clock)
    return Slurm(back_end, Options(), clock.sleep, clock), back_end


@pytest.mark.promise("F48 F51")
def test_silent_accounting_keeps_nobody_from_the_controller(clock):
    slurm, back_end = verbs(clock)
    back_end.accounting = "down"
    for _ in range(3):
        with pytest.raises(Unreachable):
            slurm.history({"7": [1]}, 1)
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


@pytest.mark.promise("F50")
def test_tasks_are_named_in_one_expression_for_each_array(clock):
    slurm, back_end = verbs(clock)
    slurm.cancel({"7": [0, 2, 1], "8": [1], "9": {0}, "10": None})

    assert back_end.cancels == ["7_[0-2]", "8_[1]", "9_[0]", "10"]


@given(st.dictionaries(st.sampled_from(["7", "8"]), st.sets(st.integers(0, 999), min_size=1)))
def test_expressions_name_exactly_the_tasks(tasks):
    slurm, back_end = verbs(Clock())
    slurm.cancel(tasks)
    named = [expression.split("_") for expression in back_end.cancels]

    assert {job_id: set(parse_indices(text) or ()) for job_id, text in named} == tasks


@pytest.mark.promise("F51")
def test_tasks_and_whole_arrays_are_asked_for_in_one_question(clock):
    slurm, back_end = verbs(clock)
    slurm.history({"7": [1, 3], "8": None}, 1)

    assert back_end.history_sizes == [3]
