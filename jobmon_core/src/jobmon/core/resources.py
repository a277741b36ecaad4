"""What a task asks of its cluster: read from a mapping, grown after a resource error, fitted to a queue."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice
from numbers import Real
from pathlib import PurePath
from typing import TypeAlias, cast

import msgspec

from jobmon.core.exceptions import InvalidResources
from jobmon.core.quantities import (
    GIB,
    LARGEST,
    exact_number,
    format_memory,
    format_runtime,
    parse_memory,
    parse_runtime,
)

Option: TypeAlias = bool | int | float | str | list[str]
Scale: TypeAlias = float | list[int]  # a rule (v -> ceil(v * (1 + s))), or the values for the further attempts

_FIELDS = {"memory": "memory_bytes", "runtime": "runtime_seconds", "cores": "cores"}


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt asks for. None is "not said": the cluster's own default or no limit.

    `options` is everything only some cluster understands: project, constraints, stdout, working_dir, ...
    """

    queue: str = ""
    memory_bytes: int | None = None
    runtime_seconds: int | None = None
    cores: int = 1
    options: dict[str, Option] = {}

    @classmethod
    def parse(cls, mapping: Mapping[str, object]) -> "Resources":
        """Read the compute resources of a user: queue, memory, runtime, cores and the cluster's own keys.

        See `parse_memory` and `parse_runtime` for the forms of these two. A value of None is as good as no
        key at all. Raises InvalidResources (InvalidMemoryFormat, ... for these) naming the key.
        """
        given = {key: value for key, value in mapping.items() if value is not None}
        memory, runtime = given.pop("memory", None), given.pop("runtime", None)
        return cls(
            queue=_text("queue", given.pop("queue", "")),
            memory_bytes=None if memory is None else parse_memory(memory),
            runtime_seconds=None if runtime is None else parse_runtime(runtime),
            cores=_cores(given.pop("cores", 1)),
            options={_text("name", key): _option(key, value) for key, value in given.items()},
        )


class QueueLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The most that one job may ask of a queue; None is no limit."""

    name: str
    max_memory_bytes: int | None = None
    max_runtime_seconds: int | None = None
    max_cores: int | None = None


# --- scaling: what the next attempt gets after one that ran out of something ----------------------------


def draw_scale(
    value: float,
    scale: object,
    attempts: int,
    *,
    key: str = "value",
    read: Callable[[object], float] | None = None,
) -> float | list[float]:
    """Turn what a user gave for `resource_scales[key]` into something that can be stored.

    A number stays the rule it is. A callable is applied again and again, beginning with `value`, for the
    values of `attempts` further attempts. An iterator (or a list) is drawn at most that often; when it
    ends early, `scaled` uses its last value again. `read` makes a number of each value drawn.

    Raises InvalidResources, a ValueError, for anything else, for an empty iterator and for a number that
    is not above -1.
    """
    read = read or _finite
    if isinstance(scale, Real) and not isinstance(scale, bool):
        return _rule(key, float(scale))
    if isinstance(scale, list | tuple):
        scale = iter(scale)
    if isinstance(scale, Iterator):
        drawn = [read(item) for item in islice(scale, attempts)]
        if attempts and not drawn:
            raise InvalidResources(f"resource_scales[{key!r}]: the iterator is empty; give it one value at least")
        return drawn
    if callable(scale):
        return _applied(value, scale, attempts, read)
    raise InvalidResources(
        f"resource_scales[{key!r}] is {scale!r}; it must be a number (0.5 adds a half), a callable or an iterator"
    )


def draw_scales(resources: Resources, scales: Mapping[str, object], attempts: int) -> dict[str, Scale]:
    """Draw `resource_scales` for `attempts` further attempts: numbers as they are, lists in whole units.

    Callables and iterators meet memory in GiB (as float), runtime in seconds, cores as a count, and may
    give texts back ('12G', '2h'). The lists that come out are bytes, seconds, cores. A resource that is
    not set is not scaled. Raises InvalidResources for a key that cannot be scaled.
    """
    if unknown := scales.keys() - _FIELDS.keys():
        raise InvalidResources(
            f"resource_scales has {sorted(map(str, unknown))}; only {', '.join(_FIELDS)} can be scaled"
        )
    drawn: dict[str, Scale] = {}
    for key, scale in scales.items():
        unit, read = _USER_UNITS[key]
        value: int | None = getattr(resources, _FIELDS[key])
        if value is not None:
            steps = draw_scale(value / unit, scale, attempts, key=key, read=read)
            drawn[key] = [round(step * unit) for step in steps] if isinstance(steps, list) else steps
    return drawn


def scaled(value: int, scale: float | Sequence[float], step: int) -> int:
    """The value for the `step`-th further attempt, from the first attempt's value; step 0 is `value`."""
    if step <= 0 or (isinstance(scale, Sequence) and not scale):
        return value
    if isinstance(scale, Sequence):
        return math.ceil(scale[min(step, len(scale)) - 1])
    factor = 1 + Fraction(repr(float(scale)))  # exact, so that 10 cores and 0.1 are 11 and not 12
    for _ in range(step):
        value = min(math.ceil(value * factor), LARGEST)
    return value


def scale_resources(resources: Resources, scales: Mapping[str, Scale], step: int) -> Resources:
    """The resources for the `step`-th further attempt, given those of the first one."""
    changes = {
        _FIELDS[key]: scaled(value, scale, step)
        for key, scale in scales.items()
        if (value := getattr(resources, _FIELDS[key])) is not None
    }
    return msgspec.structs.replace(resources, **changes)


# --- queues: what fits where ----------------------------------------------------------------------------


def check_limits(resources: Resources, limits: QueueLimits) -> list[str]:
    """One sentence for each resource that is more than the queue gives; an empty list if all fit."""
    return [
        f"{key} {_SHOWN[key](asked)} is more than the {_SHOWN[key](most)} of queue {limits.name!r}"
        for key, asked, most in _compared(resources, limits)
        if asked > most
    ]


def coerce(resources: Resources, limits: QueueLimits) -> Resources:
    """The same resources, each at most what the queue gives."""
    changes = {_FIELDS[key]: min(asked, most) for key, asked, most in _compared(resources, limits)}
    return msgspec.structs.replace(resources, **changes)


def fit(resources: Resources, queues: Sequence[QueueLimits]) -> Resources:
    """Place resources on the first queue that holds them, else cut them to the last queue's maximum.

    `queues` is the task's own queue, then its fallbacks, in order. Without any, nothing changes.
    """
    for limits in queues:
        if not check_limits(resources, limits):
            return msgspec.structs.replace(resources, queue=limits.name)
    if not queues:
        return resources
    return msgspec.structs.replace(coerce(resources, queues[-1]), queue=queues[-1].name)


def _compared(resources: Resources, limits: QueueLimits) -> Iterator[tuple[str, int, int]]:
    """(key, asked, most) for each resource that is both asked for and limited."""
    for key, field in _FIELDS.items():
        asked: int | None = getattr(resources, field)
        most: int | None = getattr(limits, f"max_{field}")
        if asked is not None and most is not None:
            yield key, asked, most


def _rule(key: str, number: float) -> float:
    if math.isfinite(number) and number > -1:
        return number
    raise InvalidResources(f"resource_scales[{key!r}] is {number}; a number must be finite and above -1")


def _applied(
    value: float, function: Callable[[float], object], attempts: int, read: Callable[[object], float]
) -> list[float]:
    values = []
    for _ in range(attempts):
        value = read(function(value))
        values.append(value)
    return values


def _finite(value: object) -> float:
    number = exact_number(value)
    if number is None:
        raise InvalidResources(f"a scale gave {value!r}; it must be a finite number")
    return float(number)


def _cores(value: object) -> int:
    """A count of cores: 4, 4.0, '4' or numpy's forms of these."""
    number = exact_number(int(value) if isinstance(value, str) and value.strip().isdecimal() else value)
    if number is None or number.denominator != 1 or not 1 <= number <= LARGEST:
        raise InvalidResources(f"cores is {value!r}; it must be a whole number, 1 or more")
    return int(number)


def _text(key: str, value: object) -> str:
    if isinstance(value, str):
        return str(value)
    raise InvalidResources(f"compute resource {key} is {value!r}; it must be a text")


def _option(key: str, value: object) -> Option:
    """The value as JSON holds it, numpy's values and paths included."""
    plain = [_plain(item) for item in value] if isinstance(value, list | tuple) else _plain(value)
    try:
        if isinstance(plain, float) and not math.isfinite(plain):
            raise ValueError("not finite")
        msgspec.json.encode(plain)  # refuses texts that are not Unicode
        return cast(Option, msgspec.convert(plain, Option))
    except (ValueError, TypeError):
        raise InvalidResources(
            f"compute resource {key!r} is {value!r}; give a finite number, a text, a bool or a list of texts"
        ) from None


def _plain(value: object) -> object:
    if isinstance(value, PurePath):
        return str(value)
    return value.tolist() if type(value).__module__ == "numpy" else value  # type: ignore[attr-defined]


def _gibibytes(value: object) -> float:
    return parse_memory(value) / GIB


_USER_UNITS: dict[str, tuple[int, Callable[[object], float]]] = {
    "memory": (GIB, _gibibytes),
    "runtime": (1, parse_runtime),
    "cores": (1, _cores),
}
_SHOWN: dict[str, Callable[[int], str]] = {"memory": format_memory, "runtime": format_runtime, "cores": str}
