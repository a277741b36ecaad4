"""Where one cluster lives: its folder, ports, group ids, chosen once so that clusters live side by side."""

import json
import os
import random
import socket
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from clusters import numbers
from clusters.sge.packages import DRMAA, SHARED

HOST = "localhost"  # the one node; host_aliases makes it the name of this machine too
FIRST_PORT = 12000  # two for each cluster, below those that the kernel gives to outgoing connections
FIRST_GROUP = 50000  # execd gives each job a group id and kills by it: no two clusters may share one
GROUPS = 250
CLUSTERS = 40


@dataclass(frozen=True)
class Site:
    """The choices of one cluster; a file in its folder keeps them for later commands."""

    folder: Path
    number: int

    @property
    def name(self) -> str:
        return f"x{self.number}"

    @property
    def ports(self) -> dict[str, int]:
        first = FIRST_PORT + 2 * self.number
        return {"qmaster": first, "execd": first + 1}

    @property
    def group_ids(self) -> str:
        first = FIRST_GROUP + GROUPS * self.number
        return f"{first}-{first + GROUPS - 1}"

    @property
    def root(self) -> Path:
        """What SGE_ROOT says."""
        return self.folder / "root"

    @property
    def common(self) -> Path:
        return self.root / "default" / "common"

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    @cached_property
    def architecture(self) -> str:
        """As Grid Engine names it: lx-amd64."""
        return subprocess.run(
            [SHARED / "util" / "arch"], capture_output=True, text=True, check=True
        ).stdout.strip()

    @property
    def programs(self) -> Path:
        """The folder of qsub."""
        return self.root / "bin" / self.architecture

    @property
    def environment(self) -> dict[str, str]:
        """What a client of this cluster needs; GLIBC_TUNABLES is for Python's drmaa.

        libdrmaa.so brings libjemalloc.so.2, which needs more static TLS than glibc keeps for late libraries.
        It must be set before the process starts.
        """
        return {
            "SGE_ROOT": str(self.root),
            "SGE_CELL": "default",
            "SGE_CLUSTER_NAME": self.name,
            "SGE_QMASTER_PORT": str(self.ports["qmaster"]),
            "SGE_EXECD_PORT": str(self.ports["execd"]),
            "DRMAA_LIBRARY_PATH": str(DRMAA),
            "GLIBC_TUNABLES": "glibc.rtld.optional_static_tls=2048",
            "PATH": f"{self.programs}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        }


def load(folder: Path) -> Site | None:
    """What an earlier `up` in this folder chose."""
    try:
        return Site(folder, json.loads((folder / "site.json").read_text())["number"])
    except FileNotFoundError:
        return None


def choose(folder: Path) -> Site:
    """Choose what is free now; keep it."""
    if len(str(folder).split()) > 1:
        raise ValueError(
            f"Grid Engine cannot live in a folder with white space: {str(folder)!r}; take another one"
        )
    for number in random.SystemRandom().sample(range(CLUSTERS), CLUSTERS):
        site = Site(folder, number)
        if numbers.take(f"sge {number}", folder):
            if not all(_is_free(port) for port in site.ports.values()):
                numbers.give_back(folder)
                continue
            (folder / "site.json").write_text(json.dumps({"number": number}))
            return site
    last = FIRST_PORT + 2 * CLUSTERS
    raise ValueError(f"no two free ports from {FIRST_PORT} to {last}: end some of the {CLUSTERS} clusters")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
        return True
