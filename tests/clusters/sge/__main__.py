"""`python -m clusters.sge up|down FOLDER [key=value ...]`: a cluster by hand, with keys of sge_conf(5)."""

import shlex
import sys
from pathlib import Path

from clusters.packages import Unavailable
from clusters.sge.clients import SgeError
from clusters.sge.cluster import SgeCluster

USAGE = "usage: python -m clusters.sge up FOLDER [key=value ...] | down FOLDER"


def main(arguments: list[str]) -> None:
    match arguments:
        case ["up", folder, *options] if all("=" in option for option in options):
            cluster = SgeCluster(Path(folder), dict(option.split("=", 1) for option in options))
            started = "started" if cluster.up() else "was running already"
            print(
                f"# Grid Engine in {cluster.folder} {started}: queues all.q and short.q, one node", file=sys.stderr
            )
            print("\n".join(exports(cluster)), flush=True)
        case ["down", folder]:
            SgeCluster(Path(folder)).down()
        case _:
            sys.exit(USAGE)


def exports(cluster: SgeCluster) -> list[str]:
    """Lines for a shell's eval; PATH grows at its front."""
    own = {key: value for key, value in cluster.environment.items() if key != "PATH"}
    lines = [f"export {key}={shlex.quote(value)}" for key, value in own.items()]
    return [*lines, f'export PATH={shlex.quote(str(cluster.site.programs))}:"$PATH"']


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (SgeError, Unavailable, ValueError) as error:
        sys.exit(str(error))
