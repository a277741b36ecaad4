"""The daemons of one cluster in the order in which they start."""

import os
import subprocess
from collections.abc import Mapping

from clusters.process import Daemon
from clusters.slurm.site import Site, user


def daemons(site: Site, programs: dict[str, str]) -> dict[str, Daemon]:
    """Every daemon by name; those of the nodes are called `slurmd NODE`."""
    data, etc = site.folder / "data", site.folder / "etc"
    munge = {"key-file": etc / "munge.key", "socket": site.munge_socket, "pid-file": site.run / "munged.pid"}
    munge |= {"log-file": site.folder / "log" / "munged.log", "seed-file": site.folder / "state" / "munge.seed"}
    mariadb = {
        "datadir": data,
        "user": user(),
        "socket": site.run / "mariadb.sock",
        "port": site.ports["mariadbd"],
    }
    mariadb |= {
        "bind-address": "127.0.0.1",
        "init-file": etc / "mariadb.sql",
        "pid-file": site.run / "mariadbd.pid",
    }
    mariadb |= {
        "innodb-lock-wait-timeout": 900,
        "innodb-flush-log-at-trx-commit": 0,
        "innodb-log-file-size": "16M",
    }
    conf = str(site.slurm_conf)
    commands = {
        "munged": ["--foreground", "--force", *_flags(munge)],
        "mariadbd": ["--no-defaults", "--skip-log-bin", "--skip-name-resolve", *_flags(mariadb)],
        "slurmdbd": ["-D"],
        "slurmctld": ["-D", "-f", conf],
        **{f"slurmd {node}": ["-D", "-f", conf, "-N", node] for node in site.nodes},
    }
    return {name: _daemon(site, name, programs, arguments) for name, arguments in commands.items()}


def environment(site: Site) -> dict[str, str]:
    """Ours without what a surrounding Slurm put into it (daemons die of SLURM_JWT), with this cluster's."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("SLURM_", "SBATCH_", "SQUEUE_"))
    }
    return {**kept, "SLURM_CONF": str(site.slurm_conf)}


def make_database(site: Site, programs: dict[str, str]) -> None:
    """An empty MariaDB, once for each folder."""
    data = site.folder / "data"
    if (data / "mysql").is_dir():
        return
    options = {"datadir": data, "user": user(), "auth-root-authentication-method": "socket"}
    options["tmpdir"] = site.folder  # two that make their tables at once meet in a common one
    options |= {"auth-root-socket-user": user(), "innodb-log-file-size": "16M"}
    command = [programs["mariadb-install-db"], "--no-defaults", "--skip-test-db", *_flags(options)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=site.folder, timeout=120)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}{done.stderr}"


def _daemon(site: Site, name: str, programs: dict[str, str], arguments: list[str]) -> Daemon:
    file = name.replace(" ", ".")
    command = (programs[name.split()[0]], *arguments)
    return Daemon(name, command, site.folder / "log" / f"{file}.out", site.folder / "pids" / file)


def _flags(options: Mapping[str, object]) -> list[str]:
    return [f"--{key}={value}" for key, value in options.items()]
