"""A script that stands still between two chunks of its workflow until the test lets it go on."""

import json
import os
from pathlib import Path

from jobmon_conformance.home import Home

HOOK = str(Path(__file__).parent / "hook")
SENT = 2  # chunks before it stands still


def pausing(home: Home) -> dict[str, str]:
    """The environment of such a script."""
    order = {"module": "jobmon.client.bind", "name": "Graph._chunk", "when": "before", "route": ""}
    limits = {"nth": SENT + 1, "file": str(home.folder / "chunks"), "until": str(home.folder / "next chunk")}
    path = f"{HOOK}{os.pathsep}{home.environment['PYTHONPATH']}"
    return {"PYTHONPATH": path, "JOBMON_TEST_CRASH": json.dumps(order | limits)}


def wait_until_it_pauses(home: Home) -> None:
    """It has sent some chunks, and has more."""
    home.wait_for(lambda: home.value("SELECT next_chunk FROM workflow") == SENT, "the first chunks")


def go_on(home: Home) -> None:
    """Let it send the next ones."""
    (home.folder / "next chunk").touch()
