"""The fake Slurm as a test uses it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fakes.scheduler.clock import Clock
from fakes.scheduler.fake import Fake
from fakes.slurm import states
from fakes.slurm.deeds import Deeds
from fakes.slurm.placement import Placement
from fakes.slurm.plan import Behaviour, Plan, RunScript, Simulated
from fakes.slurm.records import Job, Node, Partition
from fakes.slurm.server import SlurmServer
from fakes.slurm.settings import Settings

COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo", "sacctmgr", "sdiag")


class FakeSlurm(Fake, Deeds):
    """A cluster with the commands of Slurm 22.05 in front of it; a context manager.

    folder     gets the executables (`path`) and the copies of batch scripts
    nodes      how many n1, n2 ..., or Node records
    partitions without any there is one, "all"
    real_time  False: time goes on by `advance` alone, and tasks are simulated unless `behave` says otherwise
    speed      seconds of Slurm's in a real second
    behave     what a task does, by (job name, index, script with its arguments); nobody is answered meanwhile
    settings   fields of Settings
    """

    _server: SlurmServer

    def __init__(
        self,
        folder: Path,
        nodes: int | Iterable[Node] = 2,
        partitions: Iterable[Partition] = (),
        real_time: bool = True,
        speed: float = 1,
        start: float | None = None,
        behave: Behaviour | None = None,
        first_id: int = 1,
        **settings: Any,
    ) -> None:
        machines = [Node(f"n{i + 1}") for i in range(nodes)] if isinstance(nodes, int) else list(nodes)
        default: Plan = RunScript() if real_time else Simulated()
        self.settings = Settings(**settings)
        clock = Clock(speed if real_time else 0, start)
        placement = Placement(machines, list(partitions) or [Partition("all", is_default=True)])
        server = SlurmServer(self.settings, clock, placement, behave or (lambda *_: default), folder / "spool")
        self._controller = server.controller
        self._controller.register.next_id = first_id
        super().__init__("Slurm", folder / "bin", COMMANDS, server, self._controller, real_time)

    # What there is.

    @property
    def rpcs(self) -> dict[str, int]:
        """What sdiag counts."""
        return dict(self._server.rpcs)

    @property
    def jobs(self) -> list[Job]:
        """All that were taken and not lost, those that are over as well."""
        with self._controller.lock:
            return [job for jobs in self._controller.register.ledger.values() for job in jobs]

    def state(self, reference: str) -> str:
        """Of 14 or 14_3; the true one, whatever the commands say."""
        with self._controller.lock:
            return self._one(reference).state

    def states(self, job_id: int) -> dict[int | None, str]:
        """Of every task of a job."""
        with self._controller.lock:
            job = self._controller.register.ledger[job_id][-1]
            known = {index: part.state for index, part in job.parts.items()}
            rest = job.rest.state if job.rest else states.PENDING
            return known | (dict.fromkeys(job.remaining, rest) if job.is_array else {})

    def pid(self, reference: str) -> int:
        """Of the batch script of a running task."""
        with self._controller.lock:
            return int(self._one(reference).execution.pid)

    def shown(self) -> str:
        return f"jobs: {[self.states(job.job_id) for job in self.jobs]}"
