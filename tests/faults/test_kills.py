"""kill -9 of distributor, server, executor and client, alone and together, at random moments of a real run.

After each: the workflow comes to its end by itself or by a resume; no attempt was started twice, none of a task
beside another one; nothing is lost; what was done is not done again; what ran is adopted by a hot resume.

The seeds are fixed. `JOBMON_TEST_LONG=1` runs more of them, over a thousand tasks each.
"""

import os
import random
import signal
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest

import end_to_end
from faults.crash.paused import pausing, wait_until_it_pauses
from jobmon_conformance.home import Home, Script

FOLDER = Path(next(iter(end_to_end.__path__)))
THOUSAND, WAITING = str(FOLDER / "thousand.py"), str(FOLDER / "waiting.py")
LONG = bool(os.environ.get("JOBMON_TEST_LONG"))
TASKS = 1000 if LONG else 200
SEEDS = range(6 if LONG else 1)
KILLS = 4 if LONG else 2  # a client gives up when its distributor dies five times within seconds
NEVER = 3  # tasks that fail for ever until their cause is mended
ONCE = TASKS // 100  # tasks that fail on their first attempt
LINES = 2 * (TASKS - NEVER) + 2 * ONCE  # what the witness holds at least when all is over
ALL = TASKS + 1  # the last one keeps the run from being over before all is killed
LAUNCHED = f"SELECT COUNT(*) FROM task_instance WHERE status IN ('O', 'R') AND task_id < {ALL}"
DRIVEN = "SELECT holder <> '' AND id = 2 FROM workflow_run ORDER BY id DESC LIMIT 1"
SECONDS = 120 + TASKS
ONE_EACH = [1] * (ALL - NEVER - ONCE) + [2] * ONCE + [3] * NEVER  # how often tasks are started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS * 3)]


def start(home: Home, *options: str, **environment: str) -> Script:
    """It does not end before `release`."""
    return home.start(THOUSAND, "--tasks", str(TASKS), "--seconds", "0.02", "--hold", *options, **environment)


def hold(home: Home) -> None:
    (home.folder / "hold").touch()


def release(home: Home) -> None:
    (home.folder / "hold").unlink()


def kill_if_there(home: Home, kind: str) -> None:
    """What was started for a client that is dead may be gone by itself."""
    pids = home.pids(kind)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    home.wait_for(lambda: not set(pids) & home.processes().keys(), f"the end of the {kind}")


def moments(seed: object, count: int) -> list[int]:
    """How many lines the witness shall hold when something is killed."""
    chance = random.Random(str(seed))
    return sorted(chance.randrange(LINES * 9 // 10) for _ in range(count))


def wait_until(home: Home, lines: int) -> None:
    home.wait_for(lambda: home.witness.count() >= lines, f"{lines} lines of the witness", SECONDS)


def ends_with_three_failures(home: Home, script: Script) -> None:
    """Released, it ends by itself, with an error for the three that cannot work."""
    release(home)
    assert (script.end(SECONDS), script.out.split()[-1:]) == (0, ["E"]), script.err
    assert home.task_counts() == {"D": ALL - NEVER, "F": NEVER}
    holds(home)


def ends_well_when_mended(home: Home, *how: str) -> None:
    """After the cause is mended a resume runs what is not done, and nothing else."""
    done = set(home.column("SELECT id FROM task WHERE status = 'D'"))
    before = home.witness.count()
    (home.folder / "mended").touch()
    script = start(home, *(how or ("--resume", "cold")))
    assert (script.end(SECONDS), script.out.split()[-1:]) == (0, ["D"]), script.err
    again = {line.task for line in home.witness.lines()[before:] if line.word == "start"}
    assert home.task_counts() == {"D": ALL}
    assert not again & done, f"tasks {again & done} were done and ran again"
    assert len(home.witness.ends()) == ALL
    holds(home)


def holds(home: Home) -> None:
    home.check()
    home.witness.check()


# --- one part of it, while the client looks on ---------------------------------------------------------------


@pytest.mark.promise("F03")
@pytest.mark.promise("F06")
@pytest.mark.promise("F07")
@pytest.mark.promise("F30")
@pytest.mark.promise("F46")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("victim", ["distributor", "server", "executor"])
def test_a_run_survives_the_death_of_one_part_and_ends_by_itself(home: Home, victim: str, seed: int) -> None:
    hold(home)
    script = start(home)
    for lines in moments((victim, seed), KILLS):
        wait_until(home, lines)
        home.kill(victim)
    ends_with_three_failures(home, script)
    if victim != "executor":  # then nothing of what ran was touched: each attempt ran once and counts
        assert sorted(home.witness.starts().values()) == ONE_EACH
    ends_well_when_mended(home)


@pytest.mark.promise("F07")
@pytest.mark.promise("F46")
@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_survives_the_death_of_everything_but_the_client(home: Home, seed: int) -> None:
    hold(home)
    script = start(home)
    chance = random.Random(f"any {seed}")
    for lines in moments(("any", seed), KILLS + 1):
        wait_until(home, lines)
        for victim in chance.sample(["server", "distributor", "executor"], chance.randint(2, 3)):
            home.kill(victim)
    ends_with_three_failures(home, script)
    ends_well_when_mended(home)


@pytest.mark.promise("F02")
@pytest.mark.promise("F46")
@pytest.mark.parametrize("victim", ["distributor", "server", "executor"])
def test_a_run_survives_that_one_part_dies_again_while_it_starts(home: Home, victim: str) -> None:
    hold(home)
    script = start(home)
    wait_until(home, moments("again", 1)[0])
    for _ in range(3):
        home.kill(victim)  # as soon as there is one
    ends_with_three_failures(home, script)
    assert "is not followed any more" not in script.err


@pytest.mark.promise("F02")
def test_a_run_survives_that_its_server_is_stopped_by_hand(home: Home) -> None:
    hold(home)
    script = start(home)
    for lines in moments("stop", 2):
        wait_until(home, lines)
        home.jobmon("server", "stop")
    ends_with_three_failures(home, script)
    ends_well_when_mended(home)


@pytest.mark.promise("F11")
@pytest.mark.promise("F38")
def test_a_run_survives_that_its_parts_are_suspended(home: Home) -> None:
    """The server until somebody misses it, the distributor until nothing is left to do, the executor meanwhile."""
    hold(home)
    script = start(home, JOBMON__HTTP__REQUEST_TIMEOUT_SECONDS="3")
    first, second, third = moments("suspend", 3)
    wait_until(home, first)
    with home.suspended("server"):
        home.wait_for(lambda: "waiting for the server" in script.err, "a client that misses the server")
    wait_until(home, second)
    with home.suspended("distributor"):
        home.wait_for(lambda: not home.value(LAUNCHED), "the end of what was handed over")
    wait_until(home, min(third, home.witness.count()))
    with home.suspended("executor"):
        home.kill("distributor")
        home.wait_for(lambda: home.pids("distributor"), "another distributor")
    ends_with_three_failures(home, script)
    assert sorted(home.witness.starts().values()) == ONE_EACH
    ends_well_when_mended(home)


# --- the client ----------------------------------------------------------------------------------------------


@pytest.mark.promise("F63")
def test_a_run_ends_by_itself_without_its_client(home: Home) -> None:
    start(home)
    wait_until(home, moments("orphan", 1)[0])
    home.kill_client()
    home.wait_for(lambda: home.run_status() == "E", "the end of the run", SECONDS)

    assert home.task_counts() == {"D": ALL - NEVER, "F": NEVER}
    assert home.value("SELECT COUNT(*) FROM workflow_run") == 1
    holds(home)


@pytest.mark.promise("F63")
@pytest.mark.promise("F64")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("how", ["hot", "cold"])
def test_after_any_deaths_a_resume_finishes_what_is_left(home: Home, how: str, seed: int) -> None:
    """Each time the client dies, with whatever else chance adds, and the next one resumes; the last one ends."""
    chance = random.Random(f"{how} {seed}")
    hold(home)
    start(home)
    for lines in moments((how, seed), KILLS):
        wait_until(home, lines)
        home.kill_client()
        for victim in chance.sample(["server", "distributor", "executor"], chance.randint(0, 2)):
            kill_if_there(home, victim)
        start(home, "--resume", how)
    wait_until(home, LINES * 9 // 10)
    home.kill_client()
    kill_if_there(home, "distributor")  # it could end the run as soon as the cause is mended
    release(home)
    ends_well_when_mended(home, "--resume", how)


@pytest.mark.promise("F62")
def test_a_bind_that_was_killed_is_continued_and_never_runs_half(home: Home) -> None:
    bind = ("--tasks", "400", "--chunk", "10")
    (home.folder / "release").touch()
    home.start(WAITING, *bind, **pausing(home))
    wait_until_it_pauses(home)
    home.kill_client()
    sent, bound = home.query("SELECT next_chunk, bound_at FROM workflow")[0]

    assert bound is None and 0 < sent < 40
    assert home.witness.count() == 0
    home.check()
    script = home.start(WAITING, *bind)
    assert (script.end(SECONDS), script.out.split()[-1:]) == (0, ["D"]), script.err
    assert home.column("SELECT id FROM workflow") == [1]
    assert set(home.witness.starts().values()) == {1} and len(home.witness.starts()) == 400
    holds(home)


@pytest.mark.promise("F64")
@pytest.mark.parametrize("how", ["hot", "cold"])
def test_a_resume_that_was_killed_is_resumed(home: Home, how: str) -> None:
    home.start(WAITING)
    home.wait_for(lambda: home.witness.count() == 2, "two running commands")
    for runs in (2, 3, 4, 5):
        home.kill_client()
        script = home.start(WAITING, "--resume", how)
        home.wait_for(lambda runs=runs: home.value("SELECT MAX(id) FROM workflow_run") == runs, "another run")
    (home.folder / "release").touch()

    assert (script.end(SECONDS), script.out.split()[-1:]) == (0, ["D"]), script.err
    assert home.column("SELECT status FROM workflow_run ORDER BY id") == ["T", "T", "T", "T", "D"]
    if how == "hot":
        assert set(home.witness.starts().values()) == {1}
    holds(home)
    home.leave()  # the executor may have ended all of it before the last distributor came, and waits for more


# --- what runs is adopted, or ended --------------------------------------------------------------------------


@pytest.mark.promise("F63")
@pytest.mark.promise("F46")
@pytest.mark.parametrize("also", [(), ("distributor",), ("server",), ("distributor", "server")])
def test_a_hot_resume_adopts_what_runs(home: Home, also: Sequence[str]) -> None:
    running = kill_client_while_two_run(home, also)
    script = home.start(WAITING, "--resume", "hot")
    home.wait_for(lambda: home.value(DRIVEN), "a new driver")
    (home.folder / "release").touch()

    assert (script.end(SECONDS), script.out.split()[-1:]) == (0, ["D"]), script.err
    ended = {line.attempt: line.pid for line in home.witness.lines() if line.word == "end"}
    assert {attempt: ended[attempt] for attempt in running} == running
    assert set(home.witness.starts().values()) == {1}
    holds(home)


@pytest.mark.promise("F63")
@pytest.mark.parametrize("also", [(), ("distributor", "server"), ("executor",)])
def test_a_cold_resume_ends_what_runs_before_it_starts_it_again(home: Home, also: Sequence[str]) -> None:
    running = kill_client_while_two_run(home, ())
    # A distributor of the older run that lives stands still: it would begin other tasks for those that were lost.
    with nullcontext() if "distributor" in also else home.suspended("distributor"):
        for kind in also:
            home.kill(kind)
        script = home.start(WAITING, "--resume", "cold")
        home.wait_for(lambda: not running.values() & home.processes().keys(), "the end of the commands")
        home.wait_for(lambda: home.value(DRIVEN), "a new driver")
    (home.folder / "release").touch()

    assert (script.end(SECONDS), script.out.split()[-1:]) == (0, ["D"]), script.err
    ended = {line.attempt for line in home.witness.lines() if line.word == "end"}
    assert not running.keys() & ended
    assert sorted(home.witness.starts().values()) == [1, 1, 1, 1, 2, 2]
    holds(home)


@pytest.mark.promise("F63")
@pytest.mark.promise("F30")
def test_who_takes_over_notices_the_death_of_an_executor_that_another_one_started(home: Home) -> None:
    running = kill_client_while_two_run(home, ("distributor",))
    script = home.start(WAITING, "--resume", "hot")
    home.wait_for(lambda: home.value(DRIVEN), "a new driver")
    home.kill("executor")
    (home.folder / "release").touch()

    assert (script.end(SECONDS), script.out.split()[-1:]) == (0, ["D"]), script.err
    assert not running.values() & home.processes().keys()
    assert sorted(home.witness.starts().values()) == [1, 1, 1, 1, 2, 2]
    holds(home)


def kill_client_while_two_run(home: Home, also: Sequence[str]) -> dict[int, int]:
    """The attempts that run when the client and the others were killed, with their pids."""
    home.start(WAITING)
    home.wait_for(lambda: home.witness.count() == 2, "two running commands")
    home.kill_client()
    for victim in also:
        home.kill(victim)
    return {line.attempt: line.pid for line in home.witness.lines()}
