"""Whether a failed attempt is followed by another one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmon.core.constants import FailureClass
from jobmon.server.engine.retries import (
    LONGEST_DELAY_SECONDS,
    POLICY_DELAY_SECONDS,
    SYSTEM_FAILURES_MAX,
    Spent,
    decide,
)

# class, spent (own, system, max) -> again, (own, system), scaled, delay
TABLE = [
    ("user", (0, 0, 3), True, (1, 0), False, 0),
    ("user", (1, 0, 3), True, (2, 0), False, 0),
    ("user", (2, 0, 3), False, (3, 0), False, 0),
    ("user", (0, 0, 1), False, (1, 0), False, 0),
    ("user", (0, 4, 3), True, (1, 4), False, 0),
    ("resource", (0, 0, 3), True, (1, 0), True, 0),
    ("resource", (2, 0, 3), False, (3, 0), True, 0),
    ("infrastructure", (0, 0, 1), True, (0, 1), False, 1),
    ("infrastructure", (0, 1, 1), True, (0, 2), False, 2),
    ("infrastructure", (2, 3, 3), True, (2, 4), False, 8),
    ("infrastructure", (2, 4, 3), False, (2, 5), False, 16),
    ("policy", (2, 4, 3), True, (2, 4), False, POLICY_DELAY_SECONDS),
    ("killed", (2, 4, 3), True, (2, 4), False, 0),
    ("fatal", (0, 0, 3), False, (0, 0), False, 0),
    ("cancelled", (0, 0, 3), False, (0, 0), False, 0),
    ("something new", (0, 0, 3), True, (0, 1), False, 1),  # nobody knows it: it is not the task's fault
]


@pytest.mark.parametrize("failure_class, spent, again, counted, scale, delay", TABLE)
def test_the_class_decides(
    failure_class: str, spent: tuple, again: bool, counted: tuple, scale: bool, delay: float
) -> None:
    verdict = decide(failure_class, Spent(*spent))

    assert (verdict.again, (verdict.failures, verdict.system_failures)) == (again, counted)
    assert (verdict.scale, verdict.delay_seconds) == (scale, delay)
    assert verdict.why


def test_the_table_has_every_class() -> None:
    assert {row[0] for row in TABLE} >= set(FailureClass)


classes = st.lists(st.sampled_from(list(FailureClass)), max_size=60)


@pytest.mark.promise("F29")
@given(classes, st.integers(1, 10))
def test_no_budget_is_ever_overdrawn_and_none_pays_for_the_other(failed: list[FailureClass], most: int) -> None:
    spent = Spent(0, 0, most)
    for failure_class in failed:
        verdict = decide(failure_class, spent)

        assert verdict.failures <= most and verdict.system_failures <= SYSTEM_FAILURES_MAX
        assert 0 <= verdict.delay_seconds <= LONGEST_DELAY_SECONDS
        assert (verdict.failures > spent.failures) == (failure_class in ("user", "resource"))
        assert (verdict.system_failures > spent.system_failures) == (failure_class == "infrastructure")
        if not verdict.again:
            return
        spent = Spent(verdict.failures, verdict.system_failures, most)


@given(st.integers(1, 10))
def test_a_task_that_only_fails_by_itself_is_tried_exactly_as_often_as_it_may(most: int) -> None:
    spent, attempts = Spent(0, 0, most), 0
    while True:
        attempts += 1
        verdict = decide(FailureClass.USER, spent)
        if not verdict.again:
            break
        spent = Spent(verdict.failures, verdict.system_failures, most)

    assert attempts == most
