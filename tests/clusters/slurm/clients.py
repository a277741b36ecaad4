"""Slurm's own commands against one cluster, with what they tell about its health."""

import contextlib
import socket
import subprocess

from clusters.slurm.daemons import environment
from clusters.slurm.site import Site

HEALTHY = {"idle", "mixed", "allocated", "completing"}
PATIENCE_SECONDS = 15.0  # a client of a frozen daemon may wait for ever


class SlurmError(Exception):
    """A daemon did not come up, or a command of the cluster's own upkeep failed; the text has the log's end."""


def run(site: Site, *command: object, timeout: float, check: bool, stdin: str) -> subprocess.CompletedProcess[str]:
    """Run a client; `check` makes a failure a SlurmError."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, env=environment(site), capture_output=True, text=True, timeout=timeout, input=stdin
    )
    if check and done.returncode != 0:
        raise SlurmError(f"{' '.join(words)} gave {done.returncode}: {done.stderr}{done.stdout}")
    return done


def said(site: Site, *command: object) -> str:
    """What a client printed; nothing when it failed or hung."""
    with contextlib.suppress(subprocess.TimeoutExpired, SlurmError):
        return run(site, *command, timeout=PATIENCE_SECONDS, check=True, stdin="").stdout
    return ""


def answers(site: Site, name: str) -> bool:
    """Whether this daemon does its work."""
    match name:
        case "munged":
            return said(site, "munge", "-n", "-S", site.munge_socket).startswith("MUNGE:")
        case "slurmctld":
            return _listens(site, name) and "is UP" in said(site, "scontrol", "ping")
        case _:
            return _listens(site, name.removeprefix("slurmd "))


def nodes_are_up(site: Site) -> bool:
    states = said(site, "sinfo", "--noheader", "--Node", "--partition=all", "--format=%T").split()
    return len(states) == len(site.nodes) and set(states) <= HEALTHY


def accounting_answers(site: Site) -> bool:
    return "JobID" in said(site, "sacct", "--allocations", "--format=JobID")


def _listens(site: Site, owner: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", site.ports[owner]), timeout=5).close()
    except OSError:
        return False
    return True
