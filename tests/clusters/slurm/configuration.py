"""The configuration files of one cluster.

The settings are for short tests: nodes that are called down after seconds, jobs started as they arrive,
accounting that is written each second, everything on loopback as far as Slurm lets one choose
(slurmdbd listens on every address).
"""

import os
import secrets
import socket
from collections.abc import Mapping

from clusters.slurm.site import CGROUPS, Site, user

CPUS, MEGABYTES = 16, 4000
SCHEDULER = {
    "sched_min_interval": 100000,
    "sched_interval": 5,
    "batch_sched_delay": 0,
    "bf_interval": 5,
    "bf_max_job_test": 1000,
    "default_queue_depth": 10000,
    "max_rpc_cnt": 0,
}
MEMORY = {
    "cgroup/v1": {"ProctrackType": "proctrack/cgroup", "TaskPlugin": "task/cgroup"},
    "OverMemoryKill": {
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "JobAcctGatherParams": "OverMemoryKill",
    },
}
Options = Mapping[str, object]


def write(site: Site, options: Options) -> None:
    """Write every file anew; only the keys stay."""
    etc = site.folder / "etc"
    site.slurm_conf.write_text(slurm_conf(site, options))
    (etc / "cgroup.conf").write_text(_lines(_cgroup(site)))
    _write_private(etc / "slurmdbd.conf", _lines(_slurmdbd(site)).encode())
    (etc / "mariadb.sql").write_text(
        "CREATE DATABASE IF NOT EXISTS slurm;\n"
        "CREATE USER IF NOT EXISTS slurm@'127.0.0.1' IDENTIFIED BY 'slurm';\n"
        "GRANT ALL ON slurm.* TO slurm@'127.0.0.1';\n"
    )
    if not (etc / "munge.key").exists():
        _write_private(etc / "munge.key", secrets.token_bytes(128))


def slurm_conf(site: Site, options: Options) -> str:
    """Our settings with those of a test in their place, then nodes, then partitions."""
    settings = {**_basics(site), **_behaviour(), **_accounting(site), **MEMORY[site.memory_enforced_by], **options}
    return _lines(settings) + "\n".join([*_nodes(site), *_partitions(site), ""])


def _basics(site: Site) -> dict[str, object]:
    log = site.folder / "log"
    return {
        "ClusterName": site.name,
        "SlurmctldHost": f"{_hostname()}(127.0.0.1)",
        "SlurmctldPort": site.ports["slurmctld"],
        "CommunicationParameters": "NoInAddrAny,NoCtldInAddrAny",
        "SlurmUser": user(),
        "SlurmdUser": user(),
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={site.munge_socket},cred_expire=15",
        "StateSaveLocation": site.folder / "state",
        "SlurmdSpoolDir": site.run / "spool.%n",
        "SlurmctldPidFile": site.run / "slurmctld.pid",
        "SlurmdPidFile": site.run / "slurmd.%n.pid",
        "SlurmctldLogFile": log / "slurmctld.log",
        "SlurmdLogFile": log / "slurmd.%n.log",
        "MailProg": "/bin/true",
        "MpiDefault": "none",
    }


def _behaviour() -> dict[str, object]:
    return {
        "ReturnToService": 2,
        "SlurmctldTimeout": 30,
        "SlurmdTimeout": 10,
        "MessageTimeout": 10,
        "KillWait": 2,
        "OverTimeLimit": 0,
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_CPU_Memory",
        "DefMemPerCPU": 100,
        "PriorityType": "priority/basic",
        "SchedulerParameters": ",".join(f"{key}={value}" for key, value in SCHEDULER.items()),
        "DependencyParameters": "kill_invalid_depend",
        "SlurmdParameters": "config_overrides",
        "JobAcctGatherType": "jobacct_gather/linux",
        "JobAcctGatherFrequency": "task=1",
    }


def _accounting(site: Site) -> dict[str, object]:
    return {
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": "127.0.0.1",
        "AccountingStoragePort": site.ports["slurmdbd"],
        "AccountingStoragePass": site.munge_socket,
        "AccountingStoreFlags": "job_comment",
    }


def _nodes(site: Site) -> list[str]:
    own = f"NodeHostname={_hostname()} NodeAddr=127.0.0.1 CPUs={CPUS} RealMemory={MEGABYTES}"
    return [f"NodeName={node} Port={site.ports[node]} {own}" for node in site.nodes]


def _partitions(site: Site) -> list[str]:
    every, two = ",".join(site.nodes), ",".join(site.nodes[:2])
    return [
        f"PartitionName=all Nodes={every} Default=YES MaxTime=4:00:00",
        f"PartitionName=short Nodes={two} MaxTime=5 MaxMemPerNode=1000",
    ]


def _slurmdbd(site: Site) -> dict[str, object]:
    return {
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={site.munge_socket}",
        "DbdHost": "localhost",
        "DbdAddr": "127.0.0.1",
        "DbdPort": site.ports["slurmdbd"],
        "SlurmUser": user(),
        "PidFile": site.run / "slurmdbd.pid",
        "LogFile": site.folder / "log" / "slurmdbd.log",
        "StorageType": "accounting_storage/mysql",
        "StorageHost": "127.0.0.1",
        "StoragePort": site.ports["mariadbd"],
        "StorageUser": "slurm",
        "StoragePass": "slurm",
        "StorageLoc": "slurm",
        "CommitDelay": 1,
    }


def _cgroup(site: Site) -> dict[str, object]:
    if site.memory_enforced_by != "cgroup/v1":
        return {}
    return {
        "CgroupPlugin": "cgroup/v1",
        "CgroupMountpoint": CGROUPS,
        "ConstrainRAMSpace": "yes",
        "ConstrainSwapSpace": "no",
        "AllowedRAMSpace": 100,
    }


def _hostname() -> str:
    return socket.gethostname().partition(".")[0]


def _lines(settings: Options) -> str:
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _write_private(path: os.PathLike[str], content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
