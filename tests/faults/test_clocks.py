"""T9: wall clocks that are hours off, or are put forward and back during a run.

Only the database's clock decides, which SQLite takes from its server's host; how long something takes is told by
monotonic clocks. A step of the server's own clock is forgiven as a time in which no server was up.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import end_to_end
from clusters.sharing import here_or_skipped
from fakes.work_peer import WorkPeer
from faults.clocks import WallClock
from faults.conftest import home
from faults.place import Place
from faults.slurm.conftest import fake, place
from faults.world import Node, World
from integration.worker.conftest import peer, start_worker, worker_argv
from jobmon.core.local_server import find
from jobmon.core.resources import Resources
from jobmon.server import downtime, reaper
from jobmon_conformance.home import Home
from unit.server.conftest import database, empty, make_world

__all__ = ["database", "empty", "fake", "home", "make_world", "peer", "place", "start_worker", "worker_argv"]

WAITING = str(Path(next(iter(end_to_end.__path__))) / "waiting.py")
LONG = bool(os.environ.get("JOBMON_TEST_LONG"))
HOURS = 3600
SIGNS = "SELECT MAX(sequence) FROM task_instance"
DUE = (
    "SELECT deadline_at FROM task_instance WHERE status = 'R' ORDER BY id",
    "SELECT deadline_at FROM workflow_run ORDER BY id",
    "SELECT due_at FROM task WHERE due_at IS NOT NULL ORDER BY id",
)
DOUBTS = "SELECT COUNT(*) FROM audit WHERE kind = 'I' AND entity_id = 1 AND new = 'T'"
LAST_ROUND = "SELECT CAST(value AS REAL) FROM server_state WHERE name = 'last_round'"

pytestmark = pytest.mark.slow


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    return here_or_skipped(lambda: WallClock(tmp_path))


def serve(home: Home, **environment: str) -> None:
    """Start the server with another environment than all the rest."""
    home.data_dir.mkdir(mode=0o700)
    home.environment["JOBMON__HEARTBEAT__TASK_INSTANCE_INTERVAL_SECONDS"] = "1"
    with (home.data_dir / "server.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "jobmon.server", str(home.data_dir)],
            env=home.environment | environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        ).returncode = 0  # fmt: skip  # it ends when the home is closed
    home.wait_for(lambda: find(home.data_dir), "the server")


def hears(home: Home) -> None:
    """Wait until the server has heard of a running command."""
    before = home.value(SIGNS)
    home.wait_for(lambda: home.value(SIGNS) > before, "a sign of life")


def has_noticed(home: Home, hours: int) -> None:
    """Wait until the server has seen that its clock was put."""
    at_most = HOURS / 4  # the file says what time it is; a test does not last so long
    home.wait_for(lambda: abs(home.value(LAST_ROUND) - time.time() - hours * HOURS) < at_most, "a round after it")


def ends_well(home: Home, script: Any, tasks: int) -> None:
    assert (script.end(), script.out.split()[-1:]) == (0, ["D"]), script.err
    assert sorted(home.witness.starts().values()) == [1] * tasks
    assert home.query("SELECT DISTINCT failures, system_failures FROM task") == [(0, 0)]
    home.check()
    home.witness.check()


@pytest.mark.promise("F37")
@pytest.mark.parametrize("steps", [[5], [-5], [0, 5, -5, 0]], ids=["ahead", "behind", "steps"])
def test_the_clocks_of_all_but_the_server_decide_nothing(home: Home, clock: WallClock, steps: list[int]) -> None:
    clock.put(steps[0] * HOURS)
    serve(home)
    script = home.start(WAITING, "--tasks", "8", **clock.environment, JOBMON__LOCAL__PARALLELISM="4")
    home.wait_for(lambda: home.witness.count() >= 4, "running commands")
    for step in steps:
        clock.put(step * HOURS)
        hears(home)
    (home.folder / "release").touch()

    ends_well(home, script, 8)
    walls = home.column("SELECT wall_seconds FROM attempt_result")
    assert len(walls) == 8 and all(0 <= wall < HOURS for wall in walls)
    assert all(abs(at - time.time()) < 600 for at in home.column("SELECT at FROM audit"))


@pytest.mark.promise("F37")
@pytest.mark.parametrize("hours", [2, -2])
def test_a_step_of_the_servers_own_clock_ends_no_run_and_no_attempt(
    home: Home, clock: WallClock, hours: int
) -> None:
    serve(home, **clock.environment)
    script = home.start(WAITING, "--tasks", "8", JOBMON__LOCAL__PARALLELISM="4")
    home.wait_for(lambda: home.witness.count() >= 4, "running commands")
    for step in (hours, 0):
        clock.put(step * HOURS)
        has_noticed(home, step)
        hears(home)
    (home.folder / "release").touch()

    ends_well(home, script, 8)
    assert home.column("SELECT new FROM audit WHERE kind = 'R' ORDER BY id")[-1] == "D"


@pytest.mark.promise("F37")
@pytest.mark.parametrize("hours", [2, -2] if LONG else [2])
def test_a_death_is_noticed_as_soon_as_ever_when_the_servers_clock_is_put_meanwhile(
    place: Place, clock: WallClock, hours: int
) -> None:
    serve(place.home, **clock.environment)
    script = place.start(2)
    place.runs(2)
    place.launched()
    place.kill_worker(1)
    place.wait(lambda: place.home.value(DOUBTS), "a doubt")
    clock.put(hours * HOURS)
    place.wait(lambda: place.home.witness.count() >= 3, "another attempt", 240)
    place.release()

    place.ends(script)
    assert place.failures() == [(0, 1), (0, 0)]


@pytest.mark.promise("F37")
def test_a_worker_measures_and_limits_time_by_a_clock_that_nobody_puts(
    peer: WorkPeer, start_worker: Callable[..., Any], clock: WallClock
) -> None:
    """Ten minutes are its limit; the wall clock passes that many times over, in both directions."""
    peer.resources = Resources(runtime_seconds=600)
    peer.command = f"while [ ! -e {peer.folder}/release ]; do sleep 0.02; done"
    worker = start_worker(environment=clock.environment)
    for hours in (2, -2, 0):
        clock.put(hours * HOURS)
        seen = len(peer.requests)
        peer.wait(lambda: len(peer.requests) > seen + 3, 120)  # noqa: B023
    (peer.folder / "release").touch()
    worker.communicate(timeout=120)
    outcome = peer.outcome()

    assert (worker.returncode, outcome.status) == (0, "D")
    assert outcome.wall_seconds is not None and 0 < outcome.wall_seconds < 600


# --- the arithmetic of it, in a world whose clock is a number ------------------------------------------------


def has_a_round(world: World) -> None:
    """What a server does every few seconds."""
    world.write(downtime.forgive)
    world.write(reaper.reap)


@pytest.mark.promise("F37")
@pytest.mark.parametrize("hours", [2, -2, 30, -30])
def test_whoever_renews_before_the_server_has_noticed_the_step_keeps_its_run(make_world: Any, hours: int) -> None:
    world = make_world((Node(), Node()))
    one = world.distributors[0]
    world.cooperate(one, finish=False)
    has_a_round(world)
    world.at += hours * HOURS
    world.cooperate(one, finish=False)
    world.advance(one)
    for _ in range(3):
        has_a_round(world)
        world.at += 5
        world.cooperate(one, finish=False)
        world.advance(one)

    assert one.status in "OR"
    assert world.column("SELECT DISTINCT status FROM task_instance") == ["R"]


@pytest.mark.promise("F37")
def test_after_a_step_back_nothing_is_due_later_than_before(make_world: Any) -> None:
    """Neither the end of a lease, nor the next try of a task whose attempt was lost."""
    world = make_world((Node(), Node()))
    one = world.distributors[0]
    world.cooperate(one, finish=False)
    runner = world.runners[0]
    world.finish(runner, "X", "infrastructure")
    world.report(runner)
    world.advance(one)
    has_a_round(world)
    before = {question: world.column(question) for question in DUE}
    world.at -= 2 * HOURS
    has_a_round(world)

    assert all(before.values())
    for question, moments in before.items():
        left = [moment - (world.at + 2 * HOURS) for moment in moments]
        assert all(
            now - world.at <= max(seconds, downtime.SOON_SECONDS)
            for now, seconds in zip(world.column(question), left, strict=True)
        )
