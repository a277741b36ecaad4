"""Secrets."""

from pathlib import Path

import pytest

from jobmon.server.tokens import attempt_token, read_or_make, same


def test_a_token_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    made = read_or_make(tmp_path / "token")

    assert len(made) >= 32
    assert read_or_make(tmp_path / "token") == made
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


@pytest.mark.parametrize("text", ["", "\n"])
def test_an_empty_token_that_a_crash_left_is_made_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)

    made = read_or_make(tmp_path / "token")

    assert len(made) >= 32
    assert (tmp_path / "token").read_text() == made
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600


def test_tokens_of_attempts_differ_by_attempt_runner_and_server() -> None:
    secrets = (b"a", b"b")
    tokens = {attempt_token(secret, id, runner) for secret in secrets for id in (1, 11) for runner in ("1x", "x")}

    assert len(tokens) == 8
    assert attempt_token(b"a", 1, "x") in tokens


def test_secrets_are_compared_whole() -> None:
    assert same("tökén", "tökén")
    assert not same("token", "toke")
    assert not same("", "token")
