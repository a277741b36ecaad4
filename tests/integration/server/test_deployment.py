"""The files on the page about deployment are what the server, systemd, nginx and the command line take."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
import yaml
from click.testing import CliRunner

from clusters.databases import free_port
from jobmon.core.settings import load_settings
from jobmon.server import cli
from jobmon.server.site import GRACE_SECONDS

PAGE = (Path(__file__).parents[3] / "docs" / "deployment.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def block(kind: str, holding: str) -> str:
    (found,) = [text for name, text in BLOCKS if name == kind and holding in text]
    return str(found)


def unit() -> dict[str, str]:
    lines = block("ini", "ExecStart").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_the_settings_are_known_and_of_the_right_kind(tmp_path: Path) -> None:
    file = tmp_path / "jobmon.yaml"
    file.write_text(block("yaml", "database_url"))

    settings = load_settings({}, file)

    assert (settings.server.auth, settings.server.log_format) == ("site", "json")
    assert settings.server.metrics_token_file and settings.http.service_url.startswith("https://")


def test_every_command_of_the_server_exists_with_its_options() -> None:
    said = re.findall(r"(?:as_jobmon|jobmon-server) ((?:db|user|token|serve|doctor|purge)[^`\n#]*)", PAGE)
    said.append(unit()["ExecStart"].partition("jobmon-server ")[2])
    assert len(said) >= 6

    for line in said:
        words = [word for word in shlex.split(line) if word != "Containerfile"]
        done = CliRunner().invoke(cli.main, [*words[: 2 if words[0] != "serve" else 1], "--help"])

        assert done.exit_code == 0, (line, done.output)
        for option in [word for word in words if word.startswith("--")]:
            assert option in done.output, (line, option)


def test_systemd_leaves_the_server_the_time_that_its_end_may_take(tmp_path: Path) -> None:
    assert int(unit()["TimeoutStopSec"]) > GRACE_SECONDS
    assert unit()["KillMode"] == "mixed"  # the arbiter tells its processes itself


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_the_unit_is_one_that_systemd_knows(tmp_path: Path) -> None:
    text = block("ini", "ExecStart").replace("/opt/jobmon/venv/bin/jobmon-server", sys.executable)
    file = tmp_path / "jobmon.service"
    file.write_text(text.replace("User=jobmon\nGroup=jobmon\n", ""))

    done = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, timeout=60)

    assert not [line for line in done.stderr.splitlines() if "jobmon.service" in line], done.stderr


def nginx_file(folder: Path, port: int, ours: int) -> Path:
    """The page's snippet within the least that nginx needs, with a certificate of the test's own."""
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=jobmon.example.org",
        ]
        + ["-keyout", str(folder / "key.pem"), "-out", str(folder / "fullchain.pem")],
        check=True,
        capture_output=True,
        timeout=60,
    )
    snippet = block("nginx", "upstream").replace("/etc/jobmon/tls", str(folder))
    snippet = snippet.replace("listen 443", f"listen 127.0.0.1:{port}").replace(
        "127.0.0.1:8070", f"127.0.0.1:{ours}"
    )
    places = "".join(
        f"{name}_temp_path {folder};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}} "
        f"http {{ access_log off; {places} {snippet} }}"
    )
    return file


def answers(url: str, **options: object) -> requests.Response | None:
    try:
        reply = requests.get(url, timeout=60, **options)  # type: ignore[arg-type]
    except requests.RequestException:
        return None
    return reply if reply.status_code == 200 else None


def until(condition, what: str) -> None:
    deadline = time.monotonic() + 150
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_followed_step_by_step_there_is_a_server_that_is_ready_and_ends_when_it_is_told(tmp_path: Path) -> None:
    """On SQLite, without root: folders and the port are the test's own."""
    folder, port = tmp_path / "data", free_port()
    folder.mkdir(mode=0o700)
    settings = yaml.safe_load(block("yaml", "database_url"))
    settings["server"] |= {"data_dir": str(folder), "metrics_token_file": str(tmp_path / "metrics-token")}
    del settings["server"]["database_url"]
    (tmp_path / "jobmon.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "metrics-token").touch(mode=0o600)
    (tmp_path / "metrics-token").write_text("token-of-the-watcher\n")
    environment = os.environ | {"JOBMON__CONFIG_FILE": str(tmp_path / "jobmon.yaml")}
    command = [sys.executable, "-m", "jobmon.server.cli"]
    for line in ("db upgrade", "user add ann --role admin", "token create ann"):
        subprocess.run([*command, *line.split()], env=environment, check=True, capture_output=True, timeout=120)
    words = shlex.split(unit()["ExecStart"].partition("jobmon-server ")[2].replace("8070", str(port)))
    words[words.index("--processes") + 1] = "1"  # SQLite

    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen([*command, *words], env=environment, stderr=log) as one,
    ):
        try:
            until(lambda: answers(f"http://127.0.0.1:{port}/ready"), (tmp_path / "log").read_text())
            token = {"Authorization": "Bearer token-of-the-watcher"}
            metrics = answers(f"http://127.0.0.1:{port}/metrics", headers=token)
            described = answers(f"http://127.0.0.1:{port}/openapi.json")
            by_name = answers(f"http://127.0.0.1:{port}/ready", headers={"Host": "jobmon.example.org"})
            by_another = answers(f"http://127.0.0.1:{port}/ready", headers={"Host": "evil.example.org"})
        finally:
            one.send_signal(signal.SIGTERM)
            ended = one.wait(120)

    assert ended == 0
    assert metrics is not None and "jobmon_requests_total" in metrics.text
    assert described is not None and described.json()["openapi"] == "3.1.0"
    assert (by_name is not None, by_another) == (True, None)
    lines = [yaml.safe_load(line) for line in (tmp_path / "log").read_text().splitlines() if line.startswith("{")]
    assert {"GET /ready", "GET /metrics"} <= {line.get("route") for line in lines}
    assert "token-of-the-watcher" not in (tmp_path / "log").read_text()


@pytest.mark.skipif(not shutil.which("nginx") and not os.environ.get("CI"), reason="nginx is not installed")
def test_nginx_takes_its_file(tmp_path: Path) -> None:
    file = nginx_file(tmp_path, free_port(), free_port())

    done = subprocess.run(["nginx", "-t", "-c", str(file)], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
