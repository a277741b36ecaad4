"""A scripted server for the worker's connection."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.work_peer import WorkPeer


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("server-secret\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[WorkPeer]:
    peer = WorkPeer(tmp_path)
    yield peer
    peer.close()
