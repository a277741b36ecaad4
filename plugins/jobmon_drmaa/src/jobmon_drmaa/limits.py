"""How much Grid Engine takes, as its configuration says."""

from collections.abc import Mapping

from jobmon.core.scheduler.limits import Limits
from jobmon_drmaa.options import Options
from jobmon_drmaa.text import whole


def read_limits(config: Mapping[str, str], options: Options) -> Limits:
    """From `GridEngine.config`.

    `max_u_jobs` and `max_jobs` count an array once, however large it is: they limit no number of tasks, and show
    when they refuse one.
    """
    batch = min(options.max_batch, whole(config, "max_aj_tasks") or options.max_batch, options.max_submitted)
    return Limits(
        batch=batch,
        submitted=options.max_submitted,
        has_accounting="accounting=false" not in config.get("reporting_params", "").lower(),
    )
