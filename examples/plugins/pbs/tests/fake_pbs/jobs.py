"""Jobs as the server keeps them, and as `qstat -f -F json` shows them."""

import time
from dataclasses import dataclass, field
from typing import Any

TERMINATED, FINISHED = 91, 92  # substates of a job that is over


@dataclass
class Asked:
    """What qsub was told."""

    name: str
    user: str
    script: list[str]
    output: str
    queue: str
    indices: range
    cores: int = 1
    walltime_seconds: float | None = None
    at: float = field(default_factory=time.time)


@dataclass
class Subjob:
    """One place of an array."""

    number: int
    index: int
    asked: Asked
    state: str = "Q"
    substate: int = 10
    exit_status: int | None = None
    pid: int | None = None
    started: float = 0
    ended: float = 0
    ending: int | None = None  # the exit status that it will have had: somebody has begun to end it

    @property
    def id(self) -> str:
        return f"{self.number}[{self.index}].fake"

    @property
    def is_over(self) -> bool:
        return self.state in "XF"

    def end(self, exit_status: int | None, substate: int = FINISHED) -> None:
        self.state, self.substate, self.ended, self.pid = "F", substate, time.time(), None
        self.exit_status = exit_status

    def shown(self) -> dict[str, Any]:
        """The attributes, those that are not set left out."""
        asked = self.asked
        told: dict[str, Any] = {
            "Job_Name": asked.name,
            "Job_Owner": f"{asked.user}@login.example.org",
            "job_state": self.state,
            "substate": self.substate,
            "queue": asked.queue,
            "server": "fake",
            "array_id": f"{self.number}[].fake",
            "array_index": str(self.index),
            "qtime": time.asctime(time.localtime(asked.at)),
        }
        if self.started:
            told["exec_host"] = f"localhost/{self.index}"
            used = (self.ended or time.time()) - self.started
            told["resources_used"] = {"walltime": clock(used), "cput": "00:00:00", "mem": "1024kb"}
        if self.exit_status is not None:
            told["Exit_status"] = self.exit_status
        return told


def clock(seconds: float) -> str:
    """As PBS writes times."""
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def seconds(text: str) -> float:
    """Of a time as qsub takes it."""
    total = 0.0
    for part in text.split(":"):
        total = 60 * total + float(part)
    return total
