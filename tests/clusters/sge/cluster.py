"""One Grid Engine in a folder: up, down, faults."""

import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from clusters import numbers
from clusters.cluster import Cluster
from clusters.process import Daemon, kill_all
from clusters.sge import clients, configuration, leftovers, packages
from clusters.sge import site as sites
from clusters.sge.clients import SgeError

DELETE_SECONDS = 10.0


class SgeCluster(Cluster):
    """A cluster of one node; clusters.sge.configuration tells how memory and run time are enforced.

    Queue `all.q` has 32 slots, `short.q` 8 of 5 minutes each at most; parallel environment `smp` is for both.
    Memory is `h_vmem`, 1 GB for who asks for none, run time is `h_rt`.
    A daemon is called qmaster or execd.
    What they do is in `log` in the cluster's folder, also after `down`; accounting is
    `root/default/common/accounting`.
    """

    broken = SgeError

    def __init__(self, folder: Path, options: Mapping[str, object] | None = None) -> None:
        """A cluster that is up in this folder, or that `up` makes there.

        `options` take the place of lines of the global configuration, sge_conf(5), in a cluster that
        `up` makes: {"max_u_jobs": 3, "max_aj_tasks": 10}; `qconf` changes one that is there.
        """
        packages.check()
        super().__init__(folder)
        self._options = dict(options or {})

    @property
    def site(self) -> sites.Site:
        site = sites.load(self.folder)
        if site is None:
            raise SgeError(f"there is no cluster in {self.folder}: `up` makes one")
        return site

    @property
    def environment(self) -> dict[str, str]:
        """What a client of this cluster needs in its environment, Python's drmaa too."""
        return self.site.environment

    def up(self) -> bool:
        """Start what is not running, wait until a job has run; False when all of it was running."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._alone():
            if sites.load(self.folder) and all(daemon.pid for daemon in self._daemons().values()):
                self.wait_until_ready()
                return False
            site = sites.load(self.folder) or sites.choose(self.folder)
            try:
                self._start_all(site)
            except BaseException:
                self._end_all(for_good=False)
                raise
            return True

    def down(self, for_good: bool = False) -> None:
        """End both daemons, then what jobs left; the logs stay.

        qmaster takes some seconds to end. `for_good` kills it: after a later `up` it would give the same numbers
        to jobs again, as after a crash.
        """
        if sites.load(self.folder):
            with self._alone():
                self._end_all(for_good)

    def start(self, name: str) -> None:
        """Start one daemon, wait until it answers.

        An execd whose qmaster came back reports after 30 s at most. An execd that came back itself
        reports what ended meanwhile at once, but asks only once a minute after jobs that live on.
        """
        daemon = self._daemons()[name]
        if daemon.pid is None:
            daemon.start({**clients.environment(self.site), "SGE_ND": "true"})  # no daemon: it keeps its pid
        self._wait(lambda: clients.answers(self.site, name), f"{name} does not answer", daemon)

    def discard(self) -> None:
        """Kill it."""
        self.down(for_good=True)
        numbers.give_back(self.folder)

    def run(
        self, *command: object, timeout: float = 60.0, check: bool = False, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a client; `check` makes a failure a SgeError."""
        return clients.run(self.site, *command, timeout=timeout, check=check, stdin=stdin)

    def qconf(self, *arguments: object) -> str:
        return clients.qconf(self.site, *arguments)

    def wait_until_ready(self) -> None:
        """Until both daemons answer, qmaster has heard of execd."""
        every = self._daemons()
        for name, daemon in every.items():
            self._wait(partial(clients.answers, self.site, name), f"{name} does not answer", daemon)
        count = len(configuration.SLOTS)
        self._wait(lambda: clients.queues_are_up(self.site, count), "no queue is up", *every.values())

    def _start_all(self, site: sites.Site) -> None:
        made = self.folder / "made"
        if not made.exists():
            configuration.write(site, self._options)
        self.start("qmaster")
        if not made.exists():
            configuration.configure(site)
            made.touch()
        self.start("execd")
        self.wait_until_ready()
        self._run_a_job()

    def _run_a_job(self) -> None:
        name = f"up{time.time_ns()}"  # not by its number: qmaster gives it again after a crash
        options = ("-N", name, "-b", "y", "-shell", "no", "-o", "/dev/null", "-j", "y", "-wd", self.folder)
        self.run("qsub", *options, "/bin/true", check=True)
        every = self._daemons().values()
        self._wait(lambda: clients.is_accounted(self.site, name), f"job {name} does not get done", *every)

    def _end_all(self, for_good: bool) -> None:
        site, every = self.site, self._daemons()
        for daemon in every.values():
            daemon.send(signal.SIGCONT)
        if all(daemon.pid for daemon in every.values()):
            self._delete_jobs()
        end = Daemon.kill if for_good else Daemon.end
        for daemon in every.values():  # qmaster first: it waits for an execd that has gone
            end(daemon)
        self._end_jobs(site)

    def _delete_jobs(self) -> None:
        """As far as that works: a later `up` would take them for running ones that are lost."""
        deadline = time.monotonic() + DELETE_SECONDS
        while time.monotonic() < deadline and clients.said(self.site, "qstat", "-u", "*"):
            clients.said(self.site, "qdel", "-f", "-u", "*")
            time.sleep(0.2)

    def _end_jobs(self, site: sites.Site) -> None:
        def none_left() -> bool:
            pids = leftovers.shepherds(site) + leftovers.job_processes(site)
            kill_all(pids)
            return not pids

        self._wait(none_left, "processes of jobs did not end")

    def _daemons(self) -> dict[str, Daemon]:
        site = self.site
        return {
            name: Daemon(
                name,
                (str(packages.PROGRAMS / f"sge_{name}"),),
                self.folder / "log" / f"{name}.out",
                self.folder / "pids" / name,
            )
            for name in site.ports
        }

    def _last_words(self, daemon: Daemon) -> str:
        """From its messages, which lack the scheduler's chatter, if it came to write some."""
        messages = self.folder / "log" / f"{daemon.name}.messages"
        return replace(daemon, output=messages if messages.exists() else daemon.output).last_words()
