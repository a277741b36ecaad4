"""Whatever happens in whatever order, the books balance."""

import random

import pytest

from fakes.slurm import FakeSlurm, Node, Simulated

ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED"}


@pytest.mark.parametrize("seed", range(8))
def test_the_books_balance(tmp_path, script, seed):
    dice = random.Random(seed)
    started, ended = [], []
    plans = [
        Simulated(50, on_start=started.append, on_end=ended.append),
        Simulated(90, "FAILED", "1:0", term_seconds=9, on_start=started.append, on_end=ended.append),
    ]
    nodes = [Node(f"n{i}", cpus=3) for i in range(3)]
    with FakeSlurm(
        tmp_path / "it", nodes, real_time=False, behave=lambda *_: dice.choice(plans), requeue_delay=7
    ) as slurm:
        for _ in range(60):
            disturb(slurm, dice, script)
            check(slurm)
            slurm.advance(dice.choice([0, 1, 10, 60]))
            check(slurm)
        for name in slurm.nodes:
            slurm.restore_node(name)
        slurm.advance(5000)

        assert all(not job.live and set(slurm.states(job.job_id).values()) <= ENDED for job in slurm.jobs)
        assert all(node.used_cpus == node.used_memory_mb == 0 for node in slurm.nodes.values())
        assert len(started) == len(ended) + sum(len(job.past) for job in slurm.jobs)
        raw = [part.raw_id for job in slurm.jobs for part in job.records()]
        assert len(raw) == len(set(raw))


def disturb(slurm, dice, script):
    """Do something that happens to a cluster."""
    names = [f"{job.job_id}_{dice.randrange(8)}" for job in slurm.jobs] or ["1_0"]
    some = dice.choice(names)
    match dice.choice(["submit", "cancel", "cancel all", "requeue", "fail", "restore", "preempt"]):
        case "submit":
            again = dice.choice(["--requeue", "--no-requeue"])
            array = f"--array=0-7%{dice.choice([0, 2])}".removesuffix("%0")
            slurm.call(
                ["sbatch", f"--job-name=j{dice.randrange(3)}", array, again, "--dependency=singleton", script]
            )
        case "cancel":
            slurm.call(["scancel", *dice.sample(names, min(2, len(names)))])
        case "cancel all":
            slurm.call(["scancel", some.partition("_")[0]])
        case "fail":
            slurm.fail_node(dice.choice(list(slurm.nodes)))
        case "restore":
            slurm.restore_node(dice.choice(list(slurm.nodes)))
        case verb if slurm.jobs and slurm.state(some) == "RUNNING":
            (slurm.requeue if verb == "requeue" else slurm.preempt)(some)


def check(slurm):
    """What every command says of a task is the same, and what runs has its place."""
    squeue = slurm.call(["squeue", "-h", "-r", "-t", "all", "--format=%i|%T"])[1]
    shown = dict(line.split("|") for line in squeue.splitlines())
    sacct = slurm.call(["sacct", "-n", "-P", "-X", "-j", "1,2,3,4,5,6,7,8", "-o", "JobID,State"])[1]
    kept = dict(line.split("|") for line in sacct.splitlines())
    truth = {f"{job.job_id}_{i}": s for job in slurm.jobs for i, s in slurm.states(job.job_id).items()}

    assert len(shown) == squeue.count("\n")
    assert all(state in (truth[name], "COMPLETING") for name, state in shown.items())
    assert all(truth[name] == state.partition(" ")[0] for name, state in kept.items() if "[" not in name)
    assert {name for name, state in truth.items() if state not in ENDED} <= set(shown)
    busy = [part for job in slurm.jobs for part in job.parts.values() if part.execution]
    assert sum(node.used_cpus for node in slurm.nodes.values()) == len(busy)
    assert all(job.live >= 0 and job.running >= 0 for job in slurm.jobs)
