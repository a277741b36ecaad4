"""The world around the server in one process: clients, distributors, a toy cluster, runners, a lossy network.

Nothing here runs by itself. Each method is one step that some process takes, up to and with one message to the
real store and engine; whether the answer arrives is up to the caller, and any message may be delivered again
later. The clock is a number. The cluster tells the truth: it calls an attempt gone when no process of it lives
and none will start any more.
"""

import contextlib
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core import wire
from jobmon.core.exceptions import (
    LeaseLost,
    WorkflowAlreadyComplete,
    WorkflowAlreadyExists,
    WorkflowRunStateError,
)
from jobmon.core.resources import Resources
from jobmon.server import downtime, reaper, tables
from jobmon.server.db import Database
from jobmon.server.engine.advance import advance
from jobmon.server.store import admin, bind, deferred, runs, work

RULES = work.Rules(secret=b"s" * 32, heartbeat_seconds=90, silence_seconds=279)
HOST = "login1"


@dataclass(frozen=True)
class Node:
    """One task of the graph: the positions of its upstreams, all of them smaller than its own."""

    upstreams: frozenset[int] = frozenset()
    array: int = 0
    max_attempts: int = 3
    deferred: bool = False


@dataclass
class Runner:
    """A process on the cluster that claims one attempt and runs its command."""

    id: str
    batch_id: int
    index: int
    instance_id: int
    state: str = "starting"  # running, ended (the outcome is not reported yet), gone
    token: str = ""
    outcome: wire.Outcome | None = None
    sequence: int = 0

    @property
    def lives(self) -> bool:
        return self.state != "gone"


@dataclass
class Slot:
    """One index of a job array: how many more processes will start for it, and the last one's end."""

    to_start: int = 1
    over: wire.Outcome | None = None


@dataclass
class Distributor:
    """A process that drives one run; what it has to report is kept until an answer arrives."""

    holder: str
    run_id: int
    fence: int = -1
    hand: dict[int, wire.Batch] = field(default_factory=dict)
    settled: dict[int, wire.Launched | wire.Refused] = field(default_factory=dict)
    launched: list[wire.Launched] = field(default_factory=list)
    refused: list[wire.Refused] = field(default_factory=list)
    observed: list[wire.Observed] = field(default_factory=list)
    cancel: list[wire.Job] = field(default_factory=list)
    suspects: list[wire.Job] = field(default_factory=list)
    status: str = "B"


class World:
    """A workflow on an empty database, and everybody who has to do with it."""

    def __init__(self, database: Database, nodes: Sequence[Node], limits: Sequence[int], chunk: int = 3) -> None:
        self.database = database
        self.at = 1_000_000.0
        self.paces: list[wire.Pace] = []
        self.nodes = nodes
        self.arrays = [f"array{i}" for i in range(len(limits))]
        self.unchecked = True  # something was written since a test looked
        self.sent: list[Callable[[], Any]] = []  # every message, to be delivered once more
        self.runs: list[int] = []
        self.distributors: list[Distributor] = []
        self.runners: list[Runner] = []
        self.slots: dict[tuple[int, int], Slot] = {}
        self.batches: dict[int, wire.Batch] = {}  # those the cluster was handed
        self.witness: list[str] = []
        self.acknowledged: dict[int, str] = {}  # ends of attempts that the server confirmed
        self._numbers = itertools.count(1)
        self._bind(limits, chunk)

    # The network.

    def write(self, unit: Callable[[Connection, float], Any]) -> Any:
        """One transaction at the present time."""
        self.unchecked = True
        return self.database.write(lambda connection: unit(connection, self.at))

    def send(self, unit: Callable[[Connection, float], Any]) -> Any:
        """Deliver a message and remember it. What a client may be told at any time is an answer: None."""
        deliver = lambda: self._delivered(unit)  # noqa: E731
        self.sent.append(deliver)
        return deliver()

    def _delivered(self, unit: Callable[[Connection, float], Any]) -> Any:
        try:
            return self.write(unit)
        except (WorkflowAlreadyExists, WorkflowAlreadyComplete, WorkflowRunStateError):
            return None

    def replay(self, number: int) -> None:
        """Deliver an earlier message once more; nobody hears the answer."""
        with contextlib.suppress(LeaseLost):
            self.sent[number]()

    # Clients.

    def _bind(self, limits: Sequence[int], chunk: int) -> None:
        gates = sorted({tuple(sorted(node.upstreams)) for node in self.nodes})
        request = wire.BindRequest(
            request_id=self._name("bind"), tool_name="tool", name="w", args="a", args_hash="a", description="",
            owner="ann", attributes={}, run_dir="/runs",
            templates=[
                wire.Template(name=name, command_template="", node_args=[], task_args=[], op_args=[], key=name)
                for name in self.arrays
            ],
            arrays=[
                wire.Array(template=i, name=name, max_concurrently_running=limits[i])
                for i, name in enumerate(self.arrays)
            ],
            resources=[
                wire.TaskResources(cluster="toy", requested=Resources(memory_bytes=100), scales={"memory": 1.0})
            ],
            task_count=len(self.nodes), gate_count=len(gates), identity_hash="i", order_hash="o", spec_hash="s",
        )  # fmt: skip
        bound = self.send(lambda c, at: bind.announce(c, request, at))
        self.workflow_id, self.first_task_id = bound.workflow_id, bound.first_task_id
        for index, first in enumerate(range(0, len(self.nodes), chunk)):
            part = self.nodes[first : first + chunk]
            last = first + chunk >= len(self.nodes)
            self._send_chunk(index, first, part, last, bound, gates)

    def _send_chunk(
        self,
        index: int,
        first: int,
        part: Sequence[Node],
        last: bool,
        bound: wire.BindAnswer,
        gates: Sequence[tuple[int, ...]],
    ) -> None:
        positions = range(first, first + len(part))
        members = [(task, number) for number, gate in enumerate(gates) for task in gate if task in positions]
        request = wire.ChunkRequest(
            index=index, last=last, first=first,
            array=[bound.array_ids[node.array] for node in part],
            gate=[gates.index(tuple(sorted(node.upstreams))) for node in part],
            resources=[bound.resources_ids[0]] * len(part),
            max_attempts=[node.max_attempts for node in part],
            name=[f"t{i}" for i in positions], command=["true"] * len(part), node_args=["{}"] * len(part),
            node_hash="".join(f"{i:032x}" for i in positions),
            deferred=[i for i, node in enumerate(part) if node.deferred],
            gate_first=0, gate_remaining=[len(gate) for gate in gates] if index == 0 else [],
            member_task=[task for task, _ in members], member_gate=[gate for _, gate in members],
        )  # fmt: skip
        self.send(lambda c, at: bind.add_chunk(c, bound.workflow_id, request, at))

    def start_run(
        self,
        *,
        resume: bool,
        cold: bool = False,
        fail_fast: bool = False,
        seconds: float = 1e6,
        heard: bool = True,
    ) -> None:
        """A client begins a run, or takes the workflow over; one that heard nothing asks once more."""
        request = wire.StartRunRequest(
            request_id=self._name("start"), user="ann", host=HOST, pid=1, version="4", fail_fast=fail_fast,
            seconds_until_timeout=seconds, resume=resume, reset_running_jobs=cold,
        )  # fmt: skip
        answer = self.send(lambda c, at: runs.start(c, self.workflow_id, request, at))
        if answer and not heard:
            again = self.sent[-1]()
            assert again == answer, f"F08: {answer} was the answer, and {again} to the same request once more"
        if answer:
            self.runs.append(answer.workflow_run_id)

    def stop_run(self) -> None:
        """Somebody stops the newest run."""
        run_id = self.runs[-1]
        self.send(lambda c, at: runs.end(c, run_id, "S", "stopped"))

    def set_limit(self, limit: int, array: str = "") -> None:
        """Somebody changes a limit."""
        request = wire.LimitRequest(max_concurrently_running=limit, array=array)
        self.write(lambda c, at: admin.set_limit(c, self.workflow_id, request))

    def supply(self) -> None:
        """The client computes resources for the tasks that wait for them."""
        waiting = self.column("SELECT id FROM task WHERE status = 'A' AND deferred ORDER BY id")
        fresh = wire.TaskResources(cluster="toy", requested=Resources(cores=2))
        request = wire.DeferredResources(task_ids=waiting, resources=[fresh] * len(waiting))
        self.send(lambda c, at: deferred.supply(c, self.workflow_id, request, at))

    def pass_time(self, seconds: float, server_up: bool = True, driver: Distributor | None = None) -> None:
        """The clock goes on. A server that is up has its rounds; one that was away has one when it is back.

        `driver` goes on asking, so that its run is not given up.
        """
        steps = math.ceil(seconds / downtime.LONGEST_PAUSE_SECONDS) if server_up else 1
        for _ in range(steps):
            self.at += seconds / steps
            self.write(downtime.forgive)
            self.write(reaper.reap)
            if driver in self.distributors:
                self.advance(driver)

    # Distributors.

    def take_lease(self, distributor: Distributor | None = None, heard: bool = True) -> None:
        """A new distributor (or one that got no answer) asks for the lease of the newest run."""
        if distributor is None:
            distributor = Distributor(self._name("distributor"), self.runs[-1])
            self.distributors.append(distributor)
        one = distributor
        request = wire.LeaseRequest(holder=one.holder, host=HOST, pid=2, version="4")
        table = tables.workflow_run
        query = sa.select(table.c.holder, table.c.deadline_at).where(table.c.id == one.run_id)
        before = self.database.read(lambda c: c.execute(query).one())
        others = before.holder not in ("", one.holder) and before.deadline_at > self.at
        try:
            answer = self.send(lambda c, at: runs.take_lease(c, one.run_id, request, at))
        except LeaseLost:
            answer = None
        assert not (answer and others), f"F65: {one.holder} was given the lease that {before.holder} still has"
        if answer and heard:
            one.fence = answer.fence
        elif heard:
            self.distributors.remove(one)

    def advance(self, one: Distributor, heard: bool = True) -> None:
        """A distributor reports and asks what to do."""
        request = wire.AdvanceRequest(
            fence=one.fence, in_hand=list(one.hand), launched=list(one.launched), refused=list(one.refused),
            observed=list(one.observed), paces=self.paces,
        )  # fmt: skip
        try:
            step = self.send(lambda c, at: advance(c, one.run_id, request, at))
        except LeaseLost:
            step = None
        if not heard:
            return
        if step is None:
            self.distributors.remove(one)
            return
        assert self._holds(one), f"F65: {one.holder} was answered, and {one.fence} is not the newest fence"
        answer = step.answer
        one.status, one.cancel, one.suspects = answer.status, answer.cancel, answer.suspects
        one.launched, one.refused, one.observed = [], [], []
        for batch in answer.submit:
            if batch.batch_id in one.settled:
                self._report(one, one.settled[batch.batch_id])
            else:
                one.hand[batch.batch_id] = batch

    def _holds(self, one: Distributor) -> bool:
        query = sa.select(tables.workflow_run.c.holder).where(tables.workflow_run.c.id == one.run_id)
        return bool(self.database.read(lambda c: c.execute(query).scalar_one()) == one.holder)

    def _report(self, one: Distributor, report: wire.Launched | wire.Refused) -> None:
        if isinstance(report, wire.Launched):
            one.launched.append(report)
        else:
            one.refused.append(report)

    def submit(self, one: Distributor, batch: wire.Batch, answered: bool = True) -> None:
        """A batch goes to the cluster, unless it is there already or none of it is wanted any more."""
        unwanted = {job.instance_id for job in one.cancel}
        attempts = range(batch.first_instance_id, batch.first_instance_id + batch.size)
        if batch.batch_id not in self.batches:
            if all(id in unwanted for id in attempts):
                self._settle(one, batch, refusal(batch, "killed"))
                return
            self.batches[batch.batch_id] = batch
            self.slots.update({(batch.batch_id, index): Slot() for index in range(batch.size)})
        if answered:
            self._settle(one, batch, wire.Launched(batch_id=batch.batch_id, job_id=f"job{batch.batch_id}"))

    def refuse(self, one: Distributor, batch: wire.Batch, failure_class: str) -> None:
        """The cluster does not take a batch, which it can only say of one that it does not have."""
        if batch.batch_id not in self.batches:
            self._settle(one, batch, refusal(batch, failure_class))

    def _settle(self, one: Distributor, batch: wire.Batch, report: wire.Launched | wire.Refused) -> None:
        one.hand.pop(batch.batch_id, None)
        one.settled[batch.batch_id] = report
        self._report(one, report)

    def observe(self, one: Distributor, job: wire.Job, unsure: bool = False) -> None:
        """The distributor asks the cluster about an attempt."""
        if unsure:
            one.observed.append(wire.Observed(instance_id=job.instance_id, state="unknown"))
        else:
            one.observed.append(self._truth(job.batch_id, job.index, job.instance_id))

    def _truth(self, batch_id: int, index: int, instance_id: int) -> wire.Observed:
        slot = self.slots.get((batch_id, index), Slot(to_start=0))
        if any(runner.lives for runner in self.processes(batch_id, index)):
            return wire.Observed(instance_id=instance_id, state="running")
        if slot.to_start:
            return wire.Observed(instance_id=instance_id, state="pending")
        if slot.over is None:
            return wire.Observed(instance_id=instance_id, state="gone")
        fields = {"status": slot.over.status, "failure_class": slot.over.failure_class}
        return wire.Observed(instance_id=instance_id, state="over", **fields)

    def cancel(self, one: Distributor, job: wire.Job) -> None:
        """The cluster ends an attempt, which then is gone."""
        if job.batch_id in one.hand:
            return
        if slot := self.slots.get((job.batch_id, job.index)):
            slot.to_start = 0
        for runner in self.processes(job.batch_id, job.index):
            runner.state = "gone"
        one.observed.append(self._truth(job.batch_id, job.index, job.instance_id))

    # The cluster and its runners.

    def processes(self, batch_id: int, index: int) -> list[Runner]:
        """All processes that the cluster ever started for one index of a job array."""
        return [runner for runner in self.runners if (runner.batch_id, runner.index) == (batch_id, index)]

    def waiting_slots(self) -> list[tuple[int, int]]:
        """What the cluster may start now."""
        return [place for place, slot in self.slots.items() if slot.to_start]

    def tenant(self, batch_id: int, index: int) -> int:
        """The attempt that was started in a place last, else the one it was made for."""
        ours = [runner for runner in self.processes(batch_id, index) if runner.token]
        own = self.batches[batch_id].first_instance_id + index
        return ours[-1].instance_id if ours else own

    def start_process(self, place: tuple[int, int]) -> Runner:
        """The cluster starts a process for an index of a job array."""
        self.slots[place].to_start -= 1
        batch_id, index = place
        instance_id = self.batches[batch_id].first_instance_id + index
        self.runners.append(Runner(self._name("runner"), batch_id, index, instance_id))
        return self.runners[-1]

    def requeue(self, runner: Runner) -> None:
        """The cluster believes the process lost and will start another, though it may well live."""
        self.slots[runner.batch_id, runner.index].to_start += 1

    def _work(self, runner: Runner, **parts: Any) -> wire.WorkAnswer | None:
        runner.sequence += 1
        request = wire.WorkRequest(runner=runner.id, node="n1", sequence=runner.sequence, **parts)
        answer = self.send(lambda c, at: work.work(c, request, RULES, at))
        return answer[0] if answer else None

    def claim(self, runner: Runner, heard: bool = True) -> None:
        """A process asks to start its command, and starts it when it hears that it may."""
        claim = wire.Claim(batch_id=runner.batch_id, start=runner.index)
        answer = self._work(runner, claims=[claim])
        if not heard or answer is None:
            return
        for grant in answer.grants:
            self._start(runner, grant)
        for denial in answer.denials:
            assert not self._belongs(denial, runner), f"F08: {runner.id} was granted {denial} and asked again"
            runner.state = "gone" if denial.verdict == "gone" else runner.state

    def _belongs(self, denial: wire.Denial, runner: Runner) -> bool:
        table = tables.task_instance
        query = sa.select(table).where(table.c.id == denial.instance_id)
        row = self.database.read(lambda c: c.execute(query).one())
        return row.runner == runner.id and row.status in "RT"

    def _start(self, runner: Runner, grant: wire.Grant) -> None:
        runner.state, runner.instance_id, runner.token = "running", grant.instance_id[0], grant.token[0]
        self.witness.append(f"{runner.instance_id} {runner.id} start")

    def finish(self, runner: Runner, status: str, failure_class: str = "") -> None:
        """A command ends by itself."""
        if status == "D":
            self.witness.append(f"{runner.instance_id} {runner.id} end")
        self._end(runner, status, failure_class)

    def _end(self, runner: Runner, status: str, failure_class: str) -> None:
        runner.state = "ended"
        runner.outcome = wire.Outcome(
            instance_id=runner.instance_id, token=runner.token, status=status, failure_class=failure_class,
            message="" if status == "D" else "it failed",
        )  # fmt: skip
        self.slots[runner.batch_id, runner.index].over = runner.outcome

    def report(self, runner: Runner, heard: bool = True, goes_on: bool = False) -> None:
        """A process tells how its command ended, and goes when it hears that this is known.

        If it `goes_on` it asks, after a good end, for a further attempt, which it starts in its own place.
        """
        assert runner.outcome is not None
        further = [wire.Claim(batch_id=runner.batch_id, start=runner.index, further=True)]
        goes_on &= runner.outcome.status == "D"
        answer = self._work(runner, outcomes=[runner.outcome], claims=further if goes_on else [])
        if heard and answer:
            runner.state = "gone"
            if not answer.late:
                self.acknowledged[runner.instance_id] = runner.outcome.status
            for grant in answer.grants:
                self._start(runner, grant)

    def heartbeat(self, runner: Runner, heard: bool = True) -> None:
        """A sign of life; the answer may be that the command must stop."""
        answer = self._work(runner, alive=[runner.instance_id])
        if heard and answer and runner.instance_id in answer.stop and runner.state == "running":
            self._end(runner, "F", "killed")

    def crash(self, runner: Runner) -> None:
        """A process and its command end without a word."""
        runner.state = "gone"

    # What a test wants to know.

    def column(self, query: str) -> list[Any]:
        """The first column of a query."""
        return self.database.read(lambda c: list(c.execute(sa.text(query)).scalars()))

    def status(self) -> str:
        """The status of the workflow."""
        query = sa.select(tables.workflow.c.status)
        return self.database.read(lambda c: c.execute(query).scalar_one())

    def run_status(self) -> str:
        """The status of the newest run."""
        query = sa.select(tables.workflow_run.c.status).order_by(tables.workflow_run.c.id.desc()).limit(1)
        return self.database.read(lambda c: c.execute(query).scalar_one())

    def _name(self, kind: str) -> str:
        return f"{kind}{next(self._numbers)}"

    # How it all comes to an end when everybody does his best.

    def drain(self, rounds: int = 400) -> None:
        """Nothing is lost or breaks any more, and every command succeeds, until the run is over.

        A round is a minute, so that a job which ended before its worker spoke is asked about after six hours.
        """
        self.distributors.clear()
        self.pass_time(runs.LEASE_SECONDS)
        if self.run_status() not in "BIOR":
            return
        self.take_lease()
        one = self.distributors[-1]
        for _ in range(rounds):
            self.advance(one)
            if one.status not in "BIOR":
                return
            self.cooperate(one)
            self.pass_time(60)
        raise AssertionError(f"the run is still in {one.status} after {rounds} rounds")

    def cooperate(
        self, one: Distributor, finish: bool = True, end: Callable[[], tuple[str, str]] = lambda: ("D", "")
    ) -> None:
        """One round in which everybody does what he should; with `finish`, running commands end so."""
        for batch in list(one.hand.values()):
            self.submit(one, batch)
        for job in one.cancel:
            self.cancel(one, job)
        for job in one.suspects:
            self.observe(one, job)
        for place in self.waiting_slots():
            self.start_process(place)
        for runner in self.runners:
            if runner.state == "starting":
                self.claim(runner)
            if runner.state == "running":
                self.heartbeat(runner)
            if runner.state == "running" and finish:
                self.finish(runner, *end())
            if runner.state == "ended":
                self.report(runner, goes_on=True)
        self.supply()


def refusal(batch: wire.Batch, failure_class: str) -> wire.Refused:
    """The cluster's word that it does not have this batch."""
    return wire.Refused(batch_id=batch.batch_id, failure_class=failure_class, message="no")


TABLES = [table.name for table in reversed(tables.metadata.sorted_tables)]
FILLED = " UNION ALL ".join(f"SELECT '{name}' FROM (SELECT 1 FROM {name} LIMIT 1) {name}_" for name in TABLES)


def wipe(database: Database) -> None:
    """An empty database, quicker than a new one."""
    with database.engine.begin() as connection:
        for name in connection.exec_driver_sql(FILLED).scalars().all():
            connection.exec_driver_sql(f"DELETE FROM {name}")
