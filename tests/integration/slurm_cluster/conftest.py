"""The clusters of these tests."""

from clusters.slurm.fixture import own_slurm, slurm

__all__ = ["own_slurm", "slurm"]
