"""Grid Engine, real or not, as its users see it: the same adapter, but for where commands and library are."""

import os
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from clusters.sge import SgeCluster
from clusters.sharing import folder_of_the_run, shared
from fakes.drmaa import FakeGridEngine
from jobmon.core.cluster import ClusterKind, Connection
from jobmon_conformance.bench import BY_HAND, MEMORY, NUMBERS, SHARES, Bench
from jobmon_conformance.home import Home
from jobmon_conformance.processes import found, kill
from jobmon_drmaa.cluster import GridEngineCluster

HASTE = 60.0  # seconds that a hasty connection believes to have passed in one
QUICK = {
    "POLL_SECONDS": "0.5",
    "POLL_SECONDS_MAX": "1",
    "VANISH_SECONDS": "1",
    "REQUESTS_PER_SECOND": "50",
    "BURST": "50",
}


class GridEngine(Bench):
    """One node; a queue of 32 slots and one of 8 slots and 5 minutes."""

    cluster = "sge"
    wide = {"cores": 8, "memory": "800M", "runtime": "1h"}
    at_once = 4
    abilities = frozenset({BY_HAND, NUMBERS, SHARES, MEMORY})

    @property
    def environment(self) -> dict[str, str]:
        return {f"JOBMON__CLUSTERS__SGE__{name}": text for name, text in {**QUICK, **self.options}.items()}

    @property
    @abstractmethod
    def options(self) -> dict[str, str]:
        """The options of the cluster that say where it is."""

    @abstractmethod
    def run(self, *words: str) -> str:
        """What a command of Grid Engine prints."""

    def alive(self, home: Home) -> set[str]:
        own = set(home.column("SELECT name FROM batch"))
        jobs = ElementTree.fromstring(self.run("qstat", "-xml", "-u", "*")).iter("job_list")
        named = ((str(job.findtext("JB_name")), job) for job in jobs)
        shown = ("JB_job_number", "tasks", "state")
        return {" ".join(str(job.findtext(one)) for one in shown) for name, job in named if name in own}

    def cancel(self, job_id: str, index: int) -> None:
        self.run("qdel", f"{job_id}.{index + 1}")

    def kill_worker(self, home: Home, job_id: str, index: int) -> None:
        task = (f"JOB_ID={job_id}", f"SGE_TASK_ID={index + 1}")
        ours = set(found(*task, line=f"{home.data_dir}/clusters/"))
        kill(*ours.intersection(found(*task, line="--node=")))  # not the script that has started it

    def connect_hasty(self, kind: ClusterKind, connection: Connection) -> GridEngineCluster:
        return GridEngineCluster.connected(connection, clock=lambda: time.monotonic() * HASTE)


class Fake(GridEngine):
    """The fake one, with scripts that are really run."""

    many = 1000 if os.environ.get("JOBMON_TEST_LONG") else 200

    def start(self, opening: ExitStack) -> None:
        self._sge = opening.enter_context(FakeGridEngine(self.folders.mktemp("fake")))

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(self._sge.module), str(Path(__file__).parents[1])])
        return super().environment | {"PYTHONPATH": path}

    @property
    def options(self) -> dict[str, str]:
        return {"BIN_DIR": str(self._sge.path)}

    def run(self, *words: str) -> str:
        return _succeeded(words, *self._sge.call(words))


class Real(GridEngine):
    """The real one that all tests of a session share."""

    many = 60

    def start(self, opening: ExitStack) -> None:
        self._sge = opening.enter_context(shared(partial(SgeCluster, folder_of_the_run(self.folders) / "sge")))

    @property
    def options(self) -> dict[str, str]:
        site = self._sge.site
        where = {"ROOT": str(site.root), "BIN_DIR": str(site.programs)}
        return where | {f"{name.upper()}_PORT": str(port) for name, port in site.ports.items()}

    def run(self, *words: str) -> str:
        done = self._sge.run(*words)
        return _succeeded(words, done.returncode, done.stdout, done.stderr)


def _succeeded(words: Sequence[str], code: int, out: str, err: str) -> str:
    if code:
        raise subprocess.CalledProcessError(code, words, out, err)
    return out
