"""Resources of a task -> options of sbatch. A value that does not look as Slurm wants it is refused by name."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from jobmon.core.resources import Option, Resources
from jobmon_slurm.api import Slurm
from jobmon_slurm.options import Options

MIB = 2**20
SPARE_SECONDS = 60  # after the worker has ended a command at its limit, to report it
WARNING_SECONDS = 30  # before the end of the job, where no time can be spared

_NAME = re.compile(r"[A-Za-z0-9_.@+-]{1,128}")
_NAMES = re.compile(r"[A-Za-z0-9_.@+,-]{1,512}")
_WHOLE = re.compile(r"-?\d{1,9}")
_FREE = re.compile(r"[ -~]{0,256}")

# A key of compute_resources -> the option of sbatch and the form of its value.
OPTIONS: dict[str, tuple[str, re.Pattern[str]]] = {
    "account": ("account", _NAME),
    "project": ("account", _NAME),
    "qos": ("qos", _NAME),
    "constraint": ("constraint", re.compile(r"[A-Za-z0-9_.,:&|*()\[\]-]{1,256}")),
    "constraints": ("constraint", re.compile(r"[A-Za-z0-9_.,:&|*()\[\]-]{1,256}")),
    "gres": ("gres", re.compile(r"[A-Za-z0-9_.,:=()/-]{1,256}")),
    "nodes": ("nodes", re.compile(r"\d{1,6}(-\d{1,6})?")),
    "ntasks": ("ntasks", re.compile(r"\d{1,9}")),
    "exclude": ("exclude", re.compile(r"[A-Za-z0-9_.,\[\]-]{1,4096}")),
    "reservation": ("reservation", _NAMES),
    "licenses": ("licenses", re.compile(r"[A-Za-z0-9_.,:;|@+-]{1,256}")),
    "nice": ("nice", _WHOLE),
}
ELSEWHERE = frozenset(("stdout", "stderr", "working_dir", "shell"))  # heeded by the worker
_OURS = """
    array batch chdir comment cpus-per-task dependency error export export-file get-user-env gid input job-name
    kill-on-invalid-dep mem no-requeue open-mode output parsable partition quiet requeue signal test-only time uid
    wait wrap
"""
OURS = frozenset(_OURS.split())  # what the plugin gives itself, and what would undo that it relies on


def problems(resources: Resources, options: Options) -> list[str]:
    """One sentence for each option that Slurm, or this site, does not take."""
    allowed = options.allowed()
    return [
        problem
        for key, value in resources.options.items()
        if key not in ELSEWHERE and (problem := _problem(key, value, allowed))
    ]


def _problem(key: str, value: Option, allowed: frozenset[str]) -> str:
    if key in OPTIONS:
        form = OPTIONS[key][1]
        return (
            ""
            if form.fullmatch(_text(value))
            else f"{key} is {value!r}, which is not a value for sbatch's --{key}"
        )
    name = key.replace("_", "-")
    if name in allowed and name not in OURS:
        return "" if _FREE.fullmatch(_text(value)) else f"{key} is {value!r}: one line of plain characters, please"
    known = ", ".join(sorted((*OPTIONS, *ELSEWHERE, *(allowed - OURS))))
    return f"there is no resource {key!r} on this cluster; there are queue, memory, runtime, cores, {known}"


class Request:
    """Options for job arrays on one Slurm, with what its partitions give."""

    def __init__(self, slurm: Slurm) -> None:
        """Nothing is asked yet."""
        self._slurm = slurm
        self._partition_seconds: dict[str, int | None] | None = None

    def __call__(self, resources: Resources, avoid: Sequence[str]) -> Mapping[str, str]:
        """The options for a job array. Raises what Slurm raises."""
        return sbatch_options(resources, self._partition_limit(resources), avoid)

    def _partition_limit(self, resources: Resources) -> int | None:
        """The most seconds that the partition gives; asked once, and only when a time is given."""
        if resources.runtime_seconds is None:
            return None
        if self._partition_seconds is None:
            self._partition_seconds = {one.name: one.max_seconds for one in self._slurm.partitions()}
        return self._partition_seconds.get(resources.queue)


def sbatch_options(resources: Resources, max_seconds: int | None, avoid: Sequence[str]) -> dict[str, str]:
    """The options for a job array.

    max_seconds  the most that the partition gives, if it is known
    avoid        nodes that shall not be used
    """
    return dict(_given(resources, max_seconds, avoid))


def _given(resources: Resources, max_seconds: int | None, avoid: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield "cpus-per-task", str(resources.cores)
    if resources.queue:
        yield "partition", resources.queue
    if resources.memory_bytes is not None:
        yield "mem", f"{max(1, math.ceil(resources.memory_bytes / MIB))}M"
    if resources.runtime_seconds is not None:
        yield from _time(resources.runtime_seconds, max_seconds)
    given = {key: value for key, value in resources.options.items() if key not in ELSEWHERE}
    excluded = [*avoid, *([_text(given.pop("exclude"))] if "exclude" in given else [])]
    if excluded:
        yield "exclude", ",".join(excluded)
    for key, value in given.items():
        if value is not False:
            yield OPTIONS[key][0] if key in OPTIONS else key.replace("_", "-"), _text(value)


def _time(runtime_seconds: int, max_seconds: int | None) -> Iterator[tuple[str, str]]:
    """The worker ends its command at its run time; the job may last a little longer, so that it can tell.

    Where the partition has no time to spare Slurm gives a warning instead. Slurm counts in minutes.
    """
    minutes = math.ceil((runtime_seconds + SPARE_SECONDS) / 60)
    if max_seconds is not None and minutes * 60 > max_seconds:
        minutes = max(1, max_seconds // 60)
        yield "signal", f"B:USR1@{WARNING_SECONDS}"
    yield "time", str(minutes)


def _text(value: Option) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return "" if isinstance(value, bool) else str(value)
