"""This machine as a cluster: what an executor runs are processes with the environment of the home."""

from contextlib import ExitStack

from jobmon_conformance.bench import MEMORY, Bench
from jobmon_conformance.home import Home


class Local(Bench):
    """The cluster `local`, two attempts at a time."""

    cluster = "local"
    abilities = frozenset({MEMORY})

    def start(self, opening: ExitStack) -> None:
        """It is there already."""

    @property
    def environment(self) -> dict[str, str]:
        return {"JOBMON__LOCAL__PARALLELISM": str(self.at_once)}

    def alive(self, home: Home) -> set[str]:
        ours = {pid for kind in ("server", "distributor", "executor") for pid in home.pids(kind)}
        return {f"{pid}: {line}" for pid, line in home.processes().items() if pid not in ours}

    def kill_worker(self, home: Home, job_id: str, index: int) -> None:
        home.kill("executor")
