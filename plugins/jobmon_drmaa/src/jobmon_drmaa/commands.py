"""Runs the commands of Grid Engine: argument lists, never a shell, each with a deadline."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from jobmon.core.scheduler.processes import Start, run_process
from jobmon.core.scheduler.refusals import Meaning
from jobmon.core.scheduler.shapes import NoAnswer, Refused, Unreachable
from jobmon_drmaa.options import Options
from jobmon_drmaa.refusals import in_short, meaning
from jobmon_drmaa.text import is_never_fine

ANSWER_SECONDS = 30.0
OLD_SECONDS = 3600.0  # nobody asks about jobs that ended before
PASSED_ON = ("HOME", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "SHELL", "USER")
OF_GRID_ENGINE = ("SGE_ROOT", "SGE_CELL", "SGE_CLUSTER_NAME", "SGE_QMASTER_PORT", "SGE_EXECD_PORT")


def environment(options: Options) -> dict[str, str]:
    """What a client of this cluster needs. Times are told in UTC, lines in one piece, words in English."""
    given = {
        "SGE_ROOT": options.root,
        "SGE_CELL": options.cell,
        "SGE_QMASTER_PORT": str(options.qmaster_port or ""),
        "SGE_EXECD_PORT": str(options.execd_port or ""),
    }
    kept = {name: os.environ[name] for name in (*PASSED_ON, *OF_GRID_ENGINE) if name in os.environ}
    own = {"LC_ALL": "C", "TZ": "UTC0", "SGE_SINGLE_LINE": "1"}
    return kept | {name: value for name, value in given.items() if value} | own


class Commands:
    """Runs `qstat`, `qacct`, `qconf`, `qdel`.

    start  runs one command, as `run_process` does
    """

    def __init__(self, options: Options, start: Start = run_process) -> None:
        """Nothing is run."""
        self._bin_dir = options.bin_dir
        self._seconds = options.answer_seconds or ANSWER_SECONDS
        self._environment = environment(options)
        self._start = start

    def run(self, command: str, *words: str, fine: Callable[[str], bool] = is_never_fine) -> str:
        """What the command writes. Raises Unreachable, NoAnswer, or Refused with its own words.

        fine  whether a failure with these words, of both outputs, is none
        """
        argv = [str(Path(self._bin_dir, command)) if self._bin_dir else command, *words]
        try:
            code, output, errors = self._start(argv, self._environment, self._seconds)
        except OSError as error:
            raise Unreachable(f"cannot run {argv[0]}: {error.strerror}") from error
        except subprocess.TimeoutExpired as late:
            said = in_short((late.stderr or b"").decode(errors="replace"))
            raise NoAnswer(f"{command} did not answer within {self._seconds:.0f} s: {said}") from None
        if code == 0 or fine(f"{errors}\n{output}"):
            return output
        said = in_short(errors if meaning(errors) is not Meaning.UNKNOWN else f"{errors}\n{output}")
        match meaning(said):
            case Meaning.UNREACHABLE:
                raise Unreachable(f"{command}: {said}")
            case Meaning.UNCLEAR:
                raise NoAnswer(f"{command}: {said}")
        raise Refused(f"{command}: {said}")

    def old_accounting(self) -> str:
        """The accounting that was put away last, as `util/logchecker.sh` does; "" when that is long ago."""
        root, cell = self._environment.get("SGE_ROOT", ""), self._environment.get("SGE_CELL", "default")
        path = Path(root, cell, "common", "accounting.0")
        try:
            return str(path) if root and time.time() - path.stat().st_mtime < OLD_SECONDS else ""
        except OSError:
            return ""
