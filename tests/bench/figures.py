"""What a bench prints: the medians of its repeats, as one line of JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple


class Case(NamedTuple):
    """One line: a shape of workflow ("" where there is only one) at a size."""

    shape: str
    size: int


class Sample(NamedTuple):
    """One repeat: the value with its floor in the same unit, and what else was seen."""

    value: float
    floor: float
    also: Mapping[str, float] = {}


_seen: dict[tuple[str, str], list[tuple[float, float]]] = {}


def line(name: str, case: Case, unit: str, samples: Sequence[Sample]) -> str:
    """The line of a case. From a shape's second size on, `exponent` says how the time grows with the size."""
    value = median(sample.value for sample in samples)
    also = {key: rounded(median(sample.also[key] for sample in samples)) for key in samples[0].also}
    if unit == "tasks/s":
        also |= _exponent(_seen.setdefault((name, case.shape), []), case.size, case.size / value)
    return json.dumps(
        {
            "bench": name,
            "shape": case.shape,
            "size": case.size,
            "value": rounded(value),
            "unit": unit,
            "floor": rounded(median(sample.floor for sample in samples)),
            "ratio": rounded(median(sample.value / sample.floor for sample in samples)),
            "repeats": [rounded(sample.value) for sample in samples],
            **also,
        }
    )


def _exponent(points: list[tuple[float, float]], size: int, seconds: float) -> dict[str, Any]:
    """The slope of log seconds over log size, first size to last: 1.0 is linear."""
    points.append((size, seconds))
    (small, quick), (large, slow) = points[0], points[-1]
    return {"exponent": rounded(math.log(slow / quick) / math.log(large / small))} if large > small else {}


def rounded(number: float) -> float:
    """Three digits that count."""
    return float(f"{number:.3g}") if abs(number) < 1000 else round(number)
