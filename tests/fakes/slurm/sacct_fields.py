"""What sacct shows of a record or a step, by the name of the field."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fakes.slurm import states
from fakes.slurm.accounting import Entry
from fakes.slurm.shown import cpu_span, moment, span


@dataclass(slots=True)
class Line:
    """What a line shows; `step` is "" for the job itself."""

    entry: Entry
    step: str
    environment: Mapping[str, str]
    now: float
    cluster: str

    def of_job(self, value: str) -> str:
        return "" if self.step else value

    def of_step(self, value: str) -> str:
        return value if self.step else ""

    @property
    def seconds(self) -> float:
        return (self.entry.ended or self.now) - self.entry.started if self.entry.started else 0

    @property
    def is_over(self) -> bool:
        return self.entry.ended > 0


def _id(line: Line) -> str:
    return line.entry.reference + (f".{line.step}" if line.step else "")


def _raw_id(line: Line) -> str:
    return str(line.entry.part.raw_id) + (f".{line.step}" if line.step else "")


def _state(line: Line) -> str:
    state, part = line.entry.state, line.entry.part
    if line.step == "extern" and line.is_over:
        return states.COMPLETED
    if line.step and line.is_over:
        by_signal = state == states.FAILED and not part.exit_code.endswith(":0") and part.exit_code != "0:53"
        return states.CANCELLED if by_signal else states.STEPS.get(state, (state, ""))[0]
    is_cancelled = state == states.CANCELLED and line.is_over and part.cancelled_by is not None
    return f"{state} by {part.cancelled_by}" if is_cancelled else state


def _exit_code(line: Line) -> str:
    if not line.is_over or line.step == "extern":
        return "0:0"
    code = line.entry.part.exit_code
    return states.STEPS.get(line.entry.state, ("", code))[1] if line.step else code


def _measured(line: Line, value: str) -> str:
    return value if line.step == "batch" and line.is_over else ""


def _start(line: Line) -> str:
    return moment(line.entry.started, line.environment, "None" if line.is_over else "Unknown")


def _submit(line: Line) -> str:
    return moment(line.entry.started if line.step else line.entry.part.submitted, line.environment)


def _nodes(line: Line) -> str:
    return line.entry.part.node if line.entry.started else "None assigned"


def _tres(line: Line) -> str:
    asked = line.entry.job.submission
    return f"cpu={asked.cpus},mem={asked.memory_mb}M,node={asked.nodes}" + line.of_job(f",billing={asked.cpus}")


COLUMNS = (
    "Account AllocCPUS AllocTRES Cluster Comment CPUTimeRAW DerivedExitCode Elapsed ElapsedRaw Eligible End "
    "ExitCode JobID JobIDRaw JobName MaxRSS NCPUS NNodes NodeList Partition QOS Reason ReqCPUS ReqMem ReqTRES "
    "Start State Submit SystemCPU Timelimit TimelimitRaw TotalCPU UID User UserCPU WorkDir"
)
NAMES = {name.lower(): name for name in COLUMNS.split()}
FIELDS: dict[str, Callable[[Line], str]] = {
    "account": lambda line: line.entry.job.submission.account,
    "alloccpus": lambda line: str(line.entry.job.submission.cpus if line.entry.started else 0),
    "alloctres": lambda line: _tres(line) if line.entry.started else "",
    "cluster": lambda line: line.cluster,
    "comment": lambda line: line.of_job(line.entry.job.submission.comment),
    "cputimeraw": lambda line: str(int(line.seconds) * line.entry.job.submission.cpus),
    "derivedexitcode": lambda line: line.of_job(line.entry.part.derived_exit_code),
    "elapsed": lambda line: span(line.seconds),
    "elapsedraw": lambda line: str(int(line.seconds)),
    "eligible": lambda line: line.of_job(moment(line.entry.part.eligible, line.environment, "Unknown")),
    "end": lambda line: moment(line.entry.ended, line.environment, "Unknown"),
    "exitcode": _exit_code,
    "jobid": _id,
    "jobidraw": _raw_id,
    "jobname": lambda line: line.step or line.entry.job.name,
    "maxrss": lambda line: _measured(line, f"{line.entry.part.max_rss_kb}K"),
    "ncpus": lambda line: str(line.entry.job.submission.cpus),
    "nnodes": lambda line: str(line.entry.job.submission.nodes),
    "nodelist": _nodes,
    "partition": lambda line: line.of_job(line.entry.job.submission.partition),
    "qos": lambda line: line.of_job(line.entry.job.submission.qos),
    "reason": lambda line: line.of_job(line.entry.part.reason),
    "reqcpus": lambda line: str(line.entry.job.submission.cpus),
    "reqmem": lambda line: line.of_job(f"{line.entry.job.submission.memory_mb}M"),
    "reqtres": lambda line: line.of_job(_tres(line)),
    "start": _start,
    "state": _state,
    "submit": _submit,
    "systemcpu": lambda line: "00:00:00" if not line.is_over else cpu_span(0),
    "timelimit": lambda line: line.of_job(
        span(60 * line.entry.job.submission.minutes) if line.entry.job.submission.minutes else "UNLIMITED"
    ),
    "timelimitraw": lambda line: line.of_job(str(line.entry.job.submission.minutes)),
    "totalcpu": lambda line: cpu_span(line.entry.part.cpu_seconds) if line.is_over else "00:00:00",
    "uid": lambda line: line.of_job(str(line.entry.job.submission.user_id)),
    "user": lambda line: line.of_job(line.entry.job.submission.user),
    "usercpu": lambda line: cpu_span(line.entry.part.cpu_seconds) if line.is_over else "00:00:00",
    "workdir": lambda line: line.of_job(line.entry.job.submission.folder),
}
