"""Array indices as schedulers write them: `0-99`, `1,3,5-7`, `0-9:2`, `[0-99%5]`."""

import re
from collections.abc import Iterable

_EXPRESSION = re.compile(r"\[?([0-9,:-]+)(?:%\d+)?\]?")
_PART = re.compile(r"(\d{1,7})(?:-(\d{1,7})(?::(\d{1,7}))?)?")
MOST = 4_000_001  # no scheduler has larger arrays


def parse_indices(text: str) -> list[int] | None:
    """The indices in order, or None for a text of another form (`N/A`, one that was cut off by `...`)."""
    whole = _EXPRESSION.fullmatch(text.strip())
    if whole is None:
        return None
    indices: list[int] = []
    for piece in whole[1].split(","):
        part = _PART.fullmatch(piece)
        if part is None:
            return None
        first, last, step = int(part[1]), int(part[2] or part[1]), int(part[3] or 1)
        if step == 0 or len(indices) + last - first >= MOST:
            return None
        indices.extend(range(first, last + 1, step))
    return indices


def format_indices(indices: Iterable[int]) -> str:
    """The shortest form: `0-2,5,7-8`."""
    runs: list[list[int]] = []
    for index in sorted(set(indices)):
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in runs)
