"""The fake Slurm as a test uses it."""

import os
import pwd
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fakes.slurm import states
from fakes.slurm.call import Call
from fakes.slurm.clock import Clock
from fakes.slurm.deeds import Deeds
from fakes.slurm.faults import Armed, Fault
from fakes.slurm.front import Front
from fakes.slurm.placement import Placement
from fakes.slurm.plan import Behaviour, Plan, RunScript, Simulated
from fakes.slurm.records import Job, Node, Partition
from fakes.slurm.server import Server
from fakes.slurm.settings import Settings


class FakeSlurm(Deeds):
    """A cluster with the commands of Slurm 22.05 in front of it; a context manager.

    folder     gets the executables (`path`) and the copies of batch scripts
    nodes      how many n1, n2 ..., or Node records
    partitions without any there is one, "all"
    real_time  False: time goes on by `advance` alone, and tasks are simulated unless `behave` says otherwise
    speed      seconds of Slurm's in a real second
    behave     what a task does, by (job name, index, script with its arguments); nobody is answered meanwhile
    settings   fields of Settings
    """

    def __init__(
        self,
        folder: Path,
        nodes: int | Iterable[Node] = 2,
        partitions: Iterable[Partition] = (),
        real_time: bool = True,
        speed: float = 1,
        start: float | None = None,
        behave: Behaviour | None = None,
        first_id: int = 1,
        **settings: Any,
    ) -> None:
        machines = [Node(f"n{i + 1}") for i in range(nodes)] if isinstance(nodes, int) else list(nodes)
        default: Plan = RunScript() if real_time else Simulated()
        self.path = folder / "bin"
        self.settings = Settings(**settings)
        self._real_time = real_time
        clock = Clock(speed if real_time else 0, start)
        placement = Placement(machines, list(partitions) or [Partition("all", is_default=True)])
        self._server = Server(self.settings, clock, placement, behave or (lambda *_: default), folder / "spool")
        self._controller = self._server.controller
        self._controller.register.next_id = first_id
        self._front = Front(self.path, lambda call: self._server.answer(self._signed(call)))
        self.user = pwd.getpwuid(os.getuid()).pw_name

    def __enter__(self) -> "FakeSlurm":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of callers, end all processes."""
        self._front.close()
        self._server.close()

    # Commands.

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to find the commands."""
        return {"PATH": f"{self.path}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}

    def call(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str] | None = None,
        timeout: float | None = None,
        stdin: str = "",
        folder: str = "/",
    ) -> tuple[int, str, str]:
        """(rc, stdout, stderr) of a command, without a process. TimeoutExpired where one would not have ended."""
        call = Call(tuple(argv), environment or {}, folder=folder, read_stdin=lambda: stdin)
        answer = self._server.answer(self._signed(call))
        if answer.hangs or (timeout is not None and answer.delay >= timeout):
            raise subprocess.TimeoutExpired(list(argv), timeout or 0, answer.stdout, answer.stderr)
        if self._real_time and answer.delay:
            time.sleep(answer.delay)
        return answer.rc, answer.stdout, answer.stderr

    def _signed(self, call: Call) -> Call:
        call.user, call.user_id = self.user, os.getuid()
        return call

    def fault(
        self,
        command: str,
        fault: Fault,
        after: int = 0,
        times: int | None = 1,
        when: Callable[[Call], bool] = lambda call: True,
    ) -> Armed:
        """Let this happen to calls of a command ("*": any), first those after so many, so many times."""
        armed = Armed(fault, command, after, times, when)
        with self._controller.lock:
            self._server.faults.append(armed)
        return armed

    # What there is.

    @property
    def calls(self) -> list[Call]:
        """Every call so far."""
        return self._server.calls

    def called(self, command: str) -> list[Call]:
        """The calls of one command."""
        return [call for call in list(self.calls) if call.command == command]

    @property
    def rpcs(self) -> dict[str, int]:
        """What sdiag counts."""
        return dict(self._server.rpcs)

    @property
    def now(self) -> float:
        return self._controller.clock.now()

    @property
    def jobs(self) -> list[Job]:
        """All that were taken and not lost, those that are over as well."""
        with self._controller.lock:
            return [job for jobs in self._controller.register.ledger.values() for job in jobs]

    def state(self, reference: str) -> str:
        """Of 14 or 14_3; the true one, whatever the commands say."""
        with self._controller.lock:
            return self._one(reference).state

    def states(self, job_id: int) -> dict[int | None, str]:
        """Of every task of a job."""
        with self._controller.lock:
            job = self._controller.register.ledger[job_id][-1]
            known = {index: part.state for index, part in job.parts.items()}
            rest = job.rest.state if job.rest else states.PENDING
            return known | (dict.fromkeys(job.remaining, rest) if job.is_array else {})

    def pid(self, reference: str) -> int:
        """Of the batch script of a running task."""
        with self._controller.lock:
            return int(self._one(reference).execution.pid)

    # Time.

    def advance(self, seconds: float) -> None:
        """Let time go by, with everything that is due."""
        slurm = self._controller
        with slurm.lock:
            if self._real_time:
                slurm.clock.advance(seconds)
                slurm.catch_up()
            else:
                target = slurm.clock.now() + seconds
                slurm.timeline.run_until(target, slurm.settle)
                slurm.clock.advance(target - slurm.clock.now())
                slurm.catch_up()

    def wait(self, condition: Callable[[], object], seconds: float = 30) -> None:
        """Until it is so; looked at whenever something changed."""
        deadline = time.monotonic() + seconds
        with self._controller.changed:
            while not condition():
                assert time.monotonic() < deadline, (
                    f"still not so; jobs: {[self.states(j.job_id) for j in self.jobs]}"
                )
                self._controller.changed.wait(0.05)
