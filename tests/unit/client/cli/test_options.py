"""Lists on the command line."""

import pytest

from jobmon.client.cli.options import repeat_flags

FLAGS = {"-w", "--workflow-id", "-s"}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("-w 1 2 3", "-w 1 -w 2 -w 3"),
        ("-w 1 -w 2", "-w 1 -w 2"),
        ("-w1 2", "-w1 -w 2"),
        ("--workflow-id 1 2 -l 5", "--workflow-id 1 --workflow-id 2 -l 5"),
        ("--workflow-id=1 2", "--workflow-id=1 --workflow-id 2"),
        ("-l 5 -s DONE FATAL -w 1", "-l 5 -s DONE -s FATAL -w 1"),
        ("-l 5 6", "-l 5 6"),
        ("-n -w 1 2 -o json", "-n -w 1 -w 2 -o json"),
        ("", ""),
        ("-w", "-w"),
    ],
)
def test_values_after_a_list_flag_all_belong_to_it(typed: str, meant: str) -> None:
    assert list(repeat_flags(typed.split(), FLAGS)) == meant.split()
