"""A lab of users around one server."""

from collections.abc import Callable, Iterator

import pytest

from fakes.site import Lab
from jobmon.server.db import Database


@pytest.fixture
def make_lab(database: Database) -> Iterator[Callable[[str], Lab]]:
    yield lambda visibility: Lab(database, visibility)


@pytest.fixture
def lab(make_lab: Callable[[str], Lab]) -> Lab:
    return make_lab("group")
