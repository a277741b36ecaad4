"""Two servers on one database: one of them acts in the background, whichever dies, stands still or comes back.

The workers are real, the Slurm is a fake one; clients, distributors and workers reach both through one nginx.
`JOBMON_TEST_LONG=1` runs 20,000 tasks while one of the two is killed every 20 s.
"""

import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from clusters.databases import SERVERS
from fakes.slurm import FakeSlurm
from fakes.stored_workflow import StoredWorkflow
from faults.pair import SAYS_THAT_IT_DOES_NOT, UNTIL, Member, Pair, served_twice
from faults.place import Place
from faults.slurm.conftest import fake
from integration.databases.conftest import start_quick
from jobmon.server import tables

__all__ = ["fake"]

LONG = bool(os.environ.get("JOBMON_TEST_LONG"))
TASKS, KILLS = 300, 2
MANY_TASKS, KILL_EVERY_SECONDS, LONGEST_SECONDS = 20_000, 20.0, 3600.0
QUICK = {  # these databases outlive no machine, and are not what is killed
    "mariadb": ["SET GLOBAL innodb_flush_log_at_trx_commit = 0"],
    "postgresql": ["ALTER SYSTEM SET synchronous_commit = off", "SELECT pg_reload_conf()"],
}
BY_REAPER = "SELECT entity_id FROM audit WHERE actor = 'reaper' AND kind = 'R' ORDER BY id"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not shutil.which("nginx") and not os.environ.get("CI"), reason="nginx is not installed"),
]

on_one_is_enough = pytest.mark.parametrize("pair", ["mariadb"], indirect=True, scope="module")


@pytest.fixture(scope="module", params=[*SERVERS])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both servers, started at once on an empty database; each test leaves both running.

    The database's folder is none of pytest's, which another pytest on this machine closes to its own user.
    """
    with tempfile.TemporaryDirectory(prefix=f"jobmon-{request.param}-") as folder, ExitStack() as running:
        url = start_quick(running, request.param, Path(folder))
        yield running.enter_context(served_twice(tmp_path_factory.mktemp("pair"), url))


@pytest.fixture(autouse=True)
def cleared(pair: Pair) -> Iterator[None]:
    """No workflow is left to the next test."""
    yield
    for member in pair.members:  # one that is told to end while it starts does not end well
        pair.wait_for(member.is_ready, f"server {member.number}")
    pair.clear()


def lose_run(pair: Pair) -> int:
    """A run whose distributor was not heard of for long; its id."""
    with pair._engine.begin() as connection:
        stored = StoredWorkflow(connection)
        stored.set(tables.workflow_run, stored.run_id, deadline_at=stored.at - 1000)
    return stored.run_id


def is_reaped(pair: Pair, run_id: int) -> bool:
    return run_id in pair.column(BY_REAPER)


def stop_who_acts(pair: Pair) -> tuple[Member, int]:
    """It stands still between two rounds: amid one it would hold locks until the database ends that. Its epoch."""
    while True:
        pair.wait_for_a_round()
        stopped, epoch = pair.acting(), pair.epoch()
        stopped.send(signal.SIGSTOP)
        if stopped is pair.acting() and not pair.is_amid():
            return stopped, epoch
        stopped.send(signal.SIGCONT)


def while_lent(pair: Pair, epoch: int, condition: Callable[[], bool], what: str) -> None:
    """Until it is so; meanwhile nobody loses the role for being slow."""

    def is_so() -> bool:
        pair.lend(epoch)
        return condition()

    pair.wait_for(is_so, what)


@pytest.mark.promise("F14")
def test_of_two_that_start_at_once_one_acts(pair: Pair) -> None:
    lost = [lose_run(pair) for _ in range(3)]
    pair.wait_for(lambda: is_reaped(pair, lost[-1]), "the end of the lost runs")

    epochs = [epoch for member in pair.members for epoch in member.epochs()]
    assert pair.column(BY_REAPER) == lost
    assert len(epochs) == len(set(epochs)), "two acted under one epoch"


@on_one_is_enough
@pytest.mark.promise("F14", "F38")
def test_one_that_stands_still_is_followed_by_the_other_and_does_nothing_when_it_wakes_up(pair: Pair) -> None:
    stopped, before = stop_who_acts(pair)
    follower = pair.other(stopped)
    said = stopped.log().count(SAYS_THAT_IT_DOES_NOT)
    try:
        pair.age_lease()
        lost = lose_run(pair)
        pair.wait_for(lambda: is_reaped(pair, lost), "the follower")
        acting, after = pair.acting(), pair.epoch()
        pair.lend(after)
    finally:
        stopped.send(signal.SIGCONT)
    while_lent(pair, after, lambda: stopped.log().count(SAYS_THAT_IT_DOES_NOT) > said, "a round of who woke up")
    again = lose_run(pair)
    while_lent(pair, after, lambda: is_reaped(pair, again), "the follower's next round")

    assert (acting, after) == (follower, before + 1)
    assert (pair.acting(), pair.epoch()) == (follower, after)
    assert pair.column(BY_REAPER) == [lost, again]


@on_one_is_enough
@pytest.mark.promise("F14")
def test_one_that_is_told_to_end_leaves_the_role_to_the_other_at_once(pair: Pair) -> None:
    ended = pair.acting()
    before = pair.epoch()
    ended.end()
    is_free = pair.epoch() > before or pair.value(UNTIL) <= time.time()
    pair.wait_for(lambda: pair.epoch() > before, "the other")

    assert is_free
    assert pair.acting() is pair.other(ended)
    ended.start()
    pair.wait_for(ended.is_ready, "its return")


@pytest.mark.promise("F07", "F14")
def test_a_run_survives_that_the_one_that_acts_is_killed_and_the_other_one_acts(
    pair: Pair, fake: FakeSlurm
) -> None:
    place = Place(pair, "slurm", fake.environment)
    script = place.start(TASKS, "--command", "true")
    for kill in range(1, KILLS + 1):
        place.wait(lambda kill=kill: pair.witness.count() >= kill * TASKS // 2, "the next moment")
        victim = pair.acting()
        victim.kill()
        pair.age_lease()
        place.wait(lambda victim=victim: pair.acting() is pair.other(victim), "the other one")
        victim.start()

    place.wait(lambda: script.is_over, "the end of the script", 300)
    place.ends(script)
    assert sorted(pair.witness.starts().values()) == [1] * TASKS


if LONG:

    @pytest.mark.timeout(LONGEST_SECONDS + 600)
    @pytest.mark.promise("F07", "F14")
    def test_twenty_thousand_tasks_are_done_while_one_of_two_servers_is_killed_every_20_s(
        pair: Pair, fake: FakeSlurm, record_property
    ) -> None:
        place = Place(pair, "slurm", fake.environment)
        chance, kills, began, first = random.Random(14), 0, time.monotonic(), pair.epoch()
        script = place.start(MANY_TASKS, "--command", "true")
        while time.monotonic() < began + LONGEST_SECONDS:
            try:
                script.process.wait(KILL_EVERY_SECONDS)
                break
            except subprocess.TimeoutExpired:
                victim = chance.choice(pair.members)
                victim.kill()
                victim.start()
                kills += 1
        wall = time.monotonic() - began
        place.ends(script)

        pair.none_is_lost()
        starts = pair.witness.starts()
        moves = pair.epoch() - first
        again = sum(starts.values()) - len(starts)
        counted = {"kills": kills, "attempts": sum(starts.values()), "losses": 0, "doubles": 0}
        for name, number in counted.items():
            record_property(name, number)
        record_property(
            "two servers",
            f"{counted}, {wall:.0f} s, the role moved {moves} times, {again} tasks were started again",
        )
        assert len(starts) == MANY_TASKS
        assert kills > 3 and moves > 0
