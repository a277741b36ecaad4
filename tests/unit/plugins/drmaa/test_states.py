"""Letters of the queue and states of records -> what they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmon.core.cluster import JobState
from jobmon.core.scheduler.states import Fate
from jobmon_drmaa.states import AGAIN, FAILURES, STATES, in_order

# Every state that sge_status(5) and qstat(1) name.
PENDING = ["qw", "Rq", "hqw", "hRwq"]
RUNNING = ["r", "hr", "t", "Rr", "Rt"]
SUSPENDED = ["s", "ts", "S", "tS", "T", "tT", "Rs", "Rts", "RS", "RtS", "RT", "RtT"]
DELETING = ["dr", "dt", "dRr", "dRt", "ds", "dS", "dT", "dRs", "dRS", "dRT"]
IN_ERROR = ["Eqw", "Ehqw", "EhRqw"]


@pytest.mark.parametrize("letters", PENDING)
def test_what_waits_is_pending(letters):
    assert STATES.alive[in_order(letters)] is JobState.PENDING


@pytest.mark.parametrize("letters", [*RUNNING, *SUSPENDED, *DELETING])
def test_what_has_processes_is_running_even_if_it_is_suspended_or_being_deleted(letters):
    assert STATES.alive[in_order(letters)] is JobState.RUNNING


@pytest.mark.parametrize("letters", IN_ERROR)
def test_what_is_in_error_is_over_and_stays_until_it_is_deleted(letters):
    assert STATES.over[in_order(letters)] is Fate.LOST
    assert STATES.in_queue(in_order(letters))


def test_what_is_in_error_and_being_deleted_is_not_deleted_again():
    assert not STATES.in_queue(in_order("dEqw"))


def test_what_has_finished_is_over():
    assert STATES.over["z"] is Fate.EXITED
    assert not STATES.in_queue("z")


def test_a_state_is_alive_or_over_and_not_both():
    assert not STATES.alive.keys() & STATES.over.keys()


@given(st.text(st.sampled_from("dEhRqwtrsSTzxuPN?")))
def test_the_order_of_letters_does_not_matter(letters):
    assert in_order(letters) == in_order(letters[::-1])
    assert set(in_order(letters)) == set(letters)


@pytest.mark.parametrize("letters", ["", "u", "P", "rP", "qz", "Er", "neu"])
def test_a_state_of_a_release_to_come_is_unknown(letters):
    assert in_order(letters) not in STATES.alive
    assert in_order(letters) not in STATES.over


def test_every_code_of_accounting_leads_to_a_fate_or_back_into_the_queue():
    assert {failure.state for failure in FAILURES.values()} <= {*STATES.over, AGAIN}
