"""Numbers of clusters, which say what their ports are: two that start at once must not choose the same one.

A number is taken by the name of a socket in the kernel's own name space, which goes with its process. So it is
kept from the choice until the cluster is discarded, or the process that chose it has ended: then the ports tell.
"""

import contextlib
import os
import socket
from pathlib import Path

_HELD: dict[Path, int] = {}  # descriptors by the folder of the cluster


def take(name: str, folder: Path) -> bool:
    """Take it for the cluster of this folder; False when another one has it."""
    holder = socket.socket(socket.AF_UNIX)
    try:
        holder.bind(f"\0cluster of the tests: {name}")
    except OSError:
        holder.close()
        return False
    give_back(folder)
    _HELD[folder] = holder.detach()
    return True


def give_back(folder: Path) -> None:
    """Let others have it, if it was taken here."""
    with contextlib.suppress(KeyError):
        os.close(_HELD.pop(folder))
