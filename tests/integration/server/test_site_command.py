"""`jobmon-server serve` as a process: by gunicorn, and by waitress where there is no gunicorn."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from clusters.databases import free_port
from jobmon.core.routes import HEALTH

WITHOUT_GUNICORN = "import sys; sys.modules['gunicorn'] = None; from jobmon.server.cli import main; main()"
WITH_IT = "from jobmon.server.cli import main; main()"


@contextlib.contextmanager
def serving(folder: Path, script: str, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The process and its URL, once it answers."""
    bind = f"127.0.0.1:{free_port()}"
    settings = {"JOBMON__SERVER__DATA_DIR": str(folder), "JOBMON__CONFIG_FILE": str(folder / "none.yaml")}
    folder.mkdir(exist_ok=True)
    (folder / "none.yaml").write_text("")
    log_file = folder / f"{bind}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", script, "serve", "--bind", bind, *words],
            env={**os.environ, **settings},
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_up(process, f"http://{bind}", log_file)
        yield process, f"http://{bind}"
    finally:
        process.kill()
        process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], url: str, log_file: Path) -> None:
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(requests.ConnectionError, requests.Timeout):
            requests.get(url + HEALTH.prefix + HEALTH.path, timeout=60)
            return
        time.sleep(0.05)
    raise AssertionError(f"it does not answer: {log_file.read_text()}")


@pytest.mark.parametrize("script", [WITH_IT, WITHOUT_GUNICORN])
def test_it_answers_until_it_is_told_to_end_and_ends_well(tmp_path, script):
    with serving(tmp_path, script) as (process, url):
        health = requests.get(url + HEALTH.prefix + HEALTH.path, timeout=120).json()
        process.send_signal(signal.SIGTERM)

        assert process.wait(120) == 0
    assert health["version"]
    assert (tmp_path / "jobmon.db").exists()


@pytest.mark.promise("F12")
@pytest.mark.parametrize("script", [WITH_IT, WITHOUT_GUNICORN])
def test_clients_that_do_not_close_their_connections_hold_up_nobody(tmp_path, script):
    """Waiting for one after the other would take longer than the last one here has patience."""
    request = f"GET {HEALTH.url()} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    with serving(tmp_path, script) as (_, url), contextlib.ExitStack() as held:
        host, _, port = url.partition("//")[2].partition(":")
        for _ in range(60):
            held.enter_context(socket.create_connection((host, int(port)), timeout=120)).sendall(request)

        assert requests.get(url + HEALTH.url(), timeout=75).ok


@pytest.mark.promise("F14")
def test_a_second_one_on_the_same_file_is_refused_with_the_name_of_the_first(tmp_path):
    with serving(tmp_path, WITH_IT) as (process, _):
        refusal = rf"is served already by pid {process.pid} on "
        with pytest.raises(AssertionError, match=refusal), serving(tmp_path, WITH_IT):
            pass
