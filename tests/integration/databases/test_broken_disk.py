"""A disk that fails under SQLite: what was confirmed is there, the rest is reported, the process ends."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from jobmon.server.db import Database
from jobmon.server.start import BROKEN_EXIT
from jobmon.server.tables import tool

WRITER = """
import resource, sys, time
from pathlib import Path
from jobmon.core.defaults import Settings
from jobmon.core.exceptions import ServerError
from jobmon.server.db import insert
from jobmon.server.start import open_service
from jobmon.server.tables import tool

service = open_service(Settings(), Path(sys.argv[1]), frozenset())
size = Path(sys.argv[1], "jobmon.db-wal").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100_000, size + 100_000))  # further writes fail with EFBIG
number = 0
try:
    while True:
        service.database.write(lambda c: insert(c, tool, ("name",), [(f"{number}-{i:0200}",) for i in range(20)]))
        number += 1
        print(number, flush=True)
except ServerError as error:
    print(error, flush=True)
time.sleep(1000)  # it ends by itself
"""


@pytest.mark.promise("F22")
def test_a_write_that_the_disk_refuses_is_reported_and_ends_the_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(tmp_path)], capture_output=True, text=True, timeout=200, check=False
    )

    *confirmed, said = done.stdout.splitlines()
    assert "jobmon.db failed (disk I/O error); nothing was changed. Look at the disk" in said, done.stderr
    assert done.returncode == BROKEN_EXIT
    database = Database(f"sqlite:///{tmp_path}/jobmon.db")
    rows = database.read(lambda c: c.execute(sa.select(tool.c.name)).scalars().all())
    database.dispose()
    assert len(confirmed) > 0
    assert {int(name.partition("-")[0]) for name in rows} == set(range(len(confirmed)))
    assert len(rows) == 20 * len(confirmed)
