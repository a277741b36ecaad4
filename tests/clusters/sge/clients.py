"""Grid Engine's own commands against one cluster, with what they tell about its health."""

import contextlib
import os
import subprocess

from clusters.sge.site import HOST, Site

PATIENCE_SECONDS = 15.0  # a client of a frozen daemon waits for minutes


class SgeError(Exception):
    """A daemon did not come up, or a command of the cluster's own upkeep failed; the text has the log's end."""


def environment(site: Site) -> dict[str, str]:
    """Ours without what a surrounding Grid Engine put into it, with this cluster's."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SGE_")}
    return {**kept, **site.environment}


def run(site: Site, *command: object, timeout: float, check: bool, stdin: str) -> subprocess.CompletedProcess[str]:
    """Run a client; `check` makes a failure a SgeError."""
    words = [str(word) for word in command]
    own = environment(site)
    if (site.programs / words[0]).exists():
        words[0] = str(site.programs / words[0])
    done = subprocess.run(words, env=own, capture_output=True, text=True, timeout=timeout, input=stdin)
    if check and done.returncode != 0:
        raise SgeError(f"{' '.join(words)} gave {done.returncode}: {done.stderr}{done.stdout}")
    return done


def qconf(site: Site, *arguments: object) -> str:
    return run(site, "qconf", *arguments, timeout=60, check=True, stdin="").stdout


def said(site: Site, *command: object) -> str | None:
    """What a client printed; None when it failed or hung."""
    with contextlib.suppress(subprocess.TimeoutExpired, SgeError):
        return run(site, *command, timeout=PATIENCE_SECONDS, check=True, stdin="").stdout
    return None


def answers(site: Site, name: str) -> bool:
    """Whether this daemon does its work; for execd, whether qmaster knows that it does."""
    match name:
        case "qmaster":
            return said(site, "qconf", "-sh") is not None
        case _:
            return said(site, "qping", "-info", HOST, site.ports["execd"], "execd", 1) is not None


def queues_are_up(site: Site, count: int) -> bool:
    """Whether execd has reported: until then the load of its queues is -NA-, later the state has a u."""
    lines = [line.split() for line in (said(site, "qstat", "-f") or "").splitlines() if f"@{HOST}" in line]
    return len(lines) == count and all(words[3] != "-NA-" and "u" not in "".join(words[5:]) for words in lines)


def is_accounted(site: Site, job: str) -> bool:
    """Whether a job of this number or name has ended."""
    return said(site, "qacct", "-j", job) is not None
