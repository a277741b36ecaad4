"""The cluster behind the commands: every call is logged, counted, may meet a fault, then is answered."""

import itertools
import secrets
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from fakes.slurm import processes, reports
from fakes.slurm.batch_script import job_environment
from fakes.slurm.call import Answer, Call, read_by_slurm
from fakes.slurm.clock import Clock
from fakes.slurm.controller import Controller
from fakes.slurm.faults import Armed, perform_or_refuse
from fakes.slurm.placement import Placement
from fakes.slurm.plan import Behaviour, Task
from fakes.slurm.processes import ScriptRun
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


class Server:
    """Answers calls from any thread, one at a time."""

    def __init__(
        self, settings: Settings, clock: Clock, placement: Placement, behave: Behaviour, folder: Path
    ) -> None:
        self.controller = Controller(settings, clock, placement, behave, self._run_script)
        self.calls: list[Call] = []
        self.faults: list[Armed] = []
        self.rpcs: Counter[str] = Counter()
        self.rpcs_of: Counter[str] = Counter()
        self._mark = secrets.token_hex(8)
        self._runs = itertools.count(1)
        self._folder = folder
        self._rate = RateLimit(settings)
        self._closing = False
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        if clock.speed:
            self._ticker.start()

    def answer(self, call: Call) -> Answer:
        """What the command prints."""
        with self.controller.lock:
            self.controller.catch_up()
            call.at = self.controller.clock.now()
            self.calls.append(call)
            sent = reports.messages(call)
            self.rpcs.update(sent)
            self.rpcs_of[f"{call.user}:{call.user_id}"] += len(sent)
            answer = self._answer(call)
            answer.delay += self._rate.wait(call.user, call.at) if sent else 0
            call.rc = None if answer.hangs else answer.rc
            if not self._awaits(call):
                call.environment = read_by_slurm(call.environment)
            return answer

    def _awaits(self, call: Call) -> bool:
        """Whether the call is going to be carried out later, so that all of it is needed still."""
        return any(armed.fault.late is not None and call in armed.met for armed in self.faults)

    def _answer(self, call: Call) -> Answer:
        armed = next((armed for armed in self.faults if armed.strikes(call)), None)
        if not armed:
            return self._perform(call)
        fault = armed.fault
        if fault.late is not None:
            self.controller.timeline.at(call.at + fault.late, self._perform, call)
            self.controller.changed.notify_all()
        return fault.apply(call, lambda: self._perform(call))

    def _perform(self, call: Call) -> Answer:
        if call.command == "sdiag":
            return reports.sdiag(self.controller, call, self.rpcs, self.rpcs_of)
        return perform_or_refuse(lambda: COMMANDS[call.command](self.controller, call))

    # Real time, real processes.

    def _tick(self) -> None:
        slurm = self.controller
        with slurm.lock:
            while not self._closing:
                slurm.catch_up()
                slurm.changed.wait(slurm.timeline.seconds_to_next())

    def _run_script(self, part: Part, task: Task) -> ScriptRun:
        number = next(self._runs)
        script = self._folder / f"job{part.job.job_id:05}" / f"{number}.slurm_script"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(part.job.submission.script)
        script.chmod(0o700)
        run = ScriptRun(f"{self._mark}.{number}", lambda run, code, rss: self._exited(part, run, code, rss))
        run.start(part, script, job_environment(part, self.controller.settings.cluster))
        return run

    def _exited(self, part: Part, run: ScriptRun, exit_code: str, max_rss_kb: int) -> None:
        with self.controller.lock:
            if not self._closing:
                self.controller.exited(part, run, exit_code, max_rss_kb)

    def close(self) -> None:
        """End every process that was started."""
        with self.controller.lock:
            self._closing = True
            self.controller.register.queue.clear()
            self.controller.changed.notify_all()
        if self._ticker.ident:
            self._ticker.join(10)
        processes.end_all(self._mark)
