"""A small PBS of one node on this machine: the commands are executables, the jobs are real processes."""

from fake_pbs.front import Front
from fake_pbs.server import Server

__all__ = ["FakePbs"]


class FakePbs(Server):
    """A context manager; the executables qsub, qstat, qdel, pbsnodes are in `path`."""

    def __enter__(self) -> "FakePbs":
        self._front = Front(self.folder / "bin", self.answer)
        self.path = self._front.path
        return self

    def __exit__(self, *_: object) -> None:
        self._front.close()
        self.close()
