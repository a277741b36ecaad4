"""Finding the memory cgroup of a batch job in trees of both versions."""

from pathlib import Path

import pytest

from jobmon.distributor.worker.usage import find_memory_group

JOB = "77"
V1 = "9:name=systemd:/x\n4:cpu,memory:/slurm/uid_1/job_77/step_batch/task_0\n0::/other\n"
V2 = "0::/system.slice/slurmstepd.scope/job_77/step_batch/user/task_0\n"


def group(folder: Path, peak: str, events: str, kills: int) -> Path:
    folder.mkdir(parents=True)
    (folder / peak).write_text("123456789\n")
    (folder / events).write_text(f"oom_kill_disable 0\nunder_oom 0\noom 9\noom_kill {kills}\n")
    return folder / events


def test_version_1_of_slurm(tmp_path: Path) -> None:
    place = tmp_path / "memory/slurm/uid_1/job_77/step_batch/task_0"
    events = group(place, "memory.max_usage_in_bytes", "memory.oom_control", kills=2)

    found = find_memory_group(V1, JOB, str(tmp_path))

    assert found is not None
    assert found.peak_bytes() == 123456789
    assert not found.out_of_memory()
    events.write_text("oom_kill 3\n")
    assert found.out_of_memory()


def test_version_2_of_slurm_at_the_level_that_counts_memory(tmp_path: Path) -> None:
    place = tmp_path / "system.slice/slurmstepd.scope/job_77/step_batch"
    events = group(place, "memory.peak", "memory.events", kills=0)

    found = find_memory_group(V2, JOB, str(tmp_path))

    assert found is not None
    assert found.peak_bytes() == 123456789
    events.write_text("low 0\noom 1\noom_kill 1\noom_group_kill 0\n")
    assert found.out_of_memory()


def test_grid_engine_names_its_cgroups_by_the_job_alone(tmp_path: Path) -> None:
    group(tmp_path / "UGE/12.3", "memory.peak", "memory.events", kills=0)

    assert find_memory_group("0::/UGE/12.3\n", "12", str(tmp_path)) is not None
    assert find_memory_group("0::/UGE/12.3\n", "1", str(tmp_path)) is None


@pytest.mark.parametrize("job", ["", "7"])
def test_a_cgroup_shared_with_others_is_not_taken(tmp_path: Path, job: str) -> None:
    group(tmp_path / "user.slice/session-1.scope", "memory.peak", "memory.events", kills=1)

    assert find_memory_group("0::/user.slice/session-1.scope\n", job, str(tmp_path)) is None
    assert find_memory_group(V2, job, str(tmp_path)) is None
    assert find_memory_group("", job, str(tmp_path)) is None


def test_an_old_kernel_does_not_know_the_peak(tmp_path: Path) -> None:
    place = tmp_path / "system.slice/slurmstepd.scope/job_77"
    group(place, "memory.peak", "memory.events", kills=0)
    (place / "memory.peak").unlink()

    found = find_memory_group(V2, JOB, str(tmp_path))

    assert found is not None
    assert found.peak_bytes() is None
