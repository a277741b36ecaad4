"""The distributor as a process, against a scripted server over HTTP and a cluster that only takes notes."""

import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from fakes.http_server import RUN_ID, HttpServer
from fakes.server import FakeServer, batch

TOKEN = "s3cret-token"

PLUGIN = """
from jobmon.core.cluster import ClusterKind, Look
from jobmon.core.wire import Pace

class Noted:
    def __init__(self, connection):
        self.notes = connection.state_dir / "notes"
        self.note("connect", connection.service_url, connection.workflow_id)

    def note(self, *words):
        with self.notes.open("a") as file:
            print(*words, file=file)

    def pace(self):
        return Pace()

    def adopt(self, batches):
        self.note("adopt", len(batches))

    def notice(self):
        return ""

    def submit(self, batch):
        self.note("submit", batch.name)
        return f"job-{batch.batch_id}"

    def look_up(self, batches):
        return {batch.batch_id: Look(absent=True) for batch in batches}

    def observe(self, jobs):
        return []

    def cancel(self, jobs):
        self.note("cancel", len(jobs))
        return []

    def events(self):
        return []

    def close(self, finished):
        self.note("close", finished)

noted = ClusterKind(name="noted", queues=lambda options: [], connect=Noted)
"""


@pytest.fixture
def fake():
    return FakeServer()


@pytest.fixture
def http(fake):
    server = HttpServer(fake, TOKEN)
    yield server
    server.kill()


@pytest.fixture
def data_dir(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN)
    return folder


@pytest.fixture
def plugins(tmp_path):
    """A folder that brings the cluster `noted` as an installed distribution would."""
    folder = tmp_path / "plugins"
    metadata = folder / "noted_cluster-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: noted-cluster\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[jobmon.clusters]\nnoted = noted_cluster:noted\n")
    (folder / "noted_cluster.py").write_text(textwrap.dedent(PLUGIN))
    return folder


@pytest.fixture
def environment(data_dir, plugins):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBMON__")}
    return kept | {"PYTHONPATH": str(plugins), "JOBMON__SERVER__DATA_DIR": str(data_dir)}


@pytest.fixture
def configured(environment, http, data_dir):
    """The environment of a user whose site has a server."""
    return environment | {
        "JOBMON__HTTP__SERVICE_URL": http.url + "/",
        "JOBMON__HTTP__TOKEN_FILE": str(data_dir / "token"),
    }


@pytest.fixture
def start():
    processes = []

    def start(environment, *options):
        process = subprocess.Popen(
            [sys.executable, "-m", "jobmon.distributor", "start", *options],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def notes(data_dir: Path) -> list[str]:
    file = data_dir / "clusters" / "1-noted" / "notes"
    return file.read_text().splitlines() if file.exists() else []


def test_a_run_is_driven_to_its_end(start, configured, fake, http, data_dir, tmp_path):
    log = tmp_path / "distributor.log"
    process = start(configured, "--workflow_run_id", str(RUN_ID), "--log-file", str(log))
    fake.offer(batch(1, cluster="noted"))
    fake.until(lambda: fake.launched)
    fake.launched.clear()
    fake.end("D")
    out, err = process.communicate(timeout=120)

    assert (process.returncode, out, err) == (0, "", "ALIVE\n")
    assert notes(data_dir) == [f"connect {http.url} 1", "submit jm-1-1", "close True"]
    assert stat.S_IMODE((data_dir / "clusters" / "1-noted").stat().st_mode) == 0o700
    assert "took batch jm-1-1 of 1 as job job-1" in log.read_text()
    assert TOKEN not in log.read_text()


def test_started_ahead_of_time_it_waits_for_its_order(start, configured, fake):
    process = start(configured, "--stdin", "--cluster_name", "noted")
    process.stdin.write(f'{{"workflow_run_id": {RUN_ID}}}\n')
    process.stdin.flush()
    fake.offer(batch(1, cluster="noted"))
    fake.until(lambda: fake.launched)
    fake.end("D")
    process.communicate(timeout=120)

    assert process.returncode == 0
    assert len(fake.leases) == 1


def test_started_ahead_of_time_for_nothing_it_goes_away_without_a_word(start, configured, fake):
    process = start(configured, "--stdin")
    out, err = process.communicate(timeout=120)

    assert (process.returncode, out, err) == (0, "", "")
    assert fake.leases == []


@pytest.mark.parametrize(
    ("line", "words"), [("what?\n", "JSON is malformed"), ('{"run": 7}\n', "missing required field")]
)
def test_an_order_that_cannot_be_read_is_an_error_that_says_so(start, configured, line, words):
    process = start(configured, "--stdin")
    _, err = process.communicate(line, timeout=120)

    assert process.returncode == 1
    assert words in err
    assert "Traceback" not in err


def test_a_misspelt_setting_is_an_error_that_names_it(start, configured):
    process = start(configured | {"JOBMON__HTTP__SERVICE_ULR": "x"}, "--workflow-run-id", "7")
    _, err = process.communicate(timeout=120)

    assert process.returncode == 1
    assert "JOBMON__HTTP__SERVICE_ULR" in err


@pytest.mark.promise("F66")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ignores_a_hang_up_and_leaves_gracefully_when_told_to(start, configured, fake, data_dir, number):
    fake.poll_seconds = 1000  # for longer than it has patience with an answer
    process = start(
        configured | {"JOBMON__HTTP__REQUEST_TIMEOUT_SECONDS": "1000"}, "--workflow_run_id", str(RUN_ID)
    )
    fake.until(lambda: fake.requests)
    process.send_signal(signal.SIGHUP)
    fake.offer(batch(1, cluster="noted"))
    fake.until(lambda: fake.launched and fake.polls_waiting)
    process.send_signal(number)
    process.communicate(timeout=120)

    assert process.returncode == 0
    assert notes(data_dir)[-1] == "close False"
    assert not any(note.startswith("cancel") for note in notes(data_dir))


@pytest.mark.promise("F66")
def test_it_leaves_when_told_to_although_the_server_is_away(start, configured, fake, http):
    process = start(configured, "--workflow_run_id", str(RUN_ID))
    fake.until(lambda: fake.requests)
    http.kill()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)

    assert process.returncode == 0


@pytest.mark.promise("F66")
def test_it_goes_on_when_nobody_reads_its_standard_error_any_more(start, configured, fake):
    process = start(configured, "--workflow_run_id", str(RUN_ID))
    process.stderr.close()
    process.stdout.close()
    fake.offer(batch(1, cluster="noted"))
    fake.until(lambda: fake.launched)
    fake.end("D")

    assert process.wait(120) == 0


@pytest.mark.promise("F02")
@pytest.mark.promise("F07")
def test_a_server_that_is_killed_and_comes_back_elsewhere_is_found_again(start, environment, fake, data_dir):
    first, second = HttpServer(fake, TOKEN), HttpServer(fake, TOKEN)
    first.write_server_file(data_dir)
    process = start(environment, "--workflow_run_id", str(RUN_ID))
    fake.offer(batch(1, cluster="noted"))
    fake.until(lambda: fake.launched and fake.polls_waiting)
    second.write_server_file(data_dir)
    first.kill()
    fake.offer(batch(2, cluster="noted"))
    fake.until(lambda: 2 in fake.launched)
    fake.end("D")
    process.communicate(timeout=120)
    second.kill()

    assert process.returncode == 0
    assert [note for note in notes(data_dir) if "submit" in note] == ["submit jm-1-1", "submit jm-1-2"]
    assert len(fake.leases) == 1
