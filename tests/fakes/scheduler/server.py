"""What is behind the commands: every call is logged, may meet a fault, then is answered."""

import itertools
import secrets
import threading
from pathlib import Path
from typing import Protocol

from fakes.scheduler import processes
from fakes.scheduler.call import Answer, Call
from fakes.scheduler.clock import Clock
from fakes.scheduler.faults import Armed
from fakes.scheduler.timeline import Timeline


class Cluster(Protocol):
    """What goes on while nobody asks; whoever touches it holds the lock."""

    lock: threading.RLock
    changed: threading.Condition
    clock: Clock
    timeline: Timeline

    def catch_up(self) -> None:
        """Let happen what is due."""

    def settle(self) -> None:
        """Start what can start."""


class Server:
    """Answers calls from any thread, one at a time; with a clock that goes it lets things happen in between."""

    def __init__(self, cluster: Cluster, folder: Path, reads: tuple[str, ...]) -> None:
        """`reads`: how variables begin that are worth keeping in the log of calls."""
        self.calls: list[Call] = []
        self.faults: list[Armed] = []
        self._cluster = cluster
        self._folder = folder
        self._reads = reads
        self._mark = secrets.token_hex(8)
        self._runs = itertools.count(1)
        self._closing = False
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        if cluster.clock.speed:
            self._ticker.start()

    def perform(self, call: Call) -> Answer:
        """Carry a command out."""
        raise NotImplementedError

    def received(self, call: Call, answer: Answer) -> None:
        """A chance to count it, to let it wait."""

    def answer(self, call: Call) -> Answer:
        """What the command prints."""
        with self._cluster.lock:
            self._cluster.catch_up()
            call.at = self._cluster.clock.now()
            self.calls.append(call)
            answer = self._answer(call)
            self.received(call, answer)
            call.rc = None if answer.hangs else answer.rc
            if not self._awaits(call):
                kept = {name: value for name, value in call.environment.items() if name.startswith(self._reads)}
                call.environment = kept
            return answer

    def _awaits(self, call: Call) -> bool:
        """Whether the call is going to be carried out later, so that all of it is needed still."""
        return any(armed.fault.late is not None and call in armed.met for armed in self.faults)

    def _answer(self, call: Call) -> Answer:
        armed = next((armed for armed in self.faults if armed.strikes(call)), None)
        if not armed:
            return self.perform(call)
        fault = armed.fault
        if fault.late is not None:
            self._cluster.timeline.at(call.at + fault.late, self.perform, call)
            self._cluster.changed.notify_all()
        return fault.apply(call, lambda: self.perform(call))

    def _tick(self) -> None:
        with self._cluster.lock:
            while not self._closing:
                self._cluster.catch_up()
                self._cluster.changed.wait(self._cluster.timeline.seconds_to_next())

    def new_run(self, folder: str, text: str = "") -> tuple[str, Path]:
        """The mark of the next run of a script, with the file that holds a copy of its text."""
        number = next(self._runs)
        script = self._folder / folder / f"{number}.script"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(text)
        script.chmod(0o700)
        return f"{self._mark}.{number}", script

    def close(self) -> None:
        """End every process that was started."""
        with self._cluster.lock:
            self._closing = True
            self.closing()
            self._cluster.changed.notify_all()
        if self._ticker.ident:
            self._ticker.join(10)
        processes.end_all(self._mark)

    def closing(self) -> None:
        """Start nothing more."""

    @property
    def is_closing(self) -> bool:
        return self._closing
