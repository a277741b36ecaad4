"""Job states: the long name, the short one, whether the job is over."""

PENDING, RUNNING, COMPLETING = "PENDING", "RUNNING", "COMPLETING"
COMPLETED, FAILED, CANCELLED, TIMEOUT = "COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"
NODE_FAIL, PREEMPTED, OUT_OF_MEMORY, BOOT_FAIL = "NODE_FAIL", "PREEMPTED", "OUT_OF_MEMORY", "BOOT_FAIL"
REQUEUED = "REQUEUED"

SHORT = {
    PENDING: "PD", RUNNING: "R", COMPLETING: "CG", COMPLETED: "CD", FAILED: "F", CANCELLED: "CA", TIMEOUT: "TO",
    NODE_FAIL: "NF", PREEMPTED: "PR", OUT_OF_MEMORY: "OOM", BOOT_FAIL: "BF", "DEADLINE": "DL", "SUSPENDED": "S",
    "CONFIGURING": "CF", "STOPPED": "ST", "REQUEUE_HOLD": "RH", "SPECIAL_EXIT": "SE", "RESIZING": "RS",
    REQUEUED: "RQ", "REVOKED": "RV", "SIGNALING": "SI", "STAGE_OUT": "SO", "REQUEUE_FED": "RF",
}  # fmt: skip
LONG = {short: long for long, short in SHORT.items()}

OVER = {
    COMPLETED,
    FAILED,
    CANCELLED,
    TIMEOUT,
    NODE_FAIL,
    PREEMPTED,
    OUT_OF_MEMORY,
    BOOT_FAIL,
    "DEADLINE",
    "REVOKED",
}
REASON_SHOWN = {PENDING, FAILED, TIMEOUT, OUT_OF_MEMORY, "DEADLINE"}  # where squeue's %R is "(reason)", not nodes

# What squeue and scontrol give as the reason of a job that is over.
REASONS = {FAILED: "NonZeroExitCode", TIMEOUT: "TimeLimit", OUT_OF_MEMORY: "OutOfMemory", NODE_FAIL: "NodeDown"}

# State and exit code of the batch step where it differs from the job's.
STEPS = {
    CANCELLED: (CANCELLED, "0:15"),
    TIMEOUT: (CANCELLED, "0:15"),
    PREEMPTED: (CANCELLED, "0:15"),
    REQUEUED: (CANCELLED, "0:15"),
    NODE_FAIL: (CANCELLED, "0:0"),
    OUT_OF_MEMORY: (OUT_OF_MEMORY, "0:125"),
}
SYSTEM = {NODE_FAIL, BOOT_FAIL}


def short(state: str) -> str:
    """Two letters; those of a state nobody knows are its first ones."""
    return SHORT.get(state, state[:2])
