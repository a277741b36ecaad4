"""A home for each test: nothing is shared, and nothing may be left running."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobmon_conformance.home import Home, opened


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """For tests whose scripts are processes of their own."""
    with opened(tmp_path) as home:
        yield home


@pytest.fixture
def here(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """For tests in which this process is the user's script."""
    for name, value in home.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(home.folder)
    return home
