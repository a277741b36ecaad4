"""Memory sizes and run times, read from what people write."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmon.core.exceptions import InvalidMemoryFormat, InvalidMemoryUnit, InvalidRuntimeFormat, JobmonError
from jobmon.core.quantities import LARGEST, format_memory, format_runtime, parse_memory, parse_runtime

K, M, G, T, P = (2 ** (10 * power) for power in range(1, 6))


@pytest.mark.parametrize(
    ("written", "size_bytes"),
    [
        ("1.5G", 3 * G // 2),
        ("900M", 900 * M),
        ("8GiB", 8 * G),
        ("8GB", 8 * G),
        ("8gb", 8 * G),
        ("1T", T),
        ("2PiB", 2 * P),
        ("512K", 512 * K),
        ("600B", 600),
        ("1b", 1),
        (" 8 G ", 8 * G),
        (".5G", G // 2),
        ("1.G", G),
        ("8", 8 * G),
        ("1.5", 3 * G // 2),
        (8, 8 * G),
        (1.5, 3 * G // 2),
        (np.int64(3), 3 * G),
        (np.float32(0.5), G // 2),
        ("0.1B", 1),  # rounded up
        (0.1, math.ceil(Decimal("0.1") * G)),
    ],
)
def test_memory_is_read_in_every_form_people_write(written: object, size_bytes: int) -> None:
    assert parse_memory(written) == size_bytes


@pytest.mark.parametrize(
    "written",
    ["", " ", "G", "much", "-1G", "1,5G", "1.5.2G", "0", "0G", 0, -1, 0.0, math.nan, math.inf, "nan", "inf"]
    + ["1e3", "１G", "1G 2M", True, np.bool_(True), None, b"1G", [1], "9" * 40, "9999999P", 10**30, "1\0G"],
)
def test_memory_that_is_no_size_is_refused_with_the_text_and_the_forms_that_work(written: object) -> None:
    with pytest.raises((InvalidMemoryFormat, InvalidMemoryUnit)) as raised:
        parse_memory(written)

    assert repr(written) in str(raised.value)
    assert "'1.5G', '900M', '8GiB'" in str(raised.value)
    assert isinstance(raised.value, ValueError)
    assert isinstance(raised.value, JobmonError)


@pytest.mark.parametrize("unit", ["X", "E", "iB", "GX", "GiBi", "bytes", "µ"])
def test_an_unknown_memory_unit_is_named(unit: str) -> None:
    with pytest.raises(InvalidMemoryUnit, match=f"unknown unit '{unit}'"):
        parse_memory(f"5{unit}")


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(3 * G // 2, "1.5G"), (900 * M, "900M"), (G, "1G"), (1000 * M, "1000M"), (1023, "1023B"), (0, "0B")]
    + [(T, "1T"), (1, "1B"), (1536, "1.5K"), (G + 1, "1073741825B"), (3 * P, "3P")],
)
def test_memory_is_shown_in_its_shortest_exact_form(size_bytes: int, text: str) -> None:
    assert format_memory(size_bytes) == text


@given(
    st.integers(1, LARGEST) | st.builds(lambda n, f: n * f, st.integers(1, 2**13), st.sampled_from([K, M, G, T]))
)
def test_memory_survives_being_shown_and_read(size_bytes: int) -> None:
    assert parse_memory(format_memory(size_bytes)) == size_bytes


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (90, 90),
        (90.5, 91),
        ("90", 90),
        ("90.5", 91),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("2.5h", 9000),
        ("90m", 5400),
        ("30s", 30),
        ("1d", 86400),
        ("1d12h", 129600),
        ("1D12H", 129600),
        ("1d2h3m4s", 93784),
        ("0.1h", 360),
        (0.1 + 0.2, 1),
        ("01:30:00", 5400),
        ("30:00", 1800),
        ("00:90:00", 5400),
        ("1-12:00:00", 129600),
        ("1-12", 129600),
        ("1-12:30", 131400),
        ("0-00:00:01", 1),
        (np.int32(7), 7),
        (np.float64(7.2), 8),
    ],
)
def test_runtime_is_read_in_every_form_people_write(written: object, seconds: int) -> None:
    assert parse_runtime(written) == seconds


@pytest.mark.parametrize(
    "written",
    ["", "h", "soon", "1h30", "30m1h", "-5", "1:2:3:4", "1-", "-1:00", "00:00", 0, -1, math.nan, math.inf]
    + [True, None, [90], "1 hour", "1.5:00", "9" * 40, "1d" + " " * 50_000 + "x", "1-12:00:00:00", "１h"],
)
def test_a_runtime_that_is_no_time_is_refused_with_the_text_and_the_forms_that_work(written: object) -> None:
    with pytest.raises(InvalidRuntimeFormat) as raised:
        parse_runtime(written)

    assert repr(written) in str(raised.value)
    assert "'1h30m'" in str(raised.value)
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "00:00:00"), (5400, "01:30:00"), (86399, "23:59:59"), (129600, "1-12:00:00")]
)
def test_runtime_is_shown_as_batch_systems_read_it(seconds: int, text: str) -> None:
    assert format_runtime(seconds) == text


@given(st.integers(1, 86_400 * 999_999_999))
def test_runtime_survives_being_shown_and_read(seconds: int) -> None:
    assert parse_runtime(format_runtime(seconds)) == seconds


@given(st.text(max_size=20) | st.floats() | st.integers() | st.none() | st.booleans())
def test_anything_is_either_read_or_refused_by_name(value: object) -> None:
    for parse in (parse_memory, parse_runtime):
        try:
            number = parse(value)
        except (InvalidMemoryFormat, InvalidMemoryUnit, InvalidRuntimeFormat):
            continue

        assert 1 <= number <= LARGEST
