"""Random lives of a small workflow on the real store and engine: whatever is lost, repeated, late or killed, the
invariants hold after each step, and in the end everything is done once.

`JOBMON_TEST_LONG=1` makes it look for long.
"""

import os
from collections import Counter
from typing import Any

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

from faults import invariants
from faults.world import Node, Runner, World, wipe
from jobmon.core.constants import MAX_CONCURRENTLY_RUNNING
from jobmon.server.db import Database

LONG = os.environ.get("JOBMON_TEST_LONG") == "1"
QUICK = settings(
    max_examples=10_000 if LONG else 150,
    stateful_step_count=60 if LONG else 30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

limits = st.one_of(st.integers(0, 3), st.just(MAX_CONCURRENTLY_RUNNING))
heard = st.sampled_from([True, True, True, False])
failures = st.sampled_from([("E", "user"), ("Z", "resource"), ("X", "infrastructure"), ("F", "killed"), ("F", "fatal")])


@st.composite
def graphs(draw: st.DrawFn) -> list[Node]:
    """Up to eight tasks; many wait for all earlier ones or for none, so that gates are shared."""
    nodes: list[Node] = []
    for position in range(draw(st.integers(1, 8))):
        earlier = list(range(position))
        some = st.frozensets(st.sampled_from(earlier), max_size=4) if earlier else st.just(frozenset())
        upstreams = draw(st.one_of(st.just(frozenset()), st.just(frozenset(earlier)), some))
        is_deferred = draw(st.sampled_from([False, False, False, True]))
        nodes.append(Node(upstreams, draw(st.integers(0, 1)), draw(st.integers(1, 3)), is_deferred))
    return nodes


class Life(RuleBasedStateMachine):
    """One workflow. The rules are what clients, distributors, runners, the cluster and the network may do."""

    database: Database
    world: World

    @initialize(nodes=graphs(), array_limits=st.lists(limits, min_size=2, max_size=2), chunk=st.integers(1, 8))
    def bind(self, nodes: list[Node], array_limits: list[int], chunk: int) -> None:
        wipe(self.database)
        self.limits = dict(zip(("array0", "array1"), array_limits, strict=True)) | {"": MAX_CONCURRENTLY_RUNNING}
        self.world = World(self.database, nodes, array_limits, chunk)
        self.world.start_run(resume=False)
        self.world.take_lease()
        self.world.advance(self.world.distributors[0])

    # Clients.

    @rule(resume=st.booleans(), cold=st.booleans(), fail_fast=st.booleans(), long=st.booleans())
    def start(self, resume: bool, cold: bool, fail_fast: bool, long: bool) -> None:
        self.world.start_run(resume=resume, cold=cold, fail_fast=fail_fast, seconds=1e6 if long else 500)

    @rule()
    def stop(self) -> None:
        self.world.stop_run()

    @rule(limit=limits, which=st.sampled_from(["", "array0", "array1"]))
    def limit(self, limit: int, which: str) -> None:
        self.world.set_limit(limit, which)
        self.limits[which] = limit

    @rule()
    def supply(self) -> None:
        self.world.supply()

    # Distributors.

    @rule(hears=heard)
    def lease(self, hears: bool) -> None:
        self.world.take_lease(heard=hears)

    @precondition(lambda self: any(one.fence < 0 for one in self.world.distributors))
    @rule(data=st.data(), hears=heard)
    def lease_again(self, data: st.DataObject, hears: bool) -> None:
        unsure = [one for one in self.world.distributors if one.fence < 0]
        self.world.take_lease(data.draw(st.sampled_from(unsure)), hears)

    @precondition(lambda self: self._leased())
    @rule(data=st.data(), hears=heard)
    def advance(self, data: st.DataObject, hears: bool) -> None:
        one = data.draw(st.sampled_from(self._leased()))
        before = self._active()
        self.world.advance(one, hears)
        for name, active in self._active().items():
            assert active <= max(before[name], self.limits[name]), f"I6: {active} active in {name!r}: {self.limits}"

    @precondition(lambda self: self._leased())
    @rule(data=st.data())
    def distributor_dies(self, data: st.DataObject) -> None:
        self.world.distributors.remove(data.draw(st.sampled_from(self.world.distributors)))

    @precondition(lambda self: self._handed())
    @rule(data=st.data(), answered=heard)
    def submit(self, data: st.DataObject, answered: bool) -> None:
        self.world.submit(*data.draw(st.sampled_from(self._handed())), answered)

    @precondition(lambda self: self._handed())
    @rule(data=st.data(), failure_class=st.sampled_from(["infrastructure", "policy", "fatal"]))
    def refuse(self, data: st.DataObject, failure_class: str) -> None:
        self.world.refuse(*data.draw(st.sampled_from(self._handed())), failure_class)

    @precondition(lambda self: any(one.cancel for one in self.world.distributors))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        wanted = [(one, job) for one in self.world.distributors for job in one.cancel]
        self.world.cancel(*data.draw(st.sampled_from(wanted)))

    @precondition(lambda self: any(one.suspects for one in self.world.distributors))
    @rule(data=st.data(), unsure=st.booleans())
    def look_at_suspect(self, data: st.DataObject, unsure: bool) -> None:
        suspects = [(one, job) for one in self.world.distributors for job in one.suspects]
        self.world.observe(*data.draw(st.sampled_from(suspects)), unsure)

    @precondition(lambda self: self._leased() and self.world.slots)
    @rule(data=st.data(), unsure=st.booleans())
    def look_at_any(self, data: st.DataObject, unsure: bool) -> None:
        batch_id, index = data.draw(st.sampled_from(sorted(self.world.slots)))
        batch = self.world.batches[batch_id]
        job = invariants_job(batch_id, index, batch.first_instance_id + index)
        self.world.observe(data.draw(st.sampled_from(self._leased())), job, unsure)

    # The cluster and its runners.

    @precondition(lambda self: self.world.waiting_slots())
    @rule(data=st.data(), claims=st.booleans(), hears=heard)
    def start_process(self, data: st.DataObject, claims: bool, hears: bool) -> None:
        runner = self.world.start_process(data.draw(st.sampled_from(self.world.waiting_slots())))
        if claims:
            self.world.claim(runner, hears)

    @precondition(lambda self: self._runners("starting"))
    @rule(data=st.data(), hears=heard)
    def claim(self, data: st.DataObject, hears: bool) -> None:
        self.world.claim(data.draw(st.sampled_from(self._runners("starting"))), hears)

    @precondition(lambda self: self._runners("running"))
    @rule(data=st.data(), reports=st.booleans(), hears=heard)
    def succeed(self, data: st.DataObject, reports: bool, hears: bool) -> None:
        runner = data.draw(st.sampled_from(self._runners("running")))
        self.world.finish(runner, "D")
        if reports:
            self.world.report(runner, hears)

    @precondition(lambda self: self._runners("running"))
    @rule(data=st.data(), end=failures, reports=st.booleans(), hears=heard)
    def fail(self, data: st.DataObject, end: tuple[str, str], reports: bool, hears: bool) -> None:
        runner = data.draw(st.sampled_from(self._runners("running")))
        self.world.finish(runner, *end)
        if reports:
            self.world.report(runner, hears)

    @precondition(lambda self: self._runners("ended"))
    @rule(data=st.data(), hears=heard)
    def report(self, data: st.DataObject, hears: bool) -> None:
        self.world.report(data.draw(st.sampled_from(self._runners("ended"))), hears)

    @precondition(lambda self: self._runners("running", "ended"))
    @rule(data=st.data(), hears=heard)
    def heartbeat(self, data: st.DataObject, hears: bool) -> None:
        self.world.heartbeat(data.draw(st.sampled_from(self._runners("running", "ended"))), hears)

    @precondition(lambda self: self._runners("starting", "running", "ended"))
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        self.world.crash(data.draw(st.sampled_from(self._runners("starting", "running", "ended"))))

    @precondition(lambda self: self._runners("starting", "running"))
    @rule(data=st.data())
    def requeue(self, data: st.DataObject) -> None:
        self.world.requeue(data.draw(st.sampled_from(self._runners("starting", "running"))))

    # The network and the clock.

    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        before = self._active()
        self.world.replay(data.draw(st.integers(0, len(self.world.sent) - 1)))
        for name, active in self._active().items():
            assert active <= max(before[name], self.limits[name]), f"I6: {active} active in {name!r}: {self.limits}"

    @rule(seconds=st.sampled_from([1, 31, 70, 300, 700]), server_up=st.booleans())
    def pass_time(self, seconds: int, server_up: bool) -> None:
        self.world.pass_time(seconds, server_up)

    # What holds.

    @invariant()
    def all_promises_are_kept(self) -> None:
        with self.database.engine.connect() as connection:
            invariants.check(connection)
            invariants.check_witness(connection, self.world.witness + self._ends_unknown())
        running = Counter(self.world.batches[r.batch_id].first_instance_id + r.index for r in self._runners("running"))
        assert all(count == 1 for count in running.values()), f"I2: attempts run twice at once: {running}"
        self._check_acknowledged()

    def _ends_unknown(self) -> list[str]:
        return []

    def _check_acknowledged(self) -> None:
        statuses = self.database.read(
            lambda c: dict(c.exec_driver_sql("SELECT id, status FROM task_instance").tuples().all())
        )
        for id, status in self.world.acknowledged.items():
            seen = statuses[id]
            assert seen == status or (status != "D" and seen == "F"), f"I8: {id} was {status}, is {seen}"

    def teardown(self) -> None:
        """In the end nothing is lost any more: the run ends, and a resume of it does what was left."""
        if not hasattr(self, "world"):
            return
        world = self.world
        for name in self.limits:
            world.set_limit(MAX_CONCURRENTLY_RUNNING, name)
        if world.run_status() in "BIOR":
            world.drain()
            self.all_promises_are_kept()
        if world.status() != "D":
            world.start_run(resume=True)
            world.drain()
            self.all_promises_are_kept()

        assert world.status() == "D"
        assert world.run_status() == "D"
        granted = Counter(line.split()[0] for line in world.witness if line.endswith("start"))
        assert all(count == 1 for count in granted.values())

    # What there is to choose from.

    def _leased(self) -> list[Any]:
        return [one for one in self.world.distributors if one.fence >= 0]

    def _handed(self) -> list[Any]:
        return [(one, batch) for one in self.world.distributors for batch in one.hand.values()]

    def _runners(self, *states: str) -> list[Runner]:
        return [runner for runner in self.world.runners if runner.state in states]

    def _active(self) -> Counter[str]:
        query = (
            "SELECT a.name, COUNT(*) FROM task t JOIN array a ON a.id = t.array_id "
            "WHERE t.status IN ('I', 'O', 'R') GROUP BY a.name"
        )
        rows = self.database.read(lambda c: c.exec_driver_sql(query).tuples().all())
        active = Counter({"array0": 0, "array1": 0} | dict(rows))
        active[""] = sum(active.values())
        return active


def invariants_job(batch_id: int, index: int, instance_id: int) -> Any:
    """A job as the server names it."""
    from jobmon.core.wire import Job

    return Job(
        instance_id=instance_id, batch_id=batch_id, index=index, name="", cluster="toy", job_id=f"job{batch_id}"
    )


@pytest.mark.promise("F08 F09 F10 F27 F28 F65 F75")
@pytest.mark.timeout(0 if LONG else 300)
def test_whatever_is_lost_repeated_or_killed_everything_is_done_once(tmp_path_factory: Any) -> None:
    Life.database = Database(f"sqlite:///{tmp_path_factory.mktemp('life')}/jobmon.db", "OFF")
    Life.database.create()
    try:
        run_state_machine_as_test(Life, settings=QUICK)
    finally:
        Life.database.dispose()
