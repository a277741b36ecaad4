"""The part of the suite of this name, over the clusters of `conftest.py`."""

from jobmon_conformance.test_contract import *  # noqa: F403
