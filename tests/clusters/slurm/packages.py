"""The programs of a cluster, found where Debian's packages put them."""

import os
import shutil

from clusters.packages import Unavailable

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "slurmdbd", "munge", "mariadb-server")
PROGRAMS = (
    *("munged", "munge", "mariadbd", "mariadb-install-db", "slurmdbd", "slurmctld", "slurmd"),
    *("sbatch", "scontrol", "sinfo", "sacct", "sacctmgr"),
)
MISSING = "Slurm is not installed ({} not found): apt-get install -y --no-install-recommends " + " ".join(PACKAGES)


def programs() -> dict[str, str]:
    """The path of every program by its name; raises Unavailable when one is missing."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    found = {name: shutil.which(name, path=path) for name in PROGRAMS}
    missing = [name for name, where in found.items() if not where]
    if missing:
        raise Unavailable(MISSING.format(", ".join(missing)))
    return {name: where for name, where in found.items() if where}
