"""Array expressions as Slurm writes them: `0-9,12`, `0-99:2`, `0-999%50`."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

SHOWN = 64  # characters of an expression that squeue prints unless SLURM_BITSTR_LEN says otherwise


def parse(expression: str) -> tuple[Sequence[int], int]:
    """(indices ascending, how many may run at once or 0). ValueError where Slurm says it is invalid."""
    listed, _, throttle = expression.partition("%")
    if throttle and not throttle.isdigit():
        raise ValueError(expression)
    spans = [_span(item) for item in listed.split(",")]
    if len(spans) == 1:
        return spans[0], int(throttle or 0)
    return sorted({index for span in spans for index in span}), int(throttle or 0)


def _span(item: str) -> range:
    found = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", item)
    if not found:
        raise ValueError(item)
    first, last, step = int(found[1]), int(found[2] or found[1]), int(found[3] or 1)
    if last < first or not step:
        raise ValueError(item)
    return range(first, last + 1, step)


def write(indices: Sequence[int]) -> str:
    """The shortest expression: evenly spaced indices as a range with a step, others as a list of ranges."""
    if len(indices) > 2:
        step = indices[1] - indices[0]
        even = isinstance(indices, range) or all(b - a == step for a, b in zip(indices, indices[1:], strict=False))
        if even:
            return f"{indices[0]}-{indices[-1]}" + (f":{step}" if step > 1 else "")
    return ",".join(_runs(indices))


def _runs(indices: Iterable[int]) -> Iterator[str]:
    for _, group in groupby(enumerate(indices), lambda pair: pair[1] - pair[0]):
        run = [index for _, index in group]
        yield str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}"


def shorten(expression: str, characters: int = SHOWN) -> str:
    """What fits into so many bytes; 0 is no limit."""
    if not characters or len(expression) <= characters - 3:
        return expression
    return expression[: characters - 4] + "..."


def hosts(names: Iterable[str]) -> str:
    """`n[1-3,5]` of n1, n2, n3, n5."""
    families: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda name: (len(name), name)):
        stem = name.rstrip("0123456789")
        families.setdefault(stem, []).append(name[len(stem) :])
    return ",".join(_family(stem, numbers) for stem, numbers in families.items())


def _family(stem: str, numbers: list[str]) -> str:
    if len(numbers) == 1:
        return stem + numbers[0]
    width = len(numbers[0]) if any(len(n) > 1 and n[0] == "0" for n in numbers) else 0
    runs = [run.split("-") for run in _runs(sorted(int(number) for number in numbers))]
    return f"{stem}[{','.join('-'.join(end.zfill(width) for end in run) for run in runs)}]"


class Remaining:
    """The indices of an array that have no record of their own yet, ascending."""

    def __init__(self, indices: Sequence[int]) -> None:
        self._indices = indices
        self._next = 0
        self._gone: set[int] = set()

    def __len__(self) -> int:
        return len(self._indices) - self._next - len(self._gone)

    def __bool__(self) -> bool:
        return len(self) > 0

    def __iter__(self) -> Iterator[int]:
        return (index for index in self._indices[self._next :] if index not in self._gone)

    def __contains__(self, index: int) -> bool:
        if isinstance(self._indices, range):
            is_in = index in self._indices and self._indices.index(index) >= self._next
        else:
            place = bisect_left(self._indices, index)
            is_in = self._next <= place < len(self._indices) and self._indices[place] == index
        return is_in and index not in self._gone

    def take(self, index: int | None = None) -> int:
        """Remove this one, or the first."""
        if index is None:
            index = next(iter(self)) if self._gone else self._indices[self._next]
        assert index in self
        self._gone.add(index)
        while self._next < len(self._indices) and self._indices[self._next] in self._gone:
            self._gone.remove(self._indices[self._next])
            self._next += 1
        return index

    def write(self) -> str:
        rest = self._indices[self._next :]
        return write(rest if not self._gone else [index for index in rest if index not in self._gone])
