"""Runs one command of a scheduler: an argument list, never a shell, with a deadline."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence

Start = Callable[[Sequence[str], Mapping[str, str], float], tuple[int, str, str]]


def run_process(argv: Sequence[str], environment: Mapping[str, str], seconds: float) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command that is given so much time.

    Raises OSError when it cannot be started, TimeoutExpired, with what it wrote to standard error, when it was
    killed with all it had started.
    """
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd="/",
        start_new_session=True,
    )
    try:
        output, errors = (part.decode(errors="replace") for part in process.communicate(timeout=seconds))
    except subprocess.TimeoutExpired as late:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        late.stderr = process.communicate()[1]
        raise
    return process.returncode, output, errors
