"""A run of many tasks on the fake Slurm in virtual time: real store, engine, plan and plugin, but no processes.

What workers say is delivered in bulk: this counts what Slurm is asked, and not what HTTP or processes cost.
"""

import re
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Sample
from fakes.slurm import FakeSlurm, Node, Simulated, Task
from faults.world import RULES, World
from faults.world import Node as Leaf
from jobmon.core import wire
from jobmon.core.cluster import Connection
from jobmon.distributor.desk import Desk
from jobmon.distributor.outbox import Outbox
from jobmon.distributor.plan import Plan
from jobmon.server.db import Database
from jobmon.server.engine.advance import advance
from jobmon.server.store.work import work
from jobmon_slurm.api import Slurm
from jobmon_slurm.cluster import SlurmCluster
from jobmon_slurm.commands import Commands
from jobmon_slurm.limits import read_limits
from jobmon_slurm.options import Options

SLOTS = 5000
TASK_SECONDS = 600.0
STEP_SECONDS = 5.0
RUNNER = "all-nodes"
START = 1_000_000.0  # when a World begins


class Nodes:
    """All nodes as one runner: what started and ended since the last word to the server."""

    def __init__(self) -> None:
        """Nothing runs."""
        self.started: list[wire.Claim] = []
        self.ended: list[wire.Claim] = []
        self._tokens: dict[tuple[int, int], tuple[int, str]] = {}
        self._sequence = 0

    def behave(self, name: str, index: int | None, argv: Sequence[str]) -> Simulated:
        """Ten minutes for every task."""
        batch_id = int(next(word for word in argv if word.startswith("--batch-id=")).partition("=")[2])
        claim = wire.Claim(batch_id=batch_id, start=index or 0)

        def begin(_: Task) -> None:
            self.started.append(claim)

        def end(_: Task) -> None:
            self.ended.append(claim)

        return Simulated(TASK_SECONDS, on_start=begin, on_end=end)

    def tell(self, database: Database, at: float) -> None:
        """Outcomes and claims, in one request each."""
        self._sequence += 1
        outcomes = []
        for one in self.ended:
            instance_id, token = self._tokens.pop((one.batch_id, one.start))
            outcomes.append(wire.Outcome(instance_id=instance_id, token=token, status="D"))
        request = wire.WorkRequest(
            runner=RUNNER, node="n1", sequence=self._sequence, outcomes=outcomes, claims=self.started,
            alive=[instance_id for instance_id, _ in self._tokens.values()],
        )  # fmt: skip
        self.started, self.ended = [], []
        answer, _ = database.write(lambda c: work(c, request, RULES, at))
        for grant in answer.grants:
            for index, instance_id, token in zip(grant.index, grant.instance_id, grant.token, strict=True):
                self._tokens[grant.batch_id, index] = (instance_id, token)


def measure(count: int) -> Sample:
    """Requests to the controller a second, and what it would be with nothing but arrays and rare looks."""
    nodes = Nodes()
    with tempfile.TemporaryDirectory(prefix="jobmon-virtual-") as name:
        folder = Path(name)
        machine = Node("n1", cpus=SLOTS, memory_mb=10**9)
        with FakeSlurm(
            folder,
            [machine],
            real_time=False,
            start=START,
            behave=nodes.behave,
            max_array_size=100_000,
            max_job_count=1_000_000,
        ) as fake:
            began = fake.now
            _drive(fake, nodes, folder, count)
            seconds, asked = fake.now - began, fake.rpcs
    ours = {
        kind: number for kind, number in asked.items() if re.search("SUBMIT|JOB|KILL|BUILD|PARTITION|NODE", kind)
    }
    total = sum(ours.values())
    floor = (count / 1000 + seconds / 180) / seconds
    return Sample(total / seconds, floor, {"total": total, "virtual_seconds": seconds})


def _drive(fake: FakeSlurm, nodes: Nodes, folder: Path, count: int) -> None:
    database = Database(f"sqlite:///{folder}/jobmon.db", "OFF")
    database.create()
    world = World(database, [Leaf()] * count, [SLOTS], chunk=10_000)
    world.start_run(resume=False)
    world.take_lease()
    run, outbox = world.distributors[0], Outbox()
    clock = lambda: fake.now  # noqa: E731
    options = Options()
    commands = Commands(start=lambda argv, environment, seconds: fake.call(argv, environment, timeout=seconds))
    slurm = Slurm(commands, options, sleep=fake.advance, clock=clock)
    connection = Connection(
        options=options, service_url="http://127.0.0.1:1", token_file="", state_dir=folder, shared_dir=folder,
        workflow_id=1, python="python3", worker_argv=("python3", "worker"),
    )  # fmt: skip
    cluster = SlurmCluster(connection, slurm, read_limits(slurm.config(), None, options), clock)
    desk = Desk("toy", Plan(outbox.add), lambda: cluster, threading.Condition(), lambda: True, clock)
    desk.plan.taken_over([], clock())
    while True:
        paces = [pace] if (pace := desk.pace()) else []
        request = outbox.take(run.fence, desk.plan.in_hand, paces, "", 0)
        answer = database.write(lambda c: advance(c, run.run_id, request, clock())).answer  # noqa: B023
        outbox.told(request)
        if answer.status not in "BIOR":
            break
        busy = bool(desk.plan.told(answer.submit, answer.cancel, answer.suspects, clock(), answer.active > 0))
        while action := desk.plan.next(clock()):
            desk._perform(action)(clock())
            busy = busy or type(action).__name__ != "Listen"
        if nodes.started or nodes.ended:
            nodes.tell(database, clock())
        elif not (busy or answer.more):
            fake.advance(STEP_SECONDS)
    database.dispose()
    assert answer.status == "D", answer.status
