"""Numbers, ranges, times as Grid Engine writes them."""

import time
from collections.abc import Iterable, Iterator, Sequence

FAILED = {
    0: "",
    7: "before prolog",
    19: "before writing exit_status",
    21: "in recognising job",
    25: "rescheduling",
    26: "opening input/output file",
    27: "searching requested shell",
    28: "changing into working directory",
    30: "application error returned",
    37: "qmaster enforced h_rt, h_cpu, or h_vmem limit",
    100: "assumedly after job",
}
MEMORY = {
    "": 1,
    "k": 1000,
    "K": 2**10,
    "m": 1000**2,
    "M": 2**20,
    "g": 1000**3,
    "G": 2**30,
    "t": 1000**4,
    "T": 2**40,
}
IN_LISTS, IN_DETAILS, IN_XML = "%m/%d/%Y %H:%M:%S", "%a %b %e %H:%M:%S %Y", "%Y-%m-%dT%H:%M:%S"


def when(seconds: float, pattern: str) -> str:
    """In UTC, whatever the caller's TZ is."""
    return time.strftime(pattern, time.gmtime(seconds))


def seconds(text: str) -> float:
    """Of 90, 0:1:30, INFINITY. Raises ValueError."""
    if text.upper() == "INFINITY":
        return float("inf")
    parts = text.split(":")
    if len(parts) not in (1, 3):
        raise ValueError(text)
    hours, minutes, rest = [0, 0, *(int(part or 0) for part in parts)][-3:]
    return 3600 * hours + 60 * minutes + rest


def memory(text: str) -> float:
    """Bytes of 200M, 1.5g, INFINITY. Raises ValueError."""
    if text.upper() == "INFINITY":
        return float("inf")
    digits = text.rstrip("kKmMgGtT")
    return float(digits) * MEMORY[text[len(digits) :]]


def amount(bytes_: float) -> str:
    """As qacct shows memory: 504.225MB."""
    for unit, size in (("TB", 2**40), ("GB", 2**30), ("MB", 2**20), ("KB", 2**10)):
        if bytes_ >= size:
            return f"{bytes_ / size:.3f}{unit}"
    return f"{bytes_:.3f}B"


def ranges(indices: Sequence[int]) -> str:
    """Of sorted numbers: 1,2,4-10:2."""
    written = []
    rest = list(indices)
    while rest:
        step = rest[1] - rest[0] if len(rest) > 1 else 1
        length = 1
        while length < len(rest) and rest[length] - rest[length - 1] == step:
            length += 1
        if length < 3:
            written.append(str(rest[0]))
            length = 1
        else:
            written.append(f"{rest[0]}-{rest[length - 1]}:{step}")
        rest = rest[length:]
    return ",".join(written)


def read_range(text: str) -> range:
    """Of 7, 3-9, 3-9:2. Raises ValueError."""
    span, _, step = text.partition(":")
    first, _, last = span.partition("-")
    return range(int(first), int(last or first) + 1, int(step or 1))


def split(words: Iterable[str]) -> Iterator[str]:
    """Lists of words may have commas or blanks in between."""
    return (part for word in words for part in word.split(",") if part)
