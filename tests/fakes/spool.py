"""What workers left on the disk, as a test reads it."""

import json
from pathlib import Path
from typing import Any

from jobmon.distributor.worker.spool import PREFIX, SUFFIX


def read_spool(folder: str) -> list[tuple[str, dict[str, Any]]]:
    """(path, body of a WorkRequest) of every outcome in the folder."""
    files = sorted(Path(folder).glob(f"{PREFIX}*{SUFFIX}"))
    return [(str(file), json.loads(file.read_bytes())) for file in files]
