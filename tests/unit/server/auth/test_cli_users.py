"""`jobmon-server user ...` and `jobmon-server token ...` on a database of their own."""

import re
from collections.abc import Callable
from pathlib import Path

import click.testing
import pytest

from jobmon.server.cli import main

Run = Callable[..., click.testing.Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("JOBMON__SERVER__DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return lambda line: click.testing.CliRunner().invoke(main, line.split())


def test_users_are_added_changed_and_listed(run: Run) -> None:
    for line in (
        "user add ann --group lab --group other",
        "user add bob",
        "user role bob operator",
        "user groups ann lab",
        "user disable bob",
        "user add eve",
        "user disable eve",
        "user enable eve",
    ):
        assert run(line).exit_code == 0, line

    rows = [line.split() for line in run("user list").stdout.splitlines()]
    assert [(row[0], row[1], row[2], row[5:]) for row in rows[1:]] == [
        ("ann", "user", "lab", []),
        ("bob", "operator", "-", ["disabled"]),
        ("eve", "user", "-", []),
    ]


def test_a_token_is_printed_once_or_written_to_a_private_file(run: Run, tmp_path: Path) -> None:
    run("user add ann")
    printed = run("token create ann --days 1 --note laptop")
    file = tmp_path / "token"
    written = run(f"token create ann --scope metrics --file {file}")

    assert re.fullmatch(r"jmu_[A-Za-z0-9_-]{43}\n", printed.stdout)
    assert written.stdout == ""
    assert file.stat().st_mode & 0o777 == 0o600
    listed = run("token list ann").stdout
    assert [line.split()[:3] for line in listed.splitlines()[1:]] == [
        ["1", "ann", "user"],
        ["2", "ann", "metrics"],
    ]
    assert "laptop" in listed and printed.stdout.strip() not in listed and file.read_text() not in listed


def test_tokens_are_revoked_one_by_one_or_all(run: Run) -> None:
    run("user add ann")
    for _ in range(3):
        run("token create ann")

    assert run("token revoke 2").stdout == "revoked: 2\n"
    assert run("token list").stdout.count("revoked") == 1
    assert run("token revoke --user ann").stdout == "all tokens of ann are void, 2 of them stored\n"
    assert run("token list").stdout.count("revoked") == 3


@pytest.mark.parametrize(
    "line, said",
    [
        ("user role ann admin", "`jobmon-server user add ann`"),
        ("token create ann", "`jobmon-server user add ann`"),
        ("token revoke 9", "there is no token 9"),
        ("user add a/b", "1 to 64 letters"),
        ("user add ann --group é", "the group 'é'"),
        ("token revoke", "Give either"),
        ("token revoke 1 --user ann", "Give either"),
    ],
)
def test_a_mistake_is_named_with_the_way_out(run: Run, line: str, said: str) -> None:
    result = run(line)

    assert result.exit_code != 0
    assert said in result.stderr


def test_a_user_is_added_once(run: Run) -> None:
    run("user add ann")

    assert "jobmon-server user role" in run("user add ann").stderr
