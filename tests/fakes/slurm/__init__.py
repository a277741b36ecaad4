"""A Slurm of its own for tests: the commands as executables, a cluster behind them that lies when it is told to.

    with FakeSlurm(tmp_path, nodes=4) as slurm:
        run(["sbatch", "--parsable", "--array=0-9", script], env=os.environ | slurm.environment)
        slurm.fault("squeue", faults.controller_down(), times=3)

Its shapes are those of Slurm 22.05.8 where a real one was seen, of the manual pages elsewhere.
"""

from fakes.scheduler.call import Call
from fakes.slurm import faults
from fakes.slurm.fake import FakeSlurm
from fakes.slurm.plan import RunScript, Simulated, Task
from fakes.slurm.records import Association, Node, Partition
from fakes.slurm.settings import Settings

__all__ = [
    "Association",
    "Call",
    "FakeSlurm",
    "Node",
    "Partition",
    "RunScript",
    "Settings",
    "Simulated",
    "Task",
    "faults",
]
