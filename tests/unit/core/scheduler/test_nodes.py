"""Nodes where tasks did not start: avoided for a while, known to all of a user's processes."""

import subprocess
import sys

import pytest

from fakes.clock import Clock
from jobmon.core.scheduler.nodes import FILE, Nodes

WRITER = """
import sys
from pathlib import Path
from jobmon.core.scheduler.nodes import Nodes
nodes = Nodes(Path(sys.argv[1]), avoid_after=1000)
for task_id in range(100):
    nodes.failed("n1", int(sys.argv[2]) + task_id, "no interpreter")
"""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.promise("F43")
def test_a_node_is_avoided_after_three_different_tasks_for_an_hour(tmp_path, clock):
    nodes = Nodes(tmp_path, clock=clock)
    for task_id in (1, 1, 1, 2):
        nodes.failed("n1", task_id, "no interpreter")
        nodes.failed(f"n{task_id + 4}", task_id, "no interpreter")
    assert nodes.avoided() == {}
    clock.now += 1800
    nodes.failed("n1", 3, "no log")
    assert {name: failure.why for name, failure in nodes.avoided().items()} == {"n1": "no log"}
    clock.now += 1799
    assert "n1" in nodes.avoided()
    clock.now += 1

    assert nodes.avoided() == {}


@pytest.mark.promise("F43")
def test_one_task_that_fails_everywhere_blames_no_node(tmp_path):
    nodes = Nodes(tmp_path)
    for node in ("n1", "n2", "n3"):
        for _ in range(5):
            nodes.failed(node, 1, "no interpreter")

    assert nodes.avoided() == {}


@pytest.mark.promise("F43")
def test_two_processes_share_the_file_and_lose_nothing(tmp_path):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), first]) for first in ("0", "100")]
    assert [writer.wait(120) for writer in writers] == [0, 0]

    assert Nodes(tmp_path, avoid_after=200).avoided().keys() == {"n1"}
    assert Nodes(tmp_path, avoid_after=201).avoided() == {}


def test_the_file_stays_small_however_many_tasks_fail(tmp_path, clock):
    nodes = Nodes(tmp_path, clock=clock)
    for task_id in range(200):
        clock.now += 1
        nodes.failed(f"n{task_id % 2}", task_id, "no interpreter")

    assert len((tmp_path / FILE).read_bytes()) < 1000
    assert nodes.avoided()["n1"].task_id == 199


def test_forgiven_nodes_are_used_again(tmp_path):
    nodes = Nodes(tmp_path)
    assert not nodes.forgive()
    for task_id in range(3):
        nodes.failed("n1", task_id, "no interpreter")

    assert nodes.forgive()
    assert nodes.avoided() == {}
    assert not nodes.forgive()


@pytest.mark.parametrize("content", [b"", b"[", b"\xff\xfe", b'{"node": 1}', b'[{"node": "n1"}]', b"[null]"])
def test_a_file_that_cannot_be_read_is_none(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    nodes = Nodes(tmp_path, avoid_after=1)
    assert nodes.avoided() == {}
    nodes.failed("n1", 1, "no interpreter")

    assert nodes.avoided().keys() == {"n1"}


def test_a_folder_that_cannot_be_written_costs_the_note_only(tmp_path):
    (tmp_path / "shared").touch()
    nodes = Nodes(tmp_path / "shared", avoid_after=1)
    nodes.failed("n1", 1, "no interpreter")

    assert nodes.avoided() == {}
