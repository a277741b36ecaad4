"""One executor has a folder; what was left elsewhere is not taken for gone."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from jobmon.core.exceptions import ClusterError
from jobmon.distributor.local import identity
from jobmon.distributor.local.identity import Note, sessions_to_sweep

NOTE = Note(pid=5, host="here", boot_id="b", pid_namespace="pid:[1]")


def test_one_process_at_a_time_has_the_lock(tmp_path: Path) -> None:
    lock = f"identity.lock(pathlib.Path({str(tmp_path)!r}))"
    code = f"import pathlib; from jobmon.distributor.local import identity; print({lock})"
    other = [sys.executable, "-c", code]

    assert subprocess.check_output(other) == b"True\n"
    assert identity.lock(tmp_path)
    assert subprocess.check_output(other) == b"False\n"


def test_a_note_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert identity.read_note(tmp_path) is None

    identity.write_note(tmp_path, NOTE)
    assert identity.read_note(tmp_path) == NOTE
    identity.remove_note(tmp_path)

    assert identity.read_note(tmp_path) is None


def test_sessions_are_swept_where_they_can_be_seen(tmp_path: Path) -> None:
    rebooted = msgspec.structs.replace(NOTE, boot_id="c")

    assert sessions_to_sweep(None, NOTE, tmp_path) == set()
    assert sessions_to_sweep(NOTE, NOTE, tmp_path) == {5}
    assert sessions_to_sweep(NOTE, rebooted, tmp_path) == set()


@pytest.mark.parametrize(
    "now",
    [
        msgspec.structs.replace(NOTE, host="there", boot_id="c"),
        msgspec.structs.replace(NOTE, pid_namespace="pid:[2]"),
    ],
    ids=["another machine", "another container"],
)
def test_what_cannot_be_seen_is_not_taken_for_gone(now: Note, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"last run on here \(process 5\).* remove .*executor.json"):
        sessions_to_sweep(NOTE, now, tmp_path)
