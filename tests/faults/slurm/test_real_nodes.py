"""What a node cannot do before a worker runs there, on a real Slurm whose nodes wait until it is so."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clusters.slurm import SlurmCluster
from faults.place import Place

pytestmark = pytest.mark.slow

LOST, DONE = ("X", "infrastructure"), ("D", "")


@contextmanager
def drained(slurm: SlurmCluster) -> Iterator[None]:
    """No node starts anything meanwhile."""
    nodes = f"nodename={','.join(slurm.nodes)}"
    slurm.scontrol("update", nodes, "state=drain", "reason=test")
    try:
        yield
    finally:
        slurm.scontrol("update", nodes, "state=resume")
        slurm.wait_until_ready()


def own_python(folder: Path) -> Path:
    """This interpreter with all that is installed for it, by another path."""
    (folder / "bin").mkdir(parents=True)
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", folder)
    (folder / "lib").symlink_to(Path(sys.prefix) / "lib")
    python = folder / "bin" / "python"
    python.symlink_to(Path(sys.executable).resolve())
    return python


@pytest.mark.promise("F42")
def test_a_log_that_a_node_cannot_open_is_named_and_the_task_is_tried_again(
    breakable: SlurmCluster, beside: Place
) -> None:
    beside.release()
    with drained(breakable):
        script = beside.start(1)
        beside.launched()
        shutil.rmtree(beside.home.data_dir / "clusters" / "1-slurm" / "logs")

    beside.ends(script)
    assert beside.attempts() == [LOST, DONE]
    assert "Slurm could not open its log" in beside.errors()


@pytest.mark.promise("F43")
def test_an_interpreter_that_a_node_does_not_have_is_named_and_the_task_is_tried_again(
    breakable: SlurmCluster, beside: Place, tmp_path: Path
) -> None:
    python = own_python(tmp_path / "venv")
    aside = python.with_name("aside")
    beside.home.python = str(python)
    beside.release()
    with drained(breakable):
        script = beside.start(1)
        beside.launched()
        python.rename(aside)
    beside.wait(lambda: beside.attempts() == [LOST], "the loss of the attempt")
    aside.rename(python)

    beside.ends(script)
    assert beside.attempts()[0] == LOST
    assert beside.attempts()[-1] == DONE
    assert f"is {python} on a file system that all nodes share?" in beside.errors()
