"""Outcomes that wait in files."""

from pathlib import Path

import pytest

from jobmon.distributor.worker.spool import read_spool, write_spool

REQUEST = {"runner": "r-1", "node": "n", "sequence": 9, "outcomes": [{"instance_id": 5, "message": "é\n"}]}


@pytest.mark.promise("F06")
def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    folder = str(tmp_path / "not" / "there")

    path = write_spool(folder, REQUEST)
    again = write_spool(folder, REQUEST)

    assert path == again == f"{folder}/outcome-5-r-1.json"
    assert [*read_spool(folder)] == [(path, REQUEST)]


@pytest.mark.promise("F06")
def test_unfinished_and_foreign_files_are_left_out(tmp_path: Path) -> None:
    path = write_spool(str(tmp_path), REQUEST)
    (tmp_path / ".outcome-6-r.json.unfinished").write_text('{"runner"')
    (tmp_path / "command-5-r").write_text("exit 0")

    assert [found for found, _ in read_spool(str(tmp_path))] == [path]


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert [*read_spool(str(tmp_path / "none"))] == []
