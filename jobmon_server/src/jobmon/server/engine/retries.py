"""Whether a failed attempt is followed by another one: a function of its class and of what was spent."""

from typing import NamedTuple

from jobmon.core.constants import FailureClass

SYSTEM_FAILURES_MAX = 5
LONGEST_DELAY_SECONDS = 60.0
POLICY_DELAY_SECONDS = 1.0


class Spent(NamedTuple):
    """What a task has used up so far: failures of its own, and those of the system around it."""

    failures: int
    system_failures: int
    max_attempts: int


class Verdict(NamedTuple):
    """What follows: `again` after `delay_seconds`, with larger resources if `scale`, or the end for good."""

    again: bool
    failures: int
    system_failures: int
    scale: bool
    delay_seconds: float
    why: str


def decide(failure_class: str, spent: Spent) -> Verdict:
    """Decide by the class: user and resource failures count, those of the system have a budget of their own."""
    failures, system_failures, maximum = spent
    if failure_class in (FailureClass.USER, FailureClass.RESOURCE):
        failures += 1
        again = failures < maximum
        why = f"failed {failures} of {maximum} attempts ({failure_class})"
        return Verdict(again, failures, system_failures, failure_class == FailureClass.RESOURCE, 0.0, why)
    if failure_class == FailureClass.KILLED:
        return Verdict(True, failures, system_failures, False, 0.0, "killed on request")
    if failure_class == FailureClass.POLICY:
        return Verdict(True, failures, system_failures, False, POLICY_DELAY_SECONDS, "a limit of the site")
    if failure_class in (FailureClass.FATAL, FailureClass.CANCELLED):
        return Verdict(False, failures, system_failures, False, 0.0, failure_class)
    system_failures += 1
    again = system_failures < SYSTEM_FAILURES_MAX
    delay = min(2.0 ** (system_failures - 1), LONGEST_DELAY_SECONDS)
    why = f"lost {system_failures} of {SYSTEM_FAILURES_MAX} times to the system"
    return Verdict(again, failures, system_failures, False, delay, why)
