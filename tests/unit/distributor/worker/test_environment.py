"""The environment of a command."""

from pathlib import Path

import pytest

from jobmon.distributor.worker.environment import merged


@pytest.fixture
def login(tmp_path: Path) -> str:
    file = tmp_path / "environment"
    file.write_bytes(b"PATH=/login\0HOME=/home/me\0SHARED=login\0TEXT=a=b\nc\xff\0EMPTY=\0")
    return str(file)


def test_without_a_file_it_is_that_of_the_job() -> None:
    own = {b"PATH": b"/node", b"SLURM_JOB_ID": b"7"}

    assert merged("", own) == own


def test_the_job_adds_to_what_was_there_at_login_and_its_word_is_the_last(login: str) -> None:
    variables = merged(login, {b"SLURM_JOB_ID": b"7", b"SHARED": b"job"})

    assert variables == {
        b"PATH": b"/login", b"HOME": b"/home/me", b"SHARED": b"job", b"TEXT": b"a=b\nc\xff", b"EMPTY": b"",
        b"SLURM_JOB_ID": b"7",
    }  # fmt: skip


def test_what_a_batch_system_only_passes_on_is_that_of_the_login_if_it_had_any(login: str) -> None:
    variables = merged(login, {b"PATH": b"/usr/bin", b"HOME": b"/", b"PWD": b"/var/spool", b"USER": b"me"})

    assert (variables[b"PATH"], variables[b"HOME"]) == (b"/login", b"/home/me")
    assert (variables[b"PWD"], variables[b"USER"]) == (b"/var/spool", b"me")


@pytest.mark.parametrize("content", [b"", b"\0\0", b"no variable", b"=x\0", b"A=1"])
def test_what_is_no_variable_is_left_out(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "environment"
    file.write_bytes(content)

    assert merged(str(file), {b"B": b"2"}) == {b"B": b"2"} | ({b"A": b"1"} if content == b"A=1" else {})


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        merged(str(tmp_path / "none"), {})
