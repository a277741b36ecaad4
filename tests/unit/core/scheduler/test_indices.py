"""Array indices: every form that Slurm writes, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmon.core.scheduler.indices import MOST, format_indices, parse_indices


@pytest.mark.parametrize(
    ("text", "indices"),
    [
        ("5", [5]),
        ("0-3", [0, 1, 2, 3]),
        ("1,3,5-7", [1, 3, 5, 6, 7]),
        ("0-9:3", [0, 3, 6, 9]),
        ("[0-99%5]", list(range(100))),
        ("[7,9-10]", [7, 9, 10]),
        (" 4\n", [4]),
        ("3-1", []),
        (f"0-{MOST}", None),
        ("0-4000,0-4000000", None),
        ("0-99999999999999999999", None),
        ("9" * 5000, None),
        ("N/A", None),
        ("", None),
        ("0-3,...", None),
        ("[0-3,5,...]", None),
        ("0-3:0", None),
        ("1-2-3", None),
        ("1,,2", None),
    ],
)
def test_each_form_is_read_and_none_that_slurm_cut_off(text, indices):
    assert parse_indices(text) == indices


@given(st.sets(st.integers(0, 4_000_000)))
def test_what_is_written_is_read_again(indices):
    assert parse_indices(format_indices(indices) or "3-1") == sorted(indices)


@given(st.text() | st.text("0123456789,-:%[]"))
def test_no_text_is_an_error(text):
    read = parse_indices(text)

    assert read is None or len(read) <= MOST


def test_runs_are_written_in_the_shortest_form():
    assert format_indices([8, 0, 2, 1, 5, 7, 5]) == "0-2,5,7-8"
