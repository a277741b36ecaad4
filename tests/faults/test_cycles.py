"""kill -9 of one part after another while real workflows run: what was acknowledged stays, nothing runs twice.

A cycle is one kill, at a random moment: of the client, the server, the distributor, the executor or worker; and
on a Slurm, where a submission can get lost, of the distributor while `sbatch` runs. Before each kill everything
that is committed is noted: each of these rows must be there at the end. `--cycles N` says how many kills there
are in all; without it there are a few, and 300 in the long form.
"""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fakes.slurm import FakeSlurm, faults
from faults.place import QUICK, SCRIPT, Place
from faults.site import Site, mariadb_url, served
from faults.slurm.conftest import fake, place
from jobmon_conformance.home import Home, Script, opened
from jobmon_conformance.witness import Line

__all__ = ["fake", "mariadb_url", "place"]

SHARES = {"sqlite": 0.4, "mariadb": 0.4, "slurm": 0.2}  # of all cycles
FEW, MANY = {"sqlite": 4, "mariadb": 2, "slurm": 2}, 300
PARTS = ("client", "server", "distributor", "executor")
CYCLES_OF_A_ROUND = 8
TASKS_OF_A_CYCLE = 15
AUDIT = "SELECT id, kind, entity_id, old, new FROM audit WHERE id > {} ORDER BY id"
SECONDS_OF_A_ROUND = 300

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * 3600)]  # each wait has its own
Record = Callable[[str, object], None]


@pytest.fixture
def cycles(request: pytest.FixtureRequest) -> int:
    """How many kills this test has to do; the test's name or its parameter says of which kind they are."""
    kind = next(kind for kind in SHARES if kind in request.node.name)
    asked = request.config.getoption("cycles") or (MANY if os.environ.get("JOBMON_TEST_LONG") else 0)
    return round(asked * SHARES[kind]) if asked else FEW[kind]


class Ledger:
    """What was committed when something was killed, and what came of it."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.kills: Counter[str] = Counter()
        self._audit: dict[int, tuple[object, ...]] = {}
        self._done: set[int] = set()
        self._newest = 0

    def note(self) -> None:
        """All changes of state that somebody may have been told of."""
        for number, *rest in self.home.query(AUDIT.format(self._newest)):
            self._audit[number] = tuple(rest)
            self._newest = number
        self._done |= set(self.home.column("SELECT id FROM task WHERE status = 'D'"))

    def killed(self, part: str) -> None:
        self.kills[part] += 1

    def losses(self) -> int:
        """How many of the changes are not there any more, or are others."""
        now = {number: tuple(rest) for number, *rest in self.home.query(AUDIT.format(0))}
        done = set(self.home.column("SELECT id FROM task WHERE status = 'D'"))
        return sum(now.get(number) != change for number, change in self._audit.items()) + len(self._done - done)

    def doubles(self) -> int:
        """How many attempts were started more than once."""
        starts = Counter(line.attempt for line in self.home.witness.lines() if line.word == "start")
        return sum(count - 1 for count in starts.values())

    def record(self, record_property: Record, database: str) -> None:
        """The figures; nothing may be lost or doubled."""
        losses, doubles = self.losses(), self.doubles()
        attempts = int(self.home.value("SELECT COUNT(*) FROM task_instance"))
        named = ", ".join(f"{part} {count}" for part, count in sorted(self.kills.items()))
        kills = self.kills.total()
        changes = len(self._audit)
        record_property("G1", f"{database}: {losses} of {changes:,} changes lost by {kills} kills ({named})")
        record_property("G2", f"{database}: {doubles} of {attempts:,} attempts started twice, with {kills} kills")
        for name, count in (("kills", kills), ("attempts", attempts), ("losses", losses), ("doubles", doubles)):
            record_property(name, count)
        assert (losses, doubles) == (0, 0)


# --- the cluster of this machine -------------------------------------------------------------------------------


class Rounds:
    """Workflows one after the other, so that there is always one of which something can be killed."""

    def __init__(self, home: Home, chance: random.Random) -> None:
        self.home, self.chance = home, chance
        home.environment |= QUICK | {"JOBMON__LOCAL__PARALLELISM": "2"}
        self._round = self._tasks = self._all_tasks = 0
        self._left: list[str] = []  # parts that were killed more rarely than others

    def begin(self, cycles: int) -> None:
        """Another workflow, in which so many things can be killed."""
        self._round += 1
        self._tasks = TASKS_OF_A_CYCLE * cycles
        self._all_tasks += self._tasks
        self.script = self._start()

    def _start(self, *words: str) -> Script:
        names = ("--cluster", "local", "--args", f"round {self._round}", "--tasks", str(self._tasks))
        return self.home.start(SCRIPT, *names, "--command", "sleep 0.05", *words)

    def _is_bound(self) -> bool:
        """Whether this workflow is there, so that a script has to resume it."""
        return self.home.value("SELECT COUNT(*) FROM workflow WHERE bound_at IS NOT NULL") == self._round

    def is_over(self) -> bool:
        return self.home.task_counts() == {"D": self._all_tasks} and self.home.run_status() == "D"

    def is_followed(self) -> bool:
        """Whether a script follows the workflow; its user starts another one where it gave up."""
        if self.script.is_over and not self.is_over():
            self.resume()
        return not self.is_over()

    def wait(self) -> None:
        """Until a random moment: mostly while commands run, now and then while something starts."""
        if self.chance.random() < 0.3:
            return
        lines = self.home.witness.count() + self.chance.randrange(1, 2 * TASKS_OF_A_CYCLE)
        self.home.wait_for(
            lambda: self.home.witness.count() >= lines or not self.is_followed(), "the work to go on"
        )

    def kill(self) -> str:
        """Kill all processes of some part, and say which; "" when the workflow was over before there was one."""
        self._left = self._left or self.chance.sample(PARTS, len(PARTS))
        part = self._left[-1]
        if part == "client":
            self.home.kill_client()
            return self._left.pop()
        self.home.wait_for(lambda: self.home.pids(part) or not self.is_followed(), f"a {part}")
        pids = self.home.pids(part)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return self._left.pop() if pids else ""

    def mend(self, part: str) -> None:
        """Start what nothing else starts again: the script, by its user, and a site's server."""
        if part == "client":
            self.resume()
        elif part == "server" and isinstance(self.home, Site):
            self.home.serve()

    def resume(self) -> None:
        how = ("--resume", self.chance.choice(["hot", "cold"]))
        self.script = self._start(*(how if self._is_bound() else ()))

    def end(self) -> None:
        """The workflow comes to its end, and its script too."""
        self.home.wait_for(lambda: not self.is_followed(), "the end of the workflow", SECONDS_OF_A_ROUND)
        self.home.wait_for(lambda: self.script.is_over, "the end of the script")
        self.home.check()
        self.home.witness.check()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Home]:
    """The home of a user with a server of their own."""
    with opened(tmp_path) as home:
        yield home


@pytest.fixture
def mariadb(tmp_path: Path, mariadb_url: str) -> Iterator[Home]:
    """The home of a user of a site's server, which has two processes."""
    with served(tmp_path, mariadb_url, processes=2) as site:
        yield site


@pytest.mark.promise("F07")
@pytest.mark.promise("F30")
@pytest.mark.promise("F63")
@pytest.mark.parametrize("database", ["sqlite", "mariadb"])
def test_whatever_is_killed_nothing_is_lost_and_nothing_runs_twice(
    request: pytest.FixtureRequest, database: str, cycles: int, record_property: Record
) -> None:
    home: Home = request.getfixturevalue(database)
    ledger, rounds = Ledger(home), Rounds(home, random.Random(f"{database} {cycles}"))
    while ledger.kills.total() < cycles:
        of_round = min(CYCLES_OF_A_ROUND, cycles - ledger.kills.total())
        rounds.begin(of_round)
        for _ in range(of_round):
            rounds.wait()
            ledger.note()
            if rounds.is_over():
                break
            if part := rounds.kill():
                ledger.killed(part)
                rounds.mend(part)
        rounds.end()
    home.leave()  # an executor may wait for more

    ledger.record(record_property, {"sqlite": "SQLite", "mariadb": "MariaDB"}[database])
    if cycles >= len(PARTS):
        assert ledger.kills.keys() == set(PARTS)


# --- a Slurm, where nobody may know whether it took a submission -----------------------------------------------

TASKS_OF_A_SLURM_ROUND = 15
TASKS_AT_ONCE = 3
HELD = "sleep 1; while [ -e ${WITNESS%/*}/hold ]; do sleep 0.1; done"  # or a job would be over before it is known
UNKNOWN = ("taken", "not taken", "timed out", "worker")
KNOWN = "SELECT job_id FROM batch WHERE name = ? AND job_id <> ''"
UNTOLD = (
    "SELECT COUNT(*) FROM task_instance i JOIN batch b ON b.id = i.batch_id "
    "WHERE b.name = ? AND i.status IN ('I', 'O', 'R', 'T', 'K')"
)


class Unknown:
    """A submission without an answer, by the name of its batch."""

    def __init__(self, fake: FakeSlurm, place: Place, kind: str) -> None:
        self._fake, self._place, self.kind = fake, place, kind
        fault = faults.timed_out(taken=True) if kind == "timed out" else faults.hangs(taken=kind == "taken")
        self._armed = fake.fault("sbatch", fault)

    def met(self) -> bool:
        return bool(self._armed.met)

    def lift(self) -> None:
        self._armed.lift()

    @property
    def name(self) -> str:
        words = self._armed.met[0].argv
        return next(word.partition("=")[2] for word in words if word.startswith("--job-name="))

    def resolve(self) -> int | None:
        """Wait until the server knows which job it is; how often the queue was looked at for that.

        None: its workers had told how all of its attempts ended before anybody looked, so that it needs no job.
        """
        before, name = len(self._fake.called("squeue")), self.name
        found = self._place.home.wait_for(
            lambda: self._place.home.query(KNOWN, name) or not self._place.home.value(UNTOLD, name),
            f"the job of {name}",
        )
        looks = len(self._fake.called("squeue")) - before
        jobs = [(str(job.job_id),) for job in self._fake.jobs if job.name == name]
        assert len(jobs) == 1 and found in (True, jobs), f"batch {name} is job {found}, and {jobs} on the cluster"
        return None if found is True else looks


@pytest.mark.promise("F03")
@pytest.mark.promise("F30")
@pytest.mark.promise("F46")
@pytest.mark.promise("F47")
def test_on_a_slurm_every_submission_without_an_answer_is_resolved_and_none_is_made_twice(
    fake: FakeSlurm, place: Place, cycles: int, record_property: Record
) -> None:
    place.option(reuse_seconds=0)
    ledger = Ledger(place.home)
    looks: list[int | None] = []  # for those that were taken
    absent = 0
    chance = random.Random(f"slurm {cycles}")
    kinds = UNKNOWN if cycles > FEW["slurm"] else UNKNOWN[:-1]  # the server is slow to believe in a worker's death
    rounds = 0
    while ledger.kills.total() < cycles:
        rounds += 1
        words = ("--args", f"round {rounds}", "--command", HELD, "--at-once", str(TASKS_AT_ONCE))
        script = place.start(TASKS_OF_A_SLURM_ROUND, *words)
        for kind in chance.sample(kinds, len(kinds)):
            if kind == "worker":
                kill_a_worker(place, ledger, script)
            elif unknown := met(fake, place, kind, script):
                (place.home.folder / "hold").touch()
                if kind != "timed out":
                    ledger.note()
                    place.home.kill("distributor")
                    ledger.killed("distributor in sbatch")
                needed = unknown.resolve()
                (place.home.folder / "hold").unlink()
                absent += kind == "not taken"
                looks += [needed] if kind != "not taken" else []
        place.ends(script)

    done = {"D": rounds * TASKS_OF_A_SLURM_ROUND}
    assert place.home.task_counts() == done
    ledger.record(record_property, "SQLite and a fake Slurm")
    count, names = len(looks) + absent, [needed for needed in looks if needed is not None]
    by_name = f"{len(names)} by their names within {max(names, default=0)} looks at the queue"
    others = f"{len(looks) - len(names)} by their workers first, {absent} proven absent and handed in once more"
    record_property("G4", f"{count} of {count} resolved: {by_name}, {others}; no batch had two jobs")
    record_property("unknown submits", count)
    record_property("resolved", count)


def met(fake: FakeSlurm, place: Place, kind: str, script: Script) -> Unknown | None:
    """The next submission, without an answer; None when the run is over before there is one."""
    unknown = Unknown(fake, place, kind)
    place.wait(lambda: unknown.met() or script.is_over, "an sbatch")
    if unknown.met():
        return unknown
    unknown.lift()
    return None


def kill_a_worker(place: Place, ledger: Ledger, script: Script) -> None:
    """The next one that has a command; Slurm tells of its end."""
    lines = place.home.witness.count()

    def begun() -> list[Line]:
        return [line for line in place.home.witness.lines()[lines:] if line.word == "start"]

    place.wait(lambda: begun() or script.is_over, "another command")
    for line in begun():
        with suppress(OSError):  # it may be over by now
            parent = int(Path(f"/proc/{line.pid}/stat").read_text().rpartition(")")[2].split()[1])
            if b"/worker-" in Path(f"/proc/{parent}/cmdline").read_bytes():
                ledger.note()
                os.kill(parent, signal.SIGKILL)
                return ledger.killed("worker")
    return None
