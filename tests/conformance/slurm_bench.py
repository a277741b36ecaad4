"""Slurm, real or not, as its users see it: the same adapter, but for where the commands are."""

import os
import subprocess
import time
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from clusters.sharing import folder_of_the_run, shared
from clusters.slurm import SlurmCluster as Daemons
from fakes.slurm import FakeSlurm
from jobmon.core.cluster import ClusterKind, Connection
from jobmon_conformance.bench import BY_HAND, MEMORY, NUMBERS, SHARES, Bench
from jobmon_conformance.home import Home
from jobmon_conformance.processes import found, kill
from jobmon_slurm.cluster import SlurmCluster

HASTE = 60.0  # seconds that a hasty connection believes to have passed in one
QUICK = {
    "POLL_SECONDS": "0.5",
    "POLL_SECONDS_MAX": "1",
    "LAG_SECONDS": "1",
    "VANISH_SECONDS": "1",
    "REQUESTS_PER_SECOND": "50",
    "BURST": "50",
}


class Slurm(Bench):
    """Four nodes with 16 CPUs each."""

    cluster = "slurm"
    wide = {"cores": 16, "memory": "100M"}
    at_once = 4

    @property
    def environment(self) -> dict[str, str]:
        return {f"JOBMON__CLUSTERS__SLURM__{name}": text for name, text in {**QUICK, **self.options}.items()}

    @property
    @abstractmethod
    def options(self) -> dict[str, str]:
        """The options of the cluster that say where it is."""

    @abstractmethod
    def run(self, *words: str) -> str:
        """What a command of Slurm prints."""

    def alive(self, home: Home) -> set[str]:
        own = set(home.column("SELECT name FROM batch"))
        rows = (row.split(" ", 1) for row in self.run("squeue", "-h", "-r", "-o", "%j %F_%K %T").splitlines())
        return {job for name, job in rows if name in own}

    def cancel(self, job_id: str, index: int) -> None:
        self.run("scancel", f"{job_id}_{index}")

    def kill_worker(self, home: Home, job_id: str, index: int) -> None:
        task = (f"SLURM_ARRAY_JOB_ID={job_id}", f"SLURM_ARRAY_TASK_ID={index}")
        kill(*found(*task, line=f"{home.data_dir}/clusters/"))

    def connect_hasty(self, kind: ClusterKind, connection: Connection) -> SlurmCluster:
        return SlurmCluster.connected(connection, clock=lambda: time.monotonic() * HASTE)


class Fake(Slurm):
    """The fake one, in real time, with scripts that are really run."""

    abilities = frozenset({BY_HAND, NUMBERS, SHARES})
    many = 1000 if os.environ.get("JOBMON_TEST_LONG") else 200

    def start(self, opening: ExitStack) -> None:
        self._slurm = opening.enter_context(FakeSlurm(self.folders.mktemp("fake"), nodes=4, kill_wait=2))

    @property
    def options(self) -> dict[str, str]:
        return {"BIN_DIR": str(self._slurm.path), "BACKEND": "commands"}

    def run(self, *words: str) -> str:
        return _succeeded(words, *self._slurm.call(words))


class Real(Slurm):
    """The real one that all tests of a session share."""

    abilities = frozenset({BY_HAND, NUMBERS, SHARES, MEMORY})
    many = 60

    def start(self, opening: ExitStack) -> None:
        folder = folder_of_the_run(self.folders) / "slurm"
        self._slurm = opening.enter_context(shared(partial(Daemons, folder)))

    def lacks(self, ability: str) -> str:
        enforced_by = self._slurm.memory_enforced_by
        return enforced_by if ability == MEMORY and enforced_by != "cgroup/v1" else ""

    @property
    def options(self) -> dict[str, str]:
        return {"CONF": self._slurm.environment["SLURM_CONF"], "BACKEND": "commands"}

    def run(self, *words: str) -> str:
        done = self._slurm.run(*words)
        return _succeeded(words, done.returncode, done.stdout, done.stderr)


def _succeeded(words: Sequence[str], code: int, out: str, err: str) -> str:
    if code:
        raise subprocess.CalledProcessError(code, words, out, err)
    return out
