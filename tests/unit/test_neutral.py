"""The core, the client, the server and the distributor know no batch system by name; their plugins do."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NEUTRAL = ("jobmon_core", "jobmon_client", "jobmon_server", "jobmon_distributor")
KINDS = (".py", ".toml", ".md")
BATCH_SYSTEMS = (
    r"\w*slurm\w*|sbatch|squeue|sacct(mgr)?|scancel|scontrol|sinfo|srun|salloc|sdiag|sstat|sprio|sreport",
    r"\w*sge|(sun|univa|open|son of) ?grid ?engine|\w*grid ?engine\w*|\w*drmaa\w*|qmaster|execd",
    r"qsub|qstat|qdel|qacct|qconf|qhost|qmod|qalter|qrsh|qhold|qrls|qresub|qquota",
    r"pbs|torque|openpbs|pbsnodes|flux|lsf|bsub|bjobs|bkill|(ht)?condor(_\w+)?",
)
NAMES = re.compile(rf"(?<![a-z])({'|'.join(BATCH_SYSTEMS)})(?![a-z])", re.IGNORECASE)


def test_no_line_names_a_batch_system() -> None:
    files = [
        file
        for part in NEUTRAL
        for file in sorted((ROOT / part).rglob("*"))
        if file.suffix in KINDS and "build" not in file.relative_to(ROOT).parts
    ]
    named = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in files
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if NAMES.search(line)
    ]

    assert len(files) > 100
    assert named == []


def test_the_names_are_found_where_they_are() -> None:
    for line in ("as `sbatch` does", "SLURM_JOB_ID", "libdrmaa", "Grid Engine's", "import pyslurm", "a PBS"):
        assert NAMES.search(line), line
    for line in ("message", "usage", "a fluxion", "result", "passages", "condense"):
        assert not NAMES.search(line), line
