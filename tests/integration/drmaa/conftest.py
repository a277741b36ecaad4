"""The clusters of these tests."""

from clusters.sge.fixture import own_sge, sge

__all__ = ["own_sge", "sge"]
