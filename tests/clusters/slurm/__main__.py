"""`python -m clusters.slurm up|down FOLDER [Key=Value ...]`: a cluster by hand, with keys of slurm.conf."""

import sys
from pathlib import Path

from clusters.packages import Unavailable
from clusters.slurm.clients import SlurmError
from clusters.slurm.cluster import SlurmCluster

USAGE = "usage: python -m clusters.slurm up FOLDER [Key=Value ...] | down FOLDER"


def main(arguments: list[str]) -> None:
    match arguments:
        case ["up", folder, *options] if all("=" in option for option in options):
            cluster = SlurmCluster(Path(folder), dict(option.split("=", 1) for option in options))
            started = cluster.up()
            print(_described(cluster, "started" if started else "was running already"), file=sys.stderr)
            print(f"export SLURM_CONF={cluster.environment['SLURM_CONF']}", flush=True)
        case ["down", folder]:
            SlurmCluster(Path(folder)).down()
        case _:
            sys.exit(USAGE)


def _described(cluster: SlurmCluster, what: str) -> str:
    nodes = ", ".join(cluster.nodes)
    words = f"nodes {nodes}; memory enforced by {cluster.memory_enforced_by}"
    return f"# Slurm in {cluster.folder} {what}: {words}"  # a comment, should a shell read it too


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (SlurmError, Unavailable, ValueError) as error:
        sys.exit(str(error))
