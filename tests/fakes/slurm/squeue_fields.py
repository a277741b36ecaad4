"""What squeue shows of a record, by the letter of its format."""

from collections.abc import Callable, Mapping

from fakes.slurm import indices, states
from fakes.slurm.records import Part
from fakes.slurm.shown import moment, squeue_span


class Look:
    """What a line depends on besides the record. `only` names the tasks asked for of what is not split."""

    def __init__(self, now: float, environment: Mapping[str, str]) -> None:
        self.now = now
        self.environment = environment
        self.characters = int(environment.get("SLURM_BITSTR_LEN") or indices.SHOWN)
        self.only: dict[Part, set[int]] = {}

    def pending(self, part: Part) -> list[int]:
        """The tasks that a record stands for."""
        return [index for index in part.job.remaining if part not in self.only or index in self.only[part]]

    def expression(self, part: Part) -> str:
        job = part.job
        words = indices.write(self.pending(part)) if part in self.only else job.remaining.write()
        throttle = f"%{job.throttle}" if job.throttle else ""
        return indices.shorten(words, self.characters) + throttle


Show = Callable[[Part, Look], str]


def state_of(part: Part) -> str:
    """As squeue tells it."""
    return states.COMPLETING if part.completing else part.state


def reason_of(part: Part) -> str:
    """Those that were not looked at yet wait for others."""
    return "Priority" if part.state == states.PENDING and part.reason == "None" else part.reason


def _job_id(part: Part, look: Look) -> str:
    if part.job.is_array and part.index is None:
        return f"{part.job.job_id}_[{look.expression(part)}]"
    return part.reference


def _task_id(part: Part, look: Look) -> str:
    if not part.job.is_array:
        return "N/A"
    return look.expression(part) if part.index is None else str(part.index)


def _place(part: Part, look: Look) -> str:
    return f"({reason_of(part)})" if state_of(part) in states.REASON_SHOWN else part.node


def _used(part: Part, look: Look) -> float:
    return (part.ended or look.now) - part.started if part.started else 0


def _left(part: Part, look: Look) -> str:
    limit = 60 * part.job.submission.minutes
    if not limit:
        return "UNLIMITED"
    left = limit - _used(part, look)
    return squeue_span(left) if left >= 0 else "INVALID"


def _limit(part: Part, look: Look) -> str:
    return squeue_span(60 * part.job.submission.minutes) if part.job.submission.minutes else "UNLIMITED"


def _end(part: Part, look: Look) -> str:
    return moment(part.ended or (part.end_limit if part.started else 0), look.environment)


FIELDS: dict[str, Show] = {
    "a": lambda part, look: part.job.submission.account,
    "A": lambda part, look: str(part.raw_id),
    "B": lambda part, look: part.node or "n/a",
    "C": lambda part, look: str(part.job.submission.cpus),
    "D": lambda part, look: str(part.job.submission.nodes),
    "e": _end,
    "E": lambda part, look: "(null)" if not part.job.submission.singleton else "singleton",
    "F": lambda part, look: str(part.job.job_id),
    "g": lambda part, look: part.job.submission.user,
    "i": _job_id,
    "j": lambda part, look: part.job.name,
    "k": lambda part, look: part.job.submission.comment or "(null)",
    "K": _task_id,
    "l": _limit,
    "L": _left,
    "m": lambda part, look: f"{part.job.submission.memory_mb}M",
    "M": lambda part, look: squeue_span(_used(part, look)),
    "N": lambda part, look: part.node,
    "o": lambda part, look: part.job.submission.command,
    "P": lambda part, look: part.job.submission.partition,
    "q": lambda part, look: part.job.submission.qos,
    "Q": lambda part, look: str(4294901760 - part.job.job_id),
    "r": lambda part, look: reason_of(part),
    "R": _place,
    "S": lambda part, look: moment(part.started, look.environment),
    "t": lambda part, look: states.short(state_of(part)),
    "T": lambda part, look: state_of(part),
    "u": lambda part, look: part.job.submission.user,
    "U": lambda part, look: str(part.job.submission.user_id),
    "V": lambda part, look: moment(part.submitted, look.environment),
    "Z": lambda part, look: part.job.submission.folder,
}

HEADS = {
    "a": "ACCOUNT", "A": "JOBID", "B": "EXEC_HOST", "C": "CPUS", "D": "NODES", "e": "END_TIME", "E": "DEPENDENCY",
    "F": "ARRAY_JOB_ID", "g": "GROUP", "i": "JOBID", "j": "NAME", "k": "COMMENT", "K": "ARRAY_TASK_ID",
    "l": "TIME_LIMIT", "L": "TIME_LEFT", "m": "MIN_MEMORY", "M": "TIME", "N": "NODELIST", "o": "COMMAND",
    "P": "PARTITION", "q": "QOS", "Q": "PRIORITY", "r": "REASON", "R": "NODELIST(REASON)", "S": "START_TIME",
    "t": "ST", "T": "STATE", "u": "USER", "U": "USER", "V": "SUBMIT_TIME", "Z": "WORK_DIR",
}  # fmt: skip
