"""The test cluster itself: it runs jobs, keeps limits, survives its own faults, leaves nothing behind."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clusters.sge import SgeCluster
from clusters.sge.leftovers import shepherds
from clusters.sharing import here_or_skipped

SECONDS = 120.0
TESTS = Path(__file__).parents[2]
HARD_LIMIT = "37  : qmaster enforced h_rt, h_cpu, or h_vmem limit"


def test_an_array_gets_done_and_accounting_says_so(sge, tmp_path):
    job = submit(sge, tmp_path, "true", "-t", "1-3")

    assert outcomes(sge, job, 3) == dict.fromkeys(("1", "2", "3"), ("0", "0"))


def test_a_job_above_its_run_time_is_killed(sge, tmp_path):
    job = submit(sge, tmp_path, "sleep 600", "-l", "h_rt=3")

    assert outcomes(sge, job, 1) == {"undefined": (HARD_LIMIT, "137")}


def test_a_process_above_its_memory_cannot_have_more(sge, tmp_path):
    job = submit(sge, tmp_path, f"{sys.executable} -c 'bytearray(2**30)'", "-l", "h_vmem=300M")

    assert outcomes(sge, job, 1) == {"undefined": ("0", "1")}
    assert (tmp_path / f"out.{job}").read_text().endswith("MemoryError\n")


@pytest.mark.parametrize(
    "options", [("-q", "short.q", "-l", "h_rt=301"), ("-l", "h_vmem=1001G"), ("-pe", "smp", "41")]
)
def test_what_no_queue_can_run_is_refused_when_asked(sge, tmp_path, options):
    refused = sge.run("qsub", "-w", "e", *common(tmp_path), *options, "/bin/true")

    assert (refused.returncode, "no suitable queues" in refused.stderr) == (1, True)


def test_a_cluster_of_ones_own_keeps_a_job_through_a_restart_of_its_daemons(own_sge, sge, tmp_path):
    own = own_sge(options={"max_u_jobs": 1})
    assert set(own.site.ports.values()).isdisjoint(sge.site.ports.values())
    go = tmp_path / "go"
    job = submit(own, tmp_path, f"until test -e {go}; do sleep 0.1; done; exit 4")
    refused = own.run("qsub", *common(tmp_path), "/bin/true")
    assert "job rejected" in refused.stderr
    wait_for(lambda: " r " in own.run("qstat").stdout, job)

    own.kill("qmaster")
    go.touch()
    wait_for(lambda: shepherds(own.site) == [], job)
    own.stop("execd")
    away = own.run("qstat")
    assert "unable to send message to qmaster" in away.stderr
    own.start("qmaster")
    own.start("execd")

    assert outcomes(own, job, 1) == {"undefined": ("0", "4")}


@pytest.mark.timeout(900)
def test_down_ends_frozen_daemons_with_running_jobs(tmp_path):
    folder = tmp_path / "a_folder_with_a_name_that_is_not_a_short_one" / "sge"
    cluster = here_or_skipped(lambda: SgeCluster(folder))
    up = command("up", folder)
    assert f"export SGE_ROOT={folder}/root\n" in up.stdout, up.stderr
    submit(cluster, tmp_path, "trap '' TERM; echo on; setsid sleep 600 & sleep 600; true")
    wait_for(lambda: [out.read_text() for out in tmp_path.glob("out.*")] == ["on\n"], tmp_path)
    again = command("up", folder)
    cluster.freeze("qmaster")
    cluster.freeze("execd")
    assert len(processes_that_name(str(folder))) >= 4

    assert command("down", folder).returncode == 0
    assert ("was running already" in again.stderr, again.stdout) == (True, up.stdout)
    assert processes_that_name(str(folder)) == []
    assert command("down", folder).returncode == 0


def submit(cluster: SgeCluster, folder: Path, script: str, *options: str) -> str:
    """Its number, also of an array."""
    file = folder / f"script{len(list(folder.glob('script*')))}"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    done = cluster.run("qsub", "-terse", *common(folder), *options, file, check=True)
    return done.stdout.strip().partition(".")[0]


def common(folder: Path) -> list[str]:
    return ["-b", "y", "-shell", "no", "-j", "y", "-wd", str(folder), "-o", f"{folder}/out.$JOB_ID"]


def outcomes(cluster: SgeCluster, job: str, count: int) -> dict[str, tuple[str, str]]:
    """`failed` with `exit_status` of each task, as accounting tells them when all are there."""
    rows: list[dict[str, str]] = []

    def are_there() -> bool:
        text = cluster.run("qacct", "-j", job).stdout
        records = [part.splitlines() for part in text.split("=" * 62 + "\n")[1:]]
        rows[:] = [dict((*line.split(maxsplit=1), "")[:2] for line in record) for record in records]
        return len(rows) == count

    wait_for(are_there, rows)
    return {row["taskid"].strip(): (row["failed"].strip(), row["exit_status"].split()[0]) for row in rows}


def wait_for(condition: Callable[[], bool], seen: object) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not so after {SECONDS:g} s: {seen}"
        time.sleep(0.1)


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "clusters.sge", *map(str, arguments)]
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
