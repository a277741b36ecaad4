"""How the fake cluster is set up: what qconf would show, and a few habits of a site."""

from dataclasses import dataclass, field

HOST = "localhost"


@dataclass(frozen=True)
class Queue:
    """A queue on the one node; h_rt: seconds, None for INFINITY."""

    name: str
    slots: int
    h_rt: int | None = None
    parallel: tuple[str, ...] = ("smp",)


@dataclass
class Settings:
    """All may be changed while it runs."""

    queues: tuple[Queue, ...] = (Queue("all.q", 32), Queue("short.q", 8, 300))
    parallel: tuple[str, ...] = ("smp",)
    projects: tuple[str, ...] = ()
    max_array: int = 75000  # max_aj_tasks
    max_jobs: int = 0  # max_u_jobs; 0: no limit
    start_delay: float = 0  # from submission to the first look of the scheduler
    again_delay: float = 0  # of what was rescheduled; a real one takes three seconds
    end_delay: float = 0  # from the end of a script to when qmaster hears of it; a real one takes up to seconds
    limit_delay: float = 1  # by which execd is late with h_rt
    soft_pause: float = 90  # from SIGUSR1 at s_rt to when execd looks at h_rt again
    notify_seconds: float = 60  # from SIGUSR2 to SIGKILL of who asked for it by -notify
    default_vmem: str = "1G"  # what h_vmem is for who asks for none
    memory_limits: bool = True  # h_vmem is RLIMIT_AS of each process
    accounting_lag: float = 0
    minds_99: bool = True  # exit code 99: run it again (not FORBID_RESCHEDULE)
    minds_100: bool = True  # exit code 100: application error (not FORBID_APPERROR)
    extra_configuration: dict[str, str] = field(default_factory=dict)  # more lines of qconf -sconf

    def queue(self, name: str) -> Queue | None:
        """The queue of this name."""
        return next((queue for queue in self.queues if queue.name == name), None)
