"""The test cluster itself: it runs jobs, keeps limits, survives its own faults, leaves nothing behind."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clusters.sharing import here_or_skipped
from clusters.slurm import SlurmCluster

SECONDS = 120.0
FINAL = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL"}
TESTS = Path(__file__).parents[2]


def test_an_array_completes_and_accounting_says_so(slurm, tmp_path):
    job = submit(slurm, tmp_path, "true", "--array=1-3")

    assert outcomes(slurm, job, 3) == {f"{job}_{task}": ("COMPLETED", "0:0") for task in (1, 2, 3)}


def test_a_job_above_its_memory_is_out_of_memory(slurm, tmp_path):
    if slurm.memory_enforced_by != "cgroup/v1":
        pytest.skip(f"this machine lets no job have a control group: {slurm.memory_enforced_by}")
    greedy = f"{sys.executable} -c 'import time; held = bytes(range(200)) * 2_000_000; time.sleep(600)'"
    job = submit(slurm, tmp_path, greedy, "--mem=60")

    assert outcomes(slurm, job, 1) == {job: ("OUT_OF_MEMORY", "0:125")}


@pytest.mark.parametrize(
    ("option", "reason"),
    [("--mem=2000", "MaxMemPerLimit"), ("--time=6", "PartitionTimeLimit"), ("--nodes=3", "PartitionNodeLimit")],
)
def test_a_job_above_the_limits_of_the_short_partition_stays_pending(slurm, tmp_path, option, reason):
    job = submit(slurm, tmp_path, "true", "--partition=short", option)

    wait_for(
        lambda: slurm.run("squeue", "-h", "-j", job, "-o", "%T %r").stdout.strip() == f"PENDING {reason}", job
    )
    slurm.run("scancel", job, check=True)


def test_a_cluster_of_ones_own_keeps_limits_through_a_restart_of_its_controller(own_slurm, slurm, tmp_path):
    own = own_slurm(options={"MaxArraySize": 11}, limits={"MaxSubmitJobs": 1})
    assert set(own.nodes).isdisjoint(slurm.nodes)
    assert re.search(r"MaxArraySize += 11\n", own.scontrol("show", "config"))
    job = submit(own, tmp_path, "sleep 600")

    own.stop("slurmctld")
    away = own.run("sbatch", "-o", tmp_path / "out", "--wrap", "true")
    assert "Unable to contact slurm controller" in away.stderr
    own.start("slurmctld")

    refused = own.run("sbatch", "-o", tmp_path / "out", "--wrap", "true")
    assert "AssocMaxSubmitJobLimit" in refused.stderr
    own.run("scancel", job, check=True)
    assert outcomes(own, job, 1)[job][0].startswith("CANCELLED")


@pytest.mark.timeout(900)
def test_down_ends_frozen_daemons_running_jobs_and_jobs_whose_guard_was_killed(tmp_path):
    folder = tmp_path / ("a_folder_whose_name_is_too_long_for_the_path_of_a_socket_in_it_" * 2)
    cluster = here_or_skipped(lambda: SlurmCluster(folder))
    up = command("up", folder)
    assert up.stdout == f"export SLURM_CONF={folder}/etc/slurm.conf\n", up.stderr
    run, name = cluster.site.run, cluster.site.name
    submit(cluster, tmp_path, "trap '' TERM; echo on; sleep 600; true", "-w", cluster.nodes[0])
    submit(cluster, tmp_path, "echo on; sleep 600", "-w", cluster.nodes[1])
    wait_for(lambda: [out.read_text() for out in tmp_path.glob("out.*")] == ["on\n"] * 2, tmp_path)
    assert len(cluster.kill_slurmstepd("n1")) == 1
    again = command("up", folder)
    cluster.freeze("slurmctld")
    assert processes_that_name(f"SLURM_CLUSTER_NAME={name}") != []

    assert command("down", folder).returncode == 0
    assert ("was running already" in again.stderr, again.stdout) == (True, up.stdout)
    assert processes_that_name(str(folder), str(run), f"SLURM_CLUSTER_NAME={name}") == []
    assert not run.exists()
    assert command("down", folder).returncode == 0


def submit(cluster: SlurmCluster, folder: Path, script: str, *options: str) -> str:
    done = cluster.run("sbatch", "--parsable", "-o", folder / "out.%j", *options, "--wrap", script, check=True)
    return done.stdout.strip()


def outcomes(cluster: SlurmCluster, job: str, count: int) -> dict[str, tuple[str, str]]:
    """State and exit code of each task, as accounting tells them when all are final."""
    rows: list[list[str]] = []

    def are_final() -> bool:
        text = cluster.run("sacct", "-X", "-n", "-P", "-j", job, "-o", "JobID,State,ExitCode", check=True).stdout
        rows[:] = [line.split("|") for line in text.splitlines()]
        return len(rows) == count and all(state.split()[0] in FINAL for _, state, _ in rows)

    wait_for(are_final, rows)
    return {name: (state, code) for name, state, code in rows}


def wait_for(condition: Callable[[], bool], seen: object) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not so after {SECONDS:g} s: {seen}"
        time.sleep(0.1)


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "clusters.slurm", *map(str, arguments)]
    return subprocess.run(words, cwd=TESTS, capture_output=True, text=True, timeout=250)


def processes_that_name(*texts: str) -> list[tuple[int, str]]:
    """Living processes with one of these in their command line or environment, but this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            is_zombie = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if not is_zombie and any(text.encode() in words for text in texts):
            found.append((int(entry.name), words.decode(errors="replace")[:200]))
    return found
