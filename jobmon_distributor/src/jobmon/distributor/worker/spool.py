"""Outcomes that could not be told: files of the shared disk that a distributor later replays."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PREFIX, SUFFIX = "outcome-", ".json"


def write_spool(folder: str, request: dict[str, Any]) -> str:
    """Keep a request with one outcome, whole or not at all; the path. Raises OSError."""
    os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103  # pathlib is slow to import
    name = f"{PREFIX}{request['outcomes'][0]['instance_id']}-{request['runner']}{SUFFIX}"
    path, unfinished = f"{folder}/{name}", f"{folder}/.{name}.unfinished"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # it holds the token
    with open(descriptor, "w") as file:  # noqa: PTH123
        json.dump(request, file)
        file.flush()
        os.fsync(descriptor)
    os.rename(unfinished, path)  # noqa: PTH104
    _sync_folder(folder)
    return path


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
