"""The fake Slurm's server: counts messages, meters them, runs batch scripts."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from fakes.scheduler.call import Answer, Call
from fakes.scheduler.clock import Clock
from fakes.scheduler.faults import perform_or_refuse
from fakes.scheduler.processes import ScriptRun
from fakes.scheduler.server import Server
from fakes.slurm import reports
from fakes.slurm.batch_script import fill_in, job_environment
from fakes.slurm.controller import Controller
from fakes.slurm.placement import Placement
from fakes.slurm.plan import Behaviour, Task
from fakes.slurm.rate_limit import RateLimit
from fakes.slurm.records import Part
from fakes.slurm.sacct import sacct
from fakes.slurm.sbatch import sbatch
from fakes.slurm.scancel import scancel
from fakes.slurm.scontrol import scontrol
from fakes.slurm.settings import Settings
from fakes.slurm.sinfo import sinfo
from fakes.slurm.squeue import squeue

COMMANDS: dict[str, Callable[[Controller, Call], Answer]] = {
    "sbatch": sbatch,
    "squeue": squeue,
    "sacct": sacct,
    "scancel": scancel,
    "scontrol": scontrol,
    "sinfo": sinfo,
    "sacctmgr": reports.sacctmgr,
}
READ_BY_SLURM = ("SLURM_", "SBATCH_", "SQUEUE_", "SACCT_", "SCANCEL_", "SINFO_", "LC_", "LANG", "TZ")
BAD_PATH = "0:53"  # what a job ends with whose folder or output file cannot be opened


class SlurmServer(Server):
    """Answers Slurm's commands."""

    def __init__(
        self, settings: Settings, clock: Clock, placement: Placement, behave: Behaviour, folder: Path
    ) -> None:
        self.controller = Controller(settings, clock, placement, behave, self._run_script)
        self.rpcs: Counter[str] = Counter()
        self.rpcs_of: Counter[str] = Counter()
        self._rate = RateLimit(settings)
        super().__init__(self.controller, folder, READ_BY_SLURM)

    def answer(self, call: Call) -> Answer:
        """Its messages count also if it fails, and before sdiag tells of them."""
        with self.controller.lock:
            sent = reports.messages(call)
            self.rpcs.update(sent)
            self.rpcs_of[f"{call.user}:{call.user_id}"] += len(sent)
            return super().answer(call)

    def received(self, call: Call, answer: Answer) -> None:
        """Who asks too much waits."""
        answer.delay += self._rate.wait(call.user, call.at) if reports.messages(call) else 0

    def perform(self, call: Call) -> Answer:
        if call.command == "sdiag":
            return reports.sdiag(self.controller, call, self.rpcs, self.rpcs_of)
        return perform_or_refuse(lambda: COMMANDS[call.command](self.controller, call))

    def _run_script(self, part: Part, task: Task) -> ScriptRun:
        asked = part.job.submission
        mark, script = self.new_run(f"job{part.job.job_id:05}", asked.script)
        run = ScriptRun(mark, lambda run, code, rss: self._exited(part, run, code, rss))
        out = fill_in(asked.output or "slurm-%j.out", part)
        err = fill_in(asked.error, part) if asked.error else ""
        environment = job_environment(part, self.controller.settings.cluster)
        run.start([str(script), *asked.arguments], environment, asked.folder, out, err)
        return run

    def _exited(self, part: Part, run: ScriptRun, code: int | None, max_rss_kb: int) -> None:
        if code is None:
            exit_code = BAD_PATH
        else:
            exit_code = f"0:{-code}" if code < 0 else f"{code}:0"
        with self.controller.lock:
            if not self.is_closing:
                self.controller.exited(part, run, exit_code, max_rss_kb)

    def closing(self) -> None:
        self.controller.register.queue.clear()
