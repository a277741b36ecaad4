"""The fake Grid Engine as a test uses it."""

import os
import shutil
from pathlib import Path
from typing import Any

from fakes.drmaa import faults
from fakes.drmaa.deeds import Deeds
from fakes.drmaa.faults import Armed
from fakes.drmaa.records import Entry, Job
from fakes.drmaa.server import COMMANDS, SgeServer
from fakes.drmaa.settings import Settings
from fakes.scheduler.clock import Clock
from fakes.scheduler.fake import Fake

MODULE = Path(__file__).parents[1] / "drmaa_module" / "drmaa"


class FakeGridEngine(Fake, Deeds):
    """One node with two queues, in real time; a context manager.

    folder        gets the executables (`path`), the module (`module`), notes of runs
    first_number  of jobs
    settings      fields of Settings
    """

    def __init__(self, folder: Path, speed: float = 1, first_number: int = 1, **settings: Any) -> None:
        self.settings = Settings(**settings)
        server = SgeServer(self.settings, Clock(speed), folder)
        self.qmaster = server.qmaster
        self.qmaster.next_number = first_number
        super().__init__("Grid Engine", folder / "bin", tuple(COMMANDS), server, self.qmaster, real_time=True)
        self.module = folder / "python"
        shutil.copytree(MODULE, self.module / "drmaa", ignore=shutil.ignore_patterns("__pycache__"))
        (self.module / "drmaa" / "address").write_text(self._front.address)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to find the commands and the module."""
        path = os.pathsep.join(filter(None, [str(self.module), os.environ.get("PYTHONPATH")]))
        return super().environment | {"PYTHONPATH": path}

    def qmaster_down(self) -> Armed:
        """Until it is lifted nobody gets an answer but of accounting, which is a file."""
        return self.fault("*", faults.qmaster_down(), times=None, when=lambda call: call.command != "qacct")

    # What there is.

    @property
    def jobs(self) -> list[Job]:
        """Those that are over too: of each number the last one."""
        with self.qmaster.lock:
            known = {**self.qmaster.over, **self.qmaster.jobs}
            return [known[number] for number in sorted(known)]

    @property
    def entries(self) -> list[Entry]:
        """All of accounting, what lags too."""
        with self.qmaster.lock:
            return list(self.qmaster.entries)

    def states(self, number: int) -> dict[int, str]:
        """The letters of each task; "" when it is over."""
        with self.qmaster.lock:
            return {index: "" if task.over else task.letters for index, task in self._job(number).tasks.items()}

    def pid(self, reference: str) -> int:
        """Of the script of a running task."""
        with self.qmaster.lock:
            return int(self._running(reference)[0].execution.pid)

    def shown(self) -> str:
        """What there is, for who waits in vain."""
        return f"jobs: {[(job.number, self.states(job.number)) for job in self.jobs]}"
