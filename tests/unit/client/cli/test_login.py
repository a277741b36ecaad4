"""`jobmon login`, `jobmon logout` and `jobmon whoami` against a server with prepared answers."""

from pathlib import Path

import click.testing
import pytest

from fakes.canned_server import CannedServer
from fakes.command_line import Run
from jobmon.client.cli.main import main
from jobmon.core import login
from jobmon.core.defaults import Http
from jobmon.core.exceptions import ConfigError, Forbidden, InvalidRequest, Unauthorized
from jobmon.core.routes import LOGOUT, NONCE, WHOAMI
from jobmon.core.wire import Done, WhoAmI

ANN = WhoAmI(user="ann", role="user", groups=["lab"], scope="user", expires_at=2e9)


@pytest.fixture(autouse=True)
def no_munge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JOBMON__HTTP__MUNGE_SOCKET", str(tmp_path / "nothing"))


def log_in(*words: str, stdin: str = "jmu_secret\n") -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, ["login", *words], input=stdin)


def test_a_piped_token_is_checked_and_kept(server: CannedServer, run: Run, tmp_path: Path) -> None:
    server.prepare(WHOAMI, ANN)

    result = log_in("--token")

    [file] = (tmp_path / "config" / "jobmon" / "tokens").iterdir()
    assert (
        result.stdout
        == f"ann, user in lab, until 2033-05-18T03:33+00:00 at {server.url}. The token is kept in {file}.\n"
    )
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("jmu_secret", 0o600)


def test_a_wrong_token_is_not_kept(server: CannedServer, run: Run, tmp_path: Path) -> None:
    server.prepare(WHOAMI, Unauthorized("not one of this server"))

    result = log_in("--token")

    assert (result.exit_code, result.stderr) == (1, "Error: not one of this server\n")
    assert not (tmp_path / "config").exists()


def test_without_a_token_there_is_nothing_to_keep(server: CannedServer, run: Run) -> None:
    assert "jobmon-server token create" in log_in("--token", stdin="\n").stderr
    assert server.requests == []


def test_where_munge_says_nothing_a_token_is_asked_for(server: CannedServer, run: Run) -> None:
    server.prepare(NONCE, InvalidRequest("this server has one owner"))
    server.prepare(WHOAMI, ANN)

    result = log_in()

    assert result.exit_code == 0
    assert "No login by MUNGE: this server has one owner" in result.stderr


def test_a_server_of_ones_own_needs_no_login(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBMON__HTTP__SERVICE_URL", raising=False)

    for command in ("login", "logout"):
        assert "your own needs no login" in run(command).stderr


def test_a_logout_removes_the_token_even_if_the_server_knows_it_no_more(server: CannedServer, run: Run) -> None:
    server.prepare(WHOAMI, ANN)
    server.prepare(LOGOUT, Unauthorized("it was revoked"), Done())
    log_in("--token")

    assert run("logout").exit_code == 0
    assert "not logged in" in run("logout").stderr


def test_a_socket_where_nobody_listens_is_named(server: CannedServer, run: Run, tmp_path: Path) -> None:
    result = run(f"login --socket {tmp_path}/socket")

    assert result.exit_code == 1
    assert f"no Jobmon server answers at the socket {tmp_path}/socket" in result.stderr


def test_the_owner_of_a_server_is_called_so(server: CannedServer, run: Run) -> None:
    server.prepare(WHOAMI, WhoAmI(user="ann", role="admin", groups=[], scope="everything"))

    assert run("whoami").stdout == "ann, the owner of this server\n"


def test_a_token_file_that_is_not_there_is_named_with_the_way_out(
    server: CannedServer, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JOBMON__HTTP__TOKEN_FILE", str(tmp_path / "none"))

    result = click.testing.CliRunner().invoke(main, ["whoami"])

    assert result.exit_code == 1
    assert f"cannot be read from {tmp_path}/none (No such file or directory)" in result.stderr
    assert "run `jobmon login`" in result.stderr


def test_each_server_has_a_file_of_its_own() -> None:
    urls = ["http://a", "https://a", "https://a:8443", "https://b", "https://a/jobmon"]

    assert len({login.token_file(url) for url in urls}) == len(urls)
    assert login.token_file("https://a/") == login.token_file("https://a")
    assert login.token_file("https://user:secret@a") == login.token_file("https://a")


@pytest.mark.parametrize("url", ["a", "ftp://a", "http://", "/a"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="SERVICE_URL"):
        login.token_file(url)


def test_a_kept_token_replaces_one_that_others_could_read(run: Run, tmp_path: Path) -> None:
    http = Http(service_url="https://a")
    login.keep("https://a", "old").chmod(0o644)
    with pytest.raises(Forbidden, match="chmod 600"):
        login.token(http)

    login.keep("https://a", "new")
    assert login.token(http) == "new"
    assert (login.forget("https://a"), login.forget("https://a"), login.token(http)) == (True, False, "")
