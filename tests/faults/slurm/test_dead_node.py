"""How long a dead node goes unnoticed, with the scheduler's word for its death and without.

Noticed means suspected: `jobmon task status` calls the attempt TRIAGING. What becomes of it is asserted; how long
that takes is recorded. The long form (JOBMON_TEST_LONG=1) has the settings of a site that has set none.
"""

import os
import time
from collections.abc import Callable

import pytest

from fakes.slurm import FakeSlurm
from faults.place import Place
from jobmon.core.defaults import Heartbeat
from jobmon_slurm.options import Options

LONG = bool(os.environ.get("JOBMON_TEST_LONG"))
PATIENCE_SECONDS = 600 if LONG else 120
QUESTIONS = 3 if LONG else 1  # the first few are 5, 10, 20 s apart
SHORTENED = ("JOBMON__HEARTBEAT__", "JOBMON__WORKER__", "JOBMON__CLUSTERS__")  # by `Place`
A_NODE_EACH = ("--resources", '{"cores": 3}')
LAST = "SELECT MAX(at) FROM audit WHERE kind = 'I' AND entity_id = ? AND new = ?"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * PATIENCE_SECONDS + 300)]


@pytest.fixture
def place(place: Place, fake: FakeSlurm) -> Place:
    """Without what is shortened, in the long form."""
    if LONG:
        for name in [name for name in place.home.environment if name.startswith(SHORTENED)]:
            del place.home.environment[name]
        fake.settings.message_timeout = 10
    return place


def attempt_on(place: Place, node: str) -> int:
    return int(place.home.value("SELECT id FROM task_instance WHERE node = ?", node))


def status(place: Place, attempt: int) -> str:
    return str(place.home.value("SELECT status FROM task_instance WHERE id = ?", attempt))


def after(place: Place, since: float, attempt: int, letter: str) -> str:
    """How long after that moment the attempt became so, by the server's clock."""
    return f"{place.home.value(LAST, attempt, letter) - since:.0f} s"


def settings(place: Place) -> str:
    """Those that decide."""
    environment = place.home.environment
    sign = environment.get("JOBMON__HEARTBEAT__TASK_INSTANCE_INTERVAL_SECONDS")
    look = environment.get("JOBMON__CLUSTERS__SLURM__POLL_SECONDS")
    sign_seconds = float(sign or Heartbeat().task_instance_interval_seconds)
    look_seconds = float(look or Options().poll_seconds)
    which = "shortened" if sign or look else "default"
    return f"{which}: signs of life every {sign_seconds:g} s, looks at the queue every {look_seconds:g} s"


@pytest.mark.promise("F29")
def test_what_ran_on_a_node_that_the_scheduler_calls_dead_runs_elsewhere(
    fake: FakeSlurm, place: Place, record_property: Callable[[str, object], None]
) -> None:
    script = place.start(2, *A_NODE_EACH)
    place.runs(2)
    place.launched()
    lost = attempt_on(place, "n1")
    died_at = time.time()
    fake.fail_node("n1")
    place.wait(lambda: place.home.witness.count() == 3, "another attempt", PATIENCE_SECONDS)
    place.release()
    place.ends(script)

    assert place.attempts() == [("X", "infrastructure") if id == lost else ("D", "") for id in (1, 2, 3)]
    assert sorted(place.failures()) == [(0, 0), (0, 1)]
    assert place.home.value("SELECT node FROM task_instance WHERE id = 3") == "n3"
    assert "NODE_FAIL" in place.errors()
    noticed, ended = (after(place, died_at, lost, letter) for letter in "TX")
    again = after(place, died_at, 3, "R")
    text = f"noticed {noticed} after the scheduler said so; ended after {ended}, another attempt ran after {again}"
    record_property("G5", f"with proof: {text} ({settings(place)})")


@pytest.mark.promise("F27")
@pytest.mark.promise("F29")
def test_what_is_silent_on_a_node_that_the_scheduler_calls_well_is_doubted_and_not_started_twice(
    fake: FakeSlurm, place: Place, record_property: Callable[[str, object], None]
) -> None:
    """Until there is proof: one node comes back, and its attempt goes on; then the other one is called dead."""
    if not LONG:
        place.option(poll_seconds=60, poll_seconds_max=60)  # who asks meanwhile, asks about suspects
    script = place.start(2, *A_NODE_EACH)
    place.runs(2)
    place.launched()
    back, dead = attempt_on(place, "n1"), attempt_on(place, "n2")
    silent_at = time.time()
    fake.freeze_node("n1")
    fake.freeze_node("n2")
    place.wait(lambda: status(place, back) == status(place, dead) == "T", "two doubts", PATIENCE_SECONDS)
    asked = len(fake.called("squeue"))
    place.wait(lambda: len(fake.called("squeue")) >= asked + QUESTIONS, "questions about them")
    shown = place.home.jobmon("task", "status", "--task-ids", "1", "2")
    in_doubt = status(place, back), status(place, dead), *fake.states(1).values()
    fake.thaw_node("n1")
    place.wait(lambda: status(place, back) == "R", "a sign of life")
    before = place.home.witness.count(), place.home.task_counts(), place.attempts()
    died_at = time.time()
    fake.fail_node("n2")
    place.wait(lambda: place.home.witness.count() == 3, "another attempt", PATIENCE_SECONDS)
    place.release()
    place.ends(script)

    assert in_doubt == ("T", "T", "RUNNING", "RUNNING")
    assert shown.count(": TRIAGING") == 2
    assert before == (2, {"R": 2}, [])
    assert place.attempts() == [("X", "infrastructure") if id == dead else ("D", "") for id in (1, 2, 3)]
    assert sorted(place.failures()) == [(0, 0), (0, 1)]
    assert place.home.value("SELECT node FROM task_instance WHERE id = 3") == "n3"
    noticed, ended = after(place, silent_at, dead, "T"), after(place, died_at, dead, "X")
    text = f"noticed {noticed} after the node fell silent; nothing ran twice; ended {ended} after there was proof"
    record_property("G5", f"without proof: {text} ({settings(place)})")
