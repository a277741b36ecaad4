"""A real Grid Engine on this machine: one sge_qmaster, one sge_execd, ended by pid.

`python -m clusters.sge up FOLDER` (from tests/) starts one by hand, `down FOLDER` ends it.
"""

from clusters.packages import Unavailable
from clusters.sge.clients import SgeError
from clusters.sge.cluster import SgeCluster

__all__ = ["SgeCluster", "SgeError", "Unavailable"]
