"""Values as Slurm prints them."""

import time
from collections.abc import Mapping
from functools import lru_cache

STANDARD = "%Y-%m-%dT%H:%M:%S"


@lru_cache(maxsize=65536)
def _moment(second: int, pattern: str) -> str:
    return str(second) if pattern == "%s" else time.strftime(pattern, time.localtime(second))


def moment(when: float, environment: Mapping[str, str], otherwise: str = "N/A") -> str:
    """Local time, or what SLURM_TIME_FORMAT says; 0 is `otherwise`."""
    pattern = environment.get("SLURM_TIME_FORMAT", "standard")
    return _moment(int(when), STANDARD if "%" not in pattern else pattern) if when else otherwise


def squeue_span(seconds: float) -> str:
    """0:07, 12:34, 1:00:00, 2-00:00:00."""
    days, rest = divmod(int(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    if days:
        return f"{days}-{hours:02}:{rest // 60:02}:{rest % 60:02}"
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def span(seconds: float) -> str:
    """00:12:34, 2-00:00:00."""
    days, rest = divmod(int(seconds), 86400)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days}-{clock}" if days else clock


def cpu_span(seconds: float) -> str:
    """00:01.234, 01:00:00, as sacct prints CPU times."""
    return span(seconds) if seconds >= 3600 else f"{int(seconds) // 60:02}:{seconds % 60:06.3f}"
