"""Memory sizes and run times: from what people write to whole bytes or seconds, then back to text.

Arithmetic is exact (fractions of the decimal text, not floats) and rounds up, so nobody gets less than
they asked for and `parse(format(x)) == x` holds for every x.
"""

import math
import re
from decimal import Context, Decimal
from fractions import Fraction
from numbers import Integral, Real

from jobmon.core.exceptions import InvalidMemoryFormat, InvalidMemoryUnit, InvalidRuntimeFormat

LARGEST = 2**63 - 1  # what a database column of 64 bits holds
GIB = 2**30

_FACTORS = {"": 1, "K": 2**10, "M": 2**20, "G": GIB, "T": 2**40, "P": 2**50}
_NUMBER = r"(?:[0-9]{1,19}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})"
_MEMORY = re.compile(rf"({_NUMBER})\s*([^\W\d_]*)")
_MEMORY_UNIT = re.compile(r"([KMGTP]?)B|([KMGTP])(?:IB)?")
_SPANS = re.compile(
    rf"(?:({_NUMBER}) ?d)? ?(?:({_NUMBER}) ?h)? ?(?:({_NUMBER}) ?m)? ?(?:({_NUMBER}) ?s)?", re.IGNORECASE
)
_CLOCK = re.compile(r"(?:([0-9]{1,9}):)?([0-9]{1,9}):([0-9]{1,9})")
_DAYS_CLOCK = re.compile(r"([0-9]{1,9})-([0-9]{1,9})(?::([0-9]{1,9}))?(?::([0-9]{1,9}))?")
_SPAN_SECONDS = (86_400, 3_600, 60, 1)

_MEMORY_FORMS = "write '1.5G', '900M', '8GiB', '512K', '1T' or '600B'; a number without a unit means GiB"
_RUNTIME_FORMS = (
    "write a number of seconds (90), '30s', '90m', '2.5h', '1h30m', '1d12h', '01:30:00' (H:M:S), "
    "'30:00' (M:S) or '1-12:00:00' (D-H:M:S)"
)
_EXACT = Context(prec=100)


def exact_number(value: object) -> Fraction | None:
    """The exact value of a finite number (numpy's too); None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, Integral):
        return Fraction(int(value))
    if isinstance(value, Real) and math.isfinite(float(value)):
        return Fraction(repr(float(value)))  # the decimal that was written: 0.1 is one tenth
    return None


def parse_memory(value: object) -> int:
    """Bytes of a memory size, rounded up.

    A number, or a text without a unit, is in GiB (1.5 is 1.5 GiB). K, M, G, T and P are powers of 1024
    with or without `B` or `iB` behind them, because that is what batch systems mean by them; case and
    spaces do not matter.

    Raises InvalidMemoryUnit for an unknown unit, InvalidMemoryFormat for anything else that is not a size
    greater than zero.
    """
    number = exact_number(value)
    factor = GIB
    if number is None and isinstance(value, str) and (match := _MEMORY.fullmatch(value.strip())):
        number = Fraction(match[1])
        factor = _factor(match[2], value) if match[2] else GIB
    if number is None or not 0 < (size := math.ceil(number * factor)) <= LARGEST:
        raise InvalidMemoryFormat(f"memory {value!r} is not a size greater than zero: {_MEMORY_FORMS}")
    return size


def format_memory(size_bytes: int) -> str:
    """The shortest text that `parse_memory` reads as exactly this many bytes: '1.5G', '900M'."""
    forms = [
        f"{_EXACT.divide(Decimal(size_bytes), Decimal(factor)):f}{prefix or 'B'}"
        for prefix, factor in reversed(_FACTORS.items())
        if factor <= max(size_bytes, 1)
    ]
    return min(forms, key=len)


def parse_runtime(value: object) -> int:
    """Seconds of a run time, rounded up.

    A number, or a text without a unit, is in seconds. Texts with a colon or a dash are read as batch systems
    read them: '30:00' is M:S, '1:30:00' H:M:S, '1-12' D-H, '1-12:30' D-H:M, '1-12:00:00' D-H:M:S.

    Raises InvalidRuntimeFormat for anything that is not a time greater than zero.
    """
    number = exact_number(value)
    if number is None and isinstance(value, str):
        number = _seconds(value.strip())
    if number is None or not 0 < (seconds := math.ceil(number)) <= LARGEST:
        raise InvalidRuntimeFormat(f"runtime {value!r} is not a time greater than zero: {_RUNTIME_FORMS}")
    return seconds


def format_runtime(seconds: int) -> str:
    """The time as [D-]HH:MM:SS, which batch systems and `parse_runtime` read."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    clock = f"{hour:02}:{minute:02}:{second:02}"
    return f"{days}-{clock}" if days else clock


def _factor(unit: str, text: str) -> int:
    match = _MEMORY_UNIT.fullmatch(unit.upper())
    if match is None:
        raise InvalidMemoryUnit(f"memory {text!r} has the unknown unit {unit!r}: {_MEMORY_FORMS}")
    return _FACTORS[match[1] or match[2] or ""]


def _seconds(text: str) -> Fraction | None:
    if re.fullmatch(_NUMBER, text):
        return Fraction(text)
    if match := _DAYS_CLOCK.fullmatch(text):
        spans = match.groups()
    elif match := _CLOCK.fullmatch(text):
        spans = (None, *match.groups())
    elif match := _SPANS.fullmatch(text):
        spans = match.groups()
    else:
        return None
    return sum(
        (Fraction(span) * unit for span, unit in zip(spans, _SPAN_SECONDS, strict=True) if span), Fraction()
    )
