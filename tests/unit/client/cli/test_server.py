"""`jobmon server ...` and `jobmon version`, with no server of one's own or a log left by one."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.canned_server import CannedServer
from fakes.command_line import Run
from jobmon.client.cli.server import _coming, last_lines
from jobmon.core import __version__
from jobmon.core.routes import HEALTH
from jobmon.core.wire import Health


def test_version_is_the_name_and_the_number(run: Run) -> None:
    result = run("version")

    assert (result.exit_code, result.stdout) == (0, f"jobmon {__version__}\n")


def test_version_tells_the_components(run: Run) -> None:
    lines = run("version --components").stdout.splitlines()

    assert lines[0] == f"jobmon {__version__}"
    assert {"jobmon_core", "jobmon_client"} <= {line.split()[0] for line in lines[1:]}


def test_version_imports_no_command() -> None:
    """It is asked by scripts and people who wait: it must not pay for an HTTP client."""
    code = (
        "import sys, click.testing; from jobmon.client.cli.main import main;"
        "click.testing.CliRunner().invoke(main, ['version']);"
        "print([name for name in ('requests', 'msgspec', 'rich', 'yaml', 'pandas') if name in sys.modules])"
    )

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


def test_help_lists_the_groups_and_not_the_flat_names(run: Run) -> None:
    result = run("--help")

    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.partition("Commands:\n")[2].splitlines()] == [
        "cluster",
        "login",
        "logout",
        "queue",
        "server",
        "task",
        "version",
        "whoami",
        "workflow",
    ]


@pytest.mark.parametrize(
    "line", ["workflow --help", "server -h", "task status --help", "workflow_tasks -h", "cluster sync -h"]
)
def test_every_command_has_help(run: Run, line: str) -> None:
    result = run(line)

    assert result.exit_code == 0
    assert "Usage: jobmon" in result.stdout


def test_status_without_a_server_says_so(run: Run, tmp_path: Path) -> None:
    result = run("server status")

    assert result.exit_code == 0
    assert "No server of your own is running" in result.stdout
    assert str(tmp_path / "data") in result.stdout


def test_status_asks_the_server_of_the_settings(server: CannedServer, run: Run) -> None:
    server.prepare(HEALTH, Health(version="4.1", instance="i", host="db1", pid=42, uptime_seconds=61.5))

    result = run("server status")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"url      {server.url}",
        "process  pid 42 on db1, up 62 s",
        "version  4.1",
    ]


def test_stop_without_a_server_is_no_error(run: Run) -> None:
    result = run("server stop")

    assert (result.exit_code, result.stdout) == (0, "No server of your own was running.\n")


@pytest.mark.parametrize("command", ["start", "stop", "logs"])
def test_a_server_of_somebody_else_is_left_alone(server: CannedServer, run: Run, command: str) -> None:
    result = run(f"server {command}")

    assert result.exit_code == 1
    assert f"the settings name the server {server.url}" in result.stderr
    assert server.requests == []


def test_logs_are_the_last_lines(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "server.log").write_text("".join(f"line {n}\n" for n in range(100)))

    assert run("server logs -n 2").stdout == "line 98\nline 99\n"
    assert len(run("server logs").stdout.splitlines()) == 50


def test_logs_that_nobody_wrote_are_an_error_that_names_the_file(run: Run, tmp_path: Path) -> None:
    result = run("server logs")

    assert result.exit_code == 1
    assert str(tmp_path / "data" / "server.log") in result.stderr


@pytest.mark.parametrize("count", [0, 1, 3, 10_000, 50_000])
def test_the_last_lines_of_a_big_file_are_exact(tmp_path: Path, count: int) -> None:
    file = tmp_path / "log"
    lines = [f"line {n} ü" for n in range(20_000)]
    file.write_text("\n".join(lines))

    text, end = last_lines(file, count)

    assert text.splitlines() == lines[len(lines) - min(count, len(lines)) :]
    assert end == file.stat().st_size


def test_following_goes_on_with_what_comes_and_from_the_start_of_a_new_file(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("old\n")
    coming = _coming(file, 4)
    with file.open("a") as handle:
        handle.write("new\n")
    first = next(coming)
    file.write_text("x\n")

    assert (first, next(coming)) == ("new\n", "x\n")


def test_a_character_cut_in_two_arrives_whole(tmp_path: Path) -> None:
    file = tmp_path / "log"
    whole = "ü".encode()
    file.write_bytes(whole[:1])
    coming = _coming(file, 0)
    first = next(coming)
    with file.open("ab") as handle:
        handle.write(whole[1:])

    assert first + "".join(itertools.islice(coming, 1)) == "ü"
