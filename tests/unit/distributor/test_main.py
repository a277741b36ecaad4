import pytest

from jobmon.core import local_server
from jobmon.core.cluster import ClusterKind, Connection
from jobmon.core.exceptions import ClusterError, Forbidden, ServerUnreachable
from jobmon.core.http import Address, Unanswered
from jobmon.core.settings import load_settings
from jobmon.distributor import main as main_module
from jobmon.distributor.main import connector, locator


@pytest.fixture
def token_file(tmp_path):
    file = tmp_path / "token"
    file.touch(mode=0o600)
    file.write_text("s3cret\n")
    return file


@pytest.fixture
def settings_of(tmp_path):
    def settings_of(**variables):
        named = {f"JOBMON__{name}": str(value) for name, value in variables.items()}
        return load_settings({"JOBMON__SERVER__DATA_DIR": str(tmp_path / "data")} | named)

    return settings_of


def test_a_configured_server_is_used_with_the_token_of_its_file(settings_of, token_file):
    settings = settings_of(HTTP__SERVICE_URL="https://jobmon.site/", HTTP__TOKEN_FILE=token_file)

    assert locator(settings)() == Address("https://jobmon.site", "s3cret")


def test_a_token_that_others_can_read_is_refused(settings_of, token_file):
    token_file.chmod(0o644)
    settings = settings_of(HTTP__SERVICE_URL="https://jobmon.site", HTTP__TOKEN_FILE=token_file)

    with pytest.raises(Forbidden, match="chmod 600"):
        locator(settings)


@pytest.mark.promise("F63")
def test_a_server_of_the_users_own_that_does_not_start_is_tried_again(settings_of, monkeypatch):
    def ensure(folder):
        raise ServerUnreachable("did not start")

    monkeypatch.setattr(local_server, "ensure", ensure)

    with pytest.raises(Unanswered, match="did not start"):
        locator(settings_of())()


@pytest.fixture
def connections(monkeypatch):
    made: list[Connection] = []
    kind = ClusterKind(name="fake", queues=list, connect=made.append)
    monkeypatch.setattr(main_module.cluster, "load", lambda name: kind)
    return made


def test_a_cluster_gets_a_private_folder_for_each_workflow(settings_of, tmp_path, connections):
    connector(settings_of(LOCAL__PARALLELISM=3), lambda: Address("http://here", ""))("fake", 12)

    [connection] = connections
    assert connection.state_dir == tmp_path / "data" / "clusters" / "12-fake"
    assert connection.state_dir.stat().st_mode & 0o777 == 0o700
    assert connection.service_url == "http://here"
    assert connection.token_file == str(tmp_path / "data" / "token")
    assert connection.workflow_id == 12
    assert connection.parallelism == 3


def test_a_server_that_is_away_does_not_make_a_cluster_unusable_for_good(settings_of, connections):
    def away():
        raise Unanswered("away")

    with pytest.raises(ClusterError, match="away"):
        connector(settings_of(), away)("fake", 12)


@pytest.mark.parametrize(
    "options",
    [
        ["start"],
        ["start", "--stdin", "--workflow_run_id", "7"],
        ["start", "--workflow_run_id", "seven"],
        ["go"],
    ],
)
def test_options_that_make_no_sense_are_refused(options, capsys):
    with pytest.raises(SystemExit) as refusal:
        main_module._parser().parse_args(options)

    assert refusal.value.code == 2
    assert "jobmon_distributor" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--workflow_run_id", "--workflow-run-id"])
def test_both_spellings_of_an_option_work(option):
    assert main_module._parser().parse_args(["start", option, "7"]).workflow_run_id == 7
