"""PBS as its users see it: how the conformance suite gets hold of the fake."""

import os
import time
from contextlib import ExitStack

from fake_pbs import FakePbs
from jobmon.core.cluster import Cluster, ClusterKind, Connection
from jobmon_conformance.bench import BY_HAND, NUMBERS, SHARES, Bench
from jobmon_conformance.home import Home
from jobmon_conformance.processes import found, kill
from jobmon_pbs import connect

HASTE = 60.0  # seconds that a hasty connection believes to have passed in one
QUICK = {
    "POLL_SECONDS": "0.5",
    "POLL_SECONDS_MAX": "1",
    "LAG_SECONDS": "1",
    "VANISH_SECONDS": "1",
    "REQUESTS_PER_SECOND": "50",
    "BURST": "50",
}


class Pbs(Bench):
    """One node with 64 cores."""

    cluster = "pbs"
    abilities = frozenset({BY_HAND, NUMBERS, SHARES})
    many = 60
    wide = {"cores": 16}
    at_once = 4

    def start(self, opening: ExitStack) -> None:
        self._pbs = opening.enter_context(FakePbs(self.folders.mktemp("pbs"), cores=64))

    @property
    def environment(self) -> dict[str, str]:
        options = {f"JOBMON__CLUSTERS__PBS__{name}": value for name, value in QUICK.items()}
        return options | {"PATH": f"{self._pbs.path}{os.pathsep}{os.environ['PATH']}"}

    def alive(self, home: Home) -> set[str]:
        own = set(home.column("SELECT name FROM batch"))
        return {one.id for one in self._pbs.subjobs if one.asked.name in own and not one.is_over}

    def cancel(self, job_id: str, index: int) -> None:
        self._pbs.answer("qdel", [f"{job_id}[{index}]"], "/")

    def kill_worker(self, home: Home, job_id: str, index: int) -> None:
        kill(*found(f"PBS_JOBID={job_id}[{index}].fake", line=f"{home.data_dir}/clusters/"))

    def connect_hasty(self, kind: ClusterKind, connection: Connection) -> Cluster:
        return connect(connection, clock=lambda: time.monotonic() * HASTE)
