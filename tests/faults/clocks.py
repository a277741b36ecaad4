"""Wall clocks that are wrong, and that are put right or wrong while a process runs."""

import shutil
import struct
import subprocess
from pathlib import Path

from clusters.packages import Unavailable

SOURCE = Path(__file__).with_name("wall_clock.c")


class WallClock:
    """The clock of whatever is started with `environment`. Raises Unavailable without a compiler."""

    def __init__(self, folder: Path, seconds_ahead: int = 0) -> None:
        library = folder / "wall_clock.so"
        if not shutil.which("cc"):
            raise Unavailable("no C compiler: apt-get install -y --no-install-recommends gcc libc6-dev")
        made = subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE)], capture_output=True, text=True
        )
        if made.returncode:
            raise Unavailable(f"cc fails (is libc6-dev installed?): {made.stderr}")
        self._file = folder / "seconds_ahead"
        self.put(seconds_ahead)
        self.environment = {"LD_PRELOAD": str(library), "WALL_CLOCK": str(self._file)}

    def put(self, seconds_ahead: int) -> None:
        """Let it be so far ahead from now on; behind, when that is negative."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds_ahead))
