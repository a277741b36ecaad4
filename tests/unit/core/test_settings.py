"""Settings: environment over file over defaults, and no typo goes unseen."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from jobmon.core.exceptions import ConfigError
from jobmon.core.settings import Settings, data_dir, load_settings, run_dir


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for every test, so that nobody's real settings take part."""
    for name in ("CONFIG", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    return tmp_path


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_anything_the_defaults_hold() -> None:
    settings = load_settings({})

    assert settings == Settings()
    assert settings.http.service_url == ""
    assert settings.worker.tail_bytes == 65536
    assert settings.sqlite.synchronous == "FULL"


def test_every_default_is_valid() -> None:
    settings = Settings()

    assert msgspec.convert(msgspec.to_builtins(settings), Settings) == settings


def test_every_setting_can_come_from_the_environment() -> None:
    defaults = msgspec.to_builtins(Settings())
    environ = {
        f"JOBMON__{section}__{key}".upper(): str(value)
        for section, keys in defaults.items()
        for key, value in keys.items()
    }

    assert load_settings(environ) == Settings()


def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    file = written(tmp_path / "x.yaml", "server: {port: 8000, threads: 4}\nlogging:\n  level: DEBUG\n")
    settings = load_settings({"JOBMON__SERVER__PORT": "9000", "UNRELATED": "1", "JOBMON_TASK_ID": "5"}, file)

    assert (settings.server.port, settings.server.threads, settings.server.host) == (9000, 4, "127.0.0.1")
    assert settings.logging.level == "DEBUG"


def test_the_environment_of_the_process_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBMON__HTTP__SERVICE_URL", "http://jobmon.example.org")

    assert load_settings().http.service_url == "http://jobmon.example.org"


def test_the_file_is_the_one_the_environment_names(tmp_path: Path, home: Path) -> None:
    named = written(tmp_path / "mine.yaml", "server: {port: 1}")
    written(home / "config/jobmon/jobmon.yaml", "server: {port: 2}")

    assert load_settings({"JOBMON__CONFIG_FILE": str(named)}).server.port == 1
    assert load_settings({}).server.port == 2


def test_an_argument_wins_over_the_file_that_the_environment_names(tmp_path: Path) -> None:
    given = written(tmp_path / "given.yaml", "server: {port: 1}")
    named = written(tmp_path / "named.yaml", "server: {port: 2}")

    assert load_settings({"JOBMON__CONFIG_FILE": str(named)}, given).server.port == 1


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "http:\n", "{}"])
def test_an_empty_file_or_section_changes_nothing(tmp_path: Path, text: str) -> None:
    assert load_settings({}, written(tmp_path / "x.yaml", text)) == Settings()


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("JOBMON__HTTP__SERVICE_URK", "JOBMON__HTTP__SERVICE_URL"),
        ("JOBMON__HTPP__SERVICE_URL", "JOBMON__HTTP__SERVICE_URL"),
        ("JOBMON__HTTP_SERVICE_URL", "JOBMON__HTTP__SERVICE_URL"),
        ("JOBMON__SERVER__THREADS__X", "JOBMON__SERVER__THREADS"),
        ("JOBMON__CONFIGFILE", "JOBMON__CONFIG_FILE"),
        ("JOBMON__http__service_url", "JOBMON__"),
        ("JOBMON__CLUSTER__SLURM__ACCOUNT", "JOBMON__CLUSTERS__NAME__OPTION"),
    ],
)
def test_a_misspelt_variable_is_an_error_that_names_it_and_the_nearest_valid_one(name: str, nearest: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_settings({name: "1"})

    assert f"the environment has the unknown variable '{name}'" in str(raised.value)
    assert nearest in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("htpp: {service_url: x}", "unknown section 'htpp'; did you mean 'http'?"),
        ("http: {service_urk: x}", "http has the unknown key 'service_urk'; did you mean 'service_url'?"),
        ("sqlite: {zzz: x}", "sqlite has the unknown key 'zzz'; there are synchronous"),
        ("5: {a: 1}", "unknown section '5'; there are clusters, distributor, heartbeat, http"),
        ("on: {a: 1}", "unknown section 'True'"),
    ],
)
def test_a_typo_in_the_file_is_an_error_that_names_both(tmp_path: Path, text: str, message: str) -> None:
    file = written(tmp_path / "x.yaml", text)

    with pytest.raises(ConfigError) as raised:
        load_settings({}, file)

    assert f"settings file {file}" in str(raised.value)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("JOBMON__SERVER__PORT", "eighty", "Expected `int`"),
        ("JOBMON__SERVER__PORT", "70000", "<= 65535"),
        ("JOBMON__SERVER__PORT", "1.5", "Expected `int`"),
        ("JOBMON__SERVER__PORT", "", "Expected `int`"),
        ("JOBMON__HTTP__RETRY_SECONDS", "nan", "Expected `float`"),
        ("JOBMON__HTTP__RETRY_SECONDS", "inf", "Expected `float`"),
        ("JOBMON__HTTP__RETRY_SECONDS", "0", "> 0.0"),
        ("JOBMON__LOCAL__PARALLELISM", "-1", ">= 0"),
        ("JOBMON__SQLITE__SYNCHRONOUS", "full", "one of OFF, NORMAL, FULL; default 'FULL'"),
    ],
)
def test_a_variable_of_the_wrong_kind_is_named(name: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_settings({name: value})

    assert f"environment variable {name} is {value!r}" in str(raised.value)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "text", ["server: {port: '80'}", "server: {port: true}", "server: {port: [1]}", "server: {port: }"]
)
def test_a_value_of_the_wrong_kind_in_the_file_is_named(tmp_path: Path, text: str) -> None:
    file = written(tmp_path / "x.yaml", text)

    with pytest.raises(ConfigError, match=r"server\.port is .*Expected `int`") as raised:
        load_settings({}, file)

    assert str(file) in str(raised.value)


@pytest.mark.parametrize("text", ["- http", "just text", "http: [1]", "http: 5"])
def test_what_must_be_a_mapping_and_is_not_is_named(tmp_path: Path, text: str) -> None:
    file = written(tmp_path / "x.yaml", text)

    with pytest.raises(ConfigError, match="must be a mapping") as raised:
        load_settings({}, file)

    assert str(file) in str(raised.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken = written(tmp_path / "broken.yaml", "http: {service_url: [")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"http: {service_url: \xfc}")

    for file in (tmp_path / "missing.yaml", tmp_path, broken, latin):
        with pytest.raises(ConfigError, match=f"settings file {file} cannot be read"):
            load_settings({"JOBMON__CONFIG_FILE": str(file)})


def test_options_of_clusters_are_texts_under_names_in_lower_case(tmp_path: Path) -> None:
    file = written(
        tmp_path / "x.yaml",
        "clusters:\n  My-Cluster: {Poll_Seconds: 10, account: 007x, quiet: yes, factor: 1.5}\n  slurm:\n",
    )
    environ = {
        "JOBMON__CLUSTERS__MY-CLUSTER__POLL_SECONDS": "20",
        "JOBMON__CLUSTERS__SLURM__account": "",
        "JOBMON__CLUSTERS__WITH__LINES__X": "y",
    }

    assert load_settings({}, file).clusters == {
        "my-cluster": {"poll_seconds": "10", "account": "007x", "quiet": "true", "factor": "1.5"}
    }
    assert load_settings(environ, file).clusters == {
        "my-cluster": {"poll_seconds": "20", "account": "007x", "quiet": "true", "factor": "1.5"},
        "slurm": {"account": ""},
        "with__lines": {"x": "y"},
    }


@pytest.mark.parametrize("name", ["JOBMON__CLUSTERS__SLURM", "JOBMON__CLUSTERS__", "JOBMON__CLUSTERS__SLURM__"])
def test_a_variable_that_names_no_cluster_or_no_option_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: options of clusters are JOBMON__CLUSTERS__NAME__OPTION"):
        load_settings({name: "x"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clusters: [slurm]", "clusters is ['slurm']; it must be a mapping"),
        ("clusters: {slurm: 5}", "clusters.slurm is 5; it must be a mapping"),
        ("clusters: {slurm: {account: [a, b]}}", "clusters.slurm.account is ['a', 'b']; it must be one value"),
        ("clusters: {slurm: {account: }}", "clusters.slurm.account is None; it must be one value"),
    ],
)
def test_options_of_clusters_that_are_no_values_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = written(tmp_path / "x.yaml", text)

    with pytest.raises(ConfigError) as raised:
        load_settings({}, file)

    assert f"settings file {file}: {message}" in str(raised.value)


def test_folders_are_the_users_own_unless_set(home: Path) -> None:
    settings = load_settings({"JOBMON__SERVER__DATA_DIR": "~/jobmon", "JOBMON__RUN__DIR": "/runs"})

    assert (data_dir(settings), run_dir(settings)) == (Path.home() / "jobmon", Path("/runs"))
    assert data_dir(Settings()) == home / "data/jobmon"
    assert run_dir(Settings()) == home / "state/jobmon/runs"


def test_reading_the_environment_alone_does_not_import_yaml(home: Path) -> None:
    code = "import sys, jobmon.core.settings as s; s.load_settings({}); assert 'yaml' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
