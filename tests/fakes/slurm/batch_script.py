"""What slurmd gives a batch script: file names, environment."""

import os
import re

from fakes.slurm.records import Part


def fill_in(pattern: str, part: Part) -> str:
    """A file name with %A, %a, %j ... in it. A pattern with a backslash is taken as it is."""
    asked = part.job.submission
    if "\\" in pattern:
        return pattern.replace("\\", "")
    values = {
        "A": part.job.job_id, "a": part.index if part.index is not None else 4294967294, "j": part.raw_id,
        "J": part.raw_id, "N": part.node, "n": 0, "s": "batch", "t": 0, "u": asked.user, "x": asked.name, "b": 0,
    }  # fmt: skip

    def value(found: re.Match[str]) -> str:
        if found[2] == "%":
            return "%"
        return str(values.get(found[2], found[0])).zfill(int(found[1] or 0))

    return os.path.join(asked.folder, re.sub(r"%(\d*)([a-zA-Z%])", value, pattern))


def job_environment(part: Part, cluster: str) -> dict[str, str]:
    """What slurmd adds to the submitter's environment."""
    job, asked = part.job, part.job.submission
    environment = {
        **asked.environment,
        "SLURM_JOB_ID": str(part.raw_id), "SLURM_JOBID": str(part.raw_id), "SLURM_JOB_NAME": asked.name,
        "SLURM_JOB_USER": asked.user, "SLURM_JOB_UID": str(asked.user_id), "SLURM_JOB_PARTITION": asked.partition,
        "SLURM_JOB_ACCOUNT": asked.account, "SLURM_JOB_QOS": asked.qos, "SLURM_CLUSTER_NAME": cluster,
        "SLURM_JOB_NODELIST": part.node, "SLURM_NODELIST": part.node, "SLURMD_NODENAME": part.node,
        "SLURM_JOB_NUM_NODES": "1", "SLURM_NNODES": "1", "SLURM_NODEID": "0", "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0", "SLURM_CPUS_ON_NODE": str(asked.cpus), "SLURM_JOB_CPUS_PER_NODE": str(asked.cpus),
        "SLURM_MEM_PER_NODE": str(asked.memory_mb), "SLURM_SUBMIT_DIR": asked.folder,
        "SLURM_SUBMIT_HOST": "login1",
        "SLURM_TASKS_PER_NODE": "1", "SLURM_TASK_PID": "0", "ENVIRONMENT": "BATCH",
    }  # fmt: skip
    if "cpus-per-task" in asked.options:
        environment["SLURM_CPUS_PER_TASK"] = str(asked.cpus)
    if part.restarts:
        environment["SLURM_RESTART_COUNT"] = str(part.restarts)
    if job.is_array:
        environment |= {
            "SLURM_ARRAY_JOB_ID": str(job.job_id), "SLURM_ARRAY_TASK_ID": str(part.index),
            "SLURM_ARRAY_TASK_COUNT": str(job.size), "SLURM_ARRAY_TASK_MIN": str(job.lowest),
            "SLURM_ARRAY_TASK_MAX": str(job.highest), "SLURM_ARRAY_TASK_STEP": "1",
        }  # fmt: skip
    return environment
