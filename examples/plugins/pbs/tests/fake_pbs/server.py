"""The server and its only node: jobs are started in their order while cores are free."""

import getpass
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from fake_pbs.jobs import TERMINATED, Subjob
from fake_pbs.words import Refused, asked, chosen

KILL_DELAY_SECONDS = 2.0
WALLTIME_EXCEEDED = -29  # JOB_EXEC_KILL_WALLTIME


class Server:
    """One thread watches limits; each job's process has one that waits for it."""

    def __init__(self, folder: Path, cores: int) -> None:
        self.folder = folder
        self.user = getpass.getuser()
        self.subjobs: list[Subjob] = []
        self._cores = cores
        self._next = 1
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._kills: list[tuple[float, Subjob, int]] = []  # when, whom, with what signal
        self._closing = False
        self._clock = threading.Thread(target=self._watch, daemon=True)
        self._clock.start()

    def answer(self, command: str, words: Sequence[str], folder: str) -> tuple[int, str, str]:
        """(exit code, standard output, standard error) of a command."""
        verbs: dict[str, Callable[[Sequence[str]], str]] = {
            "qsub": self.qsub, "qstat": self.qstat, "qdel": self.qdel, "pbsnodes": self.pbsnodes,
        }  # fmt: skip
        with self._lock:
            try:
                return 0, verbs[command](words), ""
            except Refused as error:
                return error.code, "", f"{command}: {error}\n"

    # The commands.

    def qsub(self, words: Sequence[str]) -> str:
        wanted = asked(words, self.user, self._cores)
        number, self._next = self._next, self._next + 1
        self.subjobs += [Subjob(number, index, wanted) for index in wanted.indices]
        self._start_what_fits()
        return f"{number}[].fake\n"

    def qstat(self, words: Sequence[str]) -> str:
        if "-Q" in words:
            limits = {"resources_max": {"walltime": "48:00:00", "ncpus": self._cores, "mem": "64gb"}}
            workq = {"queue_type": "Execution", "enabled": "True", "started": "True", **limits}
            return json.dumps({"Queue": {"workq": workq}})
        if "-B" in words:
            return json.dumps({"pbs_version": "23.06.06", "Server": {"fake": {"default_queue": "workq"}}})
        shown = [one for one in chosen(self.subjobs, words) if "-x" in words or not one.is_over]
        return json.dumps({"Jobs": {one.id: one.shown() for one in shown}})

    def qdel(self, words: Sequence[str]) -> str:
        for one in chosen(self.subjobs, words):
            if one.state == "Q":
                one.end(None, TERMINATED)
            elif not one.is_over:
                self._end(one, 256 + signal.SIGTERM)
        self._start_what_fits()
        return ""

    def pbsnodes(self, words: Sequence[str]) -> str:
        return json.dumps({"nodes": {"localhost": {"Mom": "localhost", "state": "free"}}})

    # The node.

    def _start_what_fits(self) -> None:
        free = self._cores - sum(one.asked.cores for one in self.subjobs if one.state in "RE")
        for one in self.subjobs:
            if self._closing or (one.state == "Q" and one.asked.cores > free):
                break  # in their order
            if one.state == "Q":
                free -= one.asked.cores
                self._start(one)
        self._changed.notify_all()

    def _start(self, one: Subjob) -> None:
        wanted = one.asked
        environment = {
            "HOME": os.environ.get("HOME", "/"), "PATH": "/bin:/usr/bin", "USER": self.user,
            "PBS_ENVIRONMENT": "PBS_BATCH", "PBS_JOBID": one.id, "PBS_JOBNAME": wanted.name,
            "PBS_QUEUE": wanted.queue, "PBS_ARRAY_ID": f"{one.number}[].fake", "PBS_ARRAY_INDEX": str(one.index),
        }  # fmt: skip
        one.state, one.substate, one.started = "R", 42, time.time()
        with open(wanted.output.replace("^array_index^", str(one.index)), "ab") as output:
            process = subprocess.Popen(
                wanted.script, cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        one.pid = process.pid
        if wanted.walltime_seconds:
            self._kills.append((one.started + wanted.walltime_seconds, one, signal.SIGTERM))
        threading.Thread(target=self._wait, args=(one, process), daemon=True).start()

    def _wait(self, one: Subjob, process: subprocess.Popen[bytes]) -> None:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            one.pid = None  # before its number is free for others
            code = process.wait()
            if one.ending is not None:
                one.end(one.ending, TERMINATED)
            else:
                one.end(256 - code if code < 0 else code)
            self._start_what_fits()

    def _end(self, one: Subjob, exit_status: int) -> None:
        """The session hears SIGTERM now and SIGKILL a little later."""
        if one.ending is None:
            one.ending = exit_status
            self._signal(one, signal.SIGTERM)
            self._kills.append((time.time() + KILL_DELAY_SECONDS, one, signal.SIGKILL))
            self._changed.notify_all()

    def _signal(self, one: Subjob, number: int) -> None:
        with suppress(ProcessLookupError):
            if one.pid:
                os.killpg(one.pid, number)

    def _watch(self) -> None:
        with self._lock:
            while not self._closing:
                now = time.time()
                due = [kill for kill in self._kills if kill[0] <= now]
                self._kills = [kill for kill in self._kills if kill[0] > now and not kill[1].is_over]
                for _, one, number in due:
                    if number == signal.SIGTERM:
                        self._end(one, WALLTIME_EXCEEDED)
                    else:
                        self._signal(one, number)
                self._changed.wait(min((kill[0] for kill in self._kills), default=now + 60) - now)

    def close(self) -> None:
        """End every process that was started."""
        with self._lock:
            self._closing = True
            for one in self.subjobs:
                self._signal(one, signal.SIGKILL)
            self._changed.notify_all()
            self._changed.wait_for(lambda: not any(one.pid for one in self.subjobs), 20)
        self._clock.join()
