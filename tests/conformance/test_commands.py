"""The part of the suite of this name, over the clusters of `conftest.py`."""

from jobmon_conformance.test_commands import *  # noqa: F403
