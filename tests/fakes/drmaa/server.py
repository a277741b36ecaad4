"""The fake Grid Engine's server: the commands, the verbs of DRMAA, the scripts."""

import os
from collections.abc import Callable
from pathlib import Path

from fakes.drmaa import script, verbs
from fakes.drmaa.qacct import qacct
from fakes.drmaa.qconf import qconf
from fakes.drmaa.qdel import qdel
from fakes.drmaa.qhost import qhost
from fakes.drmaa.qmaster import Qmaster
from fakes.drmaa.qstat import qstat
from fakes.drmaa.records import Task
from fakes.drmaa.settings import Settings
from fakes.scheduler.call import Answer, Call
from fakes.scheduler.clock import Clock
from fakes.scheduler.faults import perform_or_refuse
from fakes.scheduler.processes import ScriptRun
from fakes.scheduler.server import Server

COMMANDS: dict[str, Callable[[Qmaster, Call], Answer]] = {
    "qstat": qstat,
    "qacct": qacct,
    "qdel": qdel,
    "qconf": qconf,
    "qhost": qhost,
}
READ_BY_SGE = ("SGE_", "DRMAA_", "LC_", "LANG", "TZ", "PYTHONPATH", "GLIBC_")
NO_FOLDER, NO_COMMAND, NO_FILE = 28, 27, 26


class SgeServer(Server):
    """Answers Grid Engine's commands, and what the module `drmaa` asks."""

    def __init__(self, settings: Settings, clock: Clock, folder: Path) -> None:
        self.qmaster = Qmaster(settings, clock, self._run_script)
        self._root = folder
        super().__init__(self.qmaster, folder / "spool", READ_BY_SGE)

    def perform(self, call: Call) -> Answer:
        """A command, or a verb."""
        act = COMMANDS.get(call.command) or verbs.VERBS[call.command]
        return perform_or_refuse(lambda: act(self.qmaster, call))

    def _run_script(self, task: Task) -> ScriptRun:
        request = task.job.request
        mark, note = self.new_run(f"job{task.job.number:05}")
        run = ScriptRun(mark, lambda run, code, rss: self._exited(task, run, code, rss))
        out = script.file_name(request.output, task)
        err = "" if request.merge else script.file_name(request.error, task, "e")
        environment = script.environment(task, str(self._root), str(note.parent))
        command = script.command_line(task, self.qmaster.settings)
        if not os.path.isdir(request.folder):
            task.failed = NO_FOLDER
        elif not os.access(request.command, os.X_OK) or os.path.isdir(request.command):
            task.failed = NO_COMMAND
        if task.failed:
            run.fail()
        else:
            run.start(command, environment, request.folder, out, err)
            task.failed = NO_FILE if run.problem else 0
        return run

    def _exited(self, task: Task, run: ScriptRun, code: int | None, max_rss_kb: int) -> None:
        with self.qmaster.lock:
            if not self.is_closing:
                self.qmaster.exited(task, run, code, max_rss_kb)

    def closing(self) -> None:
        """Start nothing more."""
        self.qmaster.stopped = True
