import subprocess
import time
from pathlib import Path

import pytest

from jobmon.core.scheduler.processes import run_process
from jobmon.core.scheduler.shapes import NoAnswer, Refused, Unreachable
from jobmon_drmaa.commands import Commands, environment
from jobmon_drmaa.options import Options

PATIENCE_SECONDS = 90.0  # only a failure waits so long


@pytest.fixture
def bin_dir(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def command(folder: Path, body: str) -> None:
    path = folder / "qstat"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def run(folder: Path, body: str, *words: str, seconds: float = PATIENCE_SECONDS, **more: object) -> str:
    command(folder, body)
    return Commands(Options(bin_dir=str(folder), answer_seconds=seconds)).run("qstat", *words, **more)


def test_a_command_gets_its_words_as_they_are(bin_dir):
    assert run(bin_dir, 'printf "%s|" "$@"', "-u", "a b", "$HOME;x", "") == "-u|a b|$HOME;x||"


def test_bytes_that_are_no_text_are_no_harm(bin_dir):
    assert run(bin_dir, r'printf "a\377b"') == "a\ufffdb"


@pytest.mark.promise("F48")
def test_a_qmaster_that_is_away_is_unreachable_also_when_it_is_told_on_standard_output(bin_dir):
    words = 'unable to send message to qmaster using port 12014 on host "q": got send error'

    with pytest.raises(Unreachable, match="qstat: unable to send message to qmaster"):
        run(bin_dir, f"echo '{words}' >&2; exit 1")
    with pytest.raises(Unreachable, match="unable to send message to qmaster"):
        run(bin_dir, f"echo '{words}'; exit 1")


def test_a_command_that_is_not_there_is_unreachable(tmp_path):
    with pytest.raises(Unreachable, match=f"cannot run {tmp_path}/qstat: No such file"):
        Commands(Options(bin_dir=str(tmp_path))).run("qstat")


@pytest.mark.promise("F47")
def test_a_command_that_hangs_is_killed_with_all_it_started(bin_dir, tmp_path):
    body = f"echo error: waiting >&2; sleep 600 & echo $! > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; wait"
    for seconds in (1, 10, PATIENCE_SECONDS):  # more, should the command not have come so far
        with pytest.raises(NoAnswer, match=f"qstat did not answer within {seconds:g} s") as caught:
            run(bin_dir, body, seconds=seconds)
        if (tmp_path / "pid").exists():
            break

    assert str(caught.value).endswith("s: waiting")
    pid = (tmp_path / "pid").read_text().strip()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not Path(f"/proc/{pid}").exists()


def test_an_error_has_its_words_unless_it_is_fine(bin_dir):
    body = "echo some; echo 'denied: job \"7\" does not exist' >&2; exit 1"
    with pytest.raises(Refused, match='qstat: denied: job "7" does not exist'):
        run(bin_dir, body)

    assert run(bin_dir, body, fine=lambda said: "does not exist" in said and "some" in said) == "some\n"


def test_words_that_nobody_knows_are_told_from_both_outputs(bin_dir):
    with pytest.raises(Refused, match="qstat: Monday; Tuesday"):
        run(bin_dir, "echo Tuesday; echo Monday >&2; exit 3")


def test_what_the_environment_of_a_client_has(monkeypatch):
    for name, value in {"SGE_ROOT": "/opt/sge", "SGE_CELL": "old", "JOB_ID": "7", "LANG": "de_DE"}.items():
        monkeypatch.setenv(name, value)
    known = environment(Options(cell="lab", qmaster_port=6444, execd_port=6445))

    assert (known["SGE_ROOT"], known["SGE_CELL"]) == ("/opt/sge", "lab")
    assert (known["SGE_QMASTER_PORT"], known["SGE_EXECD_PORT"]) == ("6444", "6445")
    assert (known["LC_ALL"], known["TZ"]) == ("C", "UTC0")
    assert not {"JOB_ID", "LANG"} & known.keys()


def test_accounting_that_was_put_away_is_found_while_it_is_new(tmp_path, monkeypatch):
    monkeypatch.delenv("SGE_CELL", raising=False)
    commands = Commands(Options(root=str(tmp_path)))
    assert commands.old_accounting() == ""
    path = tmp_path / "default" / "common" / "accounting.0"
    path.parent.mkdir(parents=True)
    path.touch()
    assert commands.old_accounting() == str(path)

    subprocess.run(["touch", "-d", "2 hours ago", path], check=True)
    assert commands.old_accounting() == ""


def test_a_process_tells_how_it_ended():
    assert run_process(["/bin/sh", "-c", "echo a; echo b >&2; exit 3"], {}, PATIENCE_SECONDS) == (3, "a\n", "b\n")
