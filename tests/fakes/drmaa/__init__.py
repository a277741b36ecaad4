"""A Grid Engine of its own for tests: a module `drmaa`, the commands, a cluster that lies when it is told to.

    with FakeGridEngine(tmp_path) as sge:
        run([python, "submits.py"], env=os.environ | sge.environment)   # import drmaa finds the fake one
        run(["qstat", "-xml"], env=os.environ | sge.environment)
        sge.fault("runBulkJobs", faults.timed_out(taken=True))

Its shapes are those of Grid Engine 8.1.9, whose real answers `tests/integration/sge_cluster` holds it against.
"""

from fakes.drmaa import faults
from fakes.drmaa.fake import FakeGridEngine
from fakes.drmaa.settings import Queue, Settings

__all__ = ["FakeGridEngine", "Queue", "Settings", "faults"]
