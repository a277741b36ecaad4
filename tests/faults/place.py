"""A user's home beside a scheduler, fake or real, with waits that are seconds where they are minutes at a site."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from jobmon_conformance.home import Home, Script

SCRIPT = str(Path(__file__).with_name("script.py"))
OPTIONS = {
    "POLL_SECONDS": 0.3,
    "POLL_SECONDS_MAX": 1,
    "LAG_SECONDS": 1,
    "VANISH_SECONDS": 2,
    "IMPOSSIBLE_SECONDS": 1,
    "REQUESTS_PER_SECOND": 20,
    "BURST": 40,
    "ANSWER_SECONDS": 30,
}
QUICK = {
    "JOBMON__HEARTBEAT__TASK_INSTANCE_INTERVAL_SECONDS": "1",
    "JOBMON__WORKER__COMMAND_INTERRUPT_TIMEOUT_SECONDS": "1",
    "JOBMON__WORKER__REPORT_RETRY_SECONDS": "20",
    "JOBMON__WORKER__START_WAIT_SECONDS": "600",
}


SETTLED = "SELECT COUNT(*) FROM audit WHERE kind NOT IN ('W', 'R')"


class Place:
    """What a test of the whole path has: the home, and questions that all of these tests ask."""

    def __init__(self, home: Home, cluster: str, environment: dict[str, str]) -> None:
        self.home = home
        self.cluster = cluster
        home.environment |= QUICK | environment
        self.option(**OPTIONS)

    def option(self, **values: object) -> None:
        """Options of the cluster for whatever is started from now on."""
        prefix = f"JOBMON__CLUSTERS__{self.cluster.upper()}__"
        self.home.environment |= {f"{prefix}{name.upper()}": str(value) for name, value in values.items()}

    def be_patient(self, seconds: float = 60) -> None:
        """Let whatever is started from now on suspect nobody for three times so long, however slow the machine."""
        self.home.environment["JOBMON__HEARTBEAT__TASK_INSTANCE_INTERVAL_SECONDS"] = f"{seconds:g}"

    def start(self, tasks: int = 4, *words: str) -> Script:
        return self.home.start(SCRIPT, "--cluster", self.cluster, "--tasks", str(tasks), *words)

    def resume(self, workflow_id: int = 1) -> Script:
        """`jobmon workflow_resume` as a process."""
        words = ("workflow_resume", "-w", str(workflow_id), "-c", self.cluster)
        return self.home.start(str(Path(sys.executable).with_name("jobmon")), *words)

    def stop(self, script: Script) -> None:
        """Ctrl-C, which stops a run where there is no terminal: when the script follows the run."""
        self.wait(script.follows, "a script that follows its run")
        script.process.send_signal(signal.SIGINT)

    def release(self) -> None:
        """Let the commands end that wait for it."""
        (self.home.folder / "release").touch()

    def runs(self, tasks: int = 4) -> dict[int, int]:
        """Attempt -> pid of the commands, when so many run."""
        self.wait(lambda: self.home.witness.starts().total() >= tasks, f"{tasks} running commands")
        return {line.attempt: line.pid for line in self.home.witness.lines() if line.word == "start"}

    def ends(self, script: Script, status: str = "D") -> None:
        """The script ends by itself, with this status; nothing was started twice, all invariants hold."""
        self.wait(lambda: script.is_over, "the end of the script", 240)
        code = script.end()
        assert (code, script.out.split()[-1:]) == (0, [status]), script.out + script.err + self.log()
        self.holds()

    def holds(self) -> None:
        self.home.check()
        self.home.witness.check()

    def ran_once(self, tasks: int = 4) -> None:
        """Every task was started once, and is done."""
        assert sorted(self.home.witness.starts().values()) == [1] * tasks
        assert self.home.task_counts() == {"D": tasks}

    def kill_worker(self, task: int) -> int:
        """kill -9 what runs the command of this task; the pid of the command."""
        pid = next(line.pid for line in reversed(self.home.witness.lines()) if line.task == task)
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(parent, signal.SIGKILL)
        return pid

    def job_ids(self) -> list[str]:
        """Of the batches, as the server knows them."""
        return [str(id) for id in self.home.column("SELECT job_id FROM batch ORDER BY id")]

    def attempts(self) -> list[tuple[str, str]]:
        """Status and failure class of every attempt that is over."""
        return [
            (status, failure_class)
            for status, failure_class in self.home.query(
                "SELECT i.status, r.failure_class FROM task_instance i "
                "JOIN attempt_result r ON r.task_instance_id = i.id ORDER BY i.id"
            )
        ]

    def wait(self, condition: Callable[[], object], what: str, seconds: float = 120) -> None:
        """Until it is so; else with what the scripts and the distributors said."""
        try:
            self.home.wait_for(condition, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None

    def launched(self) -> list[str]:
        """The job ids, when every batch has one."""
        self.wait(lambda: all(ids := self.job_ids()) and ids, "the ids of all batches")
        return self.job_ids()

    def audited(self) -> int:
        """How many changes of state of tasks and attempts there were."""
        return int(self.home.value(SETTLED))

    def errors(self) -> str:
        """All that went wrong, in the words that the user reads."""
        return "\n".join(self.home.column("SELECT description FROM error_log ORDER BY id"))

    def failures(self) -> list[tuple[int, int]]:
        """Of every task: failures of its own, failures of the system."""
        return self.home.query("SELECT failures, system_failures FROM task ORDER BY id")

    def notice(self) -> str:
        """Why the cluster makes the newest run wait."""
        return str(self.home.value("SELECT notice FROM workflow_run ORDER BY id DESC LIMIT 1") or "")

    def says(self, words: str, seconds: float = 120) -> None:
        """Wait until the notice has these words."""
        self.wait(lambda: words in self.notice(), f"a notice with {words!r}", seconds)

    def log(self) -> str:
        """What the distributors logged."""
        return "".join(path.read_text() for path in sorted(self.home.folder.rglob("distributor-*.log")))
