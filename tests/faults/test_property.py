"""Random lives of a small workflow on the real store and engine: whatever is lost, repeated, late or killed, the
invariants hold after each step, and in the end everything is done once.

`JOBMON_TEST_LONG=1` makes it look for long.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from faults.world import Distributor, Node, Runner, World, wipe
from jobmon.core import wire
from jobmon.core.constants import MAX_CONCURRENTLY_RUNNING
from jobmon.core.ids import BatchId, TaskInstanceId
from jobmon.server.db import Database
from jobmon.server.engine import advance
from jobmon_conformance import invariants

LONG = os.environ.get("JOBMON_TEST_LONG") == "1"
LENGTH = settings(
    max_examples=10_000 if LONG else 120,
    stateful_step_count=60 if LONG else 30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

NONE = MAX_CONCURRENTLY_RUNNING
WISHES = ["hot", "cold", "none", "stop", "limit", "limit", "supply", "supply"]
TROUBLE = ["crash", "requeue", "requeue", "requeue", "infrastructure", "policy", "fatal"]
HOW = ["driven", "driven", "up", "away"]  # who is there while time passes: distributor and server, server, nobody
COMMANDS = st.sampled_from(["go on", "go on", "end well", "end anyhow", "end anyhow"])
limits = st.sampled_from([NONE, NONE, 1, 1, 2])
heard = st.sampled_from([True, True, True, False])
ends = st.sampled_from(
    [("D", "")] * 4
    + [("E", "user")] * 3
    + [("Z", "resource"), ("X", "infrastructure"), ("F", "killed"), ("F", "fatal")]
)


@st.composite
def graphs(draw: st.DrawFn) -> list[Node]:
    """Two to six tasks; many wait for all earlier ones or for none, so that gates are shared."""
    nodes: list[Node] = []
    for position in range(draw(st.integers(2, 6))):
        earlier = list(range(position))
        some = st.frozensets(st.sampled_from(earlier), max_size=4) if earlier else st.just(frozenset())
        upstreams = draw(st.one_of(st.just(frozenset()), st.just(frozenset(earlier)), some))
        is_deferred = draw(st.sampled_from([False] * 3 + [True]))
        nodes.append(Node(upstreams, draw(st.integers(0, 1)), draw(st.integers(1, 3)), is_deferred))
    return nodes


class Life(RuleBasedStateMachine):
    """One workflow. The rules are what clients, distributors, runners, the cluster and the network may do."""

    database: Database
    world: World
    lives = 0

    @initialize(
        nodes=graphs(),
        array_limits=st.lists(limits, min_size=2, max_size=2),
        limit=limits,
        chunk=st.integers(1, 8),
    )
    def bind(self, nodes: list[Node], array_limits: list[int], limit: int, chunk: int) -> None:
        self.begin()
        self.limits = dict(zip(("array0", "array1"), array_limits, strict=True)) | {"": limit}
        self.world = World(self.database, nodes, array_limits, chunk)
        self.world.paces = [wire.Pace(cluster="toy", max_batch=2, max_waiting=3)]
        self.world.set_limit(limit)
        self.world.start_run(resume=False)
        self.world.take_lease()
        self.world.advance(self.world.distributors[0])

    def begin(self) -> None:
        """Nothing of the life before is left."""
        type(self).lives += 1
        wipe(self.database)

    # What is as it should be, except that an answer may be lost. Named more than once, so that it is chosen often.

    def step(self, data: st.DataObject) -> None:
        """Some processes take their next step, one after the other."""
        self.somebody_drives()
        for _ in range(data.draw(st.integers(1, 4))):
            steps = [step for step in (
                (self.advance, self.leased()),
                (self.submit, self.handed()),
                (self.cancel, self.wanted()),
                (self.observe, self.suspected()),
                (self.start_process, self.world.waiting_slots()),
                (self.claim, self.runners("starting")),
                (self.finish, self.runners("running")),
                (self.report, self.runners("ended")),
                (self.heartbeat, self.runners("running")),
            ) if step[1]]  # fmt: skip
            if steps:
                act, objects = data.draw(st.sampled_from(steps))
                act(data.draw(st.sampled_from(objects)), data)

    def round(self, data: st.DataObject, commands: str, time_passes: bool) -> None:
        """Everybody takes some steps, and nothing is lost; the commands go on, end well, or end anyhow."""
        self.somebody_drives()
        for one in self.newest():
            before = self.active()
            self.world.advance(one)
            self.check_limits(before)
            self.world.cooperate(
                one, commands != "go on", lambda: data.draw(ends) if commands == "end anyhow" else ("D", "")
            )
            self.world.pass_time(31 if time_passes else 0, driver=one)

    def somebody_drives(self) -> None:
        """A life in which nothing happens any more is not worth a step: a run begins, a distributor comes."""
        self.world.distributors = [one for one in self.world.distributors if one.status in "BIOR"]
        if self.world.run_status() not in "BIOR":
            self.world.start_run(resume=True)
        if not self.newest():
            self.world.take_lease()

    step_a = rule(data=st.data())(step)
    step_b = rule(data=st.data())(step)
    step_c = rule(data=st.data())(step)
    step_d = rule(data=st.data())(step)
    round_a = rule(data=st.data(), commands=COMMANDS, time_passes=st.booleans())(round)
    round_b = rule(data=st.data(), commands=COMMANDS, time_passes=st.booleans())(round)

    def advance(self, one: Distributor, data: st.DataObject) -> None:
        before = self.active()
        self.world.advance(one, data.draw(heard))
        self.check_limits(before)

    def submit(self, handed: tuple[Distributor, wire.Batch], data: st.DataObject) -> None:
        self.world.submit(*handed, data.draw(heard))

    def cancel(self, wanted: tuple[Distributor, wire.Job], data: st.DataObject) -> None:
        self.world.cancel(*wanted)

    def observe(self, suspected: tuple[Distributor, wire.Job], data: st.DataObject) -> None:
        self.world.observe(*suspected, unsure=not data.draw(heard))

    def start_process(self, place: tuple[int, int], data: st.DataObject) -> None:
        runner = self.world.start_process(place)
        if data.draw(heard):
            self.world.claim(runner, data.draw(heard))

    def claim(self, runner: Runner, data: st.DataObject) -> None:
        self.world.claim(runner, data.draw(heard))

    def finish(self, runner: Runner, data: st.DataObject) -> None:
        self.world.finish(runner, *data.draw(ends))
        if data.draw(heard):
            self.world.report(runner, goes_on=True)

    def report(self, runner: Runner, data: st.DataObject) -> None:
        self.world.report(runner, data.draw(heard), goes_on=True)

    def heartbeat(self, runner: Runner, data: st.DataObject) -> None:
        self.world.heartbeat(runner, data.draw(heard))

    # What goes wrong, and what people do.

    @rule(data=st.data(), what=st.sampled_from(WISHES))
    def people(self, data: st.DataObject, what: str) -> None:
        """Somebody starts or resumes the workflow, stops it, or changes a limit; a client computes resources."""
        if what in ("hot", "cold", "none"):
            seconds, fail_fast = data.draw(st.sampled_from([1e6, 500.0])), not data.draw(heard)
            how = {"resume": what != "none", "cold": what == "cold", "heard": data.draw(heard)}
            self.world.start_run(fail_fast=fail_fast, seconds=seconds, **how)
            self.world.take_lease(heard=data.draw(heard))
        elif what == "stop":
            self.world.stop_run()
        elif what == "supply":
            self.world.supply()
            self.world.replay(-1)
        else:
            which = data.draw(st.sampled_from(["", "array0", "array1"]))
            self.limits[which] = data.draw(st.one_of(limits, st.just(0)))
            self.world.set_limit(self.limits[which], which)

    @rule(data=st.data(), dies=st.booleans(), hears=heard)
    def another_distributor(self, data: st.DataObject, dies: bool, hears: bool) -> None:
        if dies and self.world.distributors:
            self.world.distributors.remove(data.draw(st.sampled_from(self.world.distributors)))
        unsure = [None, *(one for one in self.world.distributors if one.fence < 0)]
        self.world.take_lease(data.draw(st.sampled_from(unsure)), hears)

    @rule(data=st.data(), what=st.sampled_from(TROUBLE))
    def trouble(self, data: st.DataObject, what: str) -> None:
        """A process dies, the cluster starts a second one, or it does not take a batch."""
        runners = self.runners("starting", "running", "ended")
        if what in ("crash", "requeue") and runners:
            runner = data.draw(st.sampled_from(runners))
            if what == "crash":
                self.world.crash(runner)
            else:
                self.world.requeue(runner)
                self.start_process((runner.batch_id, runner.index), data)
        elif what not in ("crash", "requeue") and self.handed():
            self.world.refuse(*data.draw(st.sampled_from(self.handed())), what)

    @precondition(lambda self: self.leased() and self.world.slots)
    @rule(data=st.data(), unsure=st.booleans())
    def cluster_speaks(self, data: st.DataObject, unsure: bool) -> None:
        one = data.draw(st.sampled_from(self.newest() or self.leased()))
        living = sorted({(runner.batch_id, runner.index) for runner in self.runners("running")})
        place = data.draw(st.sampled_from(living or sorted(self.world.slots)))
        self.world.observe(one, self.job(*place), unsure)
        self.advance(one, data)

    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        before = self.active()
        back = data.draw(st.integers(1, len(self.world.sent)))
        self.world.replay(len(self.world.sent) - back)
        self.check_limits(before)

    @rule(seconds=st.sampled_from([1, 31, 300, 300, 700]), how=st.sampled_from(HOW))
    def pass_time(self, seconds: int, how: str) -> None:
        driver = self.newest()[0] if how == "driven" and self.newest() else None
        self.world.pass_time(seconds, server_up=how != "away", driver=driver)

    # What holds.

    @invariant()
    def all_promises_are_kept(self) -> None:
        if not self.world.unchecked:
            return
        self.world.unchecked = False
        with self.database.engine.connect() as connection:
            invariants.check(connection)
            invariants.check_witness(connection, self.world.witness)
        running = Counter(self.task_of(runner) for runner in self.runners("running"))
        assert all(count == 1 for count in running.values()), f"I2: tasks of which two attempts run: {running}"
        self.check_attempts()
        self.check_verdicts()
        self.check_acknowledged()

    def check_attempts(self) -> None:
        """A task that failed as often as it may is not tried again."""
        beyond = self.rows(
            "SELECT id, status FROM task WHERE failures >= max_attempts AND status NOT IN ('D','F')"
        )
        assert not beyond, f"I5: tasks that go on after their last attempt: {beyond}"

    def check_verdicts(self) -> None:
        """No proof, no verdict: what runs is not given up, unless the cluster itself started it a second time."""
        statuses = dict(self.rows("SELECT id, status FROM task_instance"))
        for runner in self.runners("running"):
            alone = len(self.world.processes(runner.batch_id, runner.index)) == 1
            given_up = alone and statuses[runner.instance_id] not in "RTK"
            assert not given_up, f"F27: {runner.instance_id} runs and is called {statuses[runner.instance_id]}"

    def check_acknowledged(self) -> None:
        statuses = dict(self.rows("SELECT id, status FROM task_instance"))
        for id, told in self.world.acknowledged.items():
            killed = told != "D" and statuses[id] == "F"
            assert killed or statuses[id] == told, (
                f"I8: the end {told} of {id} was confirmed; it is {statuses[id]}"
            )

    def check_limits(self, before: Counter[str]) -> None:
        for name, active in self.active().items():
            most = max(before[name], self.limits[name])
            assert active <= most, f"I6: {active} active in {name or 'the workflow'}; limits are {self.limits}"

    def teardown(self) -> None:
        """In the end nothing is lost any more: the run ends, and resumes of it do what was left."""
        if not hasattr(self, "world"):
            return
        for name in self.limits:
            self.world.set_limit(NONE, name)
        if self.world.run_status() in "BIOR":
            self.world.drain()
        for _ in range(3):  # failures that were on their way may still come in
            self.all_promises_are_kept()
            if self.world.status() != "D":
                self.world.start_run(resume=True)
                self.world.drain()

        assert (self.world.status(), self.world.run_status()) == ("D", "D")

    # What there is to choose from.

    def leased(self) -> list[Distributor]:
        return [one for one in self.world.distributors if one.fence >= 0]

    def newest(self) -> list[Distributor]:
        """Those who may hold the lease now; the others have not learnt yet that theirs is void."""
        return [one for one in self.leased() if one.run_id == self.world.runs[-1]]

    def handed(self) -> list[tuple[Distributor, wire.Batch]]:
        return [(one, batch) for one in self.world.distributors for batch in one.hand.values()]

    def wanted(self) -> list[tuple[Distributor, wire.Job]]:
        return [(one, job) for one in self.world.distributors for job in one.cancel]

    def suspected(self) -> list[tuple[Distributor, wire.Job]]:
        return [(one, job) for one in self.world.distributors for job in one.suspects]

    def runners(self, *states: str) -> list[Runner]:
        return [runner for runner in self.world.runners if runner.state in states]

    def job(self, batch_id: int, index: int) -> wire.Job:
        instance_id = self.world.tenant(batch_id, index)
        return wire.Job(
            instance_id=TaskInstanceId(instance_id), batch_id=BatchId(batch_id), index=index, name="",
            cluster="toy", job_id="",
        )  # fmt: skip

    def task_of(self, runner: Runner) -> int:
        return self.rows(f"SELECT task_id FROM task_instance WHERE id = {runner.instance_id}")[0][0]

    def active(self) -> Counter[str]:
        query = (
            "SELECT a.name, COUNT(*) FROM task t JOIN task_array a ON a.id = t.array_id "
            "WHERE t.status IN ('I', 'O', 'R') GROUP BY a.name"
        )
        active = Counter({"array0": 0, "array1": 0} | dict(self.rows(query)))
        active[""] = sum(active.values())
        return active

    def rows(self, query: str) -> list[tuple]:
        return self.database.read(lambda c: [tuple(row) for row in c.exec_driver_sql(query)])


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of the engine so small that most of them leave something for the next."""
    for name, most in (("ABSORB_AT_MOST", 2), ("PASS_AT_MOST", 3), ("START_AT_MOST", 3)):
        monkeypatch.setattr(advance, name, most)


@pytest.fixture
def _life(small_steps: None) -> Iterator[None]:
    """A database for all lives, in memory where there is a file system for that."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        Life.database = Database(f"sqlite:///{folder}/jobmon.db", "OFF")
        Life.database.create()
        yield
        Life.database.dispose()


@pytest.mark.promise("F08 F09 F10 F27 F28 F46 F65 F75")
@pytest.mark.timeout(0 if LONG else 1200)
@pytest.mark.usefixtures("_life")
def test_whatever_is_lost_repeated_or_killed_everything_is_done_once(
    record_property: Callable[[str, object], None],
) -> None:
    run_state_machine_as_test(Life, settings=LENGTH)

    record_property("G9", f"{Life.lives:,} lives of up to {LENGTH.stateful_step_count} steps, every promise kept")
