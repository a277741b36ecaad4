"""A server with prepared answers, and the command line pointed at it."""

from collections.abc import Iterator
from pathlib import Path

import click.testing
import pytest

from fakes.canned_server import CannedServer
from fakes.command_line import Run
from jobmon.client.cli.main import main


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CannedServer]:
    with CannedServer() as server:
        monkeypatch.setenv("JOBMON__HTTP__SERVICE_URL", server.url)
        yield server


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """`run("workflow status -w 1")` as a user would type it, with no settings of anybody's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("JOBMON__SERVER__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JOBMON__HTTP__RETRY_SECONDS", "0.05")

    def run(line: str) -> click.testing.Result:
        return click.testing.CliRunner().invoke(main, line.split(), prog_name="jobmon")

    return run
