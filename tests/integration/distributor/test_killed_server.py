"""Client and server are killed in the middle of a run; the distributor starts the server again and goes on."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from jobmon.core import local_server

TASKS = 6

SCRIPT = """
import sys
from jobmon.client.api import Tool

tool = Tool(name="witnessed")
template = tool.get_task_template(
    template_name="step",
    command_template="echo {number} >> {witness!q}; until [ -e {witness!q}.go ]; do sleep 0.05; done",
    node_args=["number"],
    task_args=["witness"],
)
tasks = []
for number in range(int(sys.argv[2])):
    tasks.append(template.create_task(number=number, witness=sys.argv[1], upstream_tasks=tasks[-1:]))
workflow = tool.create_workflow(name="witnessed", default_cluster_name="local")
workflow.add_tasks(tasks)
workflow.run()
"""


def wait_for(condition, seconds=120.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)


def kill_all_of(folder: Path) -> None:
    """End the processes whose command line names this folder, which is the test's own."""
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and str(folder).encode() in (process / "cmdline").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)


@pytest.fixture
def data_dir(tmp_path):
    yield tmp_path / "data"
    kill_all_of(tmp_path)


@pytest.fixture
def client(data_dir, tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBMON__")}
    own = {"JOBMON__SERVER__DATA_DIR": str(data_dir), "JOBMON__RUN__DIR": str(tmp_path / "runs")}
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "witness"), str(TASKS)],
        env=kept | own,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield process
    process.kill()
    process.wait()


def distributor_log(tmp_path: Path) -> str:
    return "".join(file.read_text() for file in tmp_path.rglob("distributor-*.log"))


@pytest.mark.slow
@pytest.mark.promise("F63")
@pytest.mark.promise("F07")
def test_the_run_goes_on_to_its_end_and_no_task_runs_twice(client, data_dir, tmp_path):
    witness = tmp_path / "witness"
    wait_for(witness.exists)
    client.kill()
    killed = local_server.read_server_file(data_dir)
    os.kill(killed.pid, signal.SIGKILL)
    (tmp_path / "witness.go").touch()  # until now the first command runs
    wait_for(lambda: "is over with status" in distributor_log(tmp_path))

    assert "is over with status D" in distributor_log(tmp_path)
    assert witness.read_text().split() == [str(number) for number in range(TASKS)]
    assert local_server.read_server_file(data_dir).instance != killed.instance
