"""Where one cluster lives: its folder, ports, names, chosen once so that clusters live side by side."""

import json
import os
import pwd
import random
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

from clusters import numbers

NODES = 4
LONGEST_FOLDER = (
    50  # a unix socket's path has 108 bytes at most, slurmstepd's are DIR/run/spool.NODE/NODE_JOB.STEP
)
PORTS = range(20000, 32000, 10)  # ten for each cluster, below those that the kernel gives to outgoing connections
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Site:
    """The choices of one cluster; a file in its folder keeps them for later commands."""

    folder: Path
    first_port: int
    run: Path
    memory_enforced_by: str

    @property
    def name(self) -> str:
        """The cluster's name, in the names of its nodes too: a cgroup is called after the node alone."""
        return f"x{self.first_port // 10}"

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(f"{self.name}n{number}" for number in range(1, NODES + 1))

    @property
    def ports(self) -> dict[str, int]:
        owners = ("slurmctld", "slurmdbd", "mariadbd", *self.nodes)
        return {owner: self.first_port + offset for offset, owner in enumerate(owners)}

    @property
    def slurm_conf(self) -> Path:
        return self.folder / "etc" / "slurm.conf"

    @property
    def munge_socket(self) -> Path:
        return self.run / "munge.sock"

    def make_folders(self) -> None:
        for part in ("etc", "state", "log", "pids"):
            (self.folder / part).mkdir(mode=0o755, parents=True, exist_ok=True)
        for node in self.nodes:
            (self.run / f"spool.{node}").mkdir(mode=0o755, parents=True, exist_ok=True)


def load(folder: Path) -> Site | None:
    """What an earlier `up` in this folder chose."""
    try:
        kept = json.loads((folder / "site.json").read_text())
    except FileNotFoundError:
        return None
    return Site(folder, kept["first_port"], Path(kept["run"]), kept["memory_enforced_by"])


def choose(folder: Path) -> Site:
    """Choose what is free now; keep it."""
    if len(str(folder).split()) > 1:
        raise ValueError(f"slurm.conf cannot name a folder with white space: {str(folder)!r}; take another one")
    first_port = _free_ports(folder)
    if len(str(folder)) <= LONGEST_FOLDER:
        run = folder / "run"
    else:
        run = Path(tempfile.mkdtemp(prefix=f"slurm{first_port}-", dir="/tmp"))
        run.chmod(0o755)
    enforced = "cgroup/v1" if _cgroups_can_be_made(f"x{first_port}") else "OverMemoryKill"
    kept = {"first_port": first_port, "run": str(run), "memory_enforced_by": enforced}
    (folder / "site.json").write_text(json.dumps(kept))
    return Site(folder, first_port, run, enforced)


def user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def _free_ports(folder: Path) -> int:
    for first in random.SystemRandom().sample(PORTS, len(PORTS)):
        if numbers.take(f"slurm {first}", folder):
            if all(_is_free(port) for port in range(first, first + PORTS.step)):
                return first
            numbers.give_back(folder)
    raise RuntimeError(f"no {PORTS.step} free ports in a row from {PORTS.start} to {PORTS.stop}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
        return True


def _cgroups_can_be_made(name: str) -> bool:
    """Whether Slurm can hold jobs in version 1 groups here: root, both controllers mounted, writable."""
    if os.geteuid() != 0 or not (CGROUPS / "memory" / "memory.limit_in_bytes").exists():
        return False
    try:
        for controller in ("memory", "freezer"):
            (CGROUPS / controller / name).mkdir()
            (CGROUPS / controller / name).rmdir()
    except OSError:
        return False
    return True
