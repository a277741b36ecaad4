"""How much Slurm takes, as its configuration and accounting say."""

from collections.abc import Mapping

from jobmon.core.scheduler.limits import MESSAGE_SECONDS, Limits
from jobmon_slurm.options import Options


def read_limits(config: Mapping[str, str], submit_limit: int | None, options: Options) -> Limits:
    """From the controller's configuration, and what accounting lets the user submit."""
    jobs = _whole(config, "MaxJobCount", 10_000) - 1
    submitted = min(options.max_submitted, jobs, submit_limit if submit_limit is not None else jobs)
    batch = min(options.max_batch, _whole(config, "MaxArraySize", 1001) - 1, submitted)
    storage = config.get("AccountingStorageType", "")
    return Limits(
        batch=max(1, batch),
        submitted=max(1, submitted),
        message_seconds=float(_whole(config, "MessageTimeout", int(MESSAGE_SECONDS))),
        has_accounting=storage not in ("", "(null)", "accounting_storage/none"),
    )


def _whole(config: Mapping[str, str], name: str, default: int) -> int:
    """`10 sec` -> 10."""
    word = config.get(name, "").split(" ", 1)[0]
    return int(word) if word.isdecimal() else default
