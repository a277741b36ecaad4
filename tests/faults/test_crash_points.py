"""Each part is killed at each named point of its program: the run comes to its right end, nothing runs twice.

`crash/points.py` has the points. The short form kills at one call of each function, the long form
(JOBMON_TEST_LONG=1) at several.
"""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faults.crash.points import POINTS, Point
from faults.place import QUICK, Place
from faults.site import Site, served
from faults.slurm.conftest import fake
from jobmon_conformance.home import Home, Script, opened

__all__ = ["fake"]

HERE = Path(__file__).parent / "crash"
SCENE, HOOK = str(HERE / "scene.py"), str(HERE / "hook")
LONG = bool(os.environ.get("JOBMON_TEST_LONG"))
TASKS = 5
CASES = [(point, nth) for point in POINTS for nth in (point.nth, *(point.far if LONG else ()))]

pytestmark = pytest.mark.slow


class Crash:
    """A workflow of five tasks that goes through one point."""

    def __init__(self, home: Home, point: Point, nth: int, cluster: str) -> None:
        self.home, self.point, self.cluster = home, point, cluster
        self._met, self._nth = home.folder / "met", nth
        path = f"{HOOK}{os.pathsep}{home.environment['PYTHONPATH']}"
        order = json.dumps(point.order(str(self._met), nth))
        home.environment |= QUICK | {"PYTHONPATH": path, "JOBMON_TEST_CRASH": order}
        home.environment |= {"JOBMON__LOCAL__PARALLELISM": "2"}

    def start(self, *words: str) -> Script:
        waits = () if self.point.scene in AT_ONCE else ("--waits",)
        return self.home.start(SCENE, "--cluster", self.cluster, "--tasks", str(TASKS), *waits, *words)

    def runs(self) -> None:
        """Until commands run that wait for their release."""
        self.home.wait_for(lambda: self.home.witness.count() >= 2, "two running commands")

    def release(self) -> None:
        (self.home.folder / "release").touch()

    def is_met(self) -> bool:
        """Whether the point was reached: the process that did so is dead."""
        return self._met.exists() and self._met.stat().st_size >= self._nth

    def wait_until_met(self) -> None:
        self.home.wait_for(self.is_met, f"a process that comes to the point {self.point.name!r}")

    def ends(self, script: Script) -> None:
        """By itself, or by another script where it was killed, or stopped."""
        for _ in range(3):
            code = script.end()
            if self.home.run_status() == "D":
                return
            assert code == -signal.SIGKILL or script.out.split()[-1:] == ["S"], script.out + script.err
            is_bound = self.home.value("SELECT bound_at FROM workflow") is not None
            script = self.start(*(("--resume", "hot") if is_bound else ()))
        raise AssertionError(f"the run did not end; its last script said {script.out}{script.err}")


# --- what leads to a point -------------------------------------------------------------------------------------


def runs(crash: Crash) -> Script:
    return crash.start()


def beats(crash: Crash) -> Script:
    """Commands run until the point is met."""
    script = crash.start()
    crash.wait_until_met()
    crash.release()
    return script


def resume(crash: Crash, how: str) -> Script:
    """The client dies while commands run, and another one resumes."""
    crash.start()
    crash.runs()
    crash.home.kill_client()
    script = crash.start("--resume", how)
    crash.wait_until_met()
    crash.release()
    return script


def stop(crash: Crash) -> Script:
    """The user stops the run with Ctrl-C, and lets another script go on with it."""
    script = crash.start()
    crash.runs()
    crash.home.wait_for(script.follows, "a script that follows its run")
    script.process.send_signal(signal.SIGINT)
    crash.wait_until_met()
    crash.home.wait_for(lambda: script.is_over, "the end of the script")
    crash.release()
    return script


def spool(crash: Crash) -> Script:
    """The server is away while commands end: workers leave their outcomes on the disk."""
    assert isinstance(crash.home, Site)
    crash.home.environment |= {"JOBMON__WORKER__REPORT_RETRY_SECONDS": "0.2"}
    script = crash.start()
    crash.home.wait_for(lambda: crash.home.witness.count() >= TASKS - 1, "running commands")
    crash.home.kill("server")
    crash.release()
    if crash.point.part == "worker":
        crash.wait_until_met()
    else:
        crash.home.wait_for(lambda: list(crash.home.data_dir.rglob("outcome-*.json")), "a spool")
    crash.home.serve()
    return script


SCENES: dict[str, Callable[[Crash], Script]] = {
    "runs": runs,
    "beats": beats,
    "hot": lambda crash: resume(crash, "hot"),
    "cold": lambda crash: resume(crash, "cold"),
    "stop": stop,
    "slurm": runs,
    "slurm beats": beats,
    "spool": spool,
}
AT_ONCE = ("runs", "slurm")  # their commands wait for nothing
ON_SLURM = ("slurm", "slurm beats", "spool")


@pytest.fixture
def crash(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Crash]:
    """On this machine's own cluster, or on a fake Slurm where workers are the point."""
    point, nth = request.param
    with served(tmp_path, **QUICK) if point.scene == "spool" else opened(tmp_path) as home:
        if point.scene in ON_SLURM:
            Place(home, "slurm", request.getfixturevalue("fake").environment)
            yield Crash(home, point, nth, "slurm")
        else:
            yield Crash(home, point, nth, "local")
            home.leave()  # an executor may wait for more


@pytest.mark.promise("F02")
@pytest.mark.promise("F03")
@pytest.mark.promise("F06")
@pytest.mark.promise("F07")
@pytest.mark.promise("F30")
@pytest.mark.promise("F46")
@pytest.mark.promise("F62")
@pytest.mark.promise("F63")
@pytest.mark.promise("F64")
@pytest.mark.parametrize("crash", CASES, indirect=True, ids=lambda case: f"{case[0].name} ({case[1]})")
def test_a_part_that_is_killed_at_a_point_loses_nothing(crash: Crash) -> None:
    script = SCENES[crash.point.scene](crash)
    crash.ends(script)
    crash.home.wait_for(lambda: crash.home.run_status() == "D", "the end of the run")
    crash.wait_until_met()

    assert crash.home.task_counts() == {"D": TASKS}
    starts = crash.home.witness.starts()
    assert len(starts) == TASKS and max(starts.values()) <= crash.point.starts, starts
    crash.home.check()
    crash.home.witness.check()


def test_every_point_is_a_function_with_a_scene_and_every_part_has_several() -> None:
    parts = {part: [point for point in POINTS if point.part == part] for part in
             ("client", "server", "distributor", "executor", "worker")}  # fmt: skip

    assert [point.name for point in POINTS if not callable(point.function())] == []
    assert {point.scene for point in POINTS} == SCENES.keys()
    assert sum(map(len, parts.values())) == len({point.name for point in POINTS}) == len(POINTS)
    assert min(map(len, parts.values())) >= 5
