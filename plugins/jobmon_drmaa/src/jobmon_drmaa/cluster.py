"""The cluster contract on Grid Engine."""

import logging
import time
from collections.abc import Callable

from jobmon.core.cluster import Connection
from jobmon.core.exceptions import ClusterError
from jobmon.core.scheduler.cluster import SchedulerCluster
from jobmon.core.scheduler.limits import Limits
from jobmon.core.scheduler.reach import check_reach
from jobmon_drmaa.api import GridEngine
from jobmon_drmaa.dialect import GRID_ENGINE
from jobmon_drmaa.limits import read_limits
from jobmon_drmaa.options import Options
from jobmon_drmaa.resources import Request

log = logging.getLogger(__name__)


class GridEngineCluster(SchedulerCluster):
    """One workflow's jobs on one Grid Engine. Used from one thread."""

    def __init__(
        self,
        connection: Connection,
        grid_engine: GridEngine,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is asked yet. `clock` counts seconds from anywhere."""
        request = Request(grid_engine, connection.options)
        super().__init__(connection, grid_engine, limits, GRID_ENGINE, request, clock)

    @classmethod
    def connected(cls, connection: Connection, clock: Callable[[], float] = time.monotonic) -> "GridEngineCluster":
        """Find Grid Engine, and its limits. Raises ClusterError."""
        options: Options = connection.options
        grid_engine = GridEngine(options)
        try:
            limits = read_limits(grid_engine.config(), options)
            check_reach(connection, grid_engine)
        except ClusterError:
            grid_engine.close()
            raise
        log.info("Grid Engine %s", limits)
        return cls(connection, grid_engine, limits, clock)
