"""Resources of a task -> options of qsub. A value that Grid Engine could misread is refused by name."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from jobmon.core.resources import Option, Resources
from jobmon.core.scheduler.shapes import Refused
from jobmon_drmaa.api import GridEngine
from jobmon_drmaa.options import Options
from jobmon_drmaa.queues import NO_ENVIRONMENT, Environment, Queue, environment_for

MIB = 2**20
SPARE_SECONDS = 60  # after the worker has ended a command at its limit, to report it
WARNING_SECONDS = 30  # before the end of the job, where no time can be spared

_NAME = re.compile(r"[A-Za-z0-9_.+][A-Za-z0-9_.+-]{0,127}")
_VALUE = r"[A-Za-z0-9_.:;|&!()*?@%+/~<>^\[\]-]"  # nothing that ends a word, or a list
_REQUEST = rf"[A-Za-z0-9_.]{{1,64}}(={_VALUE}{{1,256}})?"
_FREE = re.compile(rf"(?!-)({_VALUE}|[,=]){{0,512}}")

# A key of compute_resources -> the option of qsub and the form of its value.
OPTIONS: dict[str, tuple[str, re.Pattern[str]]] = {
    "account": ("A", _NAME),
    "project": ("P", _NAME),
    "priority": ("p", re.compile(r"0|-?[1-9]\d{0,3}")),
    "parallel_environment": ("pe", re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.*-]{0,63}")),
    "l": ("l", re.compile(rf"{_REQUEST}(,{_REQUEST})*")),
}
ELSEWHERE = frozenset(("stdout", "stderr", "working_dir", "shell"))  # heeded by the worker
_OURS = """
    @ A C N P S V ac b clear cwd dc e h hard help hold_jid hold_jid_ad i inherit j jsv l noshell nostdin notify
    now o p pe pty q r sc shell soft sync t terse u v verbose verify w wd
"""
OURS = frozenset(_OURS.split())  # what the plugin gives itself, and what would undo that it relies on


def problems(resources: Resources, options: Options) -> list[str]:
    """One sentence for each option that Grid Engine, or this site, does not take."""
    found = [_problem(key, value, options) for key, value in resources.options.items() if key not in ELSEWHERE]
    if resources.queue and not _NAME.fullmatch(resources.queue):
        found.append(f"queue is {resources.queue!r}, which is not the name of a queue of Grid Engine")
    return [problem for problem in found if problem]


def _problem(key: str, value: Option, options: Options) -> str:
    if key in OPTIONS:
        name, form = OPTIONS[key]
        if not form.fullmatch(_text(value)):
            return f"{key} is {value!r}, which is not a value for qsub's -{name}"
        return _contradiction(_text(value), options) if key == "l" else ""
    allowed = options.allowed() - OURS
    if key in allowed:
        return "" if _FREE.fullmatch(_text(value)) else f"{key} is {value!r}: one plain word, please"
    known = ", ".join(sorted((*OPTIONS, *ELSEWHERE, *allowed)))
    return f"there is no resource {key!r} on this cluster; there are queue, memory, runtime, cores, {known}"


def _contradiction(requests: str, options: Options) -> str:
    """A request that another key is for."""
    keys = {"h_rt": "runtime", "s_rt": "runtime", options.memory_resource: "memory"}
    keys |= {"q": "queue", "qname": "queue", "slots": "cores", "s": "cores"}
    taken = [(name, keys[name]) for name in _parts(requests) if name in keys]
    return " ".join(f"l has {name}: give {key} instead." for name, key in taken)


class Request:
    """Options for job arrays on one Grid Engine, with what its queues give."""

    def __init__(self, grid_engine: GridEngine, options: Options) -> None:
        """Nothing is asked yet."""
        self._grid_engine = grid_engine
        self._options = options
        self._queues: dict[str, Queue] | None = None
        self._environments: list[Environment] | None = None

    def __call__(self, resources: Resources, avoid: Sequence[str]) -> Mapping[str, str]:
        """The options for a job array. Raises what Grid Engine raises; Refused without a parallel environment."""
        environment = self._environment(resources)
        max_seconds = self._max_seconds(resources.queue) if resources.runtime_seconds is not None else None
        return qsub_options(resources, self._options, max_seconds, environment, avoid)

    def _environment(self, resources: Resources) -> str:
        """The one to run in, "" for none; Grid Engine is asked once, and only when it must be."""
        named = _text(resources.options.get("parallel_environment", "")) or self._options.parallel_environment
        if named or resources.cores == 1:
            return named if resources.cores > 1 or "parallel_environment" in resources.options else ""
        if self._environments is None:
            self._environments = self._grid_engine.environments()
        queues = self._known_queues()
        wanted = [queues[resources.queue]] if resources.queue in queues else list(queues.values())
        found = environment_for(resources.cores, self._environments, wanted)
        if not found:
            raise Refused(NO_ENVIRONMENT.format(cores=resources.cores, queue=resources.queue or "any queue"))
        return found

    def _max_seconds(self, queue: str) -> int | None:
        return known.max_seconds if (known := self._known_queues().get(queue)) else None

    def _known_queues(self) -> dict[str, Queue]:
        if self._queues is None:
            self._queues = {queue.name: queue for queue in self._grid_engine.queues()}
        return self._queues


def qsub_options(
    resources: Resources, options: Options, max_seconds: int | None, environment: str, avoid: Sequence[str]
) -> dict[str, str]:
    """The options for a job array, without their hyphens.

    max_seconds  the most that the queue gives, if it is known
    environment  the parallel environment, "" for none
    avoid        nodes that shall not be used
    """
    return dict(_given(resources, options, max_seconds, environment, avoid))


def _given(
    resources: Resources, options: Options, max_seconds: int | None, environment: str, avoid: Sequence[str]
) -> Iterator[tuple[str, str]]:
    if resources.queue:
        yield "q", resources.queue
    if environment:
        yield "pe", f"{environment} {resources.cores}"
    requests = dict(_requests(resources, options, max_seconds, avoid))
    if requests:
        yield "l", ",".join(f"{name}={value}" if value else name for name, value in requests.items())
    for key, value in resources.options.items():
        if key not in ELSEWHERE and key not in ("l", "parallel_environment") and value is not False:
            yield OPTIONS[key][0] if key in OPTIONS else key, _text(value)


def _requests(
    resources: Resources, options: Options, max_seconds: int | None, avoid: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """What one `-l` asks for. Memory is that of one slot, and there is a slot for each core."""
    if resources.memory_bytes is not None:
        yield options.memory_resource, f"{max(1, math.ceil(resources.memory_bytes / resources.cores / MIB))}M"
    if resources.runtime_seconds is not None:
        yield from _time(resources.runtime_seconds, max_seconds)
    given = _parts(_text(resources.options.get("l", "")))
    host = given.pop("hostname", "") or given.pop("h", "")
    avoided = f"!({'|'.join(avoid)})" if avoid else ""
    if host or avoided:
        yield "hostname", f"({host})&{avoided}" if host and avoided else host or avoided
    yield from given.items()


def _time(runtime_seconds: int, max_seconds: int | None) -> Iterator[tuple[str, str]]:
    """The worker ends its command at its run time; the job may last a little longer, so that it can tell.

    Where the queue has no time to spare, Grid Engine warns the worker by SIGUSR1 instead.
    """
    seconds = runtime_seconds + SPARE_SECONDS
    if max_seconds is not None and seconds > max_seconds:
        seconds = max_seconds
        yield "s_rt", str(max(1, seconds - WARNING_SECONDS))
    yield "h_rt", str(seconds)


def _parts(requests: str) -> dict[str, str]:
    """`a=1,b` -> {a: 1, b: ""}."""
    return {name: value for part in requests.split(",") if part for name, _, value in [part.partition("=")]}


def _text(value: Option) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return ("y" if value else "n") if isinstance(value, bool) else str(value)
