"""States: each that a release of Slurm has is known; every other one is not taken for anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmon.core.cluster import JobState
from jobmon.core.scheduler.states import ENDS, Fate
from jobmon_slurm.states import ALIVE, IMPOSSIBLE, OVER, USUAL, base_state

# The manual page "Job state codes", and what older releases of squeue name besides.
WAITS = "PENDING CONFIGURING POWER_UP_NODE REQUEUED REQUEUE_FED REQUEUE_HOLD SPECIAL_EXIT RESV_DEL_HOLD"
RUNS = "RUNNING COMPLETING EXPEDITING RESIZING SIGNALING STAGE_OUT STOPPED SUSPENDED UPDATE_DB"
FATES = {
    Fate.EXITED: "COMPLETED FAILED",
    Fate.OUT_OF_MEMORY: "OUT_OF_MEMORY",
    Fate.TIME_LIMIT: "TIMEOUT DEADLINE",
    Fate.CANCELLED: "CANCELLED",
    Fate.LOST: "NODE_FAIL BOOT_FAIL PREEMPTED REVOKED LAUNCH_FAILED RECONFIG_FAIL",
}


def test_every_state_of_every_release_is_known_with_its_meaning():
    known = dict.fromkeys(WAITS.split(), JobState.PENDING) | dict.fromkeys(RUNS.split(), JobState.RUNNING)

    assert known == ALIVE
    assert {state: fate for fate, states in FATES.items() for state in states.split()} == OVER
    assert not ALIVE.keys() & OVER.keys()
    assert {*ENDS, Fate.EXITED} == set(Fate)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("COMPLETED", "COMPLETED"),
        ("CANCELLED by 1000", "CANCELLED"),
        ("CANCELLED+", "CANCELLED"),
        ("NODE_FAIL*", "NODE_FAIL"),
        ("running", "RUNNING"),
        ("A_STATE_OF_2030", "A_STATE_OF_2030"),
        ("", ""),
    ],
)
def test_what_slurm_adds_to_a_state_is_taken_off(text, state):
    assert base_state(text) == state


@given(st.text())
def test_no_text_is_an_error_and_none_becomes_a_state_by_chance(text):
    state = base_state(text)

    assert state not in ALIVE.keys() | OVER.keys() or state in text.upper()


def test_no_usual_reason_is_impossible_and_limits_that_others_fill_are_not_either():
    assert not USUAL & IMPOSSIBLE.keys()
    for reason in (
        "ReqNodeNotAvail",
        "AssocGrpCpuLimit",
        "QOSMaxJobsPerUserLimit",
        "JobHeldUser",
        "PartitionDown",
    ):
        assert reason not in IMPOSSIBLE
