"""The cluster contract on Slurm."""

import logging
import time
from collections.abc import Callable

from jobmon.core.cluster import Connection
from jobmon.core.exceptions import ClusterError
from jobmon.core.scheduler.cluster import SchedulerCluster
from jobmon.core.scheduler.limits import Limits
from jobmon.core.scheduler.reach import check_reach
from jobmon_slurm.api import Slurm, choose
from jobmon_slurm.dialect import SLURM
from jobmon_slurm.limits import read_limits
from jobmon_slurm.options import Options
from jobmon_slurm.resources import Request

log = logging.getLogger(__name__)


class SlurmCluster(SchedulerCluster):
    """One workflow's jobs on one Slurm. Used from one thread."""

    def __init__(
        self,
        connection: Connection,
        slurm: Slurm,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is asked yet. `clock` counts seconds from anywhere."""
        super().__init__(connection, slurm, limits, SLURM, Request(slurm), clock)

    @classmethod
    def connected(cls, connection: Connection, clock: Callable[[], float] = time.monotonic) -> "SlurmCluster":
        """Find out how to talk to Slurm, and its limits. Raises ClusterError."""
        options: Options = connection.options
        back_end, why = choose(options)
        slurm = Slurm(back_end, options)
        try:
            config = slurm.config()
            limits = read_limits(config, None, options)
            if limits.has_accounting:
                limits = read_limits(config, _submit_limit(slurm), options)
            if not options.answer_seconds:
                slurm.be_patient(3 * limits.message_seconds)
            check_reach(connection, slurm)
        except ClusterError:
            slurm.close()
            raise
        log.info("Slurm %s by %s; %s", config.get("SLURM_VERSION", "?"), why, limits)
        return cls(connection, slurm, limits, clock)


def _submit_limit(slurm: Slurm) -> int | None:
    try:
        return slurm.submit_limit()
    except ClusterError as error:
        log.warning("what accounting lets this user submit is not known: %s", error)
        return None
