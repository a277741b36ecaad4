"""Whether the property test is worth its time: each of these bugs, put into the server, must be found by it.

A mutant whose text is not in its module any more fails: then it is to be written anew for the new code.
"""

import inspect
import statistics
import sys
import time
from collections.abc import Callable
from types import ModuleType

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from faults.mutants.bugs import MUTANTS
from faults.test_property import LONG, Life, _life, small_steps
from jobmon.core.exceptions import InvalidStateTransition, ServerBusy

__all__ = ["_life", "small_steps"]

SEARCH = settings(
    max_examples=1500,
    stateful_step_count=40,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

FOUND_SECONDS = 60.0
FOUND_LIVES = 150  # so many pass in that time, and on any machine they are the same
SEEDS = range(3)
QUICKEST = {"silence is taken for proof": 2}  # seeds that find it at once, while the rules stay as they are


def mutate(patch: pytest.MonkeyPatch, module: ModuleType, old: str, new: str) -> None:
    """Put the functions of the changed module in the place of the real ones, wherever these were imported."""
    source = inspect.getsource(module)
    assert source.count(old) == 1, (
        f"{module.__name__} has {source.count(old)} times {old!r}: write the mutant anew"
    )
    changed: dict[str, object] = {"__name__": module.__name__}
    exec(compile(source.replace(old, new), str(module.__file__), "exec"), changed)
    real = {name: thing for name, thing in vars(module).items() if inspect.isfunction(thing)}
    for user in [one for name, one in sys.modules.items() if name.startswith(("jobmon.server", "faults.world"))]:
        for name, thing in list(vars(user).items()):
            if inspect.isfunction(thing) and real.get(thing.__name__) is thing:
                patch.setattr(user, name, changed[thing.__name__])


def search(number: int) -> tuple[int, float]:
    """Live lives that `number` chooses until a bug is found; returns how many, and the seconds of this process."""
    Found = seed(number)(type("Found", (Life,), {"lives": 0}))
    began = time.process_time()
    with pytest.raises((AssertionError, InvalidStateTransition, ServerBusy, sa.exc.DBAPIError)):
        run_state_machine_as_test(Found, settings=SEARCH)
    return Found.lives, time.process_time() - began


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("_life")
@pytest.mark.parametrize("name", MUTANTS)
def test_a_bug_put_into_the_server_is_found(
    name: str, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    record_property("bugs put in", 1)
    mutate(monkeypatch, *MUTANTS[name])

    lives, _ = search(QUICKEST.get(name, 0))
    assert lives <= FOUND_LIVES
    record_property("bugs found", 1)


if LONG:

    @pytest.mark.slow
    @pytest.mark.timeout(0)
    @pytest.mark.usefixtures("_life")
    def test_each_bug_is_found_within_a_minute_whatever_the_chances(
        monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
    ) -> None:
        lives, slowest = 0, 0.0
        for name, mutant in MUTANTS.items():
            with monkeypatch.context() as patch:
                mutate(patch, *mutant)
                found = [search(number) for number in SEEDS]
            seconds = statistics.median(seconds for _, seconds in found)

            assert seconds < FOUND_SECONDS, f"{name}: {found}"
            slowest = max(slowest, seconds)
            lives += sum(count for count, _ in found)
        count = len(MUTANTS)
        record_property(
            "G9", f"{count} of {count} bugs put in are found, the slowest after {slowest:.0f} s; {lives} lives"
        )
