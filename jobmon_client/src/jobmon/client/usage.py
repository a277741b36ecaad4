"""Statistics of what the tasks of a template used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist, fmean, median, stdev
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec

from jobmon.core import routes, wire
from jobmon.core.hashing import canonical
from jobmon.core.ids import WorkflowId

if TYPE_CHECKING:
    from jobmon.core.http import Server


class UsageStatistics(TypedDict):
    """Memory as texts in bytes ("600B"), runtime in seconds; None where nothing was measured."""

    num_tasks: int
    min_mem: str | None
    max_mem: str | None
    mean_mem: str | None
    min_runtime: float | None
    max_runtime: float | None
    mean_runtime: float | None
    median_mem: str | None
    median_runtime: float | None
    ci_mem: list[str | None]
    ci_runtime: list[float | None]


def usage_statistics(
    server: Server,
    template_version_key: str,
    workflows: Sequence[int] | int | None = None,
    node_args: Mapping[str, Any] | None = None,
    ci: float | None = None,
) -> UsageStatistics | None:
    """What successful tasks of a template version used, or None when there are none.

    The confidence interval is that of the mean, by Student's t: mean -+ t((1 + ci) / 2, n - 1) * s / sqrt(n),
    with s the sample's standard deviation; [None, None] with fewer than two tasks, or without `ci`.
    Raises ValueError for a `ci` that is not between 0 and 1.
    """
    if ci is not None and not 0 < float(ci) < 1:
        raise ValueError(f"ci is {ci!r}; it must be between 0 and 1, as 0.95")
    wanted = [workflows] if isinstance(workflows, int) else list(workflows or [])
    answer = server.call(
        routes.USAGE,
        wire.UsageQuery(
            template_version_key=template_version_key, workflow_id=[WorkflowId(one) for one in wanted]
        ),
    )
    return summarise(answer, node_args or {}, None if ci is None else float(ci))


def summarise(answer: wire.UsageAnswer, node_args: Mapping[str, Any], ci: float | None) -> UsageStatistics | None:
    """The statistics of those tasks whose node arguments are as wanted."""
    wanted = {name: _texts(values) for name, values in node_args.items()}
    kept = [row for row, text in enumerate(answer.node_args) if _matches(text, wanted)]
    if not kept:
        return None
    memory = _measured(answer.peak_memory_bytes, kept)
    runtime = _measured(answer.wall_seconds, kept)
    return UsageStatistics(
        num_tasks=len(kept),
        min_mem=_size(min(memory, default=None)),
        max_mem=_size(max(memory, default=None)),
        mean_mem=_size(fmean(memory) if memory else None),
        min_runtime=min(runtime, default=None),
        max_runtime=max(runtime, default=None),
        mean_runtime=fmean(runtime) if runtime else None,
        median_mem=_size(median(memory) if memory else None),
        median_runtime=median(runtime) if runtime else None,
        ci_mem=[_size(bound) for bound in _interval(memory, ci)],
        ci_runtime=_interval(runtime, ci),
    )


def student_t_quantile(probability: float, degrees: int) -> float:
    """The quantile of Student's t with a whole number of degrees of freedom, by bisection of its exact CDF.

    Above 1,000 degrees: the normal quantile z with the first term of its expansion, z + (z^3 + z) / 4n, which
    is exact to 1e-6 there. Source: Abramowitz and Stegun, 26.7.3, 26.7.4 and 26.7.5.
    """
    if probability < 0.5:
        return -student_t_quantile(1 - probability, degrees)
    if degrees > 1000:
        z = NormalDist().inv_cdf(probability)
        return z + (z**3 + z) / (4 * degrees)
    low, high = 0.0, math.pi / 2  # of the angle whose tangent is t / sqrt(degrees)
    for _ in range(80):
        angle = (low + high) / 2
        low, high = (angle, high) if _within(angle, degrees) < 2 * probability - 1 else (low, angle)
    return math.tan((low + high) / 2) * math.sqrt(degrees)


def _within(angle: float, degrees: int) -> float:
    """The probability that |t| < tan(angle) * sqrt(degrees)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    term = total = (cosine if odd else 1.0) if degrees > 1 else 0.0
    for step in range(2 + odd, degrees, 2):
        term *= cosine * cosine * (step - 1) / step
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def _measured(column: Sequence[float | None], rows: Sequence[int]) -> list[float]:
    return [value for row in rows if (value := column[row]) is not None]


def _interval(values: list[float], ci: float | None) -> list[float | None]:
    if ci is None or len(values) < 2:
        return [None, None]
    mean = fmean(values)
    half = student_t_quantile((1 + ci) / 2, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return [mean - half, mean + half]


def _size(value: float | None) -> str | None:
    return None if value is None else f"{round(value)}B"


def _texts(values: Any) -> set[bytes]:
    """Canonical texts of one value, or of several in a list."""
    several = values if isinstance(values, list | tuple | set | frozenset | range) else [values]
    return {canonical(value) for value in several}


def _matches(text: str, wanted: Mapping[str, set[bytes]]) -> bool:
    if not wanted:
        return True
    given = msgspec.json.decode(text)
    return all(name in given and canonical(given[name]) in texts for name, texts in wanted.items())
