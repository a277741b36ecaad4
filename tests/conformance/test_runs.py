"""The part of the suite of this name, over the clusters of `conftest.py`."""

from jobmon_conformance.test_runs import *  # noqa: F403
