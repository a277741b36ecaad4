"""Where files stand that one part writes and another one reads: one rule for both."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

NAME_BYTES_MAX = 230


def output_dirs(run_dir: str, workflow_id: int, batch_id: int, options: Mapping[str, object]) -> tuple[str, str]:
    """Folders of standard output and standard error of a batch.

    The resource options `stdout` and `stderr` name folders of the user's choice; otherwise every batch has
    its own folder below `run_dir`, so that none holds more files than a batch has attempts.
    """
    own = str(PurePosixPath(run_dir) / f"workflow-{workflow_id}" / f"batch-{batch_id}")
    return str(options.get("stdout") or own), str(options.get("stderr") or own)


def file_name(name: str) -> str:
    """A task's name as far as file systems take it (255 bytes with stream and attempt); doing it twice is once."""
    return name.encode()[:NAME_BYTES_MAX].decode(errors="ignore")


def output_file(folder: str, name: str, stream: str, instance_id: int) -> str:
    """Path of one attempt's output; `stream` is "o" or "e" as batch systems name them."""
    return f"{folder}/{file_name(name)}.{stream}{instance_id}"


def shared_dir(data_dir: Path, cluster: str) -> Path:
    """What all of a user's workflows know of a cluster: the `shared_dir` of a `cluster.Connection`."""
    return data_dir / "clusters" / cluster
