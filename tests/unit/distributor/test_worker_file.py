"""The worker as one file, and the files that go with it."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from jobmon.core.cluster import Connection
from jobmon.core.settings import Settings
from jobmon.distributor import worker_file
from jobmon.distributor.worker.arguments import Arguments
from jobmon.distributor.worker.environment import merged


@pytest.fixture
def connection(tmp_path: Path) -> Connection:
    return Connection(
        name="slurm",
        service_url="https://jobmon.example:8443/api",
        server_file="",
        token_file=str(tmp_path / "token"),
        state_dir=tmp_path,
        shared_dir=tmp_path,
        spool_dir=tmp_path / "spool",
        workflow_id=1,
        python=sys.executable,
        parallelism=1,
        worker=Settings().worker,
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def told(line: tuple[str, ...]) -> Arguments:
    """What a worker understands of its command line, with an attempt."""
    return Arguments([*line[4:], "--batch-id=7", "--index=3"], {})


def test_the_command_line_is_understood_by_the_worker(connection: Connection, tmp_path: Path) -> None:
    line = worker_file.command_line(Settings(), connection, tmp_path / "environment")
    arguments = told(line)

    assert line[:3] == (sys.executable, "-I", "-S")
    assert Path(line[3]).parent == tmp_path
    assert (arguments.url, arguments.server_file) == (connection.service_url, "")
    assert arguments.token_file == connection.token_file
    assert arguments.spool_dir == str(connection.spool_dir)
    assert arguments.environment_file == str(tmp_path / "environment")
    assert arguments.working_dir == os.getcwd()
    assert arguments.start_wait_seconds == connection.worker.start_wait_seconds
    assert arguments.tail_bytes == connection.worker.tail_bytes


def test_a_server_that_may_move_is_told_by_its_file_alone(connection: Connection, tmp_path: Path) -> None:
    moving = msgspec.structs.replace(connection, server_file=str(tmp_path / "server.json"))

    arguments = told(worker_file.command_line(Settings(), moving, tmp_path / "environment"))

    assert (arguments.url, arguments.server_file) == ("", moving.server_file)


def test_the_settings_reach_the_worker(connection: Connection, tmp_path: Path) -> None:
    settings = Settings()
    settings = msgspec.structs.replace(
        settings,
        worker=msgspec.structs.replace(settings.worker, start_wait_seconds=12.5),
        http=msgspec.structs.replace(settings.http, request_timeout_seconds=3),
    )

    arguments = told(worker_file.command_line(settings, connection, tmp_path / "environment"))

    assert (arguments.start_wait_seconds, arguments.request_timeout_seconds) == (12.5, 3)


def test_the_file_is_built_once_and_for_its_owner_only(tmp_path: Path) -> None:
    first = worker_file.build(tmp_path)
    built_at = first.stat().st_mtime_ns
    again = worker_file.build(tmp_path)

    assert first == again
    assert again.stat().st_mtime_ns == built_at
    assert [*tmp_path.iterdir()] == [first]
    assert mode(first) == 0o600


def test_another_worker_gets_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = worker_file.build(tmp_path)
    package = tmp_path / "package"
    package.mkdir()
    for source in Path(worker_file.worker.__path__[0]).glob("*.py"):
        (package / source.name).write_bytes(source.read_bytes() + b"# newer\n")
    monkeypatch.setattr(worker_file.worker, "__path__", [str(package)])

    theirs = worker_file.build(tmp_path)

    assert theirs != ours
    assert ours.exists()


def test_the_file_runs_by_itself(tmp_path: Path) -> None:
    argv = worker_file.start(sys.executable, worker_file.build(tmp_path))

    ran = subprocess.run([*argv, "--colour=blue"], capture_output=True, text=True, cwd="/", env={})

    assert (ran.returncode, ran.stdout) == (199, "")
    assert ran.stderr.startswith("jobmon worker: unknown argument '--colour=blue'")


def test_an_interpreter_of_another_version_says_so(tmp_path: Path) -> None:
    file = worker_file.build(tmp_path)
    file.write_bytes(b"\0\0\r\n" + file.read_bytes()[4:])

    ran = subprocess.run(worker_file.start(sys.executable, file), capture_output=True, text=True)

    assert ran.returncode == 1
    assert "Bad magic number" in ran.stderr


def test_the_environment_is_kept_as_it_is_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREETING", "grüß\ndich=1")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")

    kept = worker_file.keep_environment(tmp_path)
    again = worker_file.keep_environment(tmp_path)
    monkeypatch.setenv("GREETING", "hello")
    later = worker_file.keep_environment(tmp_path)

    assert kept == again != later
    assert mode(kept) == 0o600
    assert merged(str(kept), {})[b"GREETING"] == "grüß\ndich=1".encode()
    assert merged(str(later), {}) == dict(os.environb)


def test_what_belongs_to_this_machine_is_left_out_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SSH_TTY", "/dev/pts/0")
    monkeypatch.setenv("GREETING", "hello")

    kept = merged(str(worker_file.keep_environment(tmp_path, but=("SLURM_", "SSH_"))), {})

    assert kept[b"GREETING"] == b"hello"
    assert [name for name in kept if name.startswith((b"SLURM_", b"SSH_"))] == []
