"""What a task does once it runs: the real script, or a few words about it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fakes.slurm.states import COMPLETED


@dataclass(frozen=True)
class Task:
    """A started task as the callbacks of a plan see it."""

    job_id: int
    index: int | None
    raw_id: int
    name: str
    node: str
    restarts: int
    argv: tuple[str, ...]
    state: str


@dataclass(frozen=True)
class RunScript:
    """Run the batch script as a process of its own."""


@dataclass(frozen=True)
class Simulated:
    """Last so long, then end so. `term_seconds` is how long it goes on after SIGTERM (at most KillWait)."""

    seconds: float = 60
    state: str = COMPLETED
    exit_code: str = "0:0"
    derived_exit_code: str = "0:0"
    max_rss_kb: int = 1200
    cpu_seconds: float = 0
    term_seconds: float = 0
    on_start: Callable[[Task], object] | None = None
    on_end: Callable[[Task], object] | None = None


Plan = RunScript | Simulated
Behaviour = Callable[[str, int | None, Sequence[str]], Plan]  # of (job name, index, script with its arguments)
