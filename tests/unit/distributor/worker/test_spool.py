"""Outcomes that wait in files."""

from pathlib import Path

import pytest

from fakes.spool import read_spool
from jobmon.distributor.worker.spool import write_spool

REQUEST = {"runner": "r-1", "node": "n", "sequence": 9, "outcomes": [{"instance_id": 5, "message": "é\n"}]}


@pytest.mark.promise("F06")
def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    folder = str(tmp_path / "not" / "there")

    path = write_spool(folder, REQUEST)
    again = write_spool(folder, REQUEST)

    assert path == again == f"{folder}/outcome-5-r-1.json"
    assert [*read_spool(folder)] == [(path, REQUEST)]
