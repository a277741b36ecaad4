"""One Slurm cluster in a folder: up, down, faults."""

import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from clusters.cluster import Cluster
from clusters.process import Daemon, kill_all
from clusters.slurm import clients, configuration, leftovers
from clusters.slurm import site as sites
from clusters.slurm.clients import SlurmError
from clusters.slurm.daemons import daemons, environment, make_database
from clusters.slurm.packages import programs

CANCEL_SECONDS = 10.0


class SlurmCluster(Cluster):
    """A cluster of four nodes with 16 CPUs and 4000 MB each.

    Partition `all` (the default one) has every node and 4 hours, `short` has two nodes, 5 minutes, 1000 MB a node.
    A daemon is called munged, mariadbd, slurmdbd, slurmctld or `slurmd n1` (to n4).
    What a cluster does is in `log` in its folder, also after `down`.
    """

    start_seconds = 150.0
    broken = SlurmError

    def __init__(
        self, folder: Path, options: Mapping[str, object] | None = None, limits: Mapping[str, object] | None = None
    ) -> None:
        """A cluster that is up in this folder, or that `up` makes there.

        `options` take the place of lines of slurm.conf: {"MaxArraySize": 11, "MinJobAge": 2}.
        `limits` are enforced on the user's association: {"MaxSubmitJobs": 3}.
        """
        super().__init__(folder)
        self._limits = dict(limits or {})
        enforced = {"AccountingStorageEnforce": "associations,limits"} if limits else {}
        self._options = {**enforced, **(options or {})}
        self._programs = programs()

    @property
    def site(self) -> sites.Site:
        site = sites.load(self.folder)
        if site is None:
            raise SlurmError(f"there is no cluster in {self.folder}: `up` makes one")
        return site

    @property
    def environment(self) -> dict[str, str]:
        """What a client of this cluster needs in its environment."""
        return {"SLURM_CONF": str(self.site.slurm_conf)}

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names that Slurm knows the nodes by; n1 to n4 mean the same in this class."""
        return self.site.nodes

    @property
    def memory_enforced_by(self) -> str:
        """`cgroup/v1`: a job above its memory is OUT_OF_MEMORY; `OverMemoryKill`: FAILED, if seen in time."""
        return self.site.memory_enforced_by

    def up(self) -> bool:
        """Start what is not running, wait until jobs can run; False when all of it was running."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._alone():
            if sites.load(self.folder) and all(daemon.pid for daemon in self._daemons().values()):
                self.wait_until_ready()
                return False
            site = sites.load(self.folder) or sites.choose(self.folder)
            try:
                self._start_all(site)
            except BaseException:
                self._end_all()
                raise
            return True

    def down(self) -> None:
        """End every daemon, then what jobs left; the logs stay."""
        if sites.load(self.folder):
            with self._alone():
                self._end_all()

    def start(self, name: str) -> None:
        """Start one daemon, wait until it answers."""
        daemon = self._daemon(name)
        if daemon.pid is None:
            daemon.start(environment(self.site))
        self._wait(lambda: clients.answers(self.site, daemon.name), f"{daemon.name} does not answer", daemon)

    def kill_slurmstepd(self, node: str) -> list[int]:
        """SIGKILL to what watches over the jobs of a node; gives their pids. The jobs' own processes live on."""
        pids = leftovers.slurmstepds(self.site, self._node(node))
        kill_all(pids)
        self._wait(lambda: leftovers.are_gone(pids), f"slurmstepd {pids} of {node} did not end")
        return pids

    def run(
        self, *command: object, timeout: float = 60.0, check: bool = False, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a client; `check` makes a failure a SlurmError."""
        return clients.run(self.site, *command, timeout=timeout, check=check, stdin=stdin)

    def scontrol(self, *arguments: object) -> str:
        return self.run("scontrol", *arguments, check=True).stdout

    def sacctmgr(self, *arguments: object) -> str:
        return self.run("sacctmgr", "--immediate", "--quiet", *arguments, check=True).stdout

    def wait_until_ready(self) -> None:
        """Until the controller answers, every node is up, accounting answers."""
        control = self._daemon("slurmctld")
        self._wait(lambda: clients.answers(self.site, "slurmctld"), "slurmctld does not answer", control)
        self._wait(
            lambda: clients.nodes_are_up(self.site), "not every node is up", control, self._daemon("slurmd n1")
        )
        self._wait(
            lambda: clients.accounting_answers(self.site), "sacct does not answer", self._daemon("slurmdbd")
        )

    def _start_all(self, site: sites.Site) -> None:
        site.make_folders()
        configuration.write(site, self._options)
        make_database(site, self._programs)
        for name in ("munged", "mariadbd", "slurmdbd"):
            self.start(name)
        self._register()
        for node in site.nodes:
            daemon = self._daemon(f"slurmd {node}")
            if daemon.pid is None:
                daemon.start(environment(site))
        self.start("slurmctld")
        self.wait_until_ready()

    def _register(self) -> None:
        """The cluster, an account, its user; slurmctld reads them when it starts."""
        name, user = self.site.name, sites.user()
        if name not in self.sacctmgr("-n", "-P", "show", "cluster", "format=cluster").split():
            self.sacctmgr("add", "cluster", name)
            self.sacctmgr("add", "account", "science", f"Cluster={name}")
            self.sacctmgr("add", "user", user, "Account=science", "DefaultAccount=science", f"Cluster={name}")
        if self._limits:
            limits = [f"{key}={value}" for key, value in self._limits.items()]
            self.sacctmgr("modify", "user", "where", f"name={user}", "account=science", "set", *limits)

    def _end_all(self) -> None:
        site, every = self.site, self._daemons()
        for daemon in every.values():
            daemon.send(signal.SIGCONT)
        if all(daemon.pid for daemon in every.values()):
            self._cancel_jobs()
        for name, daemon in every.items():
            if name.startswith("slurmd "):
                daemon.send(signal.SIGTERM)
        for daemon in reversed(every.values()):
            daemon.end()
        self._end_jobs(site)
        leftovers.remove_control_groups(site)
        if not site.run.is_relative_to(self.folder):
            shutil.rmtree(site.run, ignore_errors=True)

    def _cancel_jobs(self) -> None:
        """As far as that works: a later `up` would take them for running ones that are lost."""
        deadline = time.monotonic() + CANCEL_SECONDS
        while time.monotonic() < deadline:
            jobs = clients.said(self.site, "squeue", "--noheader", "--format=%A").split()
            if not jobs:
                break
            clients.said(self.site, "scancel", *set(jobs))
            time.sleep(0.2)

    def _end_jobs(self, site: sites.Site) -> None:
        def none_left() -> bool:
            pids = [pid for node in site.nodes for pid in leftovers.slurmstepds(site, node)]
            kill_all(pids + leftovers.job_processes(site))
            return not pids and not leftovers.job_processes(site)

        self._wait(none_left, "processes of jobs did not end")

    def _daemons(self) -> dict[str, Daemon]:
        return daemons(self.site, self._programs)

    def _daemon(self, name: str) -> Daemon:
        kind, _, node = name.partition(" ")
        return self._daemons()[f"{kind} {self._node(node)}" if node else kind]

    def _node(self, node: str) -> str:
        return node if node in self.nodes else f"{self.site.name}{node}"
