"""Slurm's own words."""

from pathlib import Path

import pytest

from jobmon_slurm.dialect import SLURM


@pytest.mark.parametrize(
    ("folder", "pattern"), [("/logs/jm-1", "/logs/jm-1/%a.log"), ("/100%a/jm-1", "/100%%a/jm-1/%a.log")]
)
def test_a_percent_sign_in_the_path_is_not_a_pattern(folder, pattern):
    assert SLURM.log_path(Path(folder)) == pattern
