"""One granted attempt, from its start to its report."""

from __future__ import annotations

import time

from .answer import Refused, Unanswered
from .bare import posix
from .command import MARK, Command
from .deadline import within
from .environment import merged
from .output import open_outputs, shortage
from .talk import further, report
from .usage import own_memory_group
from .verdict import SUPERSEDED, Verdict, judge, shell_code
from .watch import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .arguments import Arguments
    from .heartbeat import Heartbeat
    from .inbox import Inbox
    from .link import Link
    from .talk import Grant, Runner

ENVIRONMENT_FAILURE = 198
LONGEST_ARGUMENT_BYTES = 131072  # MAX_ARG_STRLEN of Linux, a final NUL included
DISK_SECONDS = 30.0
SWEEP_SECONDS = 10.0


class Attempt:
    """An attempt that the server has granted to this process."""

    def __init__(
        self,
        arguments: Arguments,
        grant: Grant,
        runner: Runner,
        link: Link,
        heartbeat: Heartbeat,
        inbox: Inbox,
        asks_until: float,
    ) -> None:
        """Nothing is done yet. Before `asks_until` the report of a good end asks for another attempt, `next`."""
        self.next: Grant | None = None
        self._asks_until = asks_until
        self._arguments = arguments
        self._grant = grant
        self._runner = runner
        self._link = link
        self._heartbeat = heartbeat
        self._inbox = inbox
        self._script = ""

    def carry_out(self) -> int:
        """Run the command and report its end; the exit code for this process, the command's own if it ran."""
        self._heartbeat.begin()
        self._outputs = open_outputs(self._grant, self._arguments.spool_dir)
        self._memory_group = own_memory_group(self._arguments.job)
        self._peak_before = self._job_peak_bytes()
        self._began = time.monotonic()
        try:
            command = self._start()
        except (OSError, ValueError) as error:
            self._report(self._outcome(_not_started(error)))
            exit_code = ENVIRONMENT_FAILURE
        else:
            exit_code = self._finish(command)
        self._heartbeat.end()
        self._remove_script()
        for output in self._outputs:
            posix.close(output.descriptor)
        return exit_code

    def _start(self) -> Command:
        options = self._grant.options
        for folder in (self._arguments.working_dir, options.get("working_dir")):  # the second may lie in the first
            if folder:
                posix.chdir(str(folder))
        shell, text = str(options.get("shell") or "bash").encode(), self._grant.command.encode()
        argv = [shell, b"-c", text] if len(text) < LONGEST_ARGUMENT_BYTES else [shell, self._written(text)]
        stdout, stderr = self._outputs
        return Command(argv, self._environment(), (stdout.descriptor, stderr.descriptor))

    def _written(self, text: bytes) -> bytes:
        """The path of a file with a command that is too long for an argument."""
        if b"\0" in text:
            raise ValueError("embedded null byte")
        import os  # 1 ms of CPU

        os.makedirs(self._arguments.spool_dir, mode=0o700, exist_ok=True)  # noqa: PTH103
        self._script = f"{self._arguments.spool_dir}/command-{self._grant.instance_id}-{self._runner.id}"
        descriptor = os.open(self._script, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123
            file.write(text)
        return os.fsencode(self._script)

    def _environment(self) -> dict[bytes, bytes]:
        ids = {
            MARK: self._grant.instance_id,
            b"JOBMON_WORKFLOW_RUN_ID": self._grant.workflow_run_id,
            b"JOBMON_TASK_ID": self._grant.task_id,
            b"JOBMON_WORKFLOW_ID": self._grant.workflow_id,
        }
        variables = merged(self._arguments.environment_file, posix.environ)
        return {**variables, **{name: b"%d" % number for name, number in ids.items()}}

    def _finish(self, command: Command) -> int:
        patience = self._arguments.interrupt_timeout_seconds
        # A short command's outcome goes over the connection of its claim; but the server has thousands of us.
        watch = Watch(command, self._inbox, patience, self._limit_at(), not_short=self._link.close)
        exit_code = watch.wait()
        wall_seconds = time.monotonic() - self._began
        command.sweep(SWEEP_SECONDS)
        if watch.cause == SUPERSEDED:
            say(f"the command was killed {SUPERSEDED}")
            return shell_code(exit_code)
        verdict = judge(exit_code, watch.cause, self._out_of_memory() if exit_code else "")
        usage = {
            "exit_code": shell_code(exit_code),
            "peak_memory_bytes": self._own_peak_bytes() or command.peak_memory_bytes or None,
            "cpu_seconds": command.cpu_seconds,
            "wall_seconds": wall_seconds,
        }
        self._report({**self._outcome(verdict), **usage})
        return shell_code(exit_code)

    def _out_of_memory(self) -> str:
        """How it shows that a failed command had too little memory, "" if it does not."""
        if self._memory_group is not None and self._memory_group.out_of_memory():
            return "the kernel killed a process of the job"
        from .address_space import shortage

        return shortage(_tail(self._outputs[1].path, self._arguments.tail_bytes))

    def _job_peak_bytes(self) -> int | None:
        return self._memory_group.peak_bytes() if self._memory_group else None

    def _own_peak_bytes(self) -> int | None:
        """What the whole job used at most, unless that was in an earlier attempt in the same place."""
        peak_bytes = self._job_peak_bytes()
        is_guest = self._grant.index != self._arguments.index
        return None if is_guest and peak_bytes == self._peak_before else peak_bytes

    def _limit_at(self) -> float | None:
        limit_seconds = self._grant.runtime_seconds
        return None if limit_seconds is None else self._began + limit_seconds

    def _outcome(self, verdict: Verdict) -> dict[str, Any]:
        """A wire Outcome without the usage."""
        return {
            "instance_id": self._grant.instance_id,
            "token": self._grant.token,
            "status": verdict.status,
            "failure_class": verdict.failure_class,
            "message": self._message(verdict),
        }

    def _message(self, verdict: Verdict) -> str:
        """What the user reads: what happened and where, then the end of standard error."""
        lines = [output.warning for output in self._outputs] + self._shortages()
        if verdict.status != "D":
            path = self._outputs[1].path
            lines.insert(0, f"The command {verdict.sentence} on node {self._runner.node}; standard error: {path}")
            lines.append(_tail(path, self._arguments.tail_bytes))
        return "\n".join(line for line in lines if line)

    def _shortages(self) -> list[str]:
        try:
            return within(DISK_SECONDS, lambda: [shortage(output.path) for output in self._outputs])
        except OSError:  # a disk that cannot say how much room it has
            return []

    def _report(self, outcome: dict[str, Any]) -> None:
        """Tell the server, else leave the outcome in the spool. A signal to end cuts the waiting short."""
        goes_on = outcome["status"] == "D" and time.monotonic() < self._asks_until
        claims = [further(self._arguments.batch_id, self._arguments.index)] if goes_on else []
        request = self._runner.request(outcomes=[outcome], claims=claims)
        try:
            self.next = report(self._link, request, self._arguments.report_retry_seconds, self._inbox)
        except Refused as refused:
            if refused.status == 410:
                return say(f"the outcome is not wanted any more: {refused}")
            self._keep(request, refused)
        except Unanswered as unanswered:
            self._keep(request, unanswered)
        return None

    def _keep(self, request: dict[str, Any], reason: Exception) -> None:
        from .spool import write_spool  # it needs `json`

        say(f"could not report the outcome: {reason}")
        try:
            path = within(DISK_SECONDS, lambda: write_spool(self._arguments.spool_dir, {**request, "claims": []}))
            say(f"the outcome is kept in {path}; the distributor will replay it")
        except OSError as error:
            say(f"could not keep the outcome either, it is lost: {error}")

    def _remove_script(self) -> None:
        if self._script:
            try:
                within(DISK_SECONDS, lambda: posix.unlink(self._script))
            except OSError as error:
                say(f"cannot remove {self._script}: {error}")


def say(text: str) -> None:
    """A line for whoever reads the batch system's own log of the job."""
    try:  # noqa: SIM105  # contextlib costs 4 ms of CPU
        posix.write(2, f"jobmon worker: {text}\n".encode("utf-8", "backslashreplace"))
    except OSError:  # nobody is there to read it
        pass


def _not_started(error: OSError | ValueError) -> Verdict:
    if isinstance(error, ValueError):
        return Verdict("F", "fatal", f"can never be started ({error})")
    import errno
    import os  # 1 ms of CPU

    if error.errno == errno.E2BIG:
        return Verdict("E", "user", "could not be started: the environment is too large")
    reason = f"{error.strerror}: {os.fsdecode(error.filename or '')}"
    return Verdict("X", "infrastructure", f"could not be started ({reason})")


def _tail(path: str, most_bytes: int) -> str:
    from .tail import read_tail  # of those that failed only

    try:
        return within(DISK_SECONDS, lambda: read_tail(path, most_bytes)).rstrip("\n")
    except OSError as error:
        return f"(its end cannot be read: {error})"
