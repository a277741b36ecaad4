"""A real Slurm on this machine: munge, MariaDB, slurmdbd, slurmctld, four slurmd, all ended by pid.

`python -m clusters.slurm up FOLDER` (from tests/) starts one by hand, `down FOLDER` ends it.
"""

from clusters.packages import Unavailable
from clusters.slurm.clients import SlurmError
from clusters.slurm.cluster import SlurmCluster

__all__ = ["SlurmCluster", "SlurmError", "Unavailable"]
